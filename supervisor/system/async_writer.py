"""Writing to a reader that may block: a thread writes, and what finds no room is dropped and counted.

A write to a full pipe blocks until the pipe is read, and a poll beforehand does not prevent that: between the poll and
the write another writer may take the room.
"""

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
"""Seconds without a drop after which a loss is over."""

_RETRY: Final = 1.0
"""Seconds after a wait without success in which there is no further wait."""

_READER_GONE: Final = {errno.EPIPE, errno.EIO, errno.EBADF, errno.ECONNRESET, errno.ENOTCONN}


@dataclass(frozen=True, slots=True)
class Loss:
    """The beginning of a loss at `where`, with its `problem`, or its end (`problem` None)."""

    where: str
    problem: str | None
    dropped: int
    """Bytes; 0 at the beginning."""


class LossCounter:
    """Counts the bytes dropped at one place; `report` is called, from any thread, when a loss begins or ends."""

    def __init__(self, where: str, report: Callable[[Loss], None], *, calm: float = _CALM) -> None:
        self._where = where
        self._report = report
        self._calm = calm
        self._lock = threading.Lock()
        self._losing = False
        self._dropped = 0
        self._last = 0.0

    def add(self, size: int, problem: str) -> None:
        """Count bytes as dropped; 0 if some are about to be."""
        with self._lock:
            first, self._losing = not self._losing, True
            self._dropped += size
            self._last = time.monotonic()
        if first:
            self._report(Loss(self._where, problem, 0))

    def look(self, *, last: bool = False) -> None:
        """Report the end of a loss, if it is over; `last` ends it at once."""
        with self._lock:
            if not self._losing or not (last or time.monotonic() - self._last >= self._calm):
                return
            dropped, self._dropped, self._losing = self._dropped, 0, False
        self._report(Loss(self._where, None, dropped))


class AsyncWriter:
    """Writes to one descriptor from a thread, which starts with the first bytes.

    `room` bytes may be queued. When they are used up `put` waits up to `patience` seconds for a reader that is merely
    slow, once a second at most, and then drops the bytes. When the reader is gone, they are discarded without a report.
    """

    def __init__(self, target: int, losses: LossCounter | None = None, *, room: int, patience: float = 0.0) -> None:
        self._target = target
        self._losses = losses
        self._room = room
        self._patience = patience
        self._changed = threading.Condition()
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._gone = False
        self._closed = False
        self._no_wait_until = 0.0
        self._thread: threading.Thread | None = None

    def put(self, data: bytes) -> None:
        """Queue bytes to be written, all of them or none."""
        with self._changed:
            if self._gone or self._closed:
                return
            taken = self._has_room(len(data)) or self._wait_for_room(len(data))
            if taken:
                self._queue.append(data)
                self._size += len(data)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name=f"writer-{self._target}", daemon=True)
                    self._thread.start()
                self._changed.notify_all()
        if not taken and self._losses is not None:
            self._losses.add(len(data), "it is not being read")

    def flush(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until everything is written."""
        with self._changed:
            self._changed.wait_for(lambda: not self._size, timeout)

    def close(self, timeout: float) -> None:
        """Accept nothing more, and wait `timeout` seconds for the queue. A thread that still blocks is left behind."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)

    def _has_room(self, size: int) -> bool:
        return self._gone or self._closed or not self._size or self._size + size <= self._room

    def _wait_for_room(self, size: int) -> bool:
        if self._patience <= 0 or time.monotonic() < self._no_wait_until:
            return False
        if self._changed.wait_for(lambda: self._has_room(size), self._patience):
            return True
        self._no_wait_until = time.monotonic() + _RETRY
        return False

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if not self._queue:
                    return
                piece = self._queue.popleft()
            gone = not self._write(piece)
            with self._changed:
                self._size -= len(piece)
                if gone:
                    self._gone, self._size = True, 0
                    self._queue.clear()
                self._changed.notify_all()
            if self._losses is not None:
                self._losses.look()

    def _write(self, piece: bytes) -> bool:
        """Write a piece, however long that takes; False if the reader is gone."""
        view = memoryview(piece)
        while view:
            try:
                view = view[os.write(self._target, view) :]
            except BlockingIOError:  # another process that shares our stream has made it non-blocking
                select.select([], [self._target], [])
            except OSError as error:
                if error.errno in _READER_GONE:
                    return False
                if self._losses is not None:  # a file on a full disk: there may be room again later
                    self._losses.add(len(view), error.strerror or str(error))
                return True
        return True
