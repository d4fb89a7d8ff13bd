"""The phases of one restart: contiguous by construction, so that they add up to the whole."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal, TypeVar, get_args

Phase = Literal[
    "freeze",
    "preflight",
    "close",
    "stop",
    "prove",
    "check",
    "snapshot",
    "restore",
    "settle",
    "backoff",
    "boot",
    "browser",
    "link",
    "ready",
]
"""One step of a restart. preflight: until the changed files are quiet and have been checked; settle: until the files
are quiet; backoff: the pause before a bot that has failed is started again; boot: from the spawn until the browser's
main process exists; browser: until its page answers; link: until the session is linked; ready: until the bot is
ready."""

PHASES: Final[tuple[Phase, ...]] = get_args(Phase)
"""Every phase in the order in which they are shown."""

_K = TypeVar("_K")
_RANK: Final = {name: rank for rank, name in enumerate(PHASES)}


class Phases(Mapping[Phase, float]):
    """The finished phases in their canonical order, in seconds.

    Kept as whole nanoseconds, so that they add up to the total exactly: `sum(p.ns.values()) == p.total_ns`.
    """

    def __init__(self, ns: Mapping[Phase, int]) -> None:
        self.ns: Final[Mapping[Phase, int]] = {name: ns[name] for name in sorted(ns, key=_RANK.__getitem__)}
        self.total_ns: Final = sum(ns.values())

    @property
    def total(self) -> float:
        """The whole, in seconds."""
        return self.total_ns / 1e9

    @property
    def slowest(self) -> Phase | None:
        """The phase that took longest, the earlier of two equals; None if there is none."""
        return max(self.ns, key=self.ns.__getitem__, default=None)

    def milliseconds(self) -> dict[str, int]:
        """Whole milliseconds that add up to the rounded total, for logs and the history."""
        return {name: amount for name, amount in spread(self.ns, 1_000_000).items()}  # noqa: C416  dict() keeps Phase

    def __getitem__(self, name: Phase) -> float:
        return self.ns[name] / 1e9

    def __iter__(self) -> Iterator[Phase]:
        return iter(self.ns)

    def __len__(self) -> int:
        return len(self.ns)

    def __repr__(self) -> str:
        return f"Phases({dict(self)})"


class PhaseClock:
    """Measures phases that follow each other without a hole.

    The clock starts when it is made, and the time until the first `enter` belongs to that phase; each further one ends
    the running phase at the same reading at which it begins the next. A phase entered again goes on where it left off.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._spent: dict[Phase, int] = {}
        self._current: Phase | None = None
        self._made = now()
        self._since_ns = round(self._made * 1e9)
        self._finished: Phases | None = None

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
        if name not in _RANK:
            raise ValueError(f"{name!r} is not a phase; expected one of {', '.join(PHASES)}")
        if self._finished is not None:
            raise ValueError(f"phase {name!r} entered on a clock that is finished")
        self._lap()
        self._current = name
        self._spent.setdefault(name, 0)

    def finish(self) -> Phases:
        """End the running phase and return them all. Calling it again returns the same."""
        if self._finished is None:
            self._lap()
            self._current = None
            self._finished = Phases(self._spent)
        return self._finished

    def _lap(self) -> None:
        """Give the time since the last reading to the running phase; both sides share the one reading."""
        if self._current is not None:
            reading = round(self._now() * 1e9)
            self._spent[self._current] += reading - self._since_ns
            self._since_ns = reading


def spread(amounts: Mapping[_K, int], unit: int) -> dict[_K, int]:
    """Round each amount to whole units so that they add up to the rounded total (largest remainder method).

    Every result is the amount divided by `unit`, rounded up or down. Ties go to the earlier entry.
    """
    floors = {name: amount // unit for name, amount in amounts.items()}
    missing = (sum(amounts.values()) + unit // 2) // unit - sum(floors.values())
    by_remainder = sorted(amounts, key=lambda name: amounts[name] % unit, reverse=True)
    for name in by_remainder[:missing]:
        floors[name] += 1
    return floors
