"""Where a supervisor listens: a Unix socket in its runtime folder; on Windows a loopback port and a token beside it.

What a supervisor that was killed leaves behind is recognised by asking it: nobody answers. Whoever binds or removes a
socket holds a lock of the kernel's meanwhile, so that nobody removes the one that a new supervisor has just bound.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from supervisor.system.inode import Inode, inode_of
from supervisor.system.runtime_dir import MAX_ADDRESS

SOCKET: Final = "control"
"""The socket's name in the runtime folder."""
PORT: Final = "control.json"
"""Its stand-in where there are no Unix sockets: a file with the port and the token, for its owner alone."""
_LOCK: Final = "control.lock"

_BACKLOG: Final = 128
_PATIENCE: Final = 2.0  # seconds to wait for somebody else who is binding or removing; they take microseconds
_UNIX: Final = hasattr(socket, "AF_UNIX") and sys.platform != "win32"


class AddressError(Exception):
    """The control socket cannot be offered, or nobody listens there; the message says why."""


@dataclass(slots=True)
class Listener:
    """A bound socket, and how to be let in: `token` is None where the file's permissions decide."""

    socket: socket.socket
    path: Path
    token: str | None = None
    _inode: Inode | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._inode = inode_of(self.path, follow_symlinks=False)

    @property
    def intact(self) -> bool:
        """Whether it can still be found: its file, or the whole folder, may have been removed."""
        return self._inode is not None and inode_of(self.path, follow_symlinks=False) == self._inode

    def close(self) -> None:
        """Stop listening, and remove the file if it is still ours."""
        self.socket.close()
        if self.intact:
            with contextlib.suppress(OSError), _exclusively(self.path.parent):
                if self.intact:  # asked again under the lock: not another's by now
                    self.path.unlink()


def listen(folder: Path, *, unix: bool = _UNIX) -> Listener:
    """Listen in a runtime folder, which must be closed to other users. Raises `AddressError`.

    What an earlier supervisor left there is replaced; one that still answers is not.
    """
    try:
        with _exclusively(folder):
            return _listen_unix(folder / SOCKET) if unix else _listen_loopback(folder / PORT)
    except TimeoutError:
        raise AddressError(f"cannot listen on {folder / SOCKET}: another process keeps {_LOCK} there locked") from None
    except OSError as error:
        raise AddressError(f"cannot listen on {folder / SOCKET}: {error.strerror or error}") from error


def connect(path: Path, timeout: float) -> tuple[socket.socket, str | None]:
    """Connect to a supervisor, given its socket or the file that stands in for one; the token that it wants.

    Raises `AddressError` if nobody listens there.
    """
    try:
        if path.name == PORT:
            port, token = _read_port(path)
            return socket.create_connection(("127.0.0.1", port), timeout), token
        return _connect_unix(path, timeout), None
    except (OSError, ValueError) as error:
        raise AddressError(f"nobody listens on {path}: {error}") from error


def is_stale(path: Path) -> bool:
    """Whether what lies there was left by a supervisor that is gone. One that is too busy to answer is not gone."""
    try:
        connect(path, _PATIENCE)[0].close()
    except AddressError as error:
        return isinstance(error.__cause__, ConnectionRefusedError | ValueError)
    return False


def remove_stale(path: Path) -> bool:
    """Remove what a supervisor that is gone left there; True if something was removed."""
    with contextlib.suppress(OSError), _exclusively(path.parent):
        # Asked again under the lock: a new supervisor may have bound it since.
        if is_stale(path):
            path.unlink()
            return True
    return False


@contextlib.contextmanager
def _exclusively(folder: Path) -> Iterator[None]:
    from filelock import FileLock  # a client does without; its `Timeout` is a TimeoutError

    with FileLock(folder / _LOCK, timeout=_PATIENCE, mode=0o600):
        yield


def _listen_unix(path: Path) -> Listener:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise AddressError(f"{path} is in the way: it is not a socket. Remove it")
        if not is_stale(path):
            raise AddressError(f"another process listens on {path}")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(path) as address:
            listener.bind(address)
        # Before listen: until then nobody can connect, whatever the umask has made of it.
        path.chmod(0o600)
        listener.listen(_BACKLOG)
        return Listener(listener, path)
    except BaseException:
        listener.close()
        raise


def _connect_unix(path: Path, timeout: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        with _short(path) as address:
            connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """The path in a form that fits into a socket's address, which has room for about a hundred bytes."""
    if len(os.fsencode(path)) <= MAX_ADDRESS:
        yield str(path)
        return
    if sys.platform != "linux":
        raise OSError(0, f"the path has more than the {MAX_ADDRESS} bytes that the system takes")
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _listen_loopback(path: Path) -> Listener:
    import secrets

    from supervisor.system import files

    listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
    try:
        token = secrets.token_urlsafe(32)
        known = {"port": listener.getsockname()[1], "token": token}
        files.replace_file(path, json.dumps(known).encode("ascii"))
        return Listener(listener, path, token)
    except BaseException:
        listener.close()
        raise


def _read_port(path: Path) -> tuple[int, str]:
    try:
        known = json.loads(path.read_bytes())
        return int(known["port"]), str(known["token"])
    except (KeyError, TypeError) as error:
        raise ValueError("it is damaged") from error
