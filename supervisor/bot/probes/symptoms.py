"""When what is wrong with a running bot has been wrong for long enough: pure, without clocks of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Reason = Literal["hang", "stuck", "page crash", "http", "watchdog", "memory"]
"""Why a bot that runs is restarted, as events and the history have it.

hang: the bot, its browser or its page gives no sign of life. stuck: the page answers, but does not get connected.
"""

#: A pause between two looks that is longer than so many intervals, and these seconds, was none that was planned: we
#: ourselves did not run (a suspended machine, a supervisor that was stopped), and so did nobody else perhaps.
_LATE_INTERVALS, _LATE_SECONDS = 3, 5.0


@dataclass(frozen=True, slots=True)
class Symptom:
    """Something that is wrong now, in words, and for how many seconds that is borne."""

    reason: Reason
    subject: str
    """What it is about: the same as long as it lasts, however its detail changes."""
    detail: str
    patience: float


class Chart:
    """Since when each symptom has lasted, seen at looks that are `interval` seconds apart."""

    def __init__(self, interval: float) -> None:
        self._latest = _LATE_INTERVALS * interval + _LATE_SECONDS
        self._since: dict[tuple[Reason, str], float] = {}
        self._looked_at: float | None = None

    def note(self, now: float, symptoms: Iterable[Symptom]) -> Symptom | None:
        """Take what one look has found, at `now` in seconds; returns the first that has lasted for its patience."""
        if self._looked_at is not None and now - self._looked_at > self._latest:
            self._since.clear()
        self._looked_at = now
        found = {(symptom.reason, symptom.subject): symptom for symptom in symptoms}
        self._since = {key: self._since.get(key, now) for key in found}
        borne = (symptom for key, symptom in found.items() if now - self._since[key] >= symptom.patience)
        return next(borne, None)
