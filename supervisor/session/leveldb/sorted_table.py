"""Tables (``NNNNNN.ldb``, ``.sst`` of old): written once, then never changed.

A table is a row of blocks without gaps, and a footer: the data blocks, the filter block if there is one, the metaindex
block (which names the filter block), the index block (which names the data blocks), and 48 bytes that name the last
two. After each block stand its compression type and the CRC32C of both. So a checksum covers every byte except the
footer's; of the footer, the bytes between the two handles and the magic number are unused padding.

See LevelDB's doc/table_format.md; table/table_builder.cc shows that blocks follow each other without gaps.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from google_crc32c import extend
from google_crc32c import value as crc32c

from supervisor.session.leveldb.damage import ProblemKind
from supervisor.session.leveldb.encoding import Cursor, DamageError, DecodeError, mask
from supervisor.session.leveldb.snappy import decompress

_FOOTER_SIZE = 48
_HANDLES_SIZE = 40
_MAGIC = 0xDB4775248B80FB57
_TRAILER_SIZE = 5  # compression type, masked CRC32C
_RAW, _SNAPPY = 0, 1  # the compressions that Chromium's LevelDB is built with
_LARGEST_INDEX = 64 << 20  # bytes; an index block takes about a hundredth of its table
_BATCH_SIZE = 4 << 20  # bytes read at once; most tables of a profile are smaller than this
_CRC = struct.Struct("<I")


class _Handle(NamedTuple):
    """Where a block lies; its trailer follows."""

    offset: int
    size: int

    @property
    def end(self) -> int:
        return self.offset + self.size + _TRAILER_SIZE


def check_table(file: BinaryIO, size: int, *, every_block: bool) -> int:
    """Check a table of `size` bytes: its footer, index and metaindex, and with `every_block` all the rest.

    Returns how many bytes were compared with a checksum. Raises `DamageError` at the first damage.
    """
    metaindex, index = _read_footer(file, size)
    if metaindex.end != index.offset or index.end != size - _FOOTER_SIZE:
        raise DamageError(ProblemKind.MALFORMED, size - _FOOTER_SIZE, "the footer does not name the blocks before it")
    index_block = _read_index(file, index)
    metaindex_block = _read_index(file, metaindex)
    if not every_block:
        return size - metaindex.offset
    sizes = _block_sizes(index_block, 0, index.offset)
    sizes += _block_sizes(metaindex_block, _end(sizes), metaindex.offset)
    if _end(sizes) != metaindex.offset:
        raise DamageError(ProblemKind.MALFORMED, _end(sizes), "the index block does not name what begins here")
    _check_blocks(file, sizes)
    return size


def _read_footer(file: BinaryIO, size: int) -> tuple[_Handle, _Handle]:
    offset = size - _FOOTER_SIZE
    if offset < 0:
        raise DamageError(ProblemKind.MALFORMED, 0, f"{size} bytes are too few for a table")
    footer = _read_at(file, offset, _FOOTER_SIZE)
    if int.from_bytes(footer[_HANDLES_SIZE:], "little") != _MAGIC:
        raise DamageError(ProblemKind.MALFORMED, offset + _HANDLES_SIZE, "the file does not end as a table does")
    cursor = Cursor(footer, 0, _HANDLES_SIZE)
    try:
        return _Handle(cursor.varint(), cursor.varint()), _Handle(cursor.varint(), cursor.varint())
    except DecodeError as error:
        raise DamageError(ProblemKind.MALFORMED, offset, f"the footer cannot be decoded: {error}") from error


def _read_index(file: BinaryIO, handle: _Handle) -> bytes:
    """An index or metaindex block as it is stored, and its compression type; the checksum is right."""
    if handle.size > _LARGEST_INDEX:
        raise DamageError(ProblemKind.MALFORMED, handle.offset, f"an index block has {handle.size} bytes")
    stored = _read_at(file, handle.offset, handle.size + _TRAILER_SIZE)
    if _CRC.pack(mask(crc32c(stored[: -_CRC.size]))) != stored[-_CRC.size :]:
        raise DamageError(ProblemKind.CHECKSUM, handle.offset, "an index block fails its checksum")
    return stored[: -_CRC.size]


def _block_sizes(index: bytes, position: int, place: int) -> list[int]:
    """The sizes of the blocks that an index block at `place` names; each must follow the last, the first `position`.

    That they follow each other is also what bounds the work: a hostile index cannot have one byte checked twice.
    """
    sizes = []
    try:
        block = _contents(index)
        cursor = Cursor(block, end=len(block) - _restarts_size(block))
        while not cursor.at_end:
            cursor.varint()  # bytes that the key shares with the one before
            key_size, value_size = cursor.varint(), cursor.varint()
            cursor.skip(key_size)
            end_of_value = cursor.position + value_size
            offset, size = cursor.varint(), cursor.varint()
            cursor.skip(end_of_value - cursor.position)
            if offset != position:
                raise DecodeError(f"a block at {offset} follows one that ends at {position}")
            sizes.append(size)
            position += size + _TRAILER_SIZE
    except DecodeError as error:
        raise DamageError(ProblemKind.MALFORMED, place, f"an index block cannot be decoded: {error}") from error
    return sizes


def _contents(stored: bytes) -> bytes:
    compression = stored[-1]
    if compression == _RAW:
        return stored[:-1]
    if compression == _SNAPPY:
        return decompress(stored[:-1])
    raise DecodeError(f"compression {compression} is unknown")


def _end(sizes: list[int]) -> int:
    """Where blocks of these sizes end, if the first begins with the file."""
    return sum(sizes) + _TRAILER_SIZE * len(sizes)


def _restarts_size(block: bytes) -> int:
    """Bytes at the end of a block that list where whole keys begin."""
    if len(block) < _CRC.size:
        raise DecodeError("it is empty")
    size = _CRC.size * (1 + int.from_bytes(block[-_CRC.size :], "little"))
    if size > len(block):
        raise DecodeError("its list of keys is longer than itself")
    return size


def _check_blocks(file: BinaryIO, sizes: list[int]) -> None:
    """Check the blocks that fill a table from its start. The loop in which a deep check spends its time."""
    for offset, batch in _batches(sizes):
        if batch[0] > _BATCH_SIZE:
            _check_large_block(file, _Handle(offset, batch[0]))
            continue
        data = _read_at(file, offset, _end(batch))
        position = 0
        for size in batch:
            crc_at = position + size + 1
            if mask(crc32c(data[position:crc_at])) != _CRC.unpack_from(data, crc_at)[0]:
                raise DamageError(
                    ProblemKind.CHECKSUM, offset + position, f"a block of {size} bytes fails its checksum"
                )
            if data[crc_at - 1] > _SNAPPY:
                raise DamageError(
                    ProblemKind.MALFORMED, offset + position, f"a block has compression {data[crc_at - 1]}"
                )
            position = crc_at + 4


def _batches(sizes: list[int]) -> Iterator[tuple[int, list[int]]]:
    """Runs of blocks that are worth one read each, with the offset of the first; a large block stands alone."""
    offset, length, batch = 0, 0, list[int]()
    for size in sizes:
        if batch and length + size > _BATCH_SIZE:
            yield offset, batch
            offset, length, batch = offset + length, 0, []
        batch.append(size)
        length += size + _TRAILER_SIZE
    if batch:
        yield offset, batch


def _check_large_block(file: BinaryIO, handle: _Handle) -> None:
    """Check a block piece by piece: one huge value makes one huge block."""
    file.seek(handle.offset)
    crc, left = 0, handle.size + 1
    while left:
        piece = file.read(min(left, _BATCH_SIZE))
        if not piece:
            raise DamageError(ProblemKind.MALFORMED, handle.offset, "the file ends inside a block")
        crc = extend(crc, piece)
        left -= len(piece)
    if file.read(_CRC.size) != _CRC.pack(mask(crc)):
        raise DamageError(ProblemKind.CHECKSUM, handle.offset, f"a block of {handle.size} bytes fails its checksum")


def _read_at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    data = file.read(length)
    if len(data) != length:
        raise DamageError(ProblemKind.MALFORMED, offset, "the file ends inside a block")
    return data
