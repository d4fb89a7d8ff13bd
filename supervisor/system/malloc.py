"""What C's allocator keeps for itself: little, in a supervisor that runs for months and mostly rests.

glibc gives each thread a heap of its own, and from the first large block that is freed it takes ever larger ones from
a heap, where they leave gaps. Python's own table of interned strings is such a block: each time it is rebuilt, a heap
would grow by its 2 MB. See mallopt(3) and malloc_trim(3); other systems have neither.

That table is rebuilt when as many strings were interned as it has room for, those included that are long gone, and with
the 24,000 of our libraries in it becomes twice as large, once and for good: 1 MB. pathlib interns each name in a path
that it takes apart. So what is at work in each restart names files by strings, if these have ever new names or would be
forgotten and interned anew, as hundreds in a browser's profile. A dozen are left, and there is room for 18,000.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Any

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h

#: Bytes from which a block is one of its own, and goes back to the system when it is freed. More than the buffers by
#: which a session's files are read: these come and go by the hundred.
_OWN_BLOCK = 3 * 512 * 1024

#: Free bytes at the end of the heap that are kept: two such buffers.
_KEPT = 5 * 512 * 1024


def _of_libc(name: str) -> Any:
    """A function of the C library; one that does nothing where there is none."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    return getattr(libc, name, lambda *_: 0)  # musl has none of them


def restrain() -> None:
    """Have it keep little from now on. Before there are threads, and once all that stays until the end is there.

    The collector of cycles never looks at that again. It then takes 1 ms in place of 25 for all the rest, and runs
    when a few thousand objects have come, not a quarter of what there is: garbage does not pile up between restarts.
    """
    gc.freeze()
    mallopt = _of_libc("mallopt")
    for parameter, value in ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, _OWN_BLOCK), (_M_TRIM_THRESHOLD, _KEPT)):
        mallopt(parameter, value)


def give_back() -> None:
    """Collect what is left in reference cycles, and give the system what is free. Takes some 3 ms."""
    gc.collect()
    _of_libc("malloc_trim")(0)
