"""Readiness by `sd_notify`: the bot sends `READY=1` to the socket that `NOTIFY_SOCKET` names.

Protocol: sd_notify(3). Taken are READY, STOPPING, WATCHDOG and STATUS; every other assignment is ignored. Abstract
addresses (`@name`) are not offered: they have no file permissions, so anyone on the machine could send to them.
"""

import asyncio
import os
import socket
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from supervisor.system.escape import one_line
from supervisor.system.inode import Inode, inode_of
from supervisor.system.runtime_dir import MAX_ADDRESS

MAX_DATAGRAM = 4096
"""Longest message taken, in bytes; longer ones are dropped whole, as systemd does (`NOTIFY_BUFFER_MAX`)."""

MAX_STATUS = 256
"""Characters kept of a STATUS text."""

_BURST = 64  # messages taken per turn of the event loop, so that a flood does not keep the others waiting
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


class NotifyError(Exception):
    """The notification socket cannot be offered; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One message. `pid` is its sender according to the kernel, or None where the kernel does not report it (macOS)."""

    pid: int | None
    ready: bool = False
    stopping: bool = False
    watchdog: bool = False
    unwell: bool = False
    """WATCHDOG=trigger: it asks to be taken for one that hangs."""
    status: str | None = None


class NotifySocket:
    """Offers a notification socket while its context is open; to be entered with an event loop running.

    The socket lies at `path`, in a directory that must be closed to other users. Where the kernel names the sender
    (Linux), a message counts only if `trusted(pid)`; elsewhere the directory's permissions alone decide.
    """

    def __init__(
        self,
        path: Path,
        on_notification: Callable[[Notification], None],
        *,
        trusted: Callable[[int], bool],
    ) -> None:
        self._path = path
        self._on_notification = on_notification
        self._trusted = trusted
        self._socket: socket.socket | None = None
        self._inode: Inode | None = None

    def __enter__(self) -> None:
        """Bind the socket and start to listen. Raises NotifyError."""
        self._check_address()
        self._remove_stale()
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            receiver.setblocking(False)
            if hasattr(socket, "SO_PASSCRED"):  # before bind: no message may come without its sender's name
                receiver.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            receiver.bind(str(self._path))
            self._path.chmod(0o600)
            asyncio.get_running_loop().add_reader(receiver.fileno(), self._receive)
        except OSError as error:
            receiver.close()
            raise NotifyError(f"cannot offer the notification socket {self._path}: {error.strerror}") from error
        self._inode = inode_of(self._path, follow_symlinks=False)
        self._socket = receiver

    def __exit__(self, *_: object) -> None:
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None
        if inode_of(self._path, follow_symlinks=False) == self._inode:  # not another supervisor's that took its place
            self._path.unlink(missing_ok=True)

    def _check_address(self) -> None:
        if not hasattr(socket, "AF_UNIX"):
            raise NotifyError("this system has no notification sockets; use another way to report readiness")
        if (length := len(os.fsencode(self._path))) > MAX_ADDRESS:
            raise NotifyError(
                f"the notification socket's path is {length} bytes long, and the system takes at most {MAX_ADDRESS}: "
                f"{self._path}; choose a shorter runtime directory"
            )
        try:
            status = self._path.parent.stat()
        except OSError as error:
            raise NotifyError(
                f"cannot use {self._path.parent} for the notification socket: {error.strerror}"
            ) from error
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise NotifyError(f"{self._path.parent} must be a directory that only you may enter; try: chmod 700")

    def _remove_stale(self) -> None:
        """Remove the socket that an earlier run left behind; anything else at its place is kept."""
        try:
            if stat.S_ISSOCK(self._path.lstat().st_mode):
                self._path.unlink()
        except FileNotFoundError:
            return

    def _receive(self) -> None:
        # Room for the sender's credentials and no more: file descriptors that come along are closed by the kernel.
        room = socket.CMSG_SPACE(_CREDENTIALS.size) if hasattr(socket, "SO_PASSCRED") else 0
        for _ in range(_BURST):
            if self._socket is None:  # closed by a callback
                return
            try:
                data, ancillary, flags, _sender = self._socket.recvmsg(MAX_DATAGRAM, room)
            except (BlockingIOError, InterruptedError):
                return
            if flags & socket.MSG_TRUNC:
                continue
            pid = _sender_pid(ancillary)
            if (room and pid is None) or (pid is not None and not self._trusted(pid)):
                continue
            if (notification := parse(data, pid)) is not None:
                self._on_notification(notification)


def parse(data: bytes, pid: int | None) -> Notification | None:
    """Read one message; None when nothing in it concerns us."""
    assignments = dict(line.split("=", 1) for line in data.decode("utf-8", "replace").splitlines() if "=" in line)
    status = assignments.get("STATUS")
    if status is not None:
        # It will be printed on a terminal: no control characters.
        status = one_line(status[:MAX_STATUS])
    notification = Notification(
        pid,
        ready=assignments.get("READY") == "1",
        stopping=assignments.get("STOPPING") == "1",
        watchdog=assignments.get("WATCHDOG") == "1",
        unwell=assignments.get("WATCHDOG") == "trigger",
        status=status,
    )
    return notification if notification != Notification(pid) else None


def _sender_pid(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS and len(data) >= _CREDENTIALS.size:
            pid: int = _CREDENTIALS.unpack_from(data)[0]
            return pid if pid > 0 else None  # 0: a process of another pid namespace
    return None
