"""The control socket: a Unix socket in the supervisor's runtime folder; on Windows a loopback port, with a token.

A socket that a killed supervisor left behind is recognized by connecting to it, which is refused. Binding and removing
hold a file lock, so that a stale socket is not confused with the one that a new supervisor has just bound.
"""

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
from supervisor.system.reading import read_object
from supervisor.system.runtime_dir import MAX_ADDRESS

_LARGEST = 64 << 10  # bytes; the file holds a number and a token
SOCKET: Final = "control"
"""The socket's name in the runtime folder."""
PORT: Final = "control.json"
"""The file that replaces it without Unix sockets: it holds the port and the token, readable by its owner only."""
_LOCK: Final = "control.lock"

_BACKLOG: Final = 128
_PATIENCE: Final = 2.0  # seconds to wait for another process that is binding or removing, which takes microseconds
_UNIX: Final = hasattr(socket, "AF_UNIX") and sys.platform != "win32"


class AddressError(Exception):
    """The control socket cannot be bound, or no process listens on it; the message says why."""


@dataclass(slots=True)
class Listener:
    """A bound socket. `token` is what requests must carry; None where the file's permissions decide."""

    socket: socket.socket
    path: Path
    token: str | None = None
    _inode: Inode | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._inode = inode_of(self.path, follow_symlinks=False)

    @property
    def intact(self) -> bool:
        """Whether clients can still find it: its file, or the whole folder, may have been removed."""
        return self._inode is not None and inode_of(self.path, follow_symlinks=False) == self._inode

    def close(self) -> None:
        """Stop listening, and remove the file if it is still ours."""
        self.socket.close()
        if self.intact:
            with contextlib.suppress(OSError), _exclusively(self.path.parent):
                if self.intact:  # checked again under the lock: a new supervisor may have bound its own since
                    self.path.unlink()


def listen(folder: Path, *, unix: bool = _UNIX) -> Listener:
    """Listen in a runtime folder, which must be closed to other users. Raises `AddressError`.

    A stale socket is replaced; one on which a process still listens is not.
    """
    try:
        with _exclusively(folder):
            return _listen_unix(folder / SOCKET) if unix else _listen_loopback(folder / PORT)
    except TimeoutError:
        raise AddressError(f"cannot listen on {folder / SOCKET}: another process keeps {_LOCK} there locked") from None
    except OSError as error:
        raise AddressError(f"cannot listen on {folder / SOCKET}: {error.strerror or error}") from error


def connect(path: Path, timeout: float) -> tuple[socket.socket, str | None]:
    """Connect to a supervisor, given its socket or its port file; also returns the token that requests must carry.

    Raises `AddressError` if no process listens there.
    """
    try:
        if path.name == PORT:
            port, token = _read_port(path)
            return socket.create_connection(("127.0.0.1", port), timeout), token
        return _connect_unix(path, timeout), None
    except (OSError, ValueError) as error:
        raise AddressError(f"no process listens on {path}: {error}") from error


def is_stale(path: Path) -> bool:
    """Whether a supervisor that has ended left this socket behind; one that is too busy to accept is not stale."""
    try:
        connect(path, _PATIENCE)[0].close()
    except AddressError as error:
        return isinstance(error.__cause__, ConnectionRefusedError | ValueError)
    return False


def remove_stale(path: Path) -> bool:
    """Remove a stale socket; True if one was removed."""
    with contextlib.suppress(OSError), _exclusively(path.parent):
        # Checked under the lock: a new supervisor may have bound it since.
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
        # Before listen, since until then no process can connect: the umask may have left it open to others.
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
    """A form of the path that fits into a socket's address, which has room for about a hundred bytes."""
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
        known = read_object(path, _LARGEST)
        return int(known["port"]), str(known["token"])
    except (KeyError, TypeError) as error:
        raise ValueError("it is damaged") from error
