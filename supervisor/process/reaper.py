"""Adopting and reaping orphans.

A process whose parent died goes to the nearest subreaper. With `prctl(PR_SET_CHILD_SUBREAPER)` (Linux 3.4) that is the
supervisor, so that nothing a bot starts can leave the tree; as PID 1 of a container it is anyway. It must reap those
that it adopts, but must not take the exit status of a child that other code of this process waits for.
"""

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

#: A flag of wait(2): only the children of the calling thread.
_WNOTHREAD = 0x20000000

#: Signals for faults of the process itself; a failed assertion in Chromium ends it with SIGTRAP or SIGILL.
_FAULTS = frozenset(
    getattr(signal, name)
    for name in ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")
    if hasattr(signal, name)
)

#: How many exit statuses of adopted processes are kept.
_REMEMBERED = 256


def become_subreaper() -> bool:
    """Adopt orphaned descendants from now on; False where the system cannot (macOS, Windows)."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def crashed(status: int) -> bool:
    """Whether a wait status is that of a process that ended by a fault of its own, not by another's signal."""
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) in _FAULTS


class Reaper:
    """Reaps adopted processes, and only those.

    `own` holds the pids of the children that this process started itself and waits for elsewhere: from `claim` until
    `release`, when the status has been taken.
    """

    def __init__(self) -> None:
        self.own: set[int] = set()
        self._reaped: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)

    def reap(self) -> int:
        """Take the status of every adopted process that has exited, and return how many there were.

        Those that the kernel lists behind an exited child of our own are taken when that one is released.
        """
        match sys.platform:
            case "win32":
                return 0
            case "linux":
                return sum(self._take(pid) for pid in self._exited())
            case _:  # macOS may have no waitid, so this walks through the process table
                return sum(self._take(child.pid) for child in psutil.Process().children() if child.pid not in self.own)

    def claim(self, pid: int) -> None:
        """Leave a child of this process to its owner, who takes its status; call this before it can be reaped."""
        self.own.add(pid)

    def release(self, pid: int) -> None:
        """End a claim, once the child's status has been taken."""
        self.own.discard(pid)
        self.reap()

    def _exited(self) -> Iterator[int]:
        """Yield adopted processes that have exited; each must be reaped before the next, by one system call each."""
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
        """Return the wait status of an adopted process that has exited, None if its own parent has reaped it."""
        self.reap()
        return dict(self._reaped).get(pid)


def childless() -> bool:
    """Whether this thread, which must be the main thread, has no child, zombies included.

    For a subreaper that proves that nothing descends from it any more, except from children that other threads have
    started: orphans are given to its first thread (`find_new_reaper` in Linux's `kernel/exit.c`). It is one system
    call: a walk through the process table, however often repeated, misses a process that forks and exits during it.
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
    """Whether `childless` ignores the children of other threads (Linux 4.7)."""
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
    """Return the first zombie of ours, adopted or not, in the kernel's order; its status is not taken.

    Raises ChildProcessError if there is no child at all.
    """
    found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT | also)
    return found.si_pid if found is not None else None
