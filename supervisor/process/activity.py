"""Signs that processes are at work, to decide how long to wait for one that was asked to exit."""

import contextlib
import sys
from collections.abc import Iterable
from typing import Any

import psutil

from supervisor.process.procfs import sockets, thread_stats

_AT_WORK = frozenset({psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP})
#: The same in /proc.
_AT_WORK_LETTERS = frozenset({b"R", b"D"})
_CONNECTED = frozenset({psutil.CONN_ESTABLISHED, psutil.CONN_SYN_SENT})


class Activity:
    """Watches some processes. One that is gone is idle; one that may not be asked counts as active.

    Signs of work are processor time, bytes read and written (where the system counts them), and a thread (on Linux;
    elsewhere the process) that waits for a processor or a disk. An idle process may still wait for an answer, or for a
    timer, of which there is no sign at all.
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
        """Whether any of them has worked since the last look, or is at work."""
        at_work = [process for process in self._seen if self._look(process)]  # each is to be looked at
        return bool(at_work)

    def awaits_answer(self) -> bool:
        """Whether any has a TCP connection open, over which an answer may come. Costs more than a look."""
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
    with contextlib.suppress(OSError):  # not Linux, or no permission
        # A cheap check first: most bots without a browser have no socket at all.
        if not any(sockets(process.pid)):
            return False
    try:
        return any(tcp.status in _CONNECTED for tcp in process.net_connections("tcp"))
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _waits_its_turn(process: psutil.Process) -> bool:
    """Whether it runs, or waits for a processor or a disk."""
    if sys.platform != "linux":
        return process.status() in _AT_WORK
    try:
        # node writes and syncs files in other threads, which the first thread's state does not cover.
        return any(stat[0] in _AT_WORK_LETTERS for stat in thread_stats(process.pid))
    except OSError:
        return False


def _done(process: psutil.Process) -> tuple[float, ...]:
    """Counters of a process's work, which only grow."""
    times = process.cpu_times()
    if not hasattr(process, "io_counters"):  # macOS
        return times.user, times.system
    io = process.io_counters()
    return times.user, times.system, *map(float, io)
