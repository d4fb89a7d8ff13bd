"""Writing of a log from a thread, so that no caller is blocked."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from supervisor.log.segments.format import OutputEncoder, encode_event
from supervisor.log.segments.rotation import Segments
from supervisor.system.async_writer import LossCounter

ROOM: Final = 4 * 1024 * 1024
"""Bytes that are queued while the disk is slow or full."""

_OVERHEAD: Final = 200  # bytes of memory that even the smallest piece takes
#: Seconds of rest after each piece of a flood, some of which is dropped in any case. On a busy machine this thread may
#: be preempted while it holds Python's lock (GIL), and the threads that pass on the bot's output would wait for it.
_THROTTLE: Final = 0.002

_RETRY: Final = 1.0  # seconds between two tries to write to a full disk

#: Time, name of the stream or event, its bytes or its level and fields, bytes of memory.
_Item = tuple[float, str, bytes | tuple[str, Mapping[str, Any]], int]


class LogWriter:
    """Writes one log. Takes items from any thread; its own thread starts with the first.

    Items beyond `room` are dropped and counted, and an event `log.gap` in the log takes their place. A line that the
    disk does not take is tried again until it does; meanwhile items are queued.
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
        """Log a piece of the bot's output."""
        self._put((time.time(), stream, data, len(data) + _OVERHEAD))

    def event(self, level: str, name: str, fields: Mapping[str, Any]) -> None:
        """Log an event."""
        self._put((time.time(), name, (level, fields), 2 * _OVERHEAD))

    def close(self, timeout: float) -> None:
        """Take no more items and wait up to `timeout` seconds for those queued. A full disk gets one more try."""
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
                    time.sleep(_THROTTLE)
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
        """Write a line, trying again until the disk takes it; False if the log was closed and it still does not."""
        while True:
            # Read before the try: if `close` is called while this one fails, there is one more.
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
