"""Output of the commands: lines, tables, JSON, progress, questions, errors and exit statuses.

Names from a disk may hold control characters, and are escaped before they reach a terminal (`printable`).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TextIO

import typer

from supervisor.config.issues import ConfigError
from supervisor.system import clock
from supervisor.system.errors import ProfileInUseError, ScanonceError
from supervisor.system.escape import escape_surrogates, printable
from supervisor.system.wrap import wrap
from supervisor.timing.record import HistoryError

if TYPE_CHECKING:
    from rich.console import Console

    from supervisor.system.parallel import Progress

VERSION = 1
"""Version of every JSON document (docs/cli.md): fields may be added; none changes its meaning or is removed."""

FAILED, UNUSABLE, HELD, INTERNAL_ERROR = 1, 2, 5, 70
"""Exit statuses: a check failed or the answer was no; bad usage or an error; the profile or project is in use; a fault
of scanonce's own (EX_SOFTWARE of sysexits.h)."""

_UNWRAPPED = 10_000  # columns; a program that reads a pipe expects each row on one line
_GAP, _NARROWEST = 2, 24  # columns: between two cells, and for the last one if it is broken
_LONGEST_LABEL = 12  # columns; a longer heading is a sentence, and what stands below it explains itself
_HANGING = 4  # columns: the indentation of a line's continuation
_QUIET_FOR = 1.0  # seconds before the first progress line and between two
_HIDDEN_FOR = 0.5  # seconds until a progress bar shows: most operations take less


class Cell(NamedTuple):
    """A cell of a table that is coloured on a terminal; `style` is a style of rich's."""

    text: str
    style: str


@contextlib.contextmanager
def exits() -> Iterator[None]:
    """Turn expected errors into one sentence on standard error and an exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # for names that the terminal's encoding cannot express
    try:
        yield
    except ConfigError as error:
        for issue in error.issues:
            complain(str(issue))
        raise typer.Exit(UNUSABLE) from None
    except ProfileInUseError as error:
        fail(str(error), HELD)
    except (ScanonceError, HistoryError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.strerror or error} ({error.filename or 'no file named'}). Fix that, then try again.")


def say(line: str = "") -> None:
    """Print one line, broken between words on a terminal."""
    typer.echo(_fitting(printable(line), sys.stdout))


def complain(line: str) -> None:
    """Print one line on standard error, marked as ours."""
    typer.echo(_fitting(f"scanonce: {printable(line)}", sys.stderr), err=True)


def fail(problem: str, status: int = UNUSABLE) -> NoReturn:
    """Print why the command ends, on standard error, and end it."""
    complain(problem)
    raise typer.Exit(status) from None


def tell(remarks: Iterable[str]) -> None:
    """Print remarks on standard error, one a line."""
    for remark in remarks:
        complain(remark)


def print_json(document: Mapping[str, Any]) -> None:
    """Print a JSON document that begins with `version`, in ASCII: it holds no control sequences for a terminal."""
    typer.echo(json.dumps(_plain({"version": VERSION, **document}), indent=2))


def table(headings: Sequence[str], rows: Sequence[Sequence[str | Cell]]) -> None:
    """Print rows under their headings, aligned, coloured on a terminal; in a pipe each row is one line.

    On a terminal that is too narrow, each row becomes a paragraph with a line for each cell.
    """
    from rich.cells import cell_len  # imported only when a table is printed

    lines = [[cell if isinstance(cell, Cell) else Cell(cell, "") for cell in row] for row in rows]
    firm = (
        max(cell_len(printable(text)) for text in (heading, *(line[at].text for line in lines)))
        for at, heading in enumerate(headings[:-1])
    )
    console = _console(sys.stdout)
    room = console.width - sum(width + _GAP for width in firm)
    fits = room >= max((least_width(line[-1].text) for line in lines), default=0)
    with console.capture() as captured:
        (_print_grid if fits else _print_paragraphs)(console, headings, lines)
    for text in captured.get().splitlines():
        typer.echo(text.rstrip(), color=True)  # the colours are decided already


def least_width(text: str) -> int:
    """The columns that the text of a last cell needs: it is broken between words only, so that names can be copied."""
    from rich.cells import cell_len

    text = printable(text)
    return max(min(cell_len(text), _NARROWEST), *(cell_len(word) for word in text.split(" ")))


def _print_grid(console: Console, headings: Sequence[str], lines: Sequence[Sequence[Cell]]) -> None:
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for at, heading in enumerate(headings):
        grid.add_column(printable(heading), overflow="fold", no_wrap=at < len(headings) - 1)
    for line in lines:
        grid.add_row(*(Text(printable(cell.text), cell.style) for cell in line))
    console.print(grid)


def _print_paragraphs(console: Console, headings: Sequence[str], lines: Sequence[Sequence[Cell]]) -> None:
    from rich.text import Text

    labels = [printable(heading) if len(heading) <= _LONGEST_LABEL else "" for heading in headings]
    indent = max(map(len, labels)) + _GAP
    for at, line in enumerate(lines):
        if at:
            console.print()
        for label, cell in zip(labels, line, strict=True):
            if cell.text:
                text = _beside(printable(cell.text), indent, console.width)
                console.print(Text.assemble((f"{label:<{indent}}", "bold"), (text, cell.style)), soft_wrap=True)


def _beside(text: str, indent: int, width: int) -> str:
    """A cell beside its label of `indent` columns; below it, if a word fits the terminal only there."""
    from rich.cells import cell_len

    longest = max(cell_len(word) for word in text.split(" "))
    if width - indent < longest <= width - _GAP:
        return f"\n{' ' * _GAP}{wrap(text, width, first=_GAP, rest=_GAP)}"
    return wrap(text, width, first=indent, rest=indent)


def confirm(question: str, *, yes: bool) -> None:
    """Ask on the terminal; the command ends unless the answer is yes."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        fail("There is no terminal to ask on, and this needs a yes: nothing was done. Add --yes.")
    if not typer.confirm(printable(question), err=True):
        fail("Nothing was done.", FAILED)


