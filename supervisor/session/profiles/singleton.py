"""Chromium's profile locks: whom a profile's lock names, which marks are left, and clearing stale ones.

Files only, and below the rooms that need it: the browser's, which closes what holds a profile, and the sessions', which
checks it.

Source: Chromium `chrome/browser/process_singleton_posix.cc`. `SingletonLock` is a symbolic link whose target is
`<host>-<pid>` and names no file; `SingletonSocket` links to a socket in a private directory under the temporary
folder; `SingletonCookie` links to a random number, of which that directory holds a copy under the same name. Windows
has an ordinary file, `lockfile`, instead. A clean exit removes them all.
"""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

LOCK, SOCKET, COOKIE, WINDOWS_LOCK = "SingletonLock", "SingletonSocket", "SingletonCookie", "lockfile"
MARKS = (LOCK, SOCKET, COOKIE, WINDOWS_LOCK)

# The lock comes last: as long as it is there, another Chromium does not take the profile for free.
_REMOVAL_ORDER = (SOCKET, COOKIE, WINDOWS_LOCK, LOCK)


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that a profile's lock names. The lock says so; whether that process lives is another question."""

    host: str
    pid: int


def holder(profile: Path) -> Holder | None:
    """Who the `SingletonLock` names; None when there is none or it names nobody."""
    target = _link_target(profile / LOCK)
    host, dash, pid = (target or "").rpartition("-")  # the host's name may hold dashes, the pid does not
    if not dash or not (pid.isascii() and pid.isdigit()) or int(pid) == 0:
        return None
    return Holder(host, int(pid))


def foreign(profile: Path) -> bool:
    """True when the lock names another host, which makes Chromium refuse to start.

    Each new container with its own host name finds the profile in this state after an unclean end of the last one.
    """
    named = holder(profile)
    return named is not None and named.host != socket.gethostname()


def remaining(profile: Path) -> list[str]:
    """Names of the lock marks that are present in the profile, dangling links included."""
    return [name for name in MARKS if os.path.lexists(profile / name)]


def clear(profile: Path) -> list[str]:
    """Remove the lock marks of a profile that, as the caller has made sure, no process holds; returns their names.

    Only links and files of these names go, and the private directory behind `SingletonSocket` when it is provably
    this profile's own (see `_socket_directory`). Raises OSError when a mark cannot be removed, as on Windows when a
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
            path.unlink(missing_ok=True)
            removed.append(name)
    if directory is not None:
        for name in (SOCKET, COOKIE):
            (directory / name).unlink(missing_ok=True)
        directory.rmdir()
    return removed


def _socket_directory(profile: Path) -> Path | None:
    """The private directory of this profile's `SingletonSocket`, or None if it is absent or not surely ours.

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
