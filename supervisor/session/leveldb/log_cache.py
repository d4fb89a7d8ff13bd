"""What is known of logs: they grow at their end, and what was parsed once need not be parsed again.

By the time a log is made into a table (4 MB) it may hold a hundred thousand records, and each stop of a bot would parse
them all. What was parsed is known again by its bytes, not by name, place or times: by the CRC32C of all of them, which
takes a thousandth of the time. So it is known in a snapshot's copy too, and whatever was changed in it is parsed.
"""

import threading
from typing import BinaryIO, NamedTuple

from google_crc32c import extend

_MOST = 64  # logs that are known at once
_KEY_SIZE = 64  # bytes at a log's beginning by which it is looked up: a checksum and a sequence number are among them
_CHUNK = 1 << 20  # bytes read at once


class Prefix(NamedTuple):
    """The beginning of a log, whole and without damage."""

    end: int
    """Bytes: where its last record ends."""

    crc: int
    """The CRC32C of all of them, its records' own checksums included."""

    above: int
    """The sequence number that the records follow: with a lower one there might be a gap."""

    last: int
    """The highest sequence number up to the end."""


class Prefixes:
    """The logs that were parsed lately. May be used by several threads."""

    def __init__(self) -> None:
        self._known: dict[bytes, Prefix] = {}
        self._lock = threading.Lock()

    def find(self, file: BinaryIO, above: int) -> Prefix | None:
        """How much of a log needs no parsing, if it follows the sequence number `above`; leaves the file anywhere."""
        with self._lock:
            known = self._known.get(_key(file))
        if known is None or above < known.above:
            return None
        return known if _checksum(file, 0, 0, known.end) == known.crc else None

    def note(self, file: BinaryIO, known: Prefix | None, *, end: int, above: int, last: int) -> None:
        """Remember that a log has been parsed up to `end`, to `known` before; leaves the file anywhere."""
        begin, before = (known.end, known.crc) if known is not None else (0, 0)
        crc = _checksum(file, before, begin, end)
        if crc is None or end < _KEY_SIZE:
            return
        key = _key(file)
        with self._lock:
            self._known.pop(key, None)  # the newest come last
            self._known[key] = Prefix(end, crc, above if known is None else known.above, last)
            while len(self._known) > _MOST:
                del self._known[next(iter(self._known))]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._known.clear()


#: One for all databases: what a log holds does not depend on where it lies.
PREFIXES = Prefixes()


def _key(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(_KEY_SIZE)


def _checksum(file: BinaryIO, crc: int, begin: int, end: int) -> int | None:
    """The CRC32C of a file up to `end`, given that up to `begin`; None if the file is shorter."""
    file.seek(begin)
    while begin < end:
        chunk = file.read(min(_CHUNK, end - begin))
        if not chunk:
            return None
        crc = int(extend(crc, chunk))
        begin += len(chunk)
    return crc
