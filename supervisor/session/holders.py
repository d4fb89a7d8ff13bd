"""Who holds a profile, as far as its files tell.

On Linux and macOS `SingletonLock` is a symbolic link whose target reads `<host>-<pid>`
(Chromium, `chrome/browser/process_singleton_posix.cc`). On Windows `lockfile` is open, unshared, while a browser runs.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from supervisor.session.profile import SINGLETONS

if TYPE_CHECKING:
    from pathlib import Path

_CLOCK_SLACK = 2.0  # seconds; a process's start time is rounded, and not by the clock that stamps files


@dataclass(frozen=True, slots=True)
class Holder:
    """What a profile's lock names."""

    host: str
    pid: int
    alive: bool
    """Whether it may be a process that lives: one of this host that is older than the lock."""

    @property
    def foreign(self) -> bool:
        """Whether it is of another host, where nobody here can tell whether it lives. Chromium then does not start."""
        return self.host != socket.gethostname()


def holder(profile: Path) -> Holder | None:
    """Who the profile's lock names; `None` if there is no lock."""
    if os.name == "nt":
        return Holder(socket.gethostname(), 0, alive=True) if _is_open_elsewhere(profile / "lockfile") else None
    lock = profile / "SingletonLock"
    try:
        target = os.fsdecode(os.readlink(lock))  # noqa: PTH115 - the target is no path
        made = lock.lstat().st_mtime
    except OSError:  # none, or no link: then it locks nothing
        return None
    host, _, number = target.rpartition("-")
    if not (number.isascii() and number.isdigit()):
        return None
    pid = int(number)
    return Holder(host, pid, alive=host == socket.gethostname() and _may_be_owner(pid, made))


def clear(profile: Path) -> None:
    """Remove the marks of a browser that is proven gone. Raises `OSError`."""
    for name in reversed(SINGLETONS):  # the lock itself last: until then no other browser takes the profile for free
        (profile / name).unlink(missing_ok=True)


def _may_be_owner(pid: int, made: float) -> bool:
    """Whether `pid` lives and was there when the lock was made; a later one was merely given the same number.

    A zombie holds nothing: an orphan of a killed supervisor waits for an init, which may take seconds to reap it.
    """
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= made + _CLOCK_SLACK
    except psutil.NoSuchProcess:
        return False
    except (psutil.AccessDenied, OverflowError):
        return True


def _is_open_elsewhere(lockfile: Path) -> bool:
    try:
        with lockfile.open("r+b"):
            return False
    except FileNotFoundError:
        return False
    except PermissionError:
        return True
