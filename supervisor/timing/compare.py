"""Whether restarts have become slower or faster: two groups of them, phase by phase, with a test against chance.

It is a permutation test of the rank sum (the statistic of Wilcoxon, Mann and Whitney; ties share their mean rank). If
nothing had changed, any way of dealing the same durations out to the two groups would be as likely as the one that was
seen; so they are dealt out anew `ROUNDS` times, and `p` is the share of those that lie at least as far apart. Ranks,
because one restart that took a minute must not decide. The dealing is seeded: the same history gives the same answer.

All phases and the total are tested at once, so `p` is corrected for their number (Holm 1979): where nothing has
changed, fewer than one comparison in a hundred reports anything. That holds for restarts that do not depend on each
other; a machine that was busy for an afternoon shows as a change, which it is.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from supervisor.timing.changepoints import ChangePoint
from supervisor.timing.record import Restart
from supervisor.timing.statistics import TOTAL, durations, percentile, phases_of

ALPHA: Final = 0.01
"""The share of false alarms that is accepted, over all phases together."""
FEWEST: Final = 8
"""So many restarts on each side are needed; with fewer no order of them is rare enough to be evidence."""
MOST: Final = 200
"""So many on each side, the nearest to the change, are compared: more would cost time and bring up the distant past."""
RECENT: Final = 50
"""So many of the last restarts, at most half of them, are compared with those before."""
ROUNDS: Final = 1999
NOTABLE_MS: Final = 20.0
NOTABLE_SHARE: Final = 0.10
"""A phase is called slower only if its median has grown by this much and this share: less is of no matter."""
_SEED: Final = 5

Deal = Callable[[Sequence[float]], Sequence[float]]
"""Takes one hand out of all ranks."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One phase, or the whole, before and after. Medians in milliseconds, None where no restart had the phase."""

    phase: str
    count_before: int
    count_after: int
    before_ms: float | None
    after_ms: float | None
    p: float | None
    """Corrected for the number of phases; None if there are too few restarts to test."""

    @property
    def change_ms(self) -> float | None:
        """By how much the median has grown."""
        if self.before_ms is None or self.after_ms is None:
            return None
        return self.after_ms - self.before_ms

    @property
    def evident(self) -> bool | None:
        """Whether that is more than noise; None if there are too few restarts to tell."""
        return None if self.p is None else self.p <= ALPHA and self.change_ms != 0

    @property
    def notably_slower(self) -> bool:
        """Whether it is slower beyond doubt, and enough to matter."""
        if not self.evident or self.before_ms is None or self.change_ms is None:
            return False
        return self.change_ms >= max(NOTABLE_MS, NOTABLE_SHARE * self.before_ms)


@dataclass(frozen=True, slots=True)
class Trend:
    """The last restarts against those before them."""

    before: int
    after: int
    slower: Sequence[Difference]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The restarts before a change against those after it."""

    change: ChangePoint
    before: int
    after: int
    differences: Sequence[Difference]


def compare(before: Sequence[Restart], after: Sequence[Restart]) -> list[Difference]:
    """Each phase, and the whole as the last, before and after; of restarts that are comparable, all ready ones say."""
    names = [*phases_of([*before, *after]), TOTAL]
    sides = {name: (durations(before, name), durations(after, name)) for name in names}
    dealer = _Dealer()
    raw = {name: dealer.p(*both) for name, both in sides.items() if min(map(len, both)) >= FEWEST}
    corrected = _holm(raw)
    return [
        Difference(name, len(then), len(now), _median(then), _median(now), corrected.get(name))
        for name, (then, now) in sides.items()
    ]


def compare_around(change: ChangePoint) -> Comparison:
    """Both sides of a change, the restarts nearest to it."""
    before, after = change.before[-MOST:], change.after[:MOST]
    return Comparison(change, len(before), len(after), compare(before, after))


def trend(restarts: Sequence[Restart]) -> Trend | None:
    """What got slower lately, of restarts in their order; None if there are too few to tell."""
    recent = min(len(restarts) // 2, RECENT)
    if recent < FEWEST:
        return None
    after, before = restarts[-recent:], restarts[-recent - MOST : -recent]
    return Trend(len(before), len(after), [one for one in compare(before, after) if one.notably_slower])


class _Dealer:
    """Deals durations out to two groups at random; the same way for each phase that has as many, which saves time."""

    def __init__(self) -> None:
        self._random = random.Random(_SEED)  # noqa: S311  not a secret
        self._deals: dict[tuple[int, int], list[Deal]] = {}

    def p(self, before: Sequence[int], after: Sequence[int]) -> float:
        """How likely groups that far apart are if nothing has changed."""
        ranks = _ranks([*before, *after])
        seen = ranks[: len(before)] if len(before) <= len(after) else ranks[len(before) :]
        expected = len(seen) * (len(ranks) + 1) / 2
        distance = abs(sum(seen) - expected)
        as_far = sum(abs(sum(deal(ranks)) - expected) >= distance for deal in self._dealt(len(ranks), len(seen)))
        # The order that was seen is one of those possible: without it p could be 0, which no sample can show.
        return (1 + as_far) / (1 + ROUNDS)

    def _dealt(self, of: int, hand: int) -> list[Deal]:
        if (of, hand) not in self._deals:
            self._deals[of, hand] = [itemgetter(*self._random.sample(range(of), hand)) for _ in range(ROUNDS)]
        return self._deals[of, hand]


def _ranks(values: Sequence[int]) -> list[float]:
    """The rank of each value, counted from 1; equal ones share the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    first = 0
    while first < len(order):
        end = first
        while end < len(order) and values[order[end]] == values[order[first]]:
            end += 1
        for at in order[first:end]:
            ranks[at] = (first + 1 + end) / 2
        first = end
    return ranks


def _holm(raw: dict[str, float]) -> dict[str, float]:
    """Each `p` corrected for the number of tests, by Holm's step-down method."""
    corrected: dict[str, float] = {}
    floor = 0.0
    for done, name in enumerate(sorted(raw, key=raw.__getitem__)):
        floor = max(floor, min(1.0, raw[name] * (len(raw) - done)))
        corrected[name] = floor
    return corrected


def _median(values: Sequence[int]) -> float | None:
    return percentile(sorted(values), 0.5) if values else None
