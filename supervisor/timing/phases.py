"""The phases of a restart, measured without gaps, so that they add up to its whole time."""

import time
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeVar, get_args

Phase = Literal[
    "freeze",
    "preflight",
    "gate",
    "drain",
    "close",
    "stop",
    "prove",
    "check",
    "snapshot",
    "restore",
    "settle",
    "backoff",
    "boot",
    "attach",
    "replay",
    "browser",
    "link",
    "ready",
]
"""A step of a restart. preflight: until the changed files are quiet and checked; gate, drain: of a warm one, until the
page's events wait, and the bot has finished those before; settle: until the files are quiet; backoff: the pause after a
failure; boot: from the spawn until the browser's main process exists, or the bot connects to the kept one; attach,
replay: until it has taken over the page, and what has waited there; browser: until its page answers; link: until the
session is linked; ready: until the bot is ready."""

PHASES: Final[tuple[Phase, ...]] = get_args(Phase)
"""The phases in the order of the reports."""

_K = TypeVar("_K")


class PhaseClock:
    """Measures phases that follow each other without gaps.

    The clock starts when it is made, and the time until the first `enter` belongs to that phase. Each further `enter`
    ends the running phase at the same reading at which it begins the next. The times of a phase that is entered again
    add up.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._spent: dict[Phase, int] = {}
        self._current: Phase | None = None
        self._made = now()
        self._since_ns = round(self._made * 1e9)
        self._finished: dict[str, int] | None = None
        self._paused = False

    @property
    def current(self) -> Phase | None:
        """The running phase; None before the first and after `finish`."""
        return self._current

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was made."""
        return self._now() - self._made

    def enter(self, name: Phase) -> None:
        """End the running phase and begin `name`.

        Raises `ValueError` for a name that is not a phase, and on a clock that is finished.
        """
        if name not in PHASES:
            raise ValueError(f"{name!r} is not a phase; expected one of {', '.join(PHASES)}")
        if self._finished is not None:
            raise ValueError(f"phase {name!r} entered on a clock that is finished")
        if self._paused:
            self._since_ns, self._paused = round(self._now() * 1e9), False
        self._lap()
        self._current = name
        self._spent.setdefault(name, 0)

    @property
    def paused(self) -> bool:
        """Whether time passes that belongs to no phase."""
        return self._paused

    def pause(self) -> None:
        """Leave out the running phase, and all time until the next `enter`: it was a person's."""
        if self._current is not None:
            del self._spent[self._current]
            self._current, self._paused = None, True

    def finish(self) -> dict[str, int]:
        """End the running phase. Returns the nanoseconds of each phase, in the order of `PHASES`; always the same."""
        if self._finished is None:
            self._lap()
            self._current = None
            self._finished = {name: self._spent[name] for name in PHASES if name in self._spent}
        return self._finished

    def _lap(self) -> None:
        """Add the time since the last reading to the running phase."""
        if self._current is not None:
            reading = round(self._now() * 1e9)
            self._spent[self._current] += reading - self._since_ns
            self._since_ns = reading


def spread(amounts: Mapping[_K, int], unit: int) -> dict[_K, int]:
    """Divide amounts by `unit`, rounding them up or down so that they add up to the rounded total.

    By the largest remainder method; of equal remainders the earlier entry is rounded up.
    """
    floors = {name: amount // unit for name, amount in amounts.items()}
    missing = (sum(amounts.values()) + unit // 2) // unit - sum(floors.values())
    by_remainder = sorted(amounts, key=lambda name: amounts[name] % unit, reverse=True)
    for name in by_remainder[:missing]:
        floors[name] += 1
    return floors
