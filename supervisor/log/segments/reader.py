"""Reading a log, line by line as the bot wrote them, also while it is being written."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from supervisor.log.segments.format import LogRecord, decode, stamp
from supervisor.log.segments.rotation import segment_files
from supervisor.system.reading import open_regular

LONGEST: Final = 64 * 1024
"""Bytes of an unfinished line that are held; a longer one is returned in parts."""

_TICK: Final = 1.0
_STEP: Final = 0.1  # seconds; a look takes some 50 µs
_BREAKS: Final = {"bot.starting", "log.gap"}  # events after which an unfinished line does not go on


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the bot's output without its line end; `partial` if it goes on in the next one, or never ended."""

    at: datetime
    stream: str
    data: bytes
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """An event: its fields, with `ts`, `level` and `event`, as in the file."""

    at: datetime
    fields: Mapping[str, Any]


Entry = Line | Note


class LogReader:
    """Reads one log from its oldest segment on. `read` returns each entry once."""

    def __init__(self, folder: Path, key: str, *, since: datetime | None = None) -> None:
        """`since`: leave out older entries, and do not read segments that hold no others."""
        self._folder = folder
        self._key = key
        self._since = since
        self._number = _first_since(segment_files(folder, key), since)
        self._file: BinaryIO | None = None
        self._torn = b""
        self._lines = _Lines()
        self._began = self._skipped = False

    def skip_to_last(self, count: int, wanted: Callable[[Entry], bool]) -> None:
        """Skip the segments before those that hold the last `count` entries for which `wanted` is true."""
        found = 0
        for number, path in reversed(segment_files(self._folder, self._key)):
            if number < self._number:
                return
            with open_regular(path) as file:
                lines = _Lines()
                found += sum(wanted(entry) for line in file for entry in self._entries(line, lines))
            if found >= count:
                self._number = number
                return

    def read(self, *, flush: bool = False) -> Iterator[Entry]:
        """The entries written since the last call; with `flush` also unfinished lines."""
        while self._file is not None or self._open():
            assert self._file is not None
            if self._skipped:
                self._skipped = False
                yield from self._lines.rest()
                yield _gap("older files were removed before they were read")
            # Looked up before reading: once a later segment exists, this one is complete.
            later = any(number > self._number for number, _ in segment_files(self._folder, self._key))
            for line in self._file:
                self._torn += line
                if self._torn.endswith(b"\n"):
                    whole, self._torn = self._torn, b""
                    yield from self._entries(whole, self._lines)
            if not later:
                break
            self.close()
            self._number += 1
        if flush:
            yield from self._lines.rest()

    def close(self) -> None:
        """Close the segment that is being read."""
        file, self._file, self._torn = self._file, None, b""
        if file is not None:
            file.close()

    def _open(self) -> bool:
        """Open the next segment; False if there is none yet."""
        for number, path in segment_files(self._folder, self._key):
            if number >= self._number:
                with contextlib.suppress(FileNotFoundError):  # removed just now, as the oldest
                    self._file = open_regular(path)
                    self._skipped = self._began and number > self._number
                    self._began, self._number = True, number
                    return True
        return False

    def _entries(self, line: bytes, lines: _Lines) -> Iterator[Entry]:
        record = decode(line)
        if record is not None and (self._since is None or record.at >= self._since):
            yield from lines.feed(record)


class _Lines:
    """Joins pieces of output to lines, separately for each stream."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[datetime, bytes]] = {}

    def feed(self, record: LogRecord) -> Iterator[Entry]:
        """The entries that this record completes."""
        if record.event:
            if record.event["event"] in _BREAKS:
                yield from self.rest()
            yield Note(record.at, record.event)
            return
        begun, rest = self._open.pop(record.stream, (record.at, b""))
        *whole, last = (rest + record.data).split(b"\n")
        for line in whole:
            yield Line(begun, record.stream, line)
            begun = record.at
        if len(last) > LONGEST:
            yield Line(begun, record.stream, last, partial=True)
        elif last:
            self._open[record.stream] = (begun, last)

    def rest(self) -> Iterator[Entry]:
        """The unfinished lines."""
        for stream, (begun, rest) in self._open.items():
            yield Line(begun, stream, rest, partial=True)
        self._open.clear()


def changes(folder: Path) -> Iterator[bool]:
    """Block until something in the folder changes: yields True, and False after each second without a change.

    What is read is compared at intervals: the folder is created with the first line of a log, and may be removed and
    created again, and a library for events would be installed for this alone.
    """
    seen, since = _state(folder), time.monotonic()
    while True:
        time.sleep(_STEP)
        now = _state(folder)
        if now == seen and time.monotonic() - since < _TICK:
            continue
        changed, seen, since = now != seen, now, time.monotonic()
        yield changed


def _state(folder: Path) -> list[tuple[str, int, int]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((one.name, one.stat().st_size, one.stat().st_mtime_ns) for one in entries)
    except FileNotFoundError:  # the folder, or a file that has just been removed
        return []


def _gap(problem: str) -> Note:
    """An entry that reports missing output."""
    now = time.time()
    fields = {"ts": stamp(now), "level": "warning", "event": "log.gap", "problem": problem}
    return Note(datetime.fromtimestamp(now, UTC), fields)


def _first_since(found: Sequence[tuple[int, Path]], since: datetime | None) -> int:
    """The number of the first segment that may hold entries from `since` on."""
    first = 0
    for number, path in found if since is not None else ():
        with contextlib.suppress(FileNotFoundError), open_regular(path) as file:
            record = next(filter(None, map(decode, file)), None)
            if record is not None and since is not None and record.at >= since:
                break
            first = number
    return first
