"""The memory that processes hold, in bytes. A process that is gone or may not be asked counts as 0."""

from collections.abc import Callable, Iterable

import psutil


def total_pss(pids: Iterable[int]) -> int:
    """Resident memory, where pages that several processes share are divided among them (Linux; elsewhere RSS).

    Costs up to some milliseconds for each process: the kernel walks its pages.
    """
    return _total(pids, lambda process: getattr(process.memory_full_info(), "pss", None) or process.memory_info().rss)


def total_rss(pids: Iterable[int]) -> int:
    """Resident memory; pages that several processes share count once for each."""
    return _total(pids, lambda process: process.memory_info().rss)


def _total(pids: Iterable[int], measure: Callable[[psutil.Process], int]) -> int:
    total = 0
    for pid in pids:
        try:
            total += measure(psutil.Process(pid))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total
