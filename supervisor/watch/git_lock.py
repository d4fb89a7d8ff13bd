"""Detection of a git command that is changing the working tree.

On a slow disk a checkout of hundreds of files pauses for longer than the quiet time (164 ms measured). git holds
`index.lock` from before the first file until after the last.
"""

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from supervisor.system.reading import read_start

_STALE: Final = 60.0  # seconds after which a lock is taken for the leftover of a killed git


class GitLocks:
    """The index locks of the repositories that contain `folders`."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._locks = {folder / "index.lock" for folder in map(_git_folder, folders) if folder is not None}

    def held(self) -> bool:
        """Whether git holds a lock that is not stale."""
        return any(_is_fresh(lock) for lock in self._locks)


def _is_fresh(lock: Path) -> bool:
    with contextlib.suppress(OSError):
        return abs(time.time() - lock.stat().st_mtime) < _STALE
    return False


def _git_folder(folder: Path) -> Path | None:
    """The folder with the index of the repository that contains `folder`; None outside of a repository."""
    for top in (folder, *folder.parents):
        found = top / ".git"
        if found.is_dir():
            return found
        if found.is_file():  # a worktree or a submodule: "gitdir: <path>"
            try:
                target = (
                    read_start(found, 8192, follow=True)
                    .decode("utf-8", "surrogateescape")
                    .partition("gitdir:")[2]
                    .strip()
                )
            except OSError:
                return None
            return top / target if target else None
    return None
