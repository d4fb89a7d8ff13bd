"""Comparison of two groups of restarts, phase by phase, with a test of significance.

The test is a permutation test of the rank sum (the statistic of Wilcoxon, Mann and Whitney; ties share their mean
rank). If nothing has changed, every distribution of the durations over the two groups is equally likely; so they are
distributed at random `ROUNDS` times, and `p` is the share of rounds in which the groups are at least as far apart. It
uses ranks so that a single restart that took a minute does not decide. The random numbers are seeded: the same history
has the same result.

All phases and the total are tested at once, so `p` is corrected for their number (Holm 1979): where nothing has
changed, fewer than one comparison in a hundred reports a difference. That holds for independent restarts; a machine
that was busy for an afternoon shows as a change, which it is.
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
"""The accepted share of false alarms, over all phases together."""
FEWEST: Final = 8
"""Restarts needed on each side; with fewer, no order of them is rare enough to be significant."""
MOST: Final = 200
"""Restarts compared on each side, the nearest to the change: more would take time and be out of date."""
RECENT: Final = 50
"""Last restarts, at most half of all, that `trend` compares with those before."""
ROUNDS: Final = 1999
NOTABLE_MS: Final = 20.0
NOTABLE_SHARE: Final = 0.10
"""A phase counts as slower only if its median has grown by this much and by this share."""
_SEED: Final = 5

Draw = Callable[[Sequence[float]], Sequence[float]]
"""Picks one group out of all ranks."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A phase, or the total, before and after. Medians in milliseconds; None if no restart had the phase."""

    phase: str
    count_before: int
    count_after: int
    before_ms: float | None
    after_ms: float | None
    p: float | None
    """Corrected for the number of phases; None if there are too few restarts."""

    @property
    def change_ms(self) -> float | None:
        """The growth of the median."""
        if self.before_ms is None or self.after_ms is None:
            return None
        return self.after_ms - self.before_ms

    @property
    def evident(self) -> bool | None:
        """Whether the difference is significant; None if there are too few restarts."""
        return None if self.p is None else self.p <= ALPHA and self.change_ms != 0

    @property
    def notably_slower(self) -> bool:
        """Whether it is significantly slower, and by enough to matter."""
        if not self.evident or self.before_ms is None or self.change_ms is None:
            return False
        return self.change_ms >= max(NOTABLE_MS, NOTABLE_SHARE * self.before_ms)


@dataclass(frozen=True, slots=True)
class Trend:
    """The last restarts compared with those before them."""

    before: int
    after: int
    slower: Sequence[Difference]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The restarts before a change compared with those after it."""

    change: ChangePoint
    before: int
    after: int
    differences: Sequence[Difference]


def compare(before: Sequence[Restart], after: Sequence[Restart]) -> list[Difference]:
    """Each phase and, last, the total before and after; of comparable restarts, such as those that became ready."""
    names = [*phases_of([*before, *after]), TOTAL]
    sides = {name: (durations(before, name), durations(after, name)) for name in names}
    test = _RankTest()
    raw = {name: test.p(*both) for name, both in sides.items() if min(map(len, both)) >= FEWEST}
    corrected = _holm(raw)
    return [
        Difference(name, len(then), len(now), _median(then), _median(now), corrected.get(name))
        for name, (then, now) in sides.items()
    ]


def compare_around(change: ChangePoint) -> Comparison:
    """Compare the restarts nearest to a change."""
    before, after = change.before[-MOST:], change.after[:MOST]
    return Comparison(change, len(before), len(after), compare(before, after))


def trend(restarts: Sequence[Restart]) -> Trend | None:
    """The phases that became slower lately, of restarts in their order; None if there are too few."""
    recent = min(len(restarts) // 2, RECENT)
    if recent < FEWEST:
        return None
    after, before = restarts[-recent:], restarts[-recent - MOST : -recent]
    return Trend(len(before), len(after), [one for one in compare(before, after) if one.notably_slower])


class _RankTest:
    """The test; it draws once for all phases with equally many durations, which saves time."""

    def __init__(self) -> None:
        self._random = random.Random(_SEED)  # noqa: S311  not a secret
        self._draws: dict[tuple[int, int], list[Draw]] = {}

    def p(self, before: Sequence[int], after: Sequence[int]) -> float:
        """The probability of groups at least that far apart if nothing has changed."""
        ranks = _ranks([*before, *after])
        seen = ranks[: len(before)] if len(before) <= len(after) else ranks[len(before) :]
        expected = len(seen) * (len(ranks) + 1) / 2
        distance = abs(sum(seen) - expected)
        as_far = sum(abs(sum(draw(ranks)) - expected) >= distance for draw in self._drawn(len(ranks), len(seen)))
        # The seen order is one of those possible; without it p could be 0, which no sample can show.
        return (1 + as_far) / (1 + ROUNDS)

    def _drawn(self, of: int, count: int) -> list[Draw]:
        if (of, count) not in self._draws:
            self._draws[of, count] = [itemgetter(*self._random.sample(range(of), count)) for _ in range(ROUNDS)]
        return self._draws[of, count]


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
