"""The source on Linux: one inotify descriptor, read by the event loop.

The reasons against watchfiles here, from its source and measured with version 1.3: it sleeps in steps to collect
events, so that reacting as fast as nodemon (10 ms from write to signal) takes 200 wake-ups a second and 0.7 % of a core
at rest; it cannot add folders while it runs; it drops the kernel's report that its queue has overflowed; and one file
name that is not UTF-8 makes it unusable. inotify costs nothing at rest, and reports that a file was closed after
writing, so that no half-written file is read.

See inotify(7) for the structure of an event and the meaning of the masks.
"""

import asyncio
import ctypes
import errno
import os
import struct
from collections.abc import Callable, Iterator

from supervisor.watch.source import Hint, HintKind, WatchLimitError

_MODIFY = 0x2
_ATTRIB = 0x4
_CLOSE_WRITE = 0x8
_MOVED_FROM = 0x40
_MOVED_TO = 0x80
_CREATE = 0x100
_DELETE = 0x200
_DELETE_SELF = 0x400
_MOVE_SELF = 0x800
_UNMOUNT = 0x2000
_Q_OVERFLOW = 0x4000
_IGNORED = 0x8000
_ONLYDIR = 0x1000000
_EXCL_UNLINK = 0x4000000
_ISDIR = 0x40000000

#: Without opening and reading, so that our own reads cause no events.
_MASK = (_MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF) | (
    _ONLYDIR | _EXCL_UNLINK
)

_HEADER = struct.Struct("iIII")

#: About 2,000 events per read; the kernel queues 16,384 (fs.inotify.max_queued_events).
_BUFFER = 64 * 1024


class InotifySource:
    """Watches single folders. The kernel's report of lost events becomes a hint."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            code = ctypes.get_errno()
            if code == errno.EMFILE:
                raise WatchLimitError("fs.inotify.max_user_instances")
            raise OSError(code, os.strerror(code))
        self._folders: dict[int, str] = {}
        self._watches: dict[str, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, folder: str) -> None:
        """Add one watch, or none for a folder that is watched already."""
        watch = self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), _MASK)
        if watch < 0:
            code = ctypes.get_errno()
            if code == errno.ENOSPC:
                raise WatchLimitError("fs.inotify.max_user_watches")
            raise OSError(code, os.strerror(code), folder)
        # With a bind mount one folder is in two places and has one watch: the place added last gets the hints.
        self._folders[watch] = folder
        self._watches[folder] = watch

    def remove(self, folder: str) -> None:
        """Remove the watch; the kernel may have removed it already, with the folder."""
        watch = self._watches.pop(folder, None)
        if watch is not None and self._folders.get(watch) == folder:
            del self._folders[watch]
            self._libc.inotify_rm_watch(self._descriptor, watch)

    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` once, and not again for hints left unread, so that the reader may take its time."""
        loop = self._loop = asyncio.get_running_loop()

        def readable() -> None:
            loop.remove_reader(self._descriptor)
            wake()

        loop.add_reader(self._descriptor, readable)

    def read(self) -> Iterator[Hint]:
        """The hints of the kernel's queue, until it is empty."""
        while True:
            try:
                data = os.read(self._descriptor, _BUFFER)
            except BlockingIOError:
                return
            yield from self._hints(data)

    def close(self) -> None:
        """Close the descriptor, and with it every watch."""
        if self._loop is not None:
            self._loop.remove_reader(self._descriptor)
            self._loop = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _hints(self, data: bytes) -> Iterator[Hint]:
        offset = 0
        while offset < len(data):
            watch, mask, _cookie, length = _HEADER.unpack_from(data, offset)
            offset += _HEADER.size
            name = data[offset : offset + length].rstrip(b"\0")
            offset += length
            hint = self._hint(watch, mask, os.fsdecode(name))
            if hint is not None:
                yield hint

    def _hint(self, watch: int, mask: int, name: str) -> Hint | None:
        if mask & _Q_OVERFLOW:
            return Hint("", "", HintKind.LOST)
        folder = self._folders.get(watch)
        if folder is None:  # queued before its watch was removed
            return None
        if mask & _IGNORED:
            # The watch is removed, and its number may be used again.
            del self._folders[watch]
            if self._watches.get(folder) == watch:
                del self._watches[folder]
            return None
        if mask & (_DELETE_SELF | _MOVE_SELF | _UNMOUNT):
            return Hint(folder, "", HintKind.SELF_GONE)
        return Hint(folder, name, _kind(mask)) if name else None


def _kind(mask: int) -> HintKind:
    if mask & (_DELETE | _MOVED_FROM):
        return HintKind.GONE
    if mask & _ISDIR:
        return HintKind.FOLDER
    if mask & (_CLOSE_WRITE | _MOVED_TO):
        return HintKind.WRITTEN
    return HintKind.TOUCHED
