"""Freezing a bot so that it cannot react while its browser is closed under it.

A frozen process must never be left behind: `Frost` thaws in `release`, and its context manager calls that on every way
out, an exception and a cancelled task included.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from supervisor.process.census import Entry
from supervisor.process.handle import Handle

#: Looks taken at the tree before it counts as frozen. A process that forked between the look and its own freeze leaves
#: one unfrozen child, found by the next look; a frozen process cannot fork, so two looks suffice unless a third party
#: keeps adding to the tree.
_MOST_LOOKS = 5


class Frost:
    """The processes that are suspended now."""

    def __init__(self) -> None:
        self._frozen: dict[int, Handle] = {}
        self.refused: list[int] = []

    def freeze(self, look: Callable[[], Iterable[Entry]]) -> int:
        """Suspend what `look` returns, and look again until it returns nothing new; how many are frozen.

        A process that may not be suspended is noted in `refused` and left running: the stop goes on without it.
        """
        for _ in range(_MOST_LOOKS):
            new = [e for e in look() if e.pid not in self._frozen and e.pid not in self.refused]
            if not new:
                break
            for entry in new:
                self._suspend(entry)
        return len(self._frozen)

    def _suspend(self, entry: Entry) -> None:
        try:
            suspended = entry.handle.suspend()
        except PermissionError:
            self.refused.append(entry.pid)
            return
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
