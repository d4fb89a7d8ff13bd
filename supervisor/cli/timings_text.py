"""The text that `scanonce timings` prints."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from supervisor.cli import console
from supervisor.cli.console import Cell, counted
from supervisor.cli.timings_data import judged
from supervisor.timing.compare import ALPHA, FEWEST, trend
from supervisor.timing.phases import spread
from supervisor.timing.statistics import by_phase, phases_of, verdicts
from supervisor.timing.text_plot import plot, sparkline

if TYPE_CHECKING:
    from supervisor.cli.timings_data import View
    from supervisor.timing.changepoints import Step
    from supervisor.timing.compare import Comparison, Difference
    from supervisor.timing.query import Selection
    from supervisor.timing.record import Restart

_COLOURS = {"ahead": "green", "within": "yellow", "over": "red", "needs_link": "yellow", "failed": "red"}
_SPARK_WIDTH, _PLOT_WIDTH = 60, 100
_TIMES = 9.0  # growth, as a share, from which a factor is printed instead
_NAMES = {"scanonce": "scanonce", "config": "configuration", "node": "Node.js", "browser": "browser"}


def print_overview(view: View) -> None:
    """Print the last restarts, the figures of each phase, how many met the target, and what got slower."""
    selection = view.selection
    if not selection.restarts:
        console.say(_nothing(view))
        return
    console.say(_heading(selection))
    if view.rows:
        console.say()
        _print_restarts(view, selection.restarts[-view.rows :][::-1])
    ready = selection.ready
    if not ready:
        console.say()
        console.say("None of them brought the bot back, so there are no figures.")
        return
    console.say()
    _print_figures(ready)
    console.say()
    _print_shares(view, ready)
    if _can_draw() and len(ready) > 1:  # a single dot would show nothing
        _print_drawings(view, ready)
    _print_trend(ready)


def print_comparison(view: View, result: Comparison | None) -> None:
    """Print each phase before and after a change, and whether the difference is more than noise."""
    if not view.selection.restarts:
        console.say(_nothing(view))
        return
    if result is None:
        count = len(view.selection.ready)
        console.say(
            f"No version and no configuration has changed in {counted(count, 'restart')} that brought the bot back."
        )
        console.say("To compare before and after any other moment, name it: --compare 2026-01-31.")
        return
    change = result.change
    console.say(f"Before and after {_when(change.at)}: {result.before} and {counted(result.after, 'restart')}.")
    for step in change.steps:
        console.say(f"  {_NAMES[step.kind]}: {step.before or 'not recorded'} -> {step.after or 'not recorded'}")
        for line in _settings(step, view.recorded.settings):
            console.say(f"    {line}")
    console.say()
    headings = ("PHASE", "BEFORE", "AFTER", "DIFFERENCE", "", "P", "MORE THAN NOISE")
    console.table(headings, _aligned([_compared(one) for one in result.differences], range(1, 6)))
    console.say()
    few = min(result.before, result.after) < FEWEST
    console.say(
        f"Medians in seconds. At least {FEWEST} restarts on each side are needed to tell a difference from noise."
        if few
        else f"Medians in seconds. More than noise: by chance it would be seen in less than {ALPHA:.0%} of comparisons."
    )


def _nothing(view: View) -> str:
    selection = view.selection
    if not view.recorded.restarts and not view.recorded.unreadable:
        when = "yet" if view.since is None else f"since {_when(view.since)}"
        return f"No restart is recorded in {view.path} {when}. Restart the bot, then look again."
    there = ", ".join(f"{reason} ({count})" for reason, count in sorted(selection.reasons.items()))
    ended = ", ".join(f"{outcome} ({count})" for outcome, count in sorted(selection.outcomes.items()))
    hint = " First starts count with --starts." if selection.first_starts else ""
    return f"No restart fits. Recorded are the reasons {there or 'none'}, and the outcomes {ended or 'none'}.{hint}"


def _heading(selection: Selection) -> str:
    restarts = selection.restarts
    line = f"{counted(len(restarts), 'restart')}, {_when(restarts[0].started_at)}"
    if len(restarts) > 1:
        line += f" to {_when(restarts[-1].started_at)}"
    others = len(restarts) - len(selection.ready)
    left_out = (
        [f"{counted(selection.first_starts, 'first start')} left out (--starts)"] if selection.first_starts else []
    )
    if others:
        left_out.append(f"{others} that did not bring the bot back {'counts' if others == 1 else 'count'} in no figure")
    return "; ".join([line, *left_out]) + "."


def _print_restarts(view: View, restarts: Sequence[Restart]) -> None:
    phases = [name for name in phases_of(restarts) if any(one.phases_ms.get(name, 0) >= 5 for one in restarts)]
    rest: list[str] = []
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    fixed = len("2026-01-31 18:00:00  total  needs_link  other  ") + max(map(console.least_width, map(_why, restarts)))
    while len(phases) > 1 and fixed + sum(max(len(name), 5) + 2 for name in phases) > room:
        least = min(phases, key=lambda name: sum(one.phases_ms.get(name, 0) for one in restarts))
        phases.remove(least)
        rest.append(least)
    headings = ["STARTED", "TOTAL", *(name.upper() for name in phases), *(["OTHER"] if rest else []), "TARGET", "WHY"]
    rows = [_row(one, view, phases, other=bool(rest)) for one in restarts]
    console.table(headings, _aligned(rows, range(1, len(headings) - 2)))


def _row(one: Restart, view: View, phases: Sequence[str], *, other: bool) -> list[str | Cell]:
    hundredths = spread(one.phases_ms, 10)  # rounded so that they add up to the total
    shown = [_hundredths(hundredths[name]) if name in hundredths else "" for name in phases]
    if other:
        shown.append(_hundredths(sum(amount for name, amount in hundredths.items() if name not in phases)))
    verdict = judged(one, view.target) or one.outcome
    total = _hundredths(sum(hundredths.values())) if hundredths else _seconds(one.total_ms)
    return [_when(one.started_at), total, *shown, Cell(verdict, _COLOURS.get(verdict, "")), _why(one)]


def _why(one: Restart) -> str:
    why = f"{one.reason}: {one.detail}" if one.detail else one.reason
    marks = [*(["warm"] if one.kind == "warm" else []), *([] if one.clean else ["unclean"])]
    return f"{why} ({', '.join(marks)})" if marks else why


def _print_figures(ready: Sequence[Restart]) -> None:
    rows = [
        [name, str(one.count), *map(_seconds, (one.minimum, one.p50, one.p90, one.p95, one.maximum))]
        for name, one in by_phase(ready).items()
    ]
    console.table(("SECONDS", "COUNT", "MIN", "P50", "P90", "P95", "MAX"), _aligned(rows, range(1, 7)))


def _print_shares(view: View, ready: Sequence[Restart]) -> None:
    shares = verdicts(ready, view.target)
    parts = (f"{verdict} {count / len(ready):.1%} ({count})" for verdict, count in shares.items())
    console.say(f"Target {view.target}: {', '.join(parts)}")


def _print_drawings(view: View, ready: Sequence[Restart]) -> None:
    totals = [one.total_ms for one in ready]
    width = min(shutil.get_terminal_size().columns, _PLOT_WIDTH) if sys.stdout.isatty() else _PLOT_WIDTH
    spread_of = f"{_seconds(min(totals))} to {_seconds(max(totals))} s"
    bars = sparkline(totals, min(_SPARK_WIDTH, max(width - len(f"Totals    {spread_of}"), 1)))
    console.say(f"Totals  {bars}  {spread_of}")
    console.say()
    for line in plot(ready, view.target, width=width, colour=_coloured()):
        typer.echo(line, color=True)  # `plot` has decided on colours
    if len(ready) > width:
        console.say(f"Seconds; each dot is the median of some {round(len(ready) / width)} restarts.")
    else:
        console.say("Seconds; each dot is one restart.")


def _print_trend(ready: Sequence[Restart]) -> None:
    found = trend(ready)
    if found is None or not found.slower:
        return  # without evidence nothing is said: it would not prove that nothing has changed
    console.say()
    console.say(f"Slower in the last {found.after} restarts than in the {found.before} before them:")
    rows = [_compared(one)[:6] for one in found.slower]
    console.table(("PHASE", "BEFORE", "NOW", "DIFFERENCE", "", "P"), _aligned(rows, range(1, 6)))


def _compared(one: Difference) -> list[str | Cell]:
    change, before = one.change_ms, one.before_ms
    answer: str | Cell = "too few to tell" if one.evident is None else "no"
    if one.evident:
        slower = (change or 0) > 0
        answer = Cell("yes, slower", "red") if slower else Cell("yes, faster", "green")
    return [
        one.phase,
        _seconds(before) if before is not None else "-",
        _seconds(one.after_ms) if one.after_ms is not None else "-",
        f"{change / 1000:+.3f}" if change is not None else "",
        _share(change, before),
        f"{one.p:.4f}" if one.p is not None else "",
        answer,
    ]


def _share(change: float | None, before: float | None) -> str:
    if change is None or not before:
        return ""
    grown = change / before
    if grown >= _TIMES:
        return f"x{1 + grown:.0f}"
    return "0%" if abs(grown) < 0.005 else f"{grown:+.0%}"


def _settings(step: Step, known: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    if step.kind != "config":
        return
    changed = step.settings_changed(known)
    if changed is None:
        if step.before is not None:
            yield "what changed in it is not recorded"
        return
    for key, before, after in changed:
        yield f"{key}: {_value(before)} -> {_value(after)}"


def _value(value: Any) -> str:
    return "default" if value is None else json.dumps(value)


def _aligned(rows: Sequence[Sequence[str | Cell]], columns: Iterable[int]) -> list[list[str | Cell]]:
    """Align the numbers of these columns to the right."""
    aligned = [list(row) for row in rows]
    for at in columns:
        width = max((len(str(row[at])) for row in rows), default=0)
        for row in aligned:
            if isinstance(text := row[at], str):
                row[at] = text.rjust(width)
    return aligned


def _can_draw() -> bool:
    """Whether the encoding of the output has bars and dots."""
    try:
        "▁█•┤".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.3f}"


def _hundredths(amount: int) -> str:
    return f"{amount / 100:.2f}"


def _when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone():%Y-%m-%d %H:%M:%S}"
