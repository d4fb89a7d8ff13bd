"""Files of records: write-ahead logs (``NNNNNN.log``) and MANIFESTs share one format.

A file is a row of 32 KiB blocks. A record lies in a block as one FULL fragment, or across several as FIRST, MIDDLE,
LAST; each fragment has its own checksum, length and type. Fewer than 7 bytes at a block's end are unused
padding. The format is described in LevelDB's doc/log_format.md, and what counts as the end in db/log_reader.cc.

**A file may end anywhere.** A writer that dies leaves a fragment cut short, a header alone, a record without its last
fragment, or (power cut) zeros where the size grew before the data came. LevelDB takes all of these for the end of the
file, and so do we: the tail is then `torn`, and its `end` is where the last whole record ends. Everything else that
does not add up is damage.

One thing here is stricter than LevelDB. A length field damaged in the file's last block may point past the end of the
file, and LevelDB then drops the rest of the file without a word. A length that the block cannot hold, a type that there
is not, or a checksum that fits a shorter fragment gives such a field away.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from google_crc32c import extend
from google_crc32c import value as crc32c

from supervisor.session.leveldb.damage import ProblemKind, Tail
from supervisor.session.leveldb.encoding import DamageError, mask

BLOCK_SIZE = 32768
_HEADER = struct.Struct("<IHB")  # masked CRC32C of type and payload, length of the payload, type
_HEADER_SIZE = _HEADER.size
_ZERO, _FULL, _FIRST, _MIDDLE, _LAST = range(5)


class LevelDbRecord(NamedTuple):
    """One whole record."""

    offset: int
    """Where its first fragment begins in the file."""

    length: int
    """Bytes of payload."""

    payload: bytes
    """The payload, or as much of its beginning as the reader was asked to keep."""


#: Where a fragment begins and ends, its type and its payload. A plain tuple: a log may hold a hundred thousand.
_Fragment = tuple[int, int, int, bytes]


class RecordReader:
    """Iterate once over the whole records of a file; afterwards `tail` says where and how it ended.

    Raises `DamageError` at the first damage, and `OSError` if the file cannot be read.
    """

    def __init__(self, file: BinaryIO, name: str, *, keep: int, start: int = 0) -> None:
        """Read `file` from `start`, where a record ends, keeping at most `keep` bytes of each payload in memory."""
        self._file = file
        self._name = name
        self._keep = keep
        self._end = start
        self._torn = False
        self._position = start % BLOCK_SIZE  # in the first block
        #: Where it has come to in the file, in bytes.
        self.bytes_read = start - self._position
        file.seek(self.bytes_read)

    @property
    def tail(self) -> Tail:
        """The end of what has been read so far."""
        return Tail(self._name, self._end, self._torn)

    def __iter__(self) -> Iterator[LevelDbRecord]:
        start: int | None = None  # of the record whose fragments are being gathered
        length = 0
        kept = bytearray()
        for offset, end, kind, payload in self._fragments():
            if kind == _FULL and start is None:  # nearly all are
                self._end = end
                yield LevelDbRecord(offset, len(payload), payload[: self._keep])
                continue
            if kind in (_FULL, _FIRST):
                # An empty FIRST before a FULL is what early versions of LevelDB left at the end of a block.
                if start is not None and length:
                    raise DamageError(ProblemKind.MALFORMED, start, "a record begins here and has no end")
                start, length = offset, 0
                kept.clear()
            elif start is None or kind not in (_MIDDLE, _LAST):
                raise DamageError(ProblemKind.MALFORMED, offset, f"a fragment of type {kind} belongs to no record")
            length += len(payload)
            kept += payload[: self._keep - len(kept)]
            if kind in (_FULL, _LAST):
                self._end = end
                yield LevelDbRecord(start, length, bytes(kept))
                start = None
        self._torn |= start is not None

    def _fragments(self) -> Iterator[_Fragment]:
        unpack = _HEADER.unpack_from
        while block := self._file.read(BLOCK_SIZE):
            base = self.bytes_read
            self.bytes_read += len(block)
            position, self._position = self._position, 0
            last = len(block) - _HEADER_SIZE
            while position <= last:
                stored, length, kind = unpack(block, position)
                end = position + _HEADER_SIZE + length
                if kind == _ZERO and length == 0:
                    self._require_zeros_to_the_end(block[position:], base + position)
                    self._torn = True
                    return
                checked = block[position + 6 : end]  # type and payload
                if end > len(block):
                    _require_cut_short(stored, checked, end, base + position)
                    self._torn = True
                    return
                if mask(crc32c(checked)) != stored:
                    raise DamageError(
                        ProblemKind.CHECKSUM, base + position, f"a record of {length} bytes fails its checksum"
                    )
                yield base + position, base + end, kind, checked[1:]
                position = end
            if len(block) < BLOCK_SIZE:
                self._torn = position < len(block)
                return

    def _require_zeros_to_the_end(self, rest: bytes, offset: int) -> None:
        """Zeros up to the end were never written; if something follows them, what was there is lost."""
        while rest:
            if rest.count(0) != len(rest):
                raise DamageError(
                    ProblemKind.MALFORMED, offset, "an empty stretch begins here, with more bytes after it"
                )
            rest = self._file.read(BLOCK_SIZE)
            self.bytes_read += len(rest)


def _require_cut_short(stored: int, checked: bytes, end: int, offset: int) -> None:
    """A fragment that reaches past the end of the file is a torn one, unless its length field is what is wrong."""
    if end > BLOCK_SIZE or checked[0] > _LAST:
        raise DamageError(ProblemKind.MALFORMED, offset, "no record can begin like this")
    crc = 0
    for index in range(len(checked)):
        crc = extend(crc, checked[index : index + 1])
        if mask(crc) == stored:
            raise DamageError(
                ProblemKind.MALFORMED,
                offset,
                f"a record reaches past the end of the file, but its checksum is that of its first {index} bytes",
            )
