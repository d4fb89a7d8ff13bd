"""Freezing a bot so that it cannot react while its browser is closed under it.

A suspended process must never be left behind: the context manager of `Suspension` resumes it on every way out, also
after an exception or a cancellation.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

from supervisor.process import resume_helper
from supervisor.process.handle import Handle
from supervisor.process.reaper import Reaper
from supervisor.process.table import ProcessEntry

#: Looks taken at the tree at most. Three suffice, unless a third party keeps adding to it or a process does not stop,
#: as one that waits in the kernel for its own child to execute something.
_MOST_LOOKS = 10


class Suspension:
    """The processes that are suspended now."""

    def __init__(self) -> None:
        self._frozen: dict[int, Handle] = {}
        self.refused: list[int] = []

    def suspend_tree(self, look: Callable[[], Iterable[ProcessEntry]]) -> int:
        """Suspend what `look` returns, and look again until it returns nothing new; how many are frozen.

        A process that may not be suspended is noted in `refused` and left running: the stop goes on without it.
        """
        stood = False
        for _ in range(_MOST_LOOKS):
            entries = list(look())
            new = [e for e in entries if e.pid not in self._frozen and e.pid not in self.refused]
            self.suspend(new)
            # A process that was signalled in the midst of a fork stops when that is done: its child may have come after
            # a look that already sees the parent stand, and is found by the next one.
            if stood and not new:
                break
            stood = not new and all(entry.stopped or entry.pid in self.refused for entry in entries)
        return len(self._frozen)

    def suspend(self, entries: Iterable[ProcessEntry]) -> None:
        """Suspend these, without a look at what they may have started meanwhile."""
        for entry in entries:
            try:
                suspended = entry.handle.suspend()
            except PermissionError:
                self.refused.append(entry.pid)
                continue
            if suspended:
                self._frozen[entry.pid] = entry.handle

    def release(self) -> None:
        """Thaw everything that is still frozen. Safe to call twice."""
        for handle in self._frozen.values():
            # One that may no longer be signalled must not keep the others frozen.
            with contextlib.suppress(PermissionError):
                handle.resume()
        self._frozen.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class GuardedSuspension:
    """Processes that are frozen from when this is made until `release`, or until `hand_over`.

    A process of its own (`thaw.py`) lets them go on should we be killed in between: it has their names before they are
    frozen. Where it cannot be started nothing is frozen.
    """

    def __init__(
        self, first: ProcessEntry | None, look: Callable[[], Iterable[ProcessEntry]], helpers: set[int], reaper: Reaper
    ) -> None:
        """Freeze `first`, which needs no look, then what `look` returns.

        The guard's pid is in `helpers` for as long as it lives.
        """
        self.suspension = Suspension()
        self._helpers = helpers
        self._reaper = reaper
        self._guard: subprocess.Popen[bytes] | None = None
        try:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", resume_helper.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl+C is for us alone
            )
        except OSError:  # no process or descriptor to be had: then it runs on
            return
        reaper.claim(self._guard.pid)
        helpers.add(self._guard.pid)
        try:
            if first is not None:  # a look takes milliseconds, more the more processes the machine has
                self.suspension.suspend(self._told([first]))
            self.suspension.suspend_tree(lambda: self._told(list(look())))
        except BaseException:
            self.release()
            raise

    def _told(self, entries: Sequence[ProcessEntry]) -> Sequence[ProcessEntry]:
        """The same entries, once the guard can know of them; none if there is no guard any more."""
        assert self._guard is not None
        assert self._guard.stdin is not None
        try:
            self._guard.stdin.write("".join(f"{entry.pid} {entry.started!r}\n" for entry in entries).encode())
            self._guard.stdin.flush()
        except OSError:
            return ()
        return entries

    def release(self) -> None:
        """Let them go on. Safe to call twice, and after `hand_over`."""
        self.suspension.release()
        self._dismiss()

    def hand_over(self) -> Suspension:
        """What is frozen, for someone else to thaw."""
        self._dismiss()
        return self.suspension

    def _dismiss(self) -> None:
        guard = self._guard
        if guard is None or guard.returncode is not None:
            return
        # Killed first: the end of its input would be its cue.
        guard.kill()
        guard.wait()
        self._helpers.discard(guard.pid)
        self._reaper.release(guard.pid)
        assert guard.stdin is not None
        with contextlib.suppress(OSError):
            guard.stdin.close()
