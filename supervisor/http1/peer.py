"""The process at the other end of a connection, as the kernel names it."""

import os
import socket
import struct
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """Process id and user id of a peer; None is what the kernel does not tell."""

    pid: int | None = None
    user: int | None = None


def peer_of(connection: socket.socket) -> Peer:
    """Identify the peer of a Unix socket: on Linux by pid and user, on macOS and the BSDs by user.

    Raises `OSError` if the peer has gone.
    """
    if connection.family != getattr(socket, "AF_UNIX", None):
        return Peer()
    if sys.platform == "linux":
        credentials = struct.Struct("3i")  # struct ucred: pid, uid, gid
        received = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
        pid, user, _ = credentials.unpack(received)
        return Peer(pid if pid > 0 else None, user)  # 0: a process of another pid namespace
    else:  # noqa: RET505  a type checker skips only a branch
        import ctypes

        user_id, group_id = ctypes.c_uint(), ctypes.c_uint()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.getpeereid(connection.fileno(), ctypes.byref(user_id), ctypes.byref(group_id)) != 0:
            raise OSError(ctypes.get_errno(), "getpeereid")
        return Peer(None, user_id.value)


def may_enter(peer: Peer) -> bool:
    """Whether a peer is admitted: our own user and root; without a user id the folder's permissions have decided."""
    return peer.user is None or sys.platform == "win32" or peer.user in {os.geteuid(), 0}
