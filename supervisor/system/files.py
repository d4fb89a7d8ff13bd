"""Durable, private file operations: the only place that knows how platforms differ.

Everything written here is for its owner only (files 0600, folders 0700) whatever the umask says, because a profile is
the account. "Durable" means that after the call returns, a power cut does not undo it.
"""

import errno
import filecmp
import os
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import google_crc32c

from supervisor.system.errors import NoRoomError
from supervisor.system.escape import printable
from supervisor.system.folders import PinnedFolder, beside
from supervisor.system.sparse_files import allocated, extend_by_zeros, extents, has_holes

if sys.platform != "win32":
    import fcntl

TEMPORARY_SUFFIX = ".scanonce-tmp"
FILE_MODE = 0o600
FOLDER_MODE = 0o700
ROOM_TO_WORK = 64 << 20  # bytes; below this a browser's own logs and caches fail to grow within minutes

_CHUNK = 1 << 20  # bytes; large enough that the cost of a call vanishes, small beside the supervisor's memory
_COPY_STEP = 1 << 30  # bytes asked of one sendfile; the kernel caps it at 2 GiB
_DISK_TROUBLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG})
_FICLONE = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)
_READ_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)  # a file swapped for a link after the walk is not followed
    | getattr(os, "O_NONBLOCK", 0)  # nor does one swapped for a FIFO block us
)
_CREATE_FLAGS = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
)


def make_private_folder(path: Path | str) -> None:
    """Create one folder, mode 0700, in one that no other user may write to. `FileExistsError` if it is there."""
    os.mkdir(path, FOLDER_MODE)  # noqa: PTH102 - called hundreds of times in a capture; Path costs more than mkdir
    os.chmod(path, FOLDER_MODE)  # noqa: PTH101 - the umask may have taken bits away


def ensure_private_folder(path: Path) -> None:
    """Create `path`, mode 0700, and its missing parents."""
    ensure_folder(path.parent)
    try:
        PinnedFolder(path).close()
    except FileExistsError:
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "a file is in the place of a folder", str(path)) from None
        with beside(path / "any"):  # raises if another user's link is in its place
            pass
    else:
        sync_folder(path.parent)


def ensure_folder(path: Path) -> None:
    """Create a folder and its missing parents, with the usual mode."""
    if path.is_dir():
        return
    ensure_folder(path.parent)
    with suppress(FileExistsError), beside(path) as (folder, name):
        os.mkdir(name, dir_fd=folder)


def sync_file(path: Path | str) -> None:
    """Make a file's contents durable."""
    fd = os.open(path, _READ_FLAGS)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def begin_writing(paths: Iterable[Path | str]) -> None:
    """Have the kernel begin to write files to the disk, and wait for nothing: a `sync_file` that follows waits less."""
    if sys.platform != "linux":
        return
    for path in paths:
        fd = os.open(path, _READ_FLAGS)
        try:
            # It starts the writing of what is dirty, and drops from memory only what is not (mm/fadvise.c).
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


def sync_folder(path: Path | str) -> None:
    """Make a folder's entries (creations, renames, removals) durable.

    Windows cannot open a folder for this; NTFS journals its metadata itself.
    """
    if os.name == "nt":
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _flush(fd)
    except OSError as error:
        # Some file systems (network, FUSE) refuse fsync on a folder; they promise nothing that we could wait for.
        if error.errno not in {errno.EINVAL, errno.EBADF, errno.ENOTSUP}:
            raise
    finally:
        os.close(fd)


def write_new(path: Path | str, data: bytes, *, durable: bool = True) -> None:
    """Create a file, mode 0600, with `data`, its contents durable. The name is not: see `sync_folder`."""
    with beside(path) as (folder, name):
        fd = os.open(name, _CREATE_FLAGS, FILE_MODE, dir_fd=folder)
    try:
        make_private(fd)
        write_all(fd, data)
        if durable:
            _flush(fd)
    finally:
        os.close(fd)


