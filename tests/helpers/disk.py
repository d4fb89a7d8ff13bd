"""A small disk that can be filled to the last byte, and what stands in for one where nobody lets us mount any."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_BALLAST: Final = "ballast"
_SIZES: Final = (65536, 4096, 512, 1)


class SmallDisk:
    """A folder on a disk of its own, of some megabytes.

    Where that cannot be mounted (`real` is false) the folder is an ordinary one, and a full disk is a process that may
    not write any file: the kernel refuses it the same calls, with another word for it (`problem`). The fakes take back
    that limit, which they inherit.
    """

    def __init__(self, folder: Path, why_not: str | None) -> None:
        self.folder = folder
        self.why_not = why_not
        """Why nothing could be mounted."""
        self.real = why_not is None
        self.full = False
        self.problem = "the disk is full" if self.real else "the file-size limit was reached"

    def fill(self, pid: int | None = None) -> None:
        """Leave no room for a single byte; `pid` is the process for which it is full, if one runs already."""
        self.full = True
        if self.real:
            fill(self.folder / _BALLAST)
        elif pid is not None:
            _limit(pid, nothing=True)

    def make_room(self, pid: int) -> None:
        """Undo that."""
        self.full = False
        if self.real:
            (self.folder / _BALLAST).unlink()
        else:
            _limit(pid, nothing=False)

    @property
    def prefix(self) -> list[str]:
        """What stands before a command that is to find the disk as it is."""
        return ["sh", "-c", 'ulimit -S -f 0; exec "$@"', "sh"] if self.full and not self.real else []


@contextlib.contextmanager
def small_disk(folder: Path, size: str = "4m") -> Iterator[SmallDisk]:
    """A disk of that size (a number, `k` or `m`) in a folder that is made for it."""
    folder.mkdir()
    why_not = _mount(folder, size)
    try:
        yield SmallDisk(folder, why_not)
    finally:
        if why_not is None:
            # Lazily: what still has a file open there may be ended after this.
            subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(ballast: Path) -> None:
    """Write to a file until nothing more can be written to its disk."""
    with ballast.open("ab", buffering=0) as file:
        for size in _SIZES:
            try:
                while file.write(bytes(size)):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def _mount(folder: Path, size: str) -> str | None:
    """Mount a file system that lives in memory; why that cannot be done, if it cannot."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return "only root may mount"
    words = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr.strip() or f"mount ended with {done.returncode}"


def _limit(pid: int, *, nothing: bool) -> None:
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0 if nothing else hard, hard))
