"""A plot of restarts as an image, by matplotlib (an optional extra)."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from supervisor.timing.record import Restart, Target, Verdict
from supervisor.timing.statistics import phases_of
from supervisor.timing.text_plot import condensed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS: Final[dict[Verdict, str]] = {"ahead": "tab:green", "within": "tab:orange", "over": "tab:red"}
_PARTS: Final = 400  # of the lower panel; more could not be distinguished
_TICKS: Final = 6


def png(restarts: Sequence[Restart], target: Target, title: str) -> bytes:
    """A PNG of restarts, the oldest on the left: their totals with the target, and their phases.

    Raises `ImportError` without matplotlib, `ValueError` without restarts.
    """
    from matplotlib.figure import Figure  # not pyplot, which needs a display

    if not restarts:
        raise ValueError("there are no restarts to draw")
    figure = Figure(figsize=(11, 7), dpi=120, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    figure.suptitle(title.replace("$", r"\$"))  # a formula to matplotlib
    _draw_totals(above, restarts, target)
    _draw_phases(below, restarts)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _draw_totals(axes: "Axes", restarts: Sequence[Restart], target: Target) -> None:
    axes.axhspan(target.low, target.high, color="tab:orange", alpha=0.12, label=f"target {target}")
    for verdict, colour in _COLOURS.items():
        points = [
            (at, seconds)
            for at, restart in enumerate(restarts)
            if target.verdict(seconds := restart.total_ms / 1000) == verdict
        ]
        if points:
            axes.plot(*zip(*points, strict=True), ".", color=colour, label=f"{verdict} ({len(points)})")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("total (s)")
    _explain(axes)


def _explain(axes: "Axes") -> None:
    """Add a legend beside the plot, in the order of the stacked areas."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="small", reverse=True)


def _draw_phases(axes: "Axes", restarts: Sequence[Restart]) -> None:
    from matplotlib import colormaps

    names = phases_of(restarts)
    parts = min(len(restarts), _PARTS)
    places = [(part + 0.5) * len(restarts) / parts - 0.5 for part in range(parts)]
    heights = [condensed([one.phases_ms.get(name, 0) / 1000 for one in restarts], parts) for name in names]
    if parts == 1:  # an area needs two edges
        places, heights = [-0.4, 0.4], [height * 2 for height in heights]
    if names:
        colours = colormaps["tab20"]  # the default ten would repeat
        axes.stackplot(places, heights, labels=names, colors=[colours(at % 20) for at in range(len(names))])
        _explain(axes)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("phases (s, medians)" if parts < len(restarts) else "phases (s)")
    last = len(restarts) - 1
    marks = sorted({round(last * tick / (_TICKS - 1)) for tick in range(_TICKS)})
    axes.set_xticks(marks, [_moment(restarts[mark]) for mark in marks])


def _moment(restart: Restart) -> str:
    return f"{datetime.fromtimestamp(restart.started_at, UTC).astimezone():%Y-%m-%d\n%H:%M}"
