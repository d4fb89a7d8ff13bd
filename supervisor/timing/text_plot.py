"""Restarts drawn in characters: a sparkline, and a plot over time."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from supervisor.timing.record import Restart, Target
from supervisor.timing.statistics import percentile

_BARS: Final = "▁▂▃▄▅▆▇█"
_TICKS: Final = 5
_HEIGHT: Final = 14  # lines
_NARROWEST: Final = 40  # columns
_SHORT_S: Final = 180 * 86400  # of a longer time the year has to be told


def sparkline(values: Sequence[float], width: int) -> str:
    """Values from left to right as bars, the lowest as the smallest bar and the highest as the largest.

    More values than `width` are put together, each bar the median of as many.
    """
    medians = condensed(values, width)
    if not medians:
        return ""
    low, high = min(medians), max(medians)
    step = (high - low) / (len(_BARS) - 1) or 1.0
    return "".join(_BARS[round((value - low) / step)] for value in medians)


def condensed(values: Sequence[float], most: int) -> list[float]:
    """At most that many values: the medians of as many equal parts."""
    if len(values) <= most:
        return list(values)
    bounds = [len(values) * part // most for part in range(most + 1)]
    return [percentile(sorted(values[first:end]), 0.5) for first, end in pairwise(bounds)]


def plot(restarts: Sequence[Restart], target: Target, *, width: int, colour: bool) -> list[str]:
    """The totals in seconds from the oldest to the newest restart, as lines of text of at most `width` columns.

    Restarts stand side by side, however much time lies between them: most come in bursts. The target is drawn as far as
    it is in sight.
    """
    import plotext  # here, for it takes a fifth of a second

    columns = max(width, _NARROWEST)
    totals = condensed([restart.total_ms / 1000 for restart in restarts], columns)
    top = max(totals) * 1.05 or 1.0
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.limit_size(False, False)  # to the terminal's, which is not ours to be when we write to a file
    plotext.plotsize(columns, _HEIGHT)
    for level in (target.low, target.high):
        if level <= top:
            plotext.hline(level, "orange" if colour else None)
    plotext.scatter(list(range(len(totals))), totals, marker="•", color="green" if colour else None)
    plotext.ylim(0, top)
    last = max(len(totals) - 1, 1)
    plotext.xlim(0, last)
    marks = [round(last * tick / (_TICKS - 1)) for tick in range(_TICKS)] if last >= _TICKS else [0]
    form = "%m-%d %H:%M" if restarts[-1].started_at - restarts[0].started_at < _SHORT_S else "%Y-%m-%d"
    days = [_moment(restarts[min(mark * len(restarts) // len(totals), len(restarts) - 1)], form) for mark in marks]
    plotext.xticks(marks, days)
    drawn: str = plotext.build()
    plotext.clear_figure()
    return [line.rstrip() for line in (drawn if colour else plotext.uncolorize(drawn)).splitlines()]


def _moment(restart: Restart, form: str) -> str:
    return datetime.fromtimestamp(restart.started_at, UTC).astimezone().strftime(form)
