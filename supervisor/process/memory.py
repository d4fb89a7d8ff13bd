"""How much memory processes hold."""

from __future__ import annotations

from collections.abc import Iterable

import psutil


def resident(pids: Iterable[int]) -> int:
    """The resident memory of these processes together, in bytes; one that is gone or may not be asked counts nothing.

    Pages that they share count once for each.
    """
    total = 0
    for pid in pids:
        try:
            total += psutil.Process(pid).memory_info().rss
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return total
