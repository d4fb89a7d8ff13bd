"""Takes what is to be kept, at once, and has a thread write it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from supervisor.log.files.format import OutputEncoder, encode_event
from supervisor.log.files.rotation import Segments
from supervisor.system.async_writer import LossCounter

ROOM: Final = 4 * 1024 * 1024
"""Bytes that may wait for a disk that is slower than the bot, or full."""

_OVERHEAD: Final = 200  # bytes of memory that even the smallest piece takes
_BREATH: Final = 0.002
"""Seconds of rest after each piece of a flood. It is more than anyone will read, and some of it is dropped in any case.
The threads that keep the bot going must not wait for this one, which on a busy machine may lose the processor in the
midst of its work, while it has Python's lock."""

_RETRY: Final = 1.0  # seconds between two tries to write to a disk that did not take it

#: When, which stream or event, and its bytes, or its level and fields.
_Item = tuple[float, str, bytes | tuple[str, Mapping[str, Any]], int]


class Recorder:
    """A log that is being written, from any thread, by one of its own; started with the first item.

    What finds no room is dropped and counted, and an event `log.gap` stands in its place in the file. A disk that does
    not take a line is tried again and again; meanwhile as much as there is room for waits.
    """

    def __init__(self, segments: Segments, losses: LossCounter, *, room: int = ROOM) -> None:
        self._segments = segments
        self._losses = losses
        self._room = room
        self._encoders: dict[str, OutputEncoder] = {}
        self._changed = threading.Condition()
        self._items: deque[_Item] = deque()
        self._size = 0
        self._dropped = 0
        self._problem: str | None = None
        self._closed = False
        self._thread: threading.Thread | None = None

    def output(self, stream: str, data: bytes) -> None:
        """Keep what was read from the bot."""
        self._put((time.time(), stream, data, len(data) + _OVERHEAD))

    def event(self, level: str, name: str, fields: Mapping[str, Any]) -> None:
        """Keep an event."""
        self._put((time.time(), name, (level, fields), 2 * _OVERHEAD))

    def close(self, timeout: float) -> None:
        """Take nothing more; what waits is given `timeout` seconds, a disk that took nothing one more try."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)

    def _put(self, item: _Item) -> None:
        at, _, content, size = item
        lost = ""
        with self._changed:
            if self._closed:
                return
            if self._size + size > self._room:
                lost = self._problem or "the disk is slower than the bot"
                self._dropped += len(content) if isinstance(content, bytes) else 0
            else:
                if self._dropped:
                    gap = {"bytes": self._dropped, "problem": self._problem or "the disk was slower than the bot"}
                    self._append((at, "log.gap", ("warning", gap), 2 * _OVERHEAD))
                    self._dropped = 0
                self._append(item)
        if lost and isinstance(content, bytes):
            self._losses.add(len(content), lost)

    def _append(self, item: _Item) -> None:
        self._items.append(item)
        self._size += item[-1]
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="log-files", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        try:
            while (item := self._next()) is not None:
                line = self._encode(item)
                if line and not self._write(line):
                    return
                with self._changed:
                    self._size -= item[-1]
                    flood = self._size > self._room // 2 and not self._closed
                self._losses.look()
                if flood:
                    time.sleep(_BREATH)
            for encoder in self._encoders.values():
                if rest := encoder.rest(time.time()):
                    self._write(rest)
        finally:
            self._segments.close()

    def _next(self) -> _Item | None:
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            return self._items.popleft() if self._items else None

    def _encode(self, item: _Item) -> bytes:
        at, name, content, _ = item
        if isinstance(content, bytes):
            return self._encoders.setdefault(name, OutputEncoder(name)).encode(at, content)
        return encode_event(at, content[0], name, content[1])

    def _write(self, line: bytes) -> bool:
        """Write a line, trying until the disk takes it; False if it does not and the end has come."""
        while True:
            # Asked before the try: an end that comes while this one fails has another one still.
            last = self._closed
            try:
                self._segments.write(line)
            except OSError as error:
                problem = error.strerror or str(error)
            else:
                self._problem = None
                return True
            first, self._problem = self._problem is None, problem
            if first:
                self._losses.add(0, problem)
            if last:
                return False
            with self._changed:
                self._changed.wait_for(lambda: self._closed, _RETRY)
