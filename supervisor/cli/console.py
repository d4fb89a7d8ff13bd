"""What the commands that come and go have in common: tables, JSON, progress, questions, errors and exit statuses.

Nothing that comes from a disk reaches a terminal as it is: names may hold control characters (`printable`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import typer

from supervisor.config.issues import ConfigError
from supervisor.system import clock
from supervisor.system.errors import ProfileInUseError, SessionError
from supervisor.system.escape import printable
from supervisor.timing.record import HistoryError

if TYPE_CHECKING:
    from rich.console import Console

    from supervisor.system.parallel import Progress

VERSION = 1
"""Of every JSON document, described in docs/cli.md: fields may be added, none changes its meaning or goes."""

FAILED, UNUSABLE, HELD = 1, 2, 5
"""Exit statuses: a check failed or the answer was no; bad usage or it cannot be done; somebody has it in use."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_UNWRAPPED = 10_000  # columns; who reads from a pipe wants a row in a line
_GAP, _NARROWEST = 2, 40  # columns: between two cells, and for the last one
_QUIET_FOR = 1.0  # seconds without a progress line, at first and between two
_HIDDEN_FOR = 0.5  # seconds until a progress bar shows: most of what is done here takes less


class Cell(NamedTuple):
    """A cell of a table that is coloured on a terminal; `style` in rich's words."""

    text: str
    style: str


@contextlib.contextmanager
def exits() -> Iterator[None]:
    """Turn the errors that a user can meet into one sentence on standard error and an exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal's encoding lacks is no failure
    try:
        yield
    except ConfigError as error:
        for issue in error.issues:
            complain(str(issue))
        raise typer.Exit(UNUSABLE) from None
    except ProfileInUseError as error:
        complain(str(error))
        raise typer.Exit(HELD) from None
    except (SessionError, HistoryError) as error:
        complain(str(error))
        raise typer.Exit(UNUSABLE) from None
    except BrokenPipeError:
        raise  # the reader has gone, as `head` does: typer ends quietly
    except OSError as error:
        complain(f"{error.strerror or error} ({error.filename or 'no file named'}). Mend that, then try again.")
        raise typer.Exit(UNUSABLE) from None


def say(line: str = "") -> None:
    """Print one line."""
    typer.echo(printable(line))


def complain(line: str) -> None:
    """Print one line on standard error, marked as ours."""
    typer.echo(f"scanonce: {printable(line)}", err=True)


def tell(remarks: Iterable[str]) -> None:
    """Print remarks on standard error, one a line."""
    for remark in remarks:
        complain(remark)


def print_json(document: Mapping[str, Any]) -> None:
    """Print a JSON document; `version` comes first. ASCII only, so that no terminal can be driven by it."""
    typer.echo(json.dumps(_plain({"version": VERSION, **document}), indent=2))


def table(headings: Sequence[str], rows: Sequence[Sequence[str | Cell]]) -> None:
    """Print rows under their headings, aligned, coloured on a terminal; in a pipe each row is one line."""
    from rich.cells import cell_len  # rich is for those who read: a supervisor carries none of it
    from rich.table import Table
    from rich.text import Text

    lines = [[cell if isinstance(cell, Cell) else Cell(cell, "") for cell in row] for row in rows]
    grid = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    *firm, _last = (
        max(cell_len(printable(text)) for text in (heading, *(line[at].text for line in lines)))
        for at, heading in enumerate(headings)
    )
    for at, heading in enumerate(headings):
        # A name is there to be copied: only the last column is ever broken.
        grid.add_column(printable(heading), overflow="fold", no_wrap=at < len(firm))
    for line in lines:
        grid.add_row(*(Text(printable(cell.text), cell.style) for cell in line))
    console = _console(sys.stdout)
    console.width = max(console.width, sum(width + _GAP for width in firm) + _NARROWEST)
    with console.capture() as captured:
        console.print(grid)
    for text in captured.get().splitlines():
        typer.echo(text.rstrip(), color=True)  # the colours are decided already


def confirm(question: str, *, yes: bool) -> None:
    """Ask on the terminal; without a yes the command ends here."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        complain("There is no terminal to ask on, and this needs a yes: nothing was done. Add --yes.")
        raise typer.Exit(UNUSABLE)
    if not typer.confirm(printable(question), err=True):
        complain("Nothing was done.")
        raise typer.Exit(FAILED)


@contextlib.contextmanager
def progress(doing: str, *, as_json: bool) -> Iterator[Progress]:
    """A progress bar on a terminal; for programs JSON lines on standard error; else nothing.

    What is yielded takes the bytes that are done, and of how many. Until it is called the bar shows that something
    is being done.
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
        finally:
            showing.cancel()
            showing.join()
            bars.stop()


class _Lines:
    """Progress for programs, about once a second, and not at all of what takes less."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._told_at = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told_at >= _QUIET_FOR:
            self._told_at = now
            line = {"version": VERSION, "progress": self._doing, "bytes_done": done, "bytes_total": total}
            typer.echo(json.dumps(_plain(line)), err=True)


def ago(moment: datetime | None) -> str:
    """How long ago that was, roughly; nothing for a moment that is not known."""
    if moment is None:
        return ""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(-seconds)}"


def span(seconds: float) -> str:
    """A length of time in its largest unit, rounded down.

    >>> span(59), span(3600), span(200_000)
    ('59 s', '1 h', '2 d')
    """
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"


def when(moment: datetime | None) -> str:
    """A moment in local time, and how long ago that was."""
    if moment is None:
        return ""
    with contextlib.suppress(OverflowError):  # the last day of the year 9999, in the east: somebody's idea of a name
        moment = moment.astimezone()
    return f"{moment:%Y-%m-%d %H:%M:%S} ({ago(moment)})"


def size(number: int) -> str:
    """Bytes in a unit that suits, 1000 to the next.

    >>> size(999), size(126_000_000)
    ('999 B', '126 MB')
    """
    value, units = float(number), iter(("B", "kB", "MB", "GB", "TB"))
    unit = next(units)
    while value >= 999.5 and unit != "TB":
        value, unit = value / 1000, next(units)
    return f"{value:.1f} {unit}" if value < 9.95 and unit != "B" else f"{value:.0f} {unit}"


def yes_no(value: bool | None) -> str:
    """A fact in a word."""
    return {True: "yes", False: "no", None: "not known"}[value]


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    terminal = stream.isatty()
    return Console(
        file=stream,
        # Rich honours NO_COLOR; that a file is no place for colours, whatever FORCE_COLOR says, it has to be told.
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
            return _SURROGATE.sub(lambda match: rf"\u{ord(match[0]):04x}", value)
        case PurePath():
            return _plain(str(value))
        case datetime():
            return clock.iso(value)
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value
