"""Freezing a bot so that it cannot react while its browser is closed under it.

A frozen process must never be left behind: `Frost` thaws in `release`, and its context manager calls that on every way
out, an exception and a cancelled task included.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from supervisor.process.handle import Handle
from supervisor.process.table import Entry

#: Looks taken at the tree at most. Three suffice, unless a third party keeps adding to it or a process does not stop,
#: as one that waits in the kernel for its own child to execute something.
_MOST_LOOKS = 10


class Frost:
    """The processes that are suspended now."""

    def __init__(self) -> None:
        self._frozen: dict[int, Handle] = {}
        self.refused: list[int] = []

    def freeze(self, look: Callable[[], Iterable[Entry]]) -> int:
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

    def suspend(self, entries: Iterable[Entry]) -> None:
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
