"""`scanonce timings`: the restarts of a project against the target, and whether a change made a difference."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from supervisor.cli import console, timings_data, timings_text
from supervisor.cli.help_text import FittingCommand
from supervisor.cli.moments import parse_moment
from supervisor.cli.options import AsJson, ConfigFile, Project, group
from supervisor.cli.timings_data import View
from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.system.files import replace_file
from supervisor.timing.changepoints import UnknownChangeError, find_change, last_change
from supervisor.timing.compare import compare_around
from supervisor.timing.history_reader import read
from supervisor.timing.query import select
from supervisor.timing.record import Target

#: The command that installs what --png needs.
_INSTALL = "pipx inject scanonce matplotlib (or, without pipx, pip install 'scanonce[plot]')"


class _Command(FittingCommand):
    """A command that takes `--compare=X` for `--compare X`; typer has no option whose value may be left out."""

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
            "--since", metavar="WHEN", help='Only restarts since then: "7d" ago, or a date.', show_default="ever"
        ),
    ] = None,
    reason: Annotated[
        list[str] | None,
        typer.Option("--reason", metavar="REASON", help="Only this reason, such as change; repeatable."),
    ] = None,
    outcome: Annotated[
        list[str] | None,
        typer.Option(
            "--outcome",
            metavar="OUTCOME",
            help="Only this outcome: ready, needs_link or failed; repeatable.",
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--kind", metavar="KIND", help="Only this kind: warm (the browser was kept) or cold."),
    ] = None,
    starts: Annotated[bool, typer.Option("--starts", help="Include the first start of each run.")] = False,
    rows: Annotated[int, typer.Option("--rows", min=0, metavar="N", help="The number of restarts to list.")] = 10,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead, a line for each restart.")] = False,
    png: Annotated[
        Path | None,
        typer.Option("--png", metavar="FILE", help="Draw a PNG file instead; needs matplotlib.", show_default=False),
    ] = None,
    project: Project = Path(),
    config: ConfigFile = None,
) -> None:
    """Show how long restarts took, and what got slower.

    The figures are by phase and compared with the target. A supervisor may be running; nothing is changed.
    """
    with console.exits():
        if kind not in {None, "warm", "cold"}:
            console.fail(f"--kind {kind}: expected warm or cold.")
        _refuse_contradictions(change, compare=compare, as_json=as_json, as_csv=as_csv, png=png)
        folder = project.resolve()
        settings = load(folder, config, mode=Mode.DEV)
        path = folder / settings.session.cache / "history.db"
        earliest = None if since is None else _since(since)
        recorded = read(path, earliest)
        selection = select(
            recorded.restarts, reasons=reason or (), outcomes=outcome or (), kind=kind, starts=starts, last=last
        )
        target = Target(settings.timing.target_low, settings.timing.target_high)
        view = View(path, recorded, selection, target, rows, earliest)
        if count := recorded.unreadable:
            console.complain(f"{console.counted(count, 'record')} in {path} left out: not readable.")
        if compare:
            _compare(view, change, as_json=as_json)
        elif png is not None:
            _draw(view, png)
        elif as_json:
            console.print_json(timings_data.overview(view))
        elif as_csv:
            timings_data.print_csv(view)
        else:
            timings_text.print_overview(view)


def _compare(view: View, wanted: str | None, *, as_json: bool) -> None:
    restarts = view.selection.ready
    try:
        found = last_change(restarts) if wanted is None else find_change(restarts, wanted, _seconds)
    except UnknownChangeError as error:
        console.fail(str(error))
    result = compare_around(found) if found is not None else None
    if as_json:
        console.print_json(timings_data.comparison(view, result))
    else:
        timings_text.print_comparison(view, result)


def _draw(view: View, file: Path) -> None:
    restarts = view.selection.ready
    if not restarts:
        console.fail("There is no restart that brought the bot back to draw: nothing was written.", console.FAILED)
    target = file.resolve()  # a link stays, and the file that it leads to is replaced
    if not target.parent.is_dir():
        console.fail(f"There is no folder {target.parent} to draw {target.name} in. Nothing was written.")
    if target.exists() and not target.is_file():
        console.fail(f"{file} is no ordinary file; expected the name of one. Nothing was written.")
    try:
        from supervisor.timing.image_plot import png

        picture = png(restarts, view.target, f"Restarts of {view.path.parent.parent}")
    except ImportError as error:
        console.fail(f"--png needs matplotlib ({error}). Install it: {_INSTALL}. Nothing was written.")
    replace_file(target, picture, durable=False)
    console.say(f"Drawn: {len(restarts)} restarts, in {file}.")


def _refuse_contradictions(change: str | None, *, compare: bool, as_json: bool, as_csv: bool, png: Path | None) -> None:
    forms = [name for name, given in (("--json", as_json), ("--csv", as_csv), ("--png", png is not None)) if given]
    if len(forms) > 1:
        console.fail(f"{' and '.join(forms)} exclude each other; expected one of them.")
    if compare and forms not in ([], ["--json"]):
        console.fail(f"--compare has no {forms[0]}; expected --json, or neither.")
    if change is not None and not compare:
        console.fail(f"'{change}' is given without --compare. To compare before and after it: --compare {change}.")


def _since(text: str) -> float:
    try:
        return _seconds(text)
    except ValueError:
        console.fail(f"--since {text}: expected a time ago, such as 7d or 12h, or a date, such as 2026-01-31.")


def _seconds(text: str) -> float:
    return parse_moment(text, datetime.now().astimezone()).timestamp()
