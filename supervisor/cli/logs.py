"""`scanonce logs`: the bot's output and scanonce's events from the log files, with or without a supervisor."""

from __future__ import annotations

import base64
import contextlib
import json
import select
import sys
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from supervisor.cli import console
from supervisor.cli.moments import parse_moment
from supervisor.cli.options import ConfigFile, Project, Verbose, group
from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.log.events.registry import EVENTS
from supervisor.log.segments.format import stamp
from supervisor.log.segments.reader import Entry, Line, LogReader, Note, changes
from supervisor.log.segments.rotation import log_folder, segment_files
from supervisor.system.escape import printable
from supervisor.system.runtime_dir import project_key

_INTERRUPTED: Final = 130
_LINES: Final = 100  # shown by default

Lines = Annotated[
    str | None,
    typer.Option("--lines", "-n", metavar="N", help='The last N lines, or "all".', show_default="100, since: all"),
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="WHEN", help="Only lines since then: 10min, 10:30, 2026-11-24, 2026-11-24T10:00."),
]

app = group()


@app.command("logs")
def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing lines as they are written.")] = False,
    since: Since = None,
    lines: Lines = None,
    only_output: Annotated[bool, typer.Option("--output", help="Only the bot's output.")] = False,
    only_events: Annotated[bool, typer.Option("--events", help="Only scanonce's events.")] = False,
    times: Annotated[bool, typer.Option("--times/--no-times", help="Begin each line with its time.")] = True,
    verbose: Verbose = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line (docs/logs.md).")] = False,
    project: Project = Path(),
    config: ConfigFile = None,
) -> None:
    """Show the bot's output and scanonce's events from the log files."""
    if only_output and only_events:
        raise typer.BadParameter("together with --events it leaves nothing to show; use one", param_hint="--output")
    begin = _since(since) if since is not None else None
    count = _count(lines, begin)
    with console.exits():
        home = project.resolve()
        folder = log_folder(home, load(home, config, mode=Mode.RUN).log.folder)
        printer = _Printer(as_json=as_json, times=times, verbose=verbose, lines=not only_events, notes=not only_output)
        with contextlib.closing(LogReader(folder, project_key(home), since=begin)) as reader:
            try:
                if count is not None:
                    reader.skip_to_last(count, printer.wants)
                found = filter(printer.wants, reader.read(flush=not follow))
                printer.show(found if count is None else deque(found, maxlen=count))
                if follow:
                    _follow(reader, printer, folder)
            except KeyboardInterrupt:
                raise typer.Exit(_INTERRUPTED) from None
        if not printer.shown and count != 0:
            console.complain(_nothing(folder, any(segment_files(folder, project_key(home)))))


def _nothing(folder: Path, kept: bool) -> str:
    if kept:
        return f"The log files in {folder} hold nothing that was asked for: try another --since, or --lines all."
    return (
        f"There is no log of this project in {folder} yet. scanonce run keeps one; for scanonce dev, set "
        "files = true under [log]."
    )


def _follow(reader: LogReader, printer: _Printer, folder: Path) -> None:
    """Show new entries until the reader of our output has gone."""
    for changed in changes(folder):
        printer.show(filter(printer.wants, reader.read(flush=not changed)))
        if not changed and _reader_gone():
            return


def _reader_gone() -> bool:
    """Whether our output is a pipe whose other end is closed; without a write only poll(2) reports that."""
    if sys.platform == "win32":
        return False
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return bool(poll.poll(0))


class _Printer:
    """Prints the entries that were asked for, as text or as JSON lines."""

    def __init__(self, *, as_json: bool, times: bool, verbose: bool, lines: bool, notes: bool) -> None:
        self._as_json = as_json
        self._times = times
        self._verbose = verbose
        self._lines = lines
        self._notes = notes
        self.shown = 0

    def wants(self, entry: Entry) -> bool:
        """Whether an entry was asked for; a gap in the log always is."""
        if isinstance(entry, Line):
            return self._lines
        event = EVENTS.get(entry.fields["event"])
        detail = event is not None and (event.detail or event.passing or event.level == "debug")
        return (self._notes and (self._verbose or not detail)) or entry.fields["event"] == "log.gap"

    def show(self, entries: Iterable[Entry]) -> None:
        """Print entries; the bot's output is written as it was, with its colours."""
        render = self._json if self._as_json else self._text
        for entry in entries:
            self.shown += 1
            sys.stdout.buffer.write(render(entry) + b"\n")
        sys.stdout.buffer.flush()

    def _text(self, entry: Entry) -> bytes:
        time = f"{entry.at.astimezone():%Y-%m-%d %H:%M:%S.%f}"[:-3] + "  " if self._times else ""
        said = entry.data if isinstance(entry, Line) else f"scanonce  {printable(_sentence(entry))}".encode()
        return time.encode() + said

    def _json(self, entry: Entry) -> bytes:
        if isinstance(entry, Note):
            return json.dumps({"version": console.VERSION, **entry.fields}).encode()
        line = {"version": console.VERSION, "ts": stamp(entry.at.timestamp()), "stream": entry.stream}
        try:
            line["text"] = entry.data.decode()
        except UnicodeDecodeError:
            line["base64"] = base64.b64encode(entry.data).decode()
        return json.dumps(line | {"partial": entry.partial}).encode()


def _sentence(note: Note) -> str:
    """An event in words, or its fields as they stand if another version of scanonce wrote it."""
    event = EVENTS.get(note.fields["event"])
    with contextlib.suppress(LookupError, TypeError, ValueError, AttributeError):
        if event is not None:
            return event.describe(note.fields)
    more = {name: value for name, value in note.fields.items() if name not in {"ts", "level", "event"}}
    return f"{note.fields['event']} {json.dumps(more)}"


def _count(lines: str | None, begin: datetime | None) -> int | None:
    """The number of entries to show at most; None for all."""
    if lines is None:
        return _LINES if begin is None else None
    if lines == "all":
        return None
    if not lines.isdecimal():
        raise typer.BadParameter(f'expected a number, or "all" (got {lines!r})', param_hint="--lines")
    return int(lines)


def _since(text: str) -> datetime:
    try:
        return parse_moment(text, datetime.now().astimezone())
    except ValueError:
        expected = "expected a duration such as 10min, a time such as 10:30, or a date such as 2026-11-24T10:00"
        raise typer.BadParameter(f"{expected} (got {text!r})", param_hint="--since") from None
