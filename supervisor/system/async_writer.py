"""Bytes for a reader who may stand still: taken at once, written by a thread, dropped and counted if there is no room.

What writes to a full pipe waits until somebody reads it, and a poll beforehand does not help: between the poll and the
write another writer may take the room. So it is a thread that waits, and whoever has something to say never does.
"""

from __future__ import annotations

import errno
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_CALM: Final = 10.0
"""Seconds without a loss after which one is over."""

_SULKING: Final = 1.0
"""Seconds for which a reader that was waited for in vain is not waited for again."""

_READER_GONE: Final = {errno.EPIPE, errno.EIO, errno.EBADF, errno.ECONNRESET, errno.ENOTCONN}


@dataclass(frozen=True, slots=True)
class Loss:
    """News of what is dropped at `where`: that it begins, with the `problem`, or that it is over (`problem` None)."""

    where: str
    problem: str | None
    dropped: int
    """Bytes; 0 at the beginning."""


class LossCounter:
    """Counts the bytes that are dropped at one place; `tell` hears of the beginning and of the end, from any thread."""

    def __init__(self, where: str, tell: Callable[[Loss], None], *, calm: float = _CALM) -> None:
        self._where = where
        self._tell = tell
        self._calm = calm
        self._lock = threading.Lock()
        self._losing = False
        self._dropped = 0
        self._last = 0.0

    def add(self, size: int, problem: str) -> None:
        """So many bytes were dropped, or with 0 soon will be."""
        with self._lock:
            first, self._losing = not self._losing, True
            self._dropped += size
            self._last = time.monotonic()
        if first:
            self._tell(Loss(self._where, problem, 0))

    def look(self, *, last: bool = False) -> None:
        """Tell that it is over, if it is; `last` says that nothing more will come."""
        with self._lock:
            if not self._losing or not (last or time.monotonic() - self._last >= self._calm):
                return
            dropped, self._dropped, self._losing = self._dropped, 0, False
        self._tell(Loss(self._where, None, dropped))


class AsyncWriter:
    """One stream of ours, by its descriptor, with a thread that writes to it; started with the first bytes.

    `room` bytes may wait. When they are used up `put` waits up to `patience` seconds for a reader that is merely slower
    than the bot; for one that stands still it does so once a second at most, and what finds no room is dropped.
    When the reader has gone for good, everything is taken and nothing written, as if nobody had been there.
    """

    def __init__(self, target: int, losses: LossCounter | None = None, *, room: int, patience: float = 0.0) -> None:
        self._target = target
        self._losses = losses
        self._room = room
        self._patience = patience
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._gone = False
        self._closed = False
        self._sulking_until = 0.0
        self._thread: threading.Thread | None = None

    def put(self, data: bytes) -> None:
        """Have something written, all of it or nothing."""
        with self._changed:
            if self._gone or self._closed:
                return
            taken = self._has_room(len(data)) or self._wait_for_room(len(data))
            if taken:
                self._waiting.append(data)
                self._size += len(data)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name=f"outlet-{self._target}", daemon=True)
                    self._thread.start()
                self._changed.notify_all()
        if not taken and self._losses is not None:
            self._losses.add(len(data), "nobody reads it")

    def flush(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until everything is written."""
        with self._changed:
            self._changed.wait_for(lambda: not self._size, timeout)

    def close(self, timeout: float) -> None:
        """Take nothing more; what waits is given `timeout` seconds. A thread that is held up then is left behind."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)

    def _has_room(self, size: int) -> bool:
        return self._gone or self._closed or not self._size or self._size + size <= self._room

    def _wait_for_room(self, size: int) -> bool:
        if self._patience <= 0 or time.monotonic() < self._sulking_until:
            return False
        if self._changed.wait_for(lambda: self._has_room(size), self._patience):
            return True
        self._sulking_until = time.monotonic() + _SULKING
        return False

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                piece = self._waiting.popleft()
            gone = not self._write(piece)
            with self._changed:
                self._size -= len(piece)
                if gone:
                    self._gone, self._size = True, 0
                    self._waiting.clear()
                self._changed.notify_all()
            if self._losses is not None:
                self._losses.look()

    def _write(self, piece: bytes) -> bool:
        """Write a piece, however long that takes; False if there is no reader any more."""
        view = memoryview(piece)
        while view:
            try:
                view = view[os.write(self._target, view) :]
            except BlockingIOError:  # somebody who shares our stream made it non-blocking
                select.select([], [self._target], [])
            except OSError as error:
                if error.errno in _READER_GONE:
                    return False
                if self._losses is not None:  # a file on a full disk: there may be room again later
                    self._losses.add(len(view), error.strerror or str(error))
                return True
        return True
