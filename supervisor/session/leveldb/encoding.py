"""The encodings that every LevelDB file shares: varints, masked checksums, and the errors for damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisor.session.leveldb.damage import ProblemKind

LARGEST_SEQUENCE = (1 << 56) - 1  # LevelDB's kMaxSequenceNumber: 8 bits of each tag are taken by its type
_CRC_DELTA = 0xA282EAD8  # LevelDB's util/crc32c.h
_CRC_BITS = 0xFFFFFFFF
_NUMBER_BITS = 0xFFFFFFFFFFFFFFFF
_LONGEST_VARINT = 10  # bytes of a 64-bit number, 7 bits in each


class DamageError(Exception):
    """The bytes under the reader are not what LevelDB writes."""

    def __init__(self, kind: ProblemKind, offset: int | None, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.offset = offset
        self.message = message


class DecodeError(Exception):
    """The bytes end too early, or say something impossible."""


def mask(crc: int) -> int:
    """The form in which LevelDB stores a CRC32C, so that a checksum of data which itself holds checksums stays a
    good one: rotated by 15 bits, plus a constant."""
    return ((crc >> 15 | crc << 17) + _CRC_DELTA) & _CRC_BITS


class Cursor:
    """Decodes one value after another from a buffer; each method raises `DecodeError` if it cannot."""

    def __init__(self, data: bytes, position: int = 0, end: int | None = None) -> None:
        """Decode ``data[position:end]``."""
        self._data = data
        self._end = len(data) if end is None else end
        self.position = position

    @property
    def at_end(self) -> bool:
        """Whether everything has been decoded."""
        return self.position >= self._end

    def varint(self) -> int:
        """A little-endian base-128 number of at most 64 bits."""
        if not self.at_end and (byte := self._data[self.position]) < 0x80:  # most are
            self.position += 1
            return byte
        result = shift = 0
        for position in range(self.position, min(self._end, self.position + _LONGEST_VARINT)):
            byte = self._data[position]
            if byte < 0x80:
                self.position = position + 1
                return (result | byte << shift) & _NUMBER_BITS
            result |= (byte & 0x7F) << shift
            shift += 7
        raise DecodeError("a number has no end")

    def skip(self, length: int) -> None:
        """Pass over `length` bytes."""
        if not 0 <= length <= self._end - self.position:
            raise DecodeError(f"{length} bytes are announced and {self._end - self.position} are there")
        self.position += length

    def string(self) -> None:
        """Pass over bytes that are preceded by their number."""
        self.skip(self.varint())
