"""One walk over a profile: what is there, and enough about each file to tell whether it changed."""

import os
import posixpath
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from supervisor.session.profiles.profile import is_left_out


class FileStat(NamedTuple):
    """What tells that a file did not change. Times are nanoseconds since the epoch.

    `ctime_ns` cannot be set from outside, so it also shows a change whose mtime was put back. (On Windows it is the
    time of creation: it shows nothing, and does no harm.)
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class Skipped(NamedTuple):
    """Something in a profile that no snapshot holds, and why."""

    path: str
    reason: str


@dataclass(slots=True)
class ProfileTree:
    """What a walk found, caches left out. Paths are relative, with ``/``, in the order of the walk.

    A name that is not UTF-8 is held as Python holds it (`surrogateescape`).
    """

    files: dict[str, FileStat] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)

    @property
    def size(self) -> int:
        """The bytes in all files."""
        return sum(file.size for file in self.files.values())


def scan(root: Path) -> ProfileTree:
    """Walk a profile or a snapshot. Links are noted, not followed; what is no file, folder or link is skipped.

    Raises `OSError` when a folder cannot be read.
    """
    tree = ProfileTree()
    pending = [("", str(root))]
    while pending:
        prefix, folder = pending.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                _note(tree, entry, prefix, pending)
    return tree


def holds_files(root: Path) -> bool:
    """Whether a folder holds any file that a snapshot would hold. Raises `OSError` when a folder cannot be read."""
    pending = [("", str(root))]
    while pending:
        prefix, folder = pending.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                is_folder = entry.is_dir(follow_symlinks=False)
                if is_left_out(entry.name, top=not prefix, folder=is_folder):
                    continue
                if not is_folder:
                    return True
                pending.append((f"{prefix}{entry.name}/", entry.path))
    return False


def _note(tree: ProfileTree, entry: os.DirEntry[str], prefix: str, pending: list[tuple[str, str]]) -> None:
    name = entry.name
    is_folder = entry.is_dir(follow_symlinks=False)
    if is_left_out(name, top=not prefix, folder=is_folder):
        return
    path = prefix + name
    if is_folder:
        tree.folders.append(path)
        pending.append((path + "/", entry.path))
    elif entry.is_symlink():
        _note_link(tree, path, os.readlink(entry.path))  # noqa: PTH115 - of a scandir entry
    else:
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(status.st_mode):
            tree.files[path] = FileStat(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        else:
            tree.skipped.append(Skipped(path, f"a {_kind(status.st_mode)}, not a file"))


def _note_link(tree: ProfileTree, path: str, target: str) -> None:
    if stays_inside(path, target):
        tree.links[path] = target
    else:
        tree.skipped.append(Skipped(path, "a symbolic link to outside the profile"))


def stays_inside(path: str, target: str) -> bool:
    """Whether a symbolic link at `path` (relative) points, by its text alone, to something inside the tree."""
    if target.startswith("/") or "\\" in target or ":" in target:
        return False
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return resolved != ".." and not resolved.startswith("../")


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "FIFO"
    if stat.S_ISSOCK(mode):
        return "socket"
    return "device"
