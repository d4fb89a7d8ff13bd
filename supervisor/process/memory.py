"""How much memory processes hold."""

from __future__ import annotations

from collections.abc import Iterable

import psutil


def total_pss(pids: Iterable[int]) -> int:
    """Like `total_rss`, but pages that several processes share are divided among them, where the system tells (Linux).

    Costs up to some milliseconds for each process: the kernel walks its pages.
    """
    total = 0
    for pid in pids:
        try:
            process = psutil.Process(pid)
            shared_out = getattr(process.memory_full_info(), "pss", None)
            total += process.memory_info().rss if shared_out is None else shared_out
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return total


def total_rss(pids: Iterable[int]) -> int:
    """The total_rss memory of these processes together, in bytes; one that is gone or may not be asked counts nothing.

    Pages that they share count once for each.
    """
    total = 0
    for pid in pids:
        try:
            total += psutil.Process(pid).memory_info().rss
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return total
