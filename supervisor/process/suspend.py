"""Suspending processes, so that a bot cannot react while its browser is closed under it, or its files are checked.

A suspended process must never be left behind: the context manager of `Suspension` resumes it on every way out, also
after an exception or a cancellation, and a `ResumeGuard` if this process is killed.
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


class ResumeGuard:
    """A helper (`resume_helper.py`) that resumes suspended processes if this process is killed.

    It is started when it is first needed, and gets the pids of processes before they are suspended.
    """

    def __init__(
        self,
        helpers: HelperRunner,
        *,
        limit: float | None = None,
        call: Callable[[Callable[[], None]], object] = lambda work: work(),
    ) -> None:
        """`limit`: seconds after which it resumes them in any case, should this process itself be suspended.

        `call` calls what may be done on the thread of `helpers` only; given if `end` is called on another one.
        """
        self._helpers = helpers
        self._limit = limit
        self._call = call
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> bool:
        """Start it, unless it runs, which takes some milliseconds; False if that is impossible."""
        if self._popen is not None:
            return True
        command = [sys.executable, "-I", "-S", resume_helper.__file__]
        limit = [] if self._limit is None else [str(self._limit)]
        with contextlib.suppress(OSError):  # no process or descriptor is available
            self._popen = self._helpers.start(
                [*command, *limit],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        return self._popen is not None

    def announce(self, entries: Iterable[ProcessEntry]) -> bool:
        """Name processes that are about to be suspended; False if it could not be started or has died."""
        if not self.start():
            return False
        assert self._popen is not None
        assert self._popen.stdin is not None
        try:
            self._popen.stdin.write("".join(f"{entry.pid} {entry.started!r}\n" for entry in entries).encode())
            self._popen.stdin.flush()
        except OSError:
            return False
        return True

    def end(self) -> None:
        """End it, once everything is resumed. May be called twice."""
        popen, self._popen = self._popen, None
        if popen is not None:
            self._call(lambda: self._end(popen))

    def _end(self, popen: subprocess.Popen[bytes]) -> None:
        self._helpers.end(popen)  # first: at the end of its input it would resume them
        assert popen.stdin is not None
        with contextlib.suppress(OSError):
            popen.stdin.close()


class Suspension:
    """The processes that are suspended now. `refused` has the pids of those that may not be suspended, and run on.

    A `guard` watches over them, and is ended with their release.
    """

    def __init__(self, guard: ResumeGuard | None = None) -> None:
        self._guard = guard
        self._suspended: dict[int, Handle] = {}
        self.refused: list[int] = []

    def suspend_tree(self, look: Callable[[], Iterable[ProcessEntry]], *, only_guarded: bool = False) -> int:
        """Suspend what `look` returns, and look again until it returns nothing new; return how many are suspended."""
        stopped = False
        for _ in range(_MOST_LOOKS):
            entries = list(look())
            new = [e for e in entries if e.pid not in self._suspended and e.pid not in self.refused]
            self.suspend(new, only_guarded=only_guarded)
            # Closes a race: a process that is signalled during a fork stops when that is done. Its child may appear
            # only after a look that already sees the parent stopped; the next look finds it.
            if stopped and not new:
                break
            stopped = not new and all(entry.stopped or entry.pid in self.refused for entry in entries)
        return len(self._suspended)

    def suspend(self, entries: Sequence[ProcessEntry], *, only_guarded: bool = False) -> None:
        """Suspend these, without a look at what they may have started meanwhile.

        `only_guarded`: none of them, if the guard cannot watch over them. Without it they are suspended even so: it
        guards against a kill in a short time, a stop that the bot reacts to can lose its session.
        """
        guarded = self._guard is not None and (not entries or self._guard.announce(entries))
        if only_guarded and not guarded:
            return
        for entry in entries:
            # Noted first: an interrupt may come between the two.
            self._suspended[entry.pid] = entry.handle
            try:
                suspended = entry.handle.suspend()
            except PermissionError:
                self.refused.append(entry.pid)
                suspended = False
            if not suspended:
                del self._suspended[entry.pid]

    def release(self) -> None:
        """Resume everything that is still suspended. May be called twice."""
        for handle in self._suspended.values():
            # One that may no longer be signalled must not keep the others suspended.
            with contextlib.suppress(PermissionError):
                handle.resume()
        self._suspended.clear()
        if self._guard is not None:
            self._guard.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
