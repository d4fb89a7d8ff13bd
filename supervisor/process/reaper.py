"""Adopting and reaping orphans.

A process whose parent died goes to the nearest subreaper. With `prctl(PR_SET_CHILD_SUBREAPER)` (Linux 3.4) that is the
supervisor, so that nothing a bot starts can leave the tree; as PID 1 of a container it is anyway. Whoever adopts must
reap, but must not take the exit status of a child that somebody else in this process is waiting for.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import sys
from collections import deque
from collections.abc import Iterator

import psutil

_PR_SET_CHILD_SUBREAPER = 36

#: Of wait(2): only the children of the thread that asks.
_WNOTHREAD = 0x20000000

#: The signals that a process gets for what it does itself; a failed assertion of Chromium's is a SIGTRAP or SIGILL.
_FAULTS = frozenset(
    getattr(signal, name)
    for name in ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")
    if hasattr(signal, name)
)

#: How many of those that it has reaped a `Reaper` can tell of.
_REMEMBERED = 256


def become_subreaper() -> bool:
    """Adopt orphaned descendants from now on; False where the system has no such thing (macOS, Windows)."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def crashed(status: int) -> bool:
    """Whether a wait status is that of a process that ended by a fault of its own, and not by a signal of another's."""
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) in _FAULTS


class Reaper:
    """Reaps adopted processes, and only those.

    `own` holds the pids of the children that this process started itself and waits for elsewhere. A pid enters it
    before its process can exit unseen, and leaves it by `let_go` once its owner has taken the status.
    """

    def __init__(self) -> None:
        self.own: set[int] = set()
        self._reaped: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)

    def reap(self) -> int:
        """Take the status of every adopted process that has exited; how many there were.

        Those that the kernel lists behind an exited child of our own are taken when that one is let go of.
        """
        match sys.platform:
            case "win32":
                return 0
            case "linux":
                return sum(self._take(pid) for pid in self._exited())
            case _:  # it may have no waitid; a walk through the process table does as well
                return sum(self._take(child.pid) for child in psutil.Process().children() if child.pid not in self.own)

    def claim(self, pid: int) -> None:
        """Leave a child of this process to its owner, who takes its status; call this before it can be reaped."""
        self.own.add(pid)

    def release(self, pid: int) -> None:
        """Its owner has taken the status of a child of our own."""
        self.own.discard(pid)
        self.reap()

    def _exited(self) -> Iterator[int]:
        """The adopted that have exited, as long as they are taken one by one: a question each, and one in vain."""
        last = None
        with contextlib.suppress(ChildProcessError):
            while (pid := _first_exited()) not in {None, last} and pid not in self.own:
                yield (last := pid)

    def _take(self, pid: int) -> bool:
        try:
            taken, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return False
        if taken != 0:
            self._reaped.append((taken, status))
        return taken != 0

    def status_of(self, pid: int) -> int | None:
        """The wait status of a process that was adopted and has exited; None for one that its own parent has reaped."""
        self.reap()
        return dict(self._reaped).get(pid)


def childless() -> bool:
    """Whether this thread has no child, zombies included. To be asked in the main thread.

    For a subreaper that is the proof that nothing descends from it any more, but for what other threads have started
    themselves: orphans are given to its first thread (`find_new_reaper` in Linux's `kernel/exit.c`). It is one question
    to the kernel: a walk through the process table, however often repeated, misses a process that forks and exits while
    it is under way.
    """
    if sys.platform == "win32":
        return True
    try:
        _first_exited(_WNOTHREAD if tells_threads_apart() else 0)
    except ChildProcessError:
        return True
    return False


@functools.cache
def tells_threads_apart() -> bool:
    """Whether `childless` leaves out the children of other threads (Linux 4.7)."""
    if sys.platform != "linux":
        return False
    try:
        _first_exited(_WNOTHREAD)
    except ChildProcessError:
        return True
    except OSError:  # EINVAL
        return False
    return True


def _first_exited(also: int = 0) -> int | None:
    """The first zombie of ours, adopted or not, as the kernel lists them; its status is not taken.

    Raises `ChildProcessError` if there is no child at all.
    """
    found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT | also)
    return found.si_pid if found is not None else None
