"""Files with holes, which take no room on the disk: read and copied without writing them out."""

import errno
import os
from collections.abc import Iterator
from functools import reduce

_POLYNOMIAL = 0x82F63B78  # of CRC32C, reflected (RFC 3720, appendix B.4)
_ALL = 0xFFFFFFFF
_BLOCK = 512  # bytes; the unit of st_blocks (stat(3type))


def allocated(status: os.stat_result) -> int:
    """The bytes that a file takes on the disk, holes left out; its size where the system does not tell."""
    return min(status.st_size, getattr(status, "st_blocks", status.st_size) * _BLOCK)


def extents(descriptor: int) -> Iterator[tuple[int, int]]:
    """The parts of a file that hold data, each from one offset to another. Moves the file's offset."""
    end = 0
    while True:
        try:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole from here on
                return
            raise
        end = os.lseek(descriptor, begin, os.SEEK_HOLE)
        yield begin, end


def has_holes(status: os.stat_result) -> bool:
    """Whether a file may have holes, and the system tells where they are."""
    return hasattr(os, "SEEK_DATA") and allocated(status) < status.st_size


def extend_by_zeros(checksum: int, count: int) -> int:
    """The CRC32C of what `checksum` is of, followed by `count` zero bytes; takes milliseconds, however many there are.

    A CRC is linear over GF(2), so that a zero byte is a 32 x 32 matrix of bits, and many of them are its power.

    >>> import google_crc32c
    >>> extend_by_zeros(google_crc32c.value(b"data"), 5000) == google_crc32c.value(b"data" + bytes(5000))
    True
    """
    register = checksum ^ _ALL
    matrix = [_zero_byte(1 << bit) for bit in range(32)]
    while count:
        if count & 1:
            register = _times(matrix, register)
        matrix = [_times(matrix, column) for column in matrix]
        count >>= 1
    return register ^ _ALL


def _zero_byte(register: int) -> int:
    return reduce(lambda value, _: value >> 1 ^ (_POLYNOMIAL if value & 1 else 0), range(8), register)


def _times(matrix: list[int], vector: int) -> int:
    product = 0
    for column in matrix:
        if vector & 1:
            product ^= column
        vector >>= 1
    return product
