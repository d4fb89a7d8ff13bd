"""Plots of restarts in characters: a sparkline, and totals over time."""

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
_SHORT_S: Final = 180 * 86400  # a longer time is labelled with years


def sparkline(values: Sequence[float], width: int) -> str:
    """Values as bars from left to right; each the median of several values if there are more than `width`."""
    medians = condensed(values, width)
    if not medians:
        return ""
    low, high = min(medians), max(medians)
    step = (high - low) / (len(_BARS) - 1) or 1.0
    return "".join(_BARS[round((value - low) / step)] for value in medians)


def condensed(values: Sequence[float], most: int) -> list[float]:
    """At most `most` values: the medians of as many equal parts."""
    if len(values) <= most:
        return list(values)
    bounds = [len(values) * part // most for part in range(most + 1)]
    return [percentile(sorted(values[first:end]), 0.5) for first, end in pairwise(bounds)]


def plot(restarts: Sequence[Restart], target: Target, *, width: int, colour: bool) -> list[str]:
    """The totals in seconds from the oldest to the newest restart, as lines of text of at most `width` columns.

    Restarts are evenly spaced, regardless of the time between them: most come in bursts. The target is drawn where it
    is within the range.
    """
    import plotext  # here, since it takes 0.2 s

    columns = max(width, _NARROWEST)
    totals = condensed([restart.total_ms / 1000 for restart in restarts], columns)
    top = max(totals) * 1.05 or 1.0
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.limit_size(False, False)  # the terminal's, which does not apply to a file
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
