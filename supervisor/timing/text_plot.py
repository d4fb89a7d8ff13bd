"""Plots of restarts in characters: a sparkline, and totals over time."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from supervisor.timing.record import Restart, Target
from supervisor.timing.statistics import percentile

_BARS: Final = "▁▂▃▄▅▆▇█"
_TICKS: Final = 5
_HEIGHT: Final = 14  # lines
_STEPS: Final = 4  # marks of the axis of seconds, at most, besides zero
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
    step = _round_step(max(totals) / _STEPS)
    top = step * math.ceil(max(totals) / step + 0.01)
    marks = {step * at: f"{step * at:g}" for at in range(round(top / step) + 1)}
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.limit_size(False, False)  # the terminal's, which does not apply to a file
    plotext.plotsize(columns, _HEIGHT)
    for level in (target.low, target.high):
        if level <= top:
            plotext.hline(level, "orange" if colour else None)
            marks[level] = f"target {level:g}"
    plotext.scatter(list(range(len(totals))), totals, marker="•", color="green" if colour else None)
    plotext.ylim(0, top)
    plotext.yticks(list(marks), list(marks.values()))
    last = max(len(totals) - 1, 1)
    plotext.xlim(0, last)
    places = [round(last * tick / (_TICKS - 1)) for tick in range(_TICKS)] if last >= _TICKS else [0]
    moments = [restarts[min(place * len(restarts) // len(totals), len(restarts) - 1)].started_at for place in places]
    plotext.xticks(places, _labels(moments))
    drawn: str = plotext.build()
    plotext.clear_figure()
    return [line.rstrip() for line in (drawn if colour else plotext.uncolorize(drawn)).splitlines()]


def _round_step(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is at least this.

    >>> [_round_step(least) for least in (0.9, 1.1, 2.4, 70)]
    [1.0, 2.0, 5.0, 100.0]
    """
    power = 10.0 ** math.floor(math.log10(least)) if least > 0 else 0.1
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)


def _labels(moments: Sequence[float]) -> list[str]:
    """Moments in the shortest form in which they differ; equal ones are labelled once."""
    times = [datetime.fromtimestamp(moment, UTC).astimezone() for moment in moments]
    forms = ["%H:%M", "%H:%M:%S"] if times[0].date() == times[-1].date() else ["%m-%d", "%m-%d %H:%M"]
    if moments[-1] - moments[0] >= _SHORT_S:
        forms = ["%Y-%m-%d"]
    labels = next(
        (found for form in forms if len(set(found := [one.strftime(form) for one in times])) == len(times)),
        [one.strftime(forms[-1]) for one in times],
    )
    return [label if label not in labels[:at] else "" for at, label in enumerate(labels)]
