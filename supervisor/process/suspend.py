"""Suspending processes, so that a bot cannot react while its browser is closed under it, or its files are checked.

A suspended process must never be left behind: the context manager of `Suspension` resumes it on every way out, also
after an exception or a cancellation, and a `GuardedSuspension` if the supervisor is killed.
"""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Self

from supervisor.process import resume_helper
from supervisor.process.handle import Handle
from supervisor.process.helper import HelperRunner
from supervisor.process.table import ProcessEntry

#: Looks at the tree at most. Three suffice, unless a third party keeps adding to it or a process does not stop, such as
#: one that waits in the kernel for its own child to execute something.
_MOST_LOOKS = 10


class Suspension:
    """The processes that are suspended now. `refused` has the pids of those that may not be suspended, and run on."""

    def __init__(self) -> None:
        self._suspended: dict[int, Handle] = {}
        self.refused: list[int] = []

    def suspend_tree(self, look: Callable[[], Iterable[ProcessEntry]]) -> int:
        """Suspend what `look` returns, and look again until it returns nothing new; return how many are suspended."""
        stopped = False
        for _ in range(_MOST_LOOKS):
            entries = list(look())
            new = [e for e in entries if e.pid not in self._suspended and e.pid not in self.refused]
            self.suspend(new)
            # Closes a race: a process that is signalled during a fork stops when that is done. Its child may appear
            # only after a look that already sees the parent stopped; the next look finds it.
            if stopped and not new:
                break
            stopped = not new and all(entry.stopped or entry.pid in self.refused for entry in entries)
        return len(self._suspended)

    def suspend(self, entries: Iterable[ProcessEntry]) -> None:
        """Suspend these, without a look at what they may have started meanwhile."""
        for entry in entries:
            try:
                suspended = entry.handle.suspend()
            except PermissionError:
                self.refused.append(entry.pid)
                continue
            if suspended:
                self._suspended[entry.pid] = entry.handle

    def release(self) -> None:
        """Resume everything that is still suspended. May be called twice."""
        for handle in self._suspended.values():
            # One that may no longer be signalled must not keep the others suspended.
            with contextlib.suppress(PermissionError):
                handle.resume()
        self._suspended.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class GuardedSuspension:
    """Processes that are suspended from construction until `release`, or until `hand_over`.

    A helper (`resume_helper.py`) resumes them if this process is killed: it gets their pids before they are suspended.
    Where it cannot be started nothing is suspended.
    """

    def __init__(
        self, first: ProcessEntry | None, look: Callable[[], Iterable[ProcessEntry]], helpers: HelperRunner
    ) -> None:
        """Suspend `first`, then what `look` returns, which takes milliseconds, more the more processes there are."""
        self.suspension = Suspension()
        self._helpers = helpers
        self._guard: subprocess.Popen[bytes] | None = None
        try:
            self._guard = helpers.start(
                [sys.executable, "-I", "-S", resume_helper.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError:  # no process or descriptor is available
            return
        try:
            if first is not None:
                self.suspension.suspend(self._announced([first]))
            self.suspension.suspend_tree(lambda: self._announced(list(look())))
        except BaseException:
            self.release()
            raise

    def _announced(self, entries: Sequence[ProcessEntry]) -> Sequence[ProcessEntry]:
        """The same entries, once the guard has their pids; none if the guard is gone."""
        assert self._guard is not None
        assert self._guard.stdin is not None
        try:
            self._guard.stdin.write("".join(f"{entry.pid} {entry.started!r}\n" for entry in entries).encode())
            self._guard.stdin.flush()
        except OSError:
            return ()
        return entries

    def release(self) -> None:
        """Resume them. May be called twice, and after `hand_over`."""
        self.suspension.release()
        self._end_guard()

    def hand_over(self) -> Suspension:
        """Return the suspension for the caller to release, and end the guard."""
        self._end_guard()
        return self.suspension

    def _end_guard(self) -> None:
        if self._guard is None or self._guard.returncode is not None:
            return
        self._helpers.end(self._guard)  # first: at the end of its input it would resume them
        assert self._guard.stdin is not None
        with contextlib.suppress(OSError):
            self._guard.stdin.close()
