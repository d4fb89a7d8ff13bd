"""Fingerprints of files, which tell a change from a save that changes nothing.

A fingerprint is a signature (from `stat`) and a hash of the content. Signatures are compared for equality only, never
with a clock, so that a clock that jumps does no harm.
"""

import os
import stat
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

#: Files up to this size are read in the event loop when an event names them: 4 MiB take about 5 ms, a source file of
#: 10 KB about 25 us. Larger ones have a signature only, and a save that changes nothing counts as a change.
READ_LIMIT = 4 * 1024 * 1024

#: Files up to this size are read in advance, so that the first save that changes nothing is recognised.
READ_AHEAD_LIMIT = 1024 * 1024

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Signature(NamedTuple):
    """The state of a file without its content; times in nanoseconds."""

    mtime: int
    ctime: int
    size: int
    inode: int


class Fingerprint(NamedTuple):
    """The state of a file; `digest` is None if it has not been read, or is too large."""

    signature: Signature
    digest: bytes | None


def signature(status: os.stat_result) -> Signature | None:
    """The signature of a regular file; None for other files."""
    if not stat.S_ISREG(status.st_mode):
        return None
    return Signature(status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


def signature_of(path: str) -> Signature | None:
    """The signature of a regular file or a link's target; None if it is no regular file."""
    try:
        # Not a directory entry's stat, which has no inode on Windows; not by Path, which is slower in a walk.
        return signature(os.stat(path))  # noqa: PTH116
    except OSError:
        return None


def fingerprint_of(path: str) -> Fingerprint | None:
    """The present state of a file; None if it is no regular file. One that cannot be read has a signature only."""
    try:
        descriptor = os.open(path, _FLAGS)  # O_NONBLOCK: a FIFO of that name would block
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return _unread(path)
    try:
        return _read(descriptor)
    except OSError:  # an I/O error, or a network drive that is gone
        return _unread(path)
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> Fingerprint | None:
    """The state of an open file, or None if it is no regular one, with a signature no newer than the content."""
    known = _read_once(descriptor)
    # Race: the file was written between `fstat` and `read`. With the new content under the old signature the next
    # survey would find the signature changed and the content equal, so it is read again. Once is enough: after another
    # write `read_ahead` sees a signature that is not the one it was given.
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
    """Whether two states of a file have the same content; without a digest only equal signatures prove that."""
    if old is None or new is None:
        return old is new
    if old.digest is not None and new.digest is not None:
        return old.digest == new.digest
    return old.signature == new.signature


def read_ahead(known: Sequence[tuple[str, Signature]]) -> list[tuple[str, Fingerprint]]:
    """Read the files whose signatures are still as given; for a worker thread."""
    found = []
    for path, sign in known:
        if sign.size > READ_AHEAD_LIMIT:
            continue
        seen = fingerprint_of(path)
        # Race: a file that changed meanwhile has an event on its way, which compares with the old state. That must stay
        # unread: with the new content in it, the event would find no change.
        if seen is not None and seen.signature == sign:
            found.append((path, seen))
    return found


def _unread(path: str) -> Fingerprint | None:
    found = signature_of(path)
    return None if found is None else Fingerprint(found, None)


def _digest(descriptor: int, size: int) -> bytes:
    """16 bytes of BLAKE2b; reads to the end even if the file grew past `size`, up to the limit."""
    digest = blake2b(digest_size=16)
    left = READ_LIMIT
    while left > 0 and (chunk := os.read(descriptor, min(left, max(size + 1, 4096)))):
        digest.update(chunk)
        left -= len(chunk)
    return digest.digest()
