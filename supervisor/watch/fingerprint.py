"""Telling a change from a save that changed nothing.

A file is known by its signature (what `stat` says) and by the hash of its content. The signature is only ever compared
for equality, and never with a clock: a clock that jumps changes nothing here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

#: Files up to this size are read when an event names them, in the event loop: 4 MiB cost about 5 ms, a source file of
#: 10 KB about 25 us. Above it the signature has to do, and a save that changes nothing counts as a change.
READ_LIMIT = 4 * 1024 * 1024

#: Files up to this size are read in advance, so that the first save that changes nothing is known for one.
READ_AHEAD_LIMIT = 1024 * 1024

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Signature(NamedTuple):
    """What tells two states of a file apart without reading it; times in nanoseconds."""

    mtime: int
    ctime: int
    size: int
    inode: int


class Fingerprint(NamedTuple):
    """A file as last seen; `digest` is None while it has not been read, or is too large to be."""

    signature: Signature
    digest: bytes | None


def signature(status: os.stat_result) -> Signature | None:
    """The signature of a regular file; None for anything else."""
    if not stat.S_ISREG(status.st_mode):
        return None
    return Signature(status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


def look(path: str) -> Fingerprint | None:
    """A file as it is now, read unless it is too large; None if there is no such regular file.

    A file that cannot be read is known by its signature alone.
    """
    try:
        descriptor = os.open(path, _FLAGS)  # O_NONBLOCK: a FIFO of that name must not hold us up
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return _unread(path)
    try:
        return _read(descriptor)
    except OSError:  # an I/O error or a network drive gone: what stat says has to do
        return _unread(path)
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> Fingerprint | None:
    """An open file, or None if it is no regular one, with a signature no newer than the content.

    A file may be written between the `fstat` and the `read`. The new content under the old signature would make the
    very change that the next survey finds pass for none, so it is read again under its new one; once is enough, since
    after that `read_ahead` sees another signature than it was given.
    """
    known = _read_once(descriptor)
    if known is not None and signature(os.fstat(descriptor)) != known.signature:
        return _read_once(descriptor)
    return known


def _read_once(descriptor: int) -> Fingerprint | None:
    sign = signature(os.fstat(descriptor))
    if sign is None or sign.size > READ_LIMIT:
        return None if sign is None else Fingerprint(sign, None)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return Fingerprint(sign, _digest(descriptor, sign.size))


def same(old: Fingerprint | None, new: Fingerprint | None) -> bool:
    """Whether two looks at a file show the same content; if one is unread, only an equal signature proves it."""
    if old is None or new is None:
        return old is new
    if old.digest is not None and new.digest is not None:
        return old.digest == new.digest
    return old.signature == new.signature


def read_ahead(known: Sequence[tuple[str, Signature]]) -> list[tuple[str, Fingerprint]]:
    """Read files that have not changed since their signature was taken, skipping the others; for a worker thread."""
    found = []
    for path, sign in known:
        if sign.size > READ_AHEAD_LIMIT:
            continue
        seen = look(path)
        # A file that changed in the meantime has an event on its way, which must find the old state unread: the new
        # content must not pass for the old.
        if seen is not None and seen.signature == sign:
            found.append((path, seen))
    return found


def _unread(path: str) -> Fingerprint | None:
    try:
        sign = signature(Path(path).stat())
    except OSError:
        return None
    return None if sign is None else Fingerprint(sign, None)


def _digest(descriptor: int, size: int) -> bytes:
    """16 bytes of BLAKE2b; reads to the end of the file even if it grew past `size`, within the limit."""
    digest = blake2b(digest_size=16)
    left = READ_LIMIT
    while left > 0 and (chunk := os.read(descriptor, min(left, max(size + 1, 4096)))):
        digest.update(chunk)
        left -= len(chunk)
    return digest.digest()
