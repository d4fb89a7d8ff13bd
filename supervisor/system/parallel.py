"""Doing the same with many files, on a few threads if that pays.

Copying and waiting for the disk release the interpreter's lock, and a file system's journal commits what several
threads wait for at once; for a few small files a thread costs more than it saves.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

Progress = Callable[[int, int], None]
"""Called from time to time, on the thread that does the work, with the bytes done and their total."""

_WORTH_IT = 8 << 20  # bytes
_WORKERS = min(4, os.cpu_count() or 1)


def each(work: Callable[[T], R], items: Sequence[T], *, total_bytes: int) -> Iterator[R]:
    """Yield the results of `work` on each item, in order. Raises what `work` raises, once no other call is running."""
    if total_bytes < _WORTH_IT:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="session-files") as pool:
        yield from pool.map(work, items)  # cancels what has not begun, if this raises or is closed


@contextmanager
def beside(work: Callable[[T], object], items: Sequence[T], *, total_bytes: int) -> Iterator[None]:
    """Do `work` on each item while the block runs; exit when both are done. Raises what either of them raises."""
    if total_bytes < _WORTH_IT:
        yield
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="session-files") as pool:
        results = pool.map(work, items)
        try:
            yield
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        for _ in results:
            pass


def part(progress: Progress, before: int, total: int) -> Progress:
    """Return the progress of a part of `total` bytes that comes after the first `before` bytes."""
    return lambda done, _of_part: progress(before + done, total)


def silent(_done: int, _total: int) -> None:
    """Report no progress."""
