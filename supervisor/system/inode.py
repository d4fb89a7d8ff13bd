"""What tells a file or folder from another that has taken its name."""

import os

Inode = tuple[int, int]
"""A device and a number on it. The number is reused only when no process has the file open any more."""


def inode_of(path: str | os.PathLike[str] | int, *, follow_symlinks: bool = True) -> Inode | None:
    """The inode that a path or descriptor leads to, or None if there is none or it may not be asked."""
    try:
        status = os.stat(path, follow_symlinks=follow_symlinks)  # noqa: PTH116 - most of those who ask have strings
    except OSError:
        return None
    return status.st_dev, status.st_ino