def replace_file(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace `path` with `data`: a reader sees the old contents or the new, never a mixture.

    So does one after a power cut if `durable`; if not, it may then find the file empty. One thread at a time.
    """
    temporary = _temporary_of(path)
    unlink(temporary)  # left by a process that was killed and whose id we were given
    try:
        write_new(temporary, data, durable=durable)
        _replace(temporary, path)
    except OSError:
        unlink(temporary)
        raise
    if durable:
        sync_folder(path.parent)


def rewrite(path: Path, data: bytes) -> None:
    """Make a file with `data` in the place of any other; on a full disk it is empty. For notes that need not last."""
    unlink(path)
    write_new(path, data, durable=False)


def rename(source: Path | str, target: Path | str) -> None:
    """Give a file or folder another name, in the place of a file or an empty folder of that name."""
    with beside(source) as (left, old), beside(target) as (entered, new):
        if left is None and entered is None:
            os.rename(old, new)  # noqa: PTH104
        else:
            os.rename(old, new, src_dir_fd=left, dst_dir_fd=entered)


def unlink(path: Path | str) -> None:
    """Remove a file or link if it is there."""
    with suppress(FileNotFoundError), beside(path) as (folder, name):
        os.unlink(name, dir_fd=folder)


def _replace(temporary: str, path: Path | str) -> None:
    with beside(temporary) as (left, old), beside(path) as (entered, new):
        if left is None:
            os.replace(old, path)  # noqa: PTH105
        else:
            os.replace(old, new, src_dir_fd=left, dst_dir_fd=entered)


def open_own(path: Path | str, flags: int, mode: int = FILE_MODE) -> int:
    """Open a regular file to write to it, and make it if `flags` say so; returns its descriptor.

    Where others may write, no link at its place is followed, and nothing else there is waited for. Raises `OSError`.
    """
    with beside(path) as (folder, name):
        strict = getattr(os, "O_NOFOLLOW", 0) if folder is not None else 0
        more = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        fd = os.open(name, flags | strict | more, mode, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return fd


def temporaries(folder: Path) -> Iterator[Path]:
    """What processes that were killed left of the files that `replace_file` prepares in a folder."""
    return folder.glob(f".*{TEMPORARY_SUFFIX}")


def _temporary_of(path: Path | str) -> str:
    """A name of this process's own: two that replaced one file at once would else publish each other's halves."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name[:100]}.{os.getpid()}{TEMPORARY_SUFFIX}")  # noqa: PTH118


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`; a short write (signals, quotas) is continued, not taken for success."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def copy_file(source: Path | str, target: Path | str, *, mtime_ns: int) -> int:
    """Copy a regular file to a new one, mode 0600, with the given mtime. Returns the bytes copied.

    The copy has blocks of its own on the disk, so that a bad one cannot cost the copy and the original at once.
    Not durable: see `sync_file`. A `source` which is no regular file raises `OSError`.
    """
    read_fd = os.open(source, _READ_FLAGS)
    try:
        status = os.fstat(read_fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(source))
        write_fd = os.open(target, _CREATE_FLAGS, FILE_MODE)
        try:
            make_private(write_fd)
            copied = _copy_data(read_fd, write_fd) if has_holes(status) else _copy_contents(read_fd, write_fd, status)
            _set_mtime(write_fd, target, mtime_ns)
        finally:
            os.close(write_fd)
    finally:
        os.close(read_fd)
    return copied


def share_blocks(source: Path | str, target: Path | str, *, mtime_ns: int) -> bool:
    """Make `target`, a new file of mode 0600, share the blocks of `source` until one of them is written to (reflink).

    Says whether the file system can do that; if not there is no `target`. Raises `OSError` for a full or failing disk.
    """
    if sys.platform != "linux":
        return False
    with ExitStack() as stack:
        read_fd = os.open(source, _READ_FLAGS)
        stack.callback(os.close, read_fd)
        write_fd = os.open(target, _CREATE_FLAGS, FILE_MODE)
        stack.callback(os.close, write_fd)
        make_private(write_fd)
        try:
            fcntl.ioctl(write_fd, _FICLONE, read_fd)
        except OSError as error:
            if error.errno in _DISK_TROUBLE:
                raise
            os.unlink(target)  # noqa: PTH108 - EOPNOTSUPP, EXDEV, EINVAL, ENOTTY: it cannot be shared here
            return False
        _set_mtime(write_fd, target, mtime_ns)
    return True


def keep_a_copy(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where that cannot be; nothing is done if `target` is there already."""
    if target.exists():
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        copy_file(source, target, mtime_ns=source.stat().st_mtime_ns)
        sync_file(target)
    sync_folder(target.parent)


def replace_by_link(source: Path | str, target: Path | str) -> bool:
    """Replace `target` by a hard link to `source` if both hold the same bytes; says whether that was done.

    It is not where there are no hard links, or `source` is gone.
    """
    temporary = _temporary_of(target)
    try:
        if has_holes(os.stat(target)) or not filecmp.cmp(source, target, shallow=False):  # noqa: PTH116
            return False  # of holes there is nothing to share, and much to compare
        os.link(source, temporary)
    except OSError:
        return False
    finally:
        filecmp.clear_cache()  # it would keep a hundred answers, and no pair is asked for twice
    os.replace(temporary, target)  # noqa: PTH105
    return True


class Room(NamedTuple):
    """The room on a disk, in bytes."""

    free: int
    reserve: int
    """What is left for others: without it, a bot and all that runs beside it fail to write."""


def room(folder: Path) -> Room:
    """The room on the disk of a folder: its reserve is 64 MiB, on a small disk a twentieth. Raises `OSError`."""
    disk = shutil.disk_usage(folder)
    return Room(disk.free, min(ROOM_TO_WORK, disk.total // 20))


def refuse_without_room(doing: str, folder: Path, paths: Iterable[Path | str], *, reserve: bool = True) -> None:
    """Raise `NoRoomError` if copies of files have no room on the disk of a folder, or only in its reserve.

    `doing` is what is then said to have been done to the folder, as in `explained`. Raises `OSError`.
    """
    needed = sum(allocated(os.lstat(path)) for path in paths)
    there = room(folder)
    kept = there.reserve if reserve else 0
    if needed and needed + kept > there.free:
        few = "the disk is full" if there.free <= kept else "there is not enough room on the disk"
        left = f", of which {_mebibytes(kept)} are kept free" if kept else ""
        raise NoRoomError(
            f"Could not {doing} {printable(folder)}: {few}: free some space and try again. It takes "
            f"{_mebibytes(needed)}, and {_mebibytes(there.free)} are free{left}."
        )


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"


def checksum(path: Path | str, *, sync: bool = False) -> int:
    """The CRC32C of a file; with `sync`, its contents are also made durable."""
    fd = os.open(path, _READ_FLAGS)
    try:
        if sync:
            os.fsync(fd)
        status = os.fstat(fd)
        value = at = 0
        for begin, end in extents(fd) if has_holes(status) else [(0, None)]:
            value = extend_by_zeros(value, begin - at)
            os.lseek(fd, begin, os.SEEK_SET)
            while chunk := os.read(fd, _CHUNK if end is None else min(end - begin, _CHUNK)):
                value = google_crc32c.extend(value, chunk)
                begin += len(chunk)
            at = begin
        value = extend_by_zeros(value, max(0, status.st_size - at))
    finally:
        os.close(fd)
    return value


def remove_tree(path: Path) -> None:
    """Remove a folder and everything in it, what is read-only included; links are removed, never followed."""
    with beside(path) as (folder, name):
        try:
            shutil.rmtree(name, dir_fd=folder)
        except PermissionError:
            if os.name != "nt" and os.geteuid() == 0:  # whom no mode keeps out
                raise
            _open_up(path)
            shutil.rmtree(name, dir_fd=folder)


def _open_up(root: Path) -> None:
    """Make every folder below ours to change, and every file: Windows removes no file that is read-only."""
    root.chmod(FOLDER_MODE)
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(FOLDER_MODE if name in folders else FILE_MODE)


def _flush(fd: int) -> None:
    """Make durable what was written to `fd`, and on macOS all that was handed to the drive before.

    There fsync leaves data in the drive's cache and F_FULLFSYNC empties that (fsync(2)): dear, so it is kept for
    manifests, journals and folders, which come after the files that they vouch for.
    """
    if sys.platform == "darwin":
        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        except OSError:  # a network mount
            os.fsync(fd)
    else:
        os.fsync(fd)


def make_private(fd: int) -> None:
    """Make an open file readable and writable by its owner only."""
    if os.name != "nt":
        os.fchmod(fd, FILE_MODE)  # the umask may have taken bits away


def _set_mtime(fd: int, path: Path | str, mtime_ns: int) -> None:
    os.utime(fd if os.utime in os.supports_fd else path, ns=(mtime_ns, mtime_ns))


def _copy_data(read_fd: int, write_fd: int) -> int:
    """Copy a file with holes: they stay holes."""
    for begin, end in extents(read_fd):
        os.lseek(write_fd, begin, os.SEEK_SET)
        os.lseek(read_fd, begin, os.SEEK_SET)
        while (left := end - os.lseek(read_fd, 0, os.SEEK_CUR)) > 0 and (chunk := os.read(read_fd, min(left, _CHUNK))):
            write_all(write_fd, chunk)
    size = os.fstat(read_fd).st_size
    os.ftruncate(write_fd, size)
    return size


def _copy_contents(read_fd: int, write_fd: int, status: os.stat_result) -> int:
    if status.st_size == 0:
        return 0
    copied = _copy_in_kernel(read_fd, write_fd)
    while chunk := os.read(read_fd, _CHUNK):
        write_all(write_fd, chunk)
        copied += len(chunk)
    return copied


def _copy_in_kernel(read_fd: int, write_fd: int) -> int:
    """Copy as much as the kernel will, from and to the current offsets; the caller reads on from there.

    Not by copy_file_range, which shares the blocks where the file system can.
    """
    if sys.platform != "linux":
        return 0
    copied = 0
    try:
        while step := os.sendfile(write_fd, read_fd, None, _COPY_STEP):
            copied += step
    except OSError as error:
        if error.errno in _DISK_TROUBLE:
            raise
    return copied
