"""Whether git is in the middle of changing the working tree.

A checkout of hundreds of files pauses for longer than the quiet time when the disk is slow (measured: 164 ms). git
holds `index.lock` from before it touches the first file until after the last.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_LEFT: Final = 60.0  # seconds after which a lock is taken for one that was left by a git that was killed


class GitLocks:
    """The index locks of the repositories that hold some folders."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._locks = {folder / "index.lock" for folder in map(_git_folder, folders) if folder is not None}

    def held(self) -> bool:
        """Whether git is at work in one of the repositories, or was killed just now while it was."""
        return any(_is_fresh(lock) for lock in self._locks)


def _is_fresh(lock: Path) -> bool:
    with contextlib.suppress(OSError):
        return abs(time.time() - lock.stat().st_mtime) < _LEFT
    return False


def _git_folder(folder: Path) -> Path | None:
    """Where the repository that holds `folder` keeps its index; None outside of any."""
    for top in (folder, *folder.parents):
        found = top / ".git"
        if found.is_dir():
            return found
        if found.is_file():  # a worktree or a submodule: "gitdir: <path>"
            try:
                target = found.read_text("utf-8", "surrogateescape").partition("gitdir:")[2].strip()
            except OSError:
                return None
            return top / target if target else None
    return None
