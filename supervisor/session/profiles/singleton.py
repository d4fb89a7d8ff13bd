"""Chromium's profile lock: the process that it names, the marks that are left, and clearing stale ones.

Source: Chromium `chrome/browser/process_singleton_posix.cc`. `SingletonLock` is a symbolic link whose target is
`<host>-<pid>` and names no file; `SingletonSocket` links to a socket in a private directory under the temporary
folder; `SingletonCookie` links to a random number, of which that directory holds a copy under the same name. Windows
has an ordinary file, `lockfile`, instead, which is open, unshared, while a browser runs. A clean exit removes them all.
"""

import os
import socket
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from supervisor.system import files

LOCK, SOCKET, COOKIE, WINDOWS_LOCK = "SingletonLock", "SingletonSocket", "SingletonCookie", "lockfile"
MARKS = (LOCK, SOCKET, COOKIE, WINDOWS_LOCK)
# The lock comes last: as long as it is there, another Chromium does not take the profile for free.
_REMOVAL_ORDER = (SOCKET, COOKIE, WINDOWS_LOCK, LOCK)
_CLOCK_SLACK = 2.0  # seconds; a process's start time is rounded, and not by the clock that stamps files


@dataclass(frozen=True, slots=True)
class ProfileHolder:
    """The process that a profile's lock names; it may be gone."""

    host: str
    pid: int
    locked_at: float = field(compare=False)
    """When the lock was made, in seconds since the epoch."""

    @property
    def foreign(self) -> bool:
        """Whether it is of another host, where its life cannot be told. Chromium then refuses to start.

        Each new container with a host name of its own finds the profile so after an unclean end of the last one.
        """
        return self.host != socket.gethostname()

    @property
    def alive(self) -> bool:
        """Whether it may be a process that lives: one of this host that is older than the lock.

        A later one was merely given the same number. A zombie holds nothing: an orphan of a killed supervisor waits for
        an init, which may take seconds to reap it.
        """
        if self.foreign or os.name == "nt":
            return not self.foreign
        import psutil

        try:
            process = psutil.Process(self.pid)
            return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= self.locked_at + _CLOCK_SLACK
        except psutil.NoSuchProcess:
            return False
        except (psutil.AccessDenied, OverflowError):
            return True


def holder(profile: Path) -> ProfileHolder | None:
    """The process that the profile's lock names; `None` if there is no lock or it names none.

    On Windows, where the lock names no process, the pid is 0.
    """
    if os.name == "nt":
        held = _is_open_elsewhere(profile / WINDOWS_LOCK)
        return ProfileHolder(socket.gethostname(), 0, 0.0) if held else None
    target = _link_target(profile / LOCK)
    host, dash, pid = (target or "").rpartition("-")  # the host's name may hold dashes, the pid does not
    if not dash or not (pid.isascii() and pid.isdigit()) or int(pid) == 0:
        return None
    try:
        return ProfileHolder(host, int(pid), (profile / LOCK).lstat().st_mtime)
    except OSError:  # it has just been released
        return None


def remaining(profile: Path) -> list[str]:
    """The names of the lock marks that are present in the profile, dangling links included."""
    return [name for name in MARKS if os.path.lexists(profile / name)]


def clear(profile: Path) -> list[str]:
    """Remove the lock marks of a profile that, as the caller has made sure, no process holds; returns their names.

    Only links and files of these names go, and the private directory behind `SingletonSocket` when it is provably
    this profile's own (see `_socket_directory`). Raises `OSError` when a mark cannot be removed, as on Windows when a
    browser does hold it.
    """
    directory = _socket_directory(profile)
    removed = []
    for name in _REMOVAL_ORDER:
        path = profile / name
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(mode) or stat.S_ISREG(mode):
            files.unlink(path)
            removed.append(name)
    if directory is not None:
        for name in (SOCKET, COOKIE):
            (directory / name).unlink(missing_ok=True)
        directory.rmdir()
    return removed


def _socket_directory(profile: Path) -> Path | None:
    """The private directory of this profile's `SingletonSocket`, or `None` if it is absent or not surely ours.

    Ours is a real directory directly in the temporary folder, owned by us and closed to others, holding nothing but
    the socket and a cookie equal to the profile's: the same proof that Chromium itself asks for before it connects.
    """
    target, cookie = _link_target(profile / SOCKET), _link_target(profile / COOKIE)
    if target is None or cookie is None:
        return None
    path = Path(target)
    directory = path.parent
    # /tmp is where Chromium goes without TMPDIR, and the bot's environment may differ from ours.
    if path.name != SOCKET or directory.parent not in {Path(tempfile.gettempdir()), Path("/tmp")}:  # noqa: S108
        return None
    try:
        status = directory.lstat()
        content = {entry.name for entry in directory.iterdir()}
    except OSError:
        return None
    private = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
    if not private or not content <= {SOCKET, COOKIE} or _link_target(directory / COOKIE) != cookie:
        return None
    return directory


def _link_target(path: Path) -> str | None:
    try:
        return str(path.readlink())
    except OSError:
        return None


def _is_open_elsewhere(lockfile: Path) -> bool:
    try:
        with lockfile.open("r+b"):
            return False
    except FileNotFoundError:
        return False
    except PermissionError:
        return True
