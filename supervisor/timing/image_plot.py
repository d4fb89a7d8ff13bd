"""A plot of restarts as an image, by matplotlib (an optional extra)."""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from supervisor.timing.record import Restart, Target, Verdict
from supervisor.timing.statistics import phases_of
from supervisor.timing.text_plot import condensed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours that can be told apart with any kind of colour blindness: Okabe and Ito, "Color Universal Design" (2008).
_PALETTE: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
_REST: Final = "#999999"
_MARKERS: Final[Mapping[Verdict, tuple[str, str]]] = {
    "ahead": ("o", "#0072B2"),
    "within": ("s", "#E69F00"),
    "over": ("^", "#D55E00"),
}
_BARS: Final = 60  # more could not be distinguished; the medians of equal groups take their place
_TICKS: Final = 6


def png(restarts: Sequence[Restart], target: Target, title: str) -> bytes:
    """A PNG of restarts, the oldest on the left: their totals with the target, and a bar of phases for each.

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
    axes.axhspan(target.low, target.high, color="#E69F00", alpha=0.12)
    axes.text(
        0.005, target.low, f" target {target}", transform=axes.get_yaxis_transform(), va="bottom", fontsize="small"
    )
    for verdict, (marker, colour) in _MARKERS.items():
        points = [
            (at, seconds)
            for at, restart in enumerate(restarts)
            if target.verdict(seconds := restart.total_ms / 1000) == verdict
        ]
        if points:
            axes.plot(*zip(*points, strict=True), marker, ms=4, color=colour, label=f"{verdict} ({len(points)})")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("total (s)")
    _explain(axes)


def _explain(axes: "Axes") -> None:
    """Add a legend beside the plot, in the order of the stacked bars."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="small", reverse=True)


def _draw_phases(axes: "Axes", restarts: Sequence[Restart]) -> None:
    groups = min(len(restarts), _BARS)
    width = len(restarts) / groups
    places = [(group + 0.5) * width - 0.5 for group in range(groups)]
    bottoms = [0.0] * groups
    for label, names, colour in layers(restarts):
        seconds = [sum(one.phases_ms.get(name, 0) for name in names) / 1000 for one in restarts]
        heights = condensed(seconds, groups)
        axes.bar(places, heights, width * 0.8, bottoms, label=label, color=colour)
        bottoms = [bottom + height for bottom, height in zip(bottoms, heights, strict=True)]
    if any(bottoms):
        _explain(axes)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("phases (s)" if groups == len(restarts) else f"phases (s, medians of {width:.1f} restarts each)")
    axes.set_xlabel("restarts in their order, not to scale in time")
    last = len(restarts) - 1
    marks = sorted({round(last * tick / (_TICKS - 1)) for tick in range(_TICKS)})
    axes.set_xticks(marks, [_moment(restarts[mark]) for mark in marks])


def layers(restarts: Sequence[Restart]) -> list[tuple[str, Sequence[str], str]]:
    """The layers of the bars from the bottom, in the order of the phases: the longest ones, and all others in one."""
    names = phases_of(restarts)
    by_length = sorted(names, key=lambda name: sum(one.phases_ms.get(name, 0) for one in restarts), reverse=True)
    large = [name for name in names if name in by_length[: len(_PALETTE)]]
    small = [name for name in names if name not in large]
    layers: list[tuple[str, Sequence[str], str]] = [
        (name, (name,), colour) for name, colour in zip(large, _PALETTE, strict=False)
    ]
    return [*([(", ".join(small), small, _REST)] if small else []), *layers]


def _moment(restart: Restart) -> str:
    return f"{datetime.fromtimestamp(restart.started_at, UTC).astimezone():%Y-%m-%d\n%H:%M}"