@contextlib.contextmanager
def progress(doing: str, *, as_json: bool) -> Iterator[Progress]:
    """Show progress: as a bar on a terminal, as JSON lines on standard error for programs, else not at all.

    Yields a function of the bytes done and of their total. Until its first call the bar shows only that work goes on.
    """
    if as_json:
        yield _Lines(doing)
    elif not sys.stderr.isatty():
        yield lambda _done, _total: None
    else:
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        bars = Bars(*columns, console=_console(sys.stderr), transient=True)
        task = bars.add_task(printable(doing), total=None)
        showing = threading.Timer(_HIDDEN_FOR, bars.start)
        showing.start()
        try:
            yield lambda done, total: bars.update(task, completed=done, total=total)
            # Files that have become smaller leave a rest: what is done is shown as done before the bar goes.
            bars.update(task, completed=bars.tasks[task].total)
        finally:
            showing.cancel()
            showing.join()
            bars.stop()


class _Lines:
    """Progress for programs: a line about once a second, and none for what takes less."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._printed_at = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._printed_at >= _QUIET_FOR:
            self._printed_at = now
            line = {"version": VERSION, "progress": self._doing, "bytes_done": done, "bytes_total": total}
            typer.echo(json.dumps(_plain(line)), err=True)


def ago(moment: datetime | None) -> str:
    """The time since a moment, or until one to come, in its largest unit; empty if it is unknown."""
    if moment is None:
        return ""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    return f"{clock.span(seconds)} ago" if seconds >= 0 else f"in {clock.span(-seconds)}"


def when(moment: datetime | None) -> str:
    """A moment in local time, and the time since then; empty if it is unknown."""
    if moment is None:
        return ""
    with contextlib.suppress(OverflowError):  # a folder may be named for the last day of the year 9999
        moment = moment.astimezone()
    return f"{moment:%Y-%m-%d %H:%M:%S} ({ago(moment)})"


def size(number: int) -> str:
    """A number of bytes in the largest unit that fits, of 1000 each.

    >>> size(999), size(126_000_000)
    ('999 B', '126 MB')
    """
    value, units = float(number), iter(("B", "kB", "MB", "GB", "TB"))
    unit = next(units)
    while value >= 999.5 and unit != "TB":
        value, unit = value / 1000, next(units)
    return f"{value:.1f} {unit}" if value < 9.95 and unit != "B" else f"{value:.0f} {unit}"


def counted(number: int, thing: str) -> str:
    """A number of things.

    >>> counted(1, "restart"), counted(2, "restart")
    ('1 restart', '2 restarts')
    """
    return f"{number} {thing}{'' if number == 1 else 's'}"


def yes_no(value: bool | None) -> str:
    """A fact in one or two words; None is unknown."""
    return {True: "yes", False: "no", None: "not known"}[value]


def _fitting(line: str, stream: TextIO) -> str:
    return wrap(line, shutil.get_terminal_size().columns, rest=_HANGING) if stream.isatty() else line


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    terminal = stream.isatty()
    return Console(
        file=stream,
        # Rich honours NO_COLOR, but with FORCE_COLOR it would write colours into a file too.
        color_system="auto" if terminal and os.environ.get("TERM") != "dumb" else None,
        width=None if terminal else _UNWRAPPED,
        markup=False,
        emoji=False,
        highlight=False,
    )


def _plain(value: Any) -> Any:
    """`value` as JSON has it: a time in ISO 8601, a path as text, and bytes of names that are not UTF-8 spelled out."""
    match value:
        case str():
            return escape_surrogates(value)
        case PurePath():
            return escape_surrogates(str(value))
        case datetime():
            return clock.iso(value)
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value
