"""Locks of the kernel's on files, for as long as a process lives, and looked after meanwhile.

The lock is on the file, not on its name: once that is removed or replaced, others make a file of that name, and lock
it. So the holder looks whether the name still leads to its file, and otherwise locks the file that is there now too.
"""

import contextlib
import errno
import os
import stat
import sys
import time
from pathlib import Path

from supervisor.system.folders import beside
from supervisor.system.inode import Inode, inode_of

_FLAGS = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_MODE = 0o600
_LOOK = 0.02  # seconds between two tries
_BUSY = frozenset({errno.EAGAIN, errno.EACCES, errno.EDEADLK})


class LockTimeoutError(Exception):
    """Another process has held a lock for too long."""


class HeldLock:
    """The lock on the file at `path`, which is made if need be (mode 0600), in a folder that must be there."""

    def __init__(self, path: Path, timeout: float = 0.0) -> None:
        self.path = path
        self.timeout = timeout
        """Seconds for which a `with` statement waits for it."""
        #: Those of files that have lost their name since are kept: another process may have them open.
        self._descriptors: list[int] = []
        self._inode: Inode | None = None

    def take(self) -> bool:
        """Take the lock; false if another process has it. Raises `OSError`."""
        while True:
            with beside(self.path) as (folder, name):
                descriptor = os.open(name, _FLAGS | os.O_CREAT, _MODE, dir_fd=folder)
            try:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise OSError(errno.EINVAL, "not a regular file", str(self.path))
                if stat.S_IMODE(status.st_mode) != _MODE and sys.platform != "win32":  # by the umask, or made by hand
                    with contextlib.suppress(PermissionError):  # another user's
                        os.fchmod(descriptor, _MODE)
                if not _lock(descriptor):
                    os.close(descriptor)
                    return False
                held = inode_of(descriptor)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
                raise
            self._descriptors.append(descriptor)
            self._inode = held
            if self.intact:  # else it was removed between the opening and the lock
                return True

    def __enter__(self) -> None:
        """Wait for the lock. Raises `LockTimeoutError`, and `OSError`."""
        deadline = time.monotonic() + self.timeout
        while not self.take():
            if time.monotonic() >= deadline:
                raise LockTimeoutError
            time.sleep(_LOOK)

    def __exit__(self, *_error: object) -> None:
        self.release()

    @property
    def intact(self) -> bool:
        """Whether the file's name still leads to the file that is locked."""
        return self._inode is not None and inode_of(self.path, follow_symlinks=False) == self._inode

    def release(self) -> None:
        """Release the lock. The file stays: another process may have just opened it."""
        while self._descriptors:
            os.close(self._descriptors.pop())
        self._inode = None


def is_held(path: Path) -> bool:
    """Whether a process holds the lock on a file; one that cannot be asked is not held."""
    try:
        with beside(path) as (folder, name):
            descriptor = os.open(name, _FLAGS, dir_fd=folder)
    except OSError:
        return False
    try:
        return not _lock(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise
    return True
