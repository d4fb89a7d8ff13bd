"""`scanonce timings`: the restarts of a project against the target, and whether a change made a difference."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from supervisor.cli import console
from supervisor.cli.options import AsJson, ConfigFile, Project, group
from supervisor.cli.timings.view import View
from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.config.types import parse_duration
from supervisor.timing.record import Target

#: The line that brings what --png needs.
_INSTALL = "pipx inject scanonce matplotlib (or, without pipx, pip install 'scanonce[plot]')"


class _Command(TyperCommand):
    """Takes `--compare=X` for `--compare X`; an option whose value may be missing is nothing that typer knows."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        spelled: list[str] = []
        for word in args:
            name, equals, value = word.partition("=")
            spelled += [name, value] if equals and name == "--compare" else [word]
        return super().parse_args(ctx, spelled)


app = group()


@app.command("timings", cls=_Command)
def timings(
    change: Annotated[
        str | None,
        typer.Argument(
            metavar="CHANGE",
            help="With --compare: a date or time, a version of scanonce, Node.js or the browser, or the beginning of a "
            "configuration's fingerprint.",
            show_default="the last change that is recorded",
        ),
    ] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Compare before and after a change.")] = False,
    last: Annotated[
        int | None,
        typer.Option("--last", "-n", min=1, metavar="N", help="Only the last N restarts.", show_default="all"),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="WHEN", help='Only those since then: "7d" ago, or a date.', show_default="ever"
        ),
    ] = None,
    reason: Annotated[
        list[str] | None,
        typer.Option("--reason", metavar="REASON", help="Only restarts for this reason, such as change; repeatable."),
    ] = None,
    outcome: Annotated[
        list[str] | None,
        typer.Option(
            "--outcome", metavar="OUTCOME", help="Only restarts that ended so: ready, needs_link or failed; repeatable."
        ),
    ] = None,
    starts: Annotated[bool, typer.Option("--starts", help="Also the first start of each run.")] = False,
    rows: Annotated[int, typer.Option("--rows", min=0, metavar="N", help="How many restarts to list.")] = 10,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print each restart as a line of CSV instead.")] = False,
    png: Annotated[
        Path | None,
        typer.Option(
            "--png", metavar="FILE", help="Draw into a PNG file instead; needs matplotlib.", show_default=False
        ),
    ] = None,
    project: Project = Path(),
    config: ConfigFile = None,
) -> None:
    """Show how long restarts took, and what got slower.

    By phase, and against the target. Reads beside a running supervisor and changes nothing.
    """
    with console.exits():
        _refuse_contradictions(change, compare=compare, as_json=as_json, as_csv=as_csv, png=png)
        view = _look(
            project, config, since, last=last, reasons=reason or (), outcomes=outcome or (), starts=starts, rows=rows
        )
        if count := view.recorded.unreadable:
            console.complain(f"{count} record{'' if count == 1 else 's'} in {view.path} left out: no sense in it.")
        if compare:
            _compare(view, change, as_json=as_json)
        elif png is not None:
            _draw(view, png)
        else:
            _show(view, as_json=as_json, as_csv=as_csv)


def _look(
    project: Path,
    file: Path | None,
    since: str | None,
    *,
    last: int | None,
    reasons: Sequence[str],
    outcomes: Sequence[str],
    starts: bool,
    rows: int,
) -> View:
    from supervisor.timing.history_reader import read
    from supervisor.timing.query import select

    folder = project.resolve()
    settings = load(folder, file, mode=Mode.DEV)
    path = folder / settings.session.cache / "history.db"
    earliest = None if since is None else _since(since)
    recorded = read(path, earliest)
    selection = select(recorded.restarts, reasons=reasons, outcomes=outcomes, starts=starts, last=last)
    target = Target(settings.timing.target_low, settings.timing.target_high)
    return View(path, recorded, selection, target, rows, earliest)


def _show(view: View, *, as_json: bool, as_csv: bool) -> None:
    from supervisor.cli.timings import serialize
    from supervisor.cli.timings import text as timings_text

    if as_json:
        console.print_json(serialize.overview(view))
    elif as_csv:
        serialize.print_csv(view)
    else:
        timings_text.print_overview(view)


def _compare(view: View, wanted: str | None, *, as_json: bool) -> None:
    from supervisor.cli.timings import serialize
    from supervisor.cli.timings import text as timings_text
    from supervisor.timing import changepoints
    from supervisor.timing.compare import compare_around

    restarts = view.selection.ready
    try:
        found = (
            changepoints.last_change(restarts) if wanted is None else changepoints.find_change(restarts, wanted, moment)
        )
    except changepoints.UnknownChangeError as error:
        console.complain(str(error))
        raise typer.Exit(console.UNUSABLE) from None
    result = compare_around(found) if found is not None else None
    if as_json:
        console.print_json(serialize.comparison(view, result))
    else:
        timings_text.print_comparison(view, result)


def _draw(view: View, file: Path) -> None:
    from supervisor.system.files import replace_file

    restarts = view.selection.ready
    if not restarts:
        console.complain("There is no restart that brought the bot back to draw: nothing was written.")
        raise typer.Exit(console.FAILED)
    target = file.resolve()  # what a link leads to is replaced, not the link
    if not target.parent.is_dir():
        console.complain(f"There is no folder {target.parent} to draw {target.name} in. Nothing was written.")
        raise typer.Exit(console.UNUSABLE)
    if target.exists() and not target.is_file():
        console.complain(f"{file} is no ordinary file; expected the name of one. Nothing was written.")
        raise typer.Exit(console.UNUSABLE)
    try:
        from supervisor.timing.image_plot import png

        picture = png(restarts, view.target, f"Restarts of {view.path.parent.parent}")
    except ImportError as error:
        console.complain(f"--png needs matplotlib ({error}). Install it: {_INSTALL}. Nothing was written.")
        raise typer.Exit(console.UNUSABLE) from None
    replace_file(target, picture, durable=False)
    console.say(f"Drawn: {len(restarts)} restarts, in {file}.")


def _refuse_contradictions(change: str | None, *, compare: bool, as_json: bool, as_csv: bool, png: Path | None) -> None:
    forms = [name for name, given in (("--json", as_json), ("--csv", as_csv), ("--png", png is not None)) if given]
    if len(forms) > 1:
        problem = f"{' and '.join(forms)} exclude each other; expected one of them."
    elif compare and forms not in ([], ["--json"]):
        problem = f"--compare has no {forms[0]}; expected --json, or neither."
    elif change is not None and not compare:
        problem = f"'{change}' is given without --compare. To compare before and after it: --compare {change}."
    else:
        return
    console.complain(problem)
    raise typer.Exit(console.UNUSABLE)


def _since(text: str) -> float:
    try:
        return moment(text)
    except ValueError:
        console.complain(f"--since {text}: expected a time ago, such as 7d or 12h, or a date, such as 2026-01-31.")
        raise typer.Exit(console.UNUSABLE) from None


def moment(text: str) -> float:
    """A date and time in local time unless it names a zone, or a time ago, in seconds since the epoch.

    Raises `ValueError`.
    """
    try:
        return time.time() - parse_duration(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except OverflowError:
        raise ValueError(text) from None
