"""Whether others on this machine can read what is for its owner only.

A folder is as private as the most private one on the way to it. Of a profile the folder `Default` counts as well:
whatsapp-web.js makes the profile's own folder with the usual mode, readable by all, and Chromium makes `Default`, in
which the account is, private. In a folder of auth files `creds.json` counts. No walk: a handful of looks.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from supervisor.session.profiles.auth_files import CREDS
from supervisor.system.folders import beside

_OTHERS_ENTER = stat.S_IXGRP | stat.S_IXOTH
_OTHERS_READ = stat.S_IRGRP | stat.S_IROTH
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Exposed:
    """Something that others can read. `chmod` with `private` closes it."""

    path: Path
    mode: int
    private: int

    @property
    def remedy(self) -> str:
        """The command that closes it."""
        return f"chmod {self.private:o} {self.path}"

    def __str__(self) -> str:
        """What is wrong, as a sentence without its full stop."""
        return f"Others on this machine can read {self.path} (mode {self.mode:04o}), which holds the account"


def exposed_profile(folder: Path) -> Exposed | None:
    """The profile in a folder, if others can read it."""
    mode = _mode(folder)
    inner = [found for name in ("Default", CREDS) if (found := _mode(folder / name)) is not None]
    if mode is None or not inner:
        return None
    enter = mode & _OTHERS_ENTER & _spread(inner[0])
    return Exposed(folder, mode, 0o700) if enter and _reachable(folder) else None


def exposed_folder(folder: Path) -> Exposed | None:
    """A folder, if others can enter it or list it."""
    mode = _mode(folder)
    if mode is None or not mode & (_OTHERS_ENTER | _OTHERS_READ):
        return None
    return Exposed(folder, mode, 0o700) if _reachable(folder) else None


def exposed_file(path: Path) -> Exposed | None:
    """A file, if others can read it."""
    mode = _mode(path)
    if mode is None or not mode & _OTHERS_READ:
        return None
    return Exposed(path, mode, 0o600) if _reachable(path) else None


def close(found: Exposed) -> None:
    """Take it away from others, unless it is no longer what was looked at. Raises `OSError`."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with beside(found.path) as (folder, name):
        descriptor = os.open(name, flags, dir_fd=folder)  # held, so that nothing takes its place before the change
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) == found.mode:
            os.fchmod(descriptor, found.private)
    finally:
        os.close(descriptor)


def _mode(path: Path) -> int | None:
    """The permission bits; `None` where there is nothing, or the system has none."""
    if os.name == "nt":
        return None
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def _spread(mode: int) -> int:
    """The classes of others for whom any right is set, as their right to enter."""
    group = stat.S_IXGRP if mode & stat.S_IRWXG else 0
    return group | (stat.S_IXOTH if mode & stat.S_IRWXO else 0)


def _reachable(path: Path) -> bool:
    """Whether others may go all the way to it."""
    return all((_mode(folder) or 0) & _OTHERS_ENTER for folder in path.resolve().parents)
