"""Snappy decompression, for index blocks only: they are small, and a dependency for them is not worth its weight.

The format is that of Snappy's format_description.txt.
"""

from supervisor.session.leveldb.encoding import Cursor, DecodeError


def decompress(data: bytes) -> bytes:
    """The bytes behind `data`; `DecodeError` if they cannot be had.

    Takes time and memory in proportion to `data`, whatever length is announced: 3 bytes yield at most 64.
    """
    header = Cursor(data)
    length = header.varint()
    output = bytearray()
    try:
        _expand(data, header.position, output)
    except IndexError:
        raise DecodeError("it ends inside a copy") from None
    if len(output) != length:
        raise DecodeError(f"{length} bytes are announced and {len(output)} are there")
    return bytes(output)


def _expand(data: bytes, position: int, output: bytearray) -> None:
    """Carry out the elements of `data`: one loop without calls, because a table's index has thousands of them."""
    end = len(data)
    while position < end:
        tag = data[position]
        kind = tag & 3
        length = (tag >> 2) + 1
        if kind == 0:  # bytes to be taken as they are
            start = position + 1
            if length > 60:  # the length follows, in 1 to 4 bytes
                start += length - 60
                length = int.from_bytes(data[position + 1 : start], "little") + 1
            position = start + length
            output += data[start:position]
            continue
        if kind == 1:
            length = 4 + (tag >> 2 & 7)
            offset = (tag & 0xE0) << 3 | data[position + 1]
            position += 2
        elif kind == 2:
            offset = data[position + 1] | data[position + 2] << 8
            position += 3
        else:
            offset = int.from_bytes(data[position + 1 : position + 5], "little")
            position += 5
        start = len(output) - offset
        if offset == 0 or start < 0:
            raise DecodeError("a copy begins before the data")
        if length <= offset:
            output += output[start : start + length]
        else:  # it overlaps what it produces: the pattern repeats
            output += (output[start:] * (length // offset + 1))[:length]
    if position > end:
        raise DecodeError("it ends inside a literal")
