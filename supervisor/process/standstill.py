"""A bot that stands still for a moment and then goes on, whatever happens to us meanwhile."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence

from supervisor.process import resume_helper
from supervisor.process.reaper import Reaper
from supervisor.process.suspend import Frost
from supervisor.process.table import Entry


class Standstill:
    """Processes that are frozen from when this is made until `release`, or until `hand_over`.

    A process of its own (`thaw.py`) lets them go on should we be killed in between: it has their names before they are
    frozen. Where it cannot be started nothing is frozen.
    """

    def __init__(
        self, first: Entry | None, look: Callable[[], Iterable[Entry]], errands: set[int], reaper: Reaper
    ) -> None:
        """Freeze `first`, which needs no look, then what `look` returns.

        The guard's pid is in `errands` for as long as it lives.
        """
        self.frost = Frost()
        self._errands = errands
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
        reaper.own.add(self._guard.pid)
        errands.add(self._guard.pid)
        try:
            if first is not None:  # a look takes milliseconds, more the more processes the machine has
                self.frost.suspend(self._told([first]))
            self.frost.freeze(lambda: self._told(list(look())))
        except BaseException:
            self.release()
            raise

    def _told(self, entries: Sequence[Entry]) -> Sequence[Entry]:
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
        self.frost.release()
        self._dismiss()

    def hand_over(self) -> Frost:
        """What is frozen, for someone else to thaw."""
        self._dismiss()
        return self.frost

    def _dismiss(self) -> None:
        guard = self._guard
        if guard is None or guard.returncode is not None:
            return
        # Killed first: the end of its input would be its cue.
        guard.kill()
        guard.wait()
        self._errands.discard(guard.pid)
        self._reaper.let_go(guard.pid)
        assert guard.stdin is not None
        with contextlib.suppress(OSError):
            guard.stdin.close()
