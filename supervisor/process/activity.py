"""Whether processes do anything: for one that has been asked to end, and does not say whether it is about to."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable
from typing import Any

import psutil

from supervisor.process.procfs import sockets, thread_stats

_AT_WORK = frozenset({psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP})
#: The same as the kernel writes it.
_AT_WORK_LETTERS = frozenset({b"R", b"D"})
_CONNECTED = frozenset({psutil.CONN_ESTABLISHED, psutil.CONN_SYN_SENT})


class Activity:
    """What some processes do. A process that is gone does nothing; of one that may not be asked the worst is assumed.

    Signs of work are processor time, what was read and written (where the system tells), and a processor or a disk that
    one of its threads (on Linux; elsewhere the process) waits for. One that does nothing may still wait for an answer.
    A timer that is waited for shows nothing at all.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        self._seen: dict[psutil.Process, Any] = {}
        for pid in pids:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                self._seen[process] = None
                with contextlib.suppress(psutil.AccessDenied):
                    self._seen[process] = _done(process)

    def look(self) -> bool:
        """Whether any of them has done something since the last look, or is at it."""
        at_work = [process for process in self._seen if self._look(process)]
        return bool(at_work)

    def awaits_answer(self) -> bool:
        """Whether any has a TCP connection open, over which somebody may be about to answer. Costs more than a look."""
        return any(_is_connected(process) for process in self._seen)

    def _look(self, process: psutil.Process) -> bool:
        try:
            done, before = _done(process), self._seen[process]
            self._seen[process] = done
            return done != before or _waits_its_turn(process)
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True


def _is_connected(process: psutil.Process) -> bool:
    try:
        return _has_sockets(process.pid) and any(one.status in _CONNECTED for one in process.net_connections("tcp"))
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _has_sockets(pid: int) -> bool:
    """Whether a process has any socket open, where that is quickly known; most bots have none without a browser."""
    try:
        return any(sockets(pid))
    except OSError:  # no Linux, or no right to look: to be asked in full
        return True


def _waits_its_turn(process: psutil.Process) -> bool:
    """Whether it has a processor, or waits for one or for a disk."""
    if sys.platform != "linux":
        return process.status() in _AT_WORK
    try:
        # node writes and syncs files in threads of its own, and the first thread's state tells nothing of theirs.
        return any(stat[0] in _AT_WORK_LETTERS for stat in thread_stats(process.pid))
    except OSError:
        return False


def _done(process: psutil.Process) -> tuple[float, ...]:
    """What a process has done so far, in numbers that only grow."""
    times = process.cpu_times()
    if not hasattr(process, "io_counters"):  # macOS
        return times.user, times.system
    io = process.io_counters()
    return times.user, times.system, *map(float, io)
