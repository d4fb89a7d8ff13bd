"""How often the same is told: one message of a kind and session within a time, and a summary of the rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from supervisor.notify.message import Message

_Key = tuple[str, str | None]


@dataclass(slots=True)
class _Window:
    ends: float
    suppressed: int = 0
    last: Message | None = None

    def hold_back(self, message: Message) -> None:
        self.suppressed, self.last = self.suppressed + 1, message

    def drop(self) -> None:
        self.suppressed, self.last = 0, None


class Limiter:
    """Decides by `clock`, in seconds, whether a message is sent. `every` 0 lets all pass."""

    def __init__(self, every: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._every = every
        self._clock = clock
        self._windows: dict[_Key, _Window] = {}

    @property
    def next_due(self) -> float | None:
        """When the next summary is due; None if nothing is held back."""
        return min((window.ends for window in self._windows.values() if window.suppressed), default=None)

    def admit(self, message: Message) -> bool:
        """Whether to send it now; else it goes into the summary."""
        now = self._clock()
        window = self._windows.get(key := (message.kind, message.session))
        # One that has ended and holds something back is asked for by `due` in a moment.
        if window is None or (now >= window.ends and not window.suppressed):
            self._windows[key] = _Window(now + self._every)
            return True
        window.hold_back(message)
        return False

    def forget(self, kind: str, session: str | None) -> None:
        """What is held back of this is out of date, and not sent any more."""
        if (window := self._windows.get((kind, session))) is not None:
            window.drop()

    def due(self) -> list[Message]:
        """The summaries whose time has come: the last message held back, and how many there were before it."""
        now = self._clock()
        summaries = []
        for key, window in list(self._windows.items()):
            if now < window.ends:
                continue
            del self._windows[key]
            if window.last is not None:
                summaries.append(replace(window.last, suppressed=window.suppressed - 1, at=datetime.now(UTC)))
                self._windows[key] = _Window(now + self._every)
        return summaries
