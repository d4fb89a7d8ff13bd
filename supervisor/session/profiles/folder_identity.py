"""Which folder lies at a profile's path: whether it is the one that was seen there before.

A file system gives the number of a removed folder to the next one at once (ext4, measured), so the number alone does
not tell them apart; the time at which the folder was made does.
"""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# statx(2): `AT_FDCWD`, `STATX_BTIME`, and in the structure the mask, the seconds and the nanoseconds of the birth.
_FROM_HERE, _WANT_BIRTH, _SIZE = -100, 0x800, 256
_MASK, _SECONDS, _NANOSECONDS = slice(0, 4), slice(0x50, 0x58), slice(0x58, 0x5C)

FolderId = tuple[int, int, float]
"""Device, inode, and seconds since the epoch at which the folder was made, 0 where that is not known."""


@dataclass(frozen=True, slots=True)
class ProfileIdentity:
    """The folders at a profile's path; None for one that is not there."""

    folder: FolderId | None = None
    default: FolderId | None = None
    """The one in it in which Chromium keeps what the link needs. It makes that itself, and never replaces it."""

    @property
    def gone(self) -> bool:
        """Whether there is no profile."""
        return self.folder is None

    def replaced_by(self, now: ProfileIdentity) -> bool:
        """Whether what was there has been removed since, whatever has come in its place."""
        return (self.folder is not None and self.folder != now.folder) or (
            self.default is not None and self.default != now.default
        )


def identify(folder: Path) -> ProfileIdentity:
    """The identity of what lies at a path."""
    return ProfileIdentity(_identify(folder), _identify(folder / "Default"))


def _identify(folder: Path) -> FolderId | None:
    try:
        status = folder.stat()
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None
    return status.st_dev, status.st_ino, born(folder) or 0.0


def born(folder: Path) -> float | None:
    """When a folder was made, in seconds since the epoch; None if it is not there or its file system does not say."""
    try:
        if sys.platform != "linux":
            return float(folder.stat().st_birthtime)
        answer = ctypes.create_string_buffer(_SIZE)
        if (statx := _statx()) is None or statx(_FROM_HERE, os.fsencode(folder), 0, _WANT_BIRTH, answer) != 0:
            return None
    except (OSError, ValueError, AttributeError):
        return None
    found = answer.raw
    if not int.from_bytes(found[_MASK], sys.byteorder) & _WANT_BIRTH:
        return None
    seconds = int.from_bytes(found[_SECONDS], sys.byteorder, signed=True)
    return seconds + int.from_bytes(found[_NANOSECONDS], sys.byteorder) / 1e9


@cache
def _statx() -> Callable[..., int] | None:
    """The C library's function (glibc 2.28, musl 1.2.5), if it has it."""
    return getattr(ctypes.CDLL(None), "statx", None)
