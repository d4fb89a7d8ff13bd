"""Limits on the free memory that C's allocator keeps, for a supervisor that runs for months and is mostly idle.

glibc gives each thread a heap of its own, and once a large block was freed it takes larger and larger ones from a heap,
where they leave gaps. Python's table of interned strings is such a block: each rebuild would grow a heap by its 2 MB.
See mallopt(3) and malloc_trim(3); other systems have neither.

That table is rebuilt when as many strings have been interned as it has room for, freed ones included; with the 24,000
of our libraries it then doubles for good, which takes 1 MB. pathlib interns each name in a path that it takes apart.
Code that runs in each restart therefore names files by strings, if their names are always new, or are forgotten and
interned anew, as the hundreds in a browser's profile. A dozen are left per restart, and there is room for 18,000.
"""

import ctypes
import gc
import sys
from typing import Any

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h

#: Bytes from which a block is mapped on its own, and returned to the system when it is freed. Above the size of the
#: buffers for a session's files, which are allocated by the hundred.
_MMAP_THRESHOLD = 3 * 512 * 1024

#: Free bytes that are kept at the end of the heap: two such buffers.
_TRIM_THRESHOLD = 5 * 512 * 1024


def _of_libc(name: str) -> Any:
    """A function of the C library, or one that does nothing where it is missing."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    return getattr(libc, name, lambda *_: 0)  # musl has none of them


def restrain() -> None:
    """Set the limits. Call it before there are threads, and after all long-lived objects have been created.

    The garbage collector ignores those objects from now on: a run takes 1 ms instead of 25, and is due after a few
    thousand new objects, not after a quarter of all, so that garbage does not pile up between restarts.
    """
    gc.freeze()
    mallopt = _of_libc("mallopt")
    mallopt(_M_ARENA_MAX, 1)
    mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
    mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)


def give_back() -> None:
    """Collect reference cycles, and return free memory to the system. Takes some 3 ms."""
    gc.collect()
    _of_libc("malloc_trim")(0)
