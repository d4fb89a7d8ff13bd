"""Builds LevelDB files byte by byte, so that their checksums are right and everything else can be wrong."""

from __future__ import annotations

import struct
from itertools import pairwise

import google_crc32c

BLOCK = 32768
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
MAGIC = bytes.fromhex("57fb808b247547db")


def varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def string(value: bytes) -> bytes:
    return varint(len(value)) + value


def masked_crc(data: bytes) -> bytes:
    """As doc/log_format.md has it: rotate right by 15 bits and add a constant."""
    crc = int(google_crc32c.value(data))
    return struct.pack("<I", ((crc >> 15 | (crc << 17 & 0xFFFFFFFF)) + 0xA282EAD8) & 0xFFFFFFFF)


def fragment(kind: int, payload: bytes) -> bytes:
    return masked_crc(bytes([kind]) + payload) + struct.pack("<HB", len(payload), kind) + payload


def log(records: list[bytes], at: int = 0) -> bytes:
    """Whole records as LevelDB would append them at offset `at` of a file."""
    written = bytearray()
    for record in records:
        left, kinds = record, (FULL, FIRST)
        while True:
            room = BLOCK - (at + len(written)) % BLOCK
            if room < 7:
                written += bytes(room)
                continue
            part, left = left[: room - 7], left[room - 7 :]
            written += fragment(kinds[1] if left else kinds[0], part)
            kinds = (LAST, MIDDLE)
            if not left:
                break
    return bytes(written)


def edit(
    *,
    log_number: int = 3,
    next_file: int = 9,
    sequence: int = 0,
    tables: dict[int, int] | None = None,
    more: bytes = b"",
) -> bytes:
    """A version edit that says everything that a MANIFEST must."""
    encoded = b"\x01" + string(b"leveldb.BytewiseComparator")
    encoded += b"\x02" + varint(log_number) + b"\x03" + varint(next_file) + b"\x04" + varint(sequence)
    for number, size in (tables or {}).items():
        encoded += b"\x07\x00" + varint(number) + varint(size) + string(b"a" * 9) + string(b"z" * 9)
    return encoded + more


def batch(sequence: int, count: int, body: bytes = b"") -> bytes:
    return struct.pack("<QI", sequence, count) + body


def stored_block(contents: bytes, compression: int = 0) -> bytes:
    return contents + bytes([compression]) + masked_crc(contents + bytes([compression]))


def index_block(handles: list[tuple[int, int]]) -> bytes:
    entries = b"".join(
        b"\x00" + varint(4) + varint(len(value)) + b"key!" + value
        for value in (varint(offset) + varint(size) for offset, size in handles)
    )
    return entries + struct.pack("<II", 0, 1)


def table(
    blocks: list[bytes],
    *,
    handles: list[tuple[int, int]] | None = None,
    index: bytes | None = None,
    compression: int = 0,
) -> bytes:
    """A table of these data blocks and no filter; `handles` or the whole `index` may say something else of them."""
    data = b"".join(map(stored_block, blocks))
    ends = [0]
    for block in blocks:
        ends.append(ends[-1] + len(block) + 5)
    if handles is None:
        handles = [(start, end - start - 5) for start, end in pairwise(ends)]
    meta = stored_block(struct.pack("<II", 0, 1))
    index = stored_block(index_block(handles) if index is None else index, compression)
    handles_of_both = varint(len(data)) + varint(len(meta) - 5) + varint(len(data + meta)) + varint(len(index) - 5)
    return data + meta + index + handles_of_both.ljust(40, b"\0") + MAGIC
