"""Who holds a profile, as far as its files tell.

On Linux and macOS its lock names a process (`singleton.py`), which may be gone. On Windows `lockfile` is open,
unshared, while a browser runs.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from supervisor.session.profiles import singleton

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
        return (
            Holder(socket.gethostname(), 0, alive=True)
            if _is_open_elsewhere(profile / singleton.WINDOWS_LOCK)
            else None
        )
    named = singleton.holder(profile)
    if named is None:
        return None
    try:
        made = (profile / singleton.LOCK).lstat().st_mtime
    except OSError:  # it has just been let go of
        return None
    mine = named.host == socket.gethostname()
    return Holder(named.host, named.pid, alive=mine and _may_be_owner(named.pid, made))


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
