"""Reaching folders by descriptors, and through no link that leads to somebody else's.

A folder that another user may write to can have a link put in the place of anything in it, at any moment. So a path is
walked one name at a time (openat(2), `O_NOFOLLOW`), and what is then done is done beside the open folder. A link is
followed if it is ours or root's, or lies in a folder of its own owner's (root trusts no such folder: a project that it
works in may be anybody's). Any other link only leads to folders of its owner, who could have made the change himself.
"""

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from supervisor.system.inode import Inode, inode_of

_DIRECTORY = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_STEP = _DIRECTORY | getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_NOFOLLOW", 0)
_LINK = getattr(os, "O_PATH", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_MOST_LINKS = 40  # on one way, as in the kernel (path_resolution(7))
_PINNED = "/proc/self/fd/"


@contextmanager
def beside(path: Path | str) -> Iterator[tuple[int | None, str]]:
    """Open the folder that a path lies in; yields what to give as `dir_fd`, and the name there.

    Where no other user can change anything on the way, that is `None` and the path. Raises `OSError` if another user's
    link leads there.
    """
    folder, name = os.path.split(os.fspath(path))
    if is_closed_to_others(folder):
        yield None, os.fspath(path)
        return
    descriptor = open_folder(folder)
    try:
        yield descriptor, name
    finally:
        os.close(descriptor)


def refuse_foreign_links(path: Path | str) -> None:
    """Raise `OSError` if another user's link leads to what is, or would be, at a path, and it is not that user's."""
    if not is_closed_to_others(path):
        with suppress(NotADirectoryError):
            os.close(open_folder(path, missing_ok=True))


def open_folder(path: Path | str, *, missing_ok: bool = False) -> int:
    """Open a folder to work beside it. Raises `OSError`, also if another user's link leads there.

    With `missing_ok` that is the folder above, if there is nothing at `path` itself.
    """
    way = [*reversed(os.path.abspath(path).split("/"))]  # noqa: PTH100 - lexical, and without interning the names
    folder = os.open("/", _STEP)
    suspects: set[int] = set()
    links = 0
    try:
        while way:
            name = way.pop()
            if name in {"", "."}:
                continue
            try:
                child = os.open(name, _STEP, dir_fd=folder)
            except OSError as error:
                if error.errno == errno.ENOENT and missing_ok and not any(way):
                    break
                if error.errno not in {errno.ELOOP, errno.ENOTDIR} or (link := _link(folder, name)) is None:
                    raise OSError(error.errno, error.strerror, os.fspath(path)) from None
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fspath(path)) from None
                target, owner = link
                if not _is_trusted(owner, folder):
                    suspects.add(owner)
                way += reversed(target.split("/"))
                if not target.startswith("/"):
                    continue
                child = os.open("/", _STEP)
            os.close(folder)
            folder = child
        if suspects - {os.fstat(folder).st_uid}:
            raise OSError(errno.ELOOP, "another user's link leads to a folder that is not his", os.fspath(path))
    except BaseException:
        os.close(folder)
        raise
    return folder


def is_closed_to_others(path: Path | str) -> bool:
    """Whether only we and root can put anything else in the place of a folder, or of any on the way to it."""
    if sys.platform == "win32":
        return True
    users = {0, os.geteuid()}
    way = [*reversed(os.path.abspath(path).split("/"))]  # noqa: PTH100 - as above
    folder, links = "/", 0
    with suppress(OSError):  # what is not there cannot be reached either
        while way:
            name = way.pop()
            if name == "..":
                folder = os.path.dirname(folder)  # noqa: PTH120
            if name in {"", ".", ".."}:
                continue
            step = f"{folder.rstrip('/')}/{name}"
            status = os.lstat(step)
            if status.st_uid not in users or links > _MOST_LINKS:
                return False
            if stat.S_ISLNK(status.st_mode):
                target = os.readlink(step)  # noqa: PTH115
                links += 1
                way += reversed(target.split("/"))
                folder = "/" if target.startswith("/") else folder
            elif status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX:
                return False
            else:
                folder = step
    return True


def _link(folder: int, name: str) -> tuple[str, int] | None:
    """The target and the owner of a symbolic link, `None` if it is none (any more)."""
    with suppress(OSError):
        if not hasattr(os, "O_PATH"):
            return os.readlink(name, dir_fd=folder), os.stat(name, dir_fd=folder, follow_symlinks=False).st_uid
        link = os.open(name, _LINK, dir_fd=folder)  # held, so that both are of the same link
        try:
            return os.readlink("", dir_fd=link), os.fstat(link).st_uid
        finally:
            os.close(link)
    return None


def _is_trusted(owner: int, folder: int) -> bool:
    user = os.geteuid()
    return owner in {0, user} or (user != 0 and owner == os.fstat(folder).st_uid)


class PinnedFolder:
    """A new folder of ours, mode 0700, beside which others may write: what they put in its place is not touched.

    `path` leads to it wherever it is moved meanwhile, on Linux. To be closed. Raises `OSError`.
    """

    def __init__(self, where: Path) -> None:
        self.path = where
        self._descriptor: int | None = None
        self._identity: Inode | None = None
        with beside(where) as (parent, name):
            os.mkdir(name, 0o700, dir_fd=parent)
            if parent is None:
                os.chmod(name, 0o700)  # noqa: PTH101 - the umask may have taken bits away
                return
            self._descriptor = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        try:
            if os.fstat(self._descriptor).st_uid != os.geteuid():
                raise OSError(errno.ESTALE, "another user has replaced it", os.fspath(where))
            os.fchmod(self._descriptor, 0o700)
            self._identity = inode_of(self._descriptor)
        except BaseException:
            self.close()
            raise
        pinned = Path(f"{_PINNED}{self._descriptor}")
        if pinned.is_dir():
            self.path = pinned

    def rename(self, source: Path, target: Path) -> None:
        """Give it another name. Raises `OSError`, also if it does not lie at `source` any more."""
        if self._descriptor is None:
            os.rename(source, target)  # noqa: PTH104
            return
        with beside(source) as (left, old), beside(target) as (entered, new):
            status = os.stat(old, dir_fd=left, follow_symlinks=False)
            if (status.st_dev, status.st_ino) != self._identity:
                raise OSError(errno.ESTALE, "another user has replaced it", os.fspath(source))
            os.rename(old, new, src_dir_fd=left, dst_dir_fd=entered)

    def give_to(self, user: int, group: int) -> None:
        """Give it and all that is in it to a user and a group; itself last, for until then it is closed to them."""
        top = self.path if self._descriptor is None else "."  # fwalk takes a pinned path for a link
        for _, folders, files, folder in os.fwalk(top, dir_fd=self._descriptor):
            for name in (*folders, *files):
                os.chown(name, user, group, dir_fd=folder, follow_symlinks=False)
        if self._descriptor is None:
            os.chown(self.path, user, group, follow_symlinks=False)
        else:
            os.fchown(self._descriptor, user, group)

    def close(self) -> None:
        """Let go of it; it stays where it is."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def unpinned(path: str) -> str:
    """A path for messages: what lies in a pinned folder is named relative to that.

    >>> unpinned("/proc/self/fd/7/Default/Cookies"), unpinned("/home/bot")
    ('Default/Cookies', '/home/bot')
    """
    return path.removeprefix(_PINNED).partition("/")[2] if path.startswith(_PINNED) else path
