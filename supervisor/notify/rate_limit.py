"""A rate limit: one message of a kind and session per period, and a summary of the rest."""

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


class RateLimiter:
    """Decides whether a message is sent now. `every` is the period in seconds, 0 for no limit."""

    def __init__(self, every: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._every = every
        self._clock = clock
        self._windows: dict[_Key, _Window] = {}

    @property
    def next_due(self) -> float | None:
        """When the next summary is due, by the clock; None if no message is held back."""
        return min((window.ends for window in self._windows.values() if window.suppressed), default=None)

    def admit(self, message: Message) -> bool:
        """Return whether to send a message now; otherwise it is counted in the summary."""
        now = self._clock()
        window = self._windows.get(key := (message.kind, message.session))
        # The summary of an expired window that holds messages back is about to be sent.
        if window is None or (now >= window.ends and not window.suppressed):
            self._windows[key] = _Window(now + self._every)
            return True
        window.hold_back(message)
        return False

    def forget(self, kind: str, session: str | None) -> None:
        """Discard the messages that are held back, since they are out of date."""
        if (window := self._windows.get((kind, session))) is not None:
            window.drop()

    def due(self) -> list[Message]:
        """Return the summaries that are due: the last message held back, with the number of those before it."""
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
