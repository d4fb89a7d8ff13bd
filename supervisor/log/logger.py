"""scanonce's own output: one event in, one line out on standard error.

`configure` chooses the form once; `emit` writes. Nothing that happens to the output reaches the caller: a supervisor
that dies of its own log line, or hangs because nobody reads it, would take the session with it.
"""

import atexit
import contextlib
import json
import logging
import os
import re
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO

from supervisor.log.events.registry import EVENTS
from supervisor.log.redact import Redactor
from supervisor.log.stream import STAY, LineWriter
from supervisor.system.errors import ScanonceError
from supervisor.system.escape import printable

if TYPE_CHECKING:
    import asyncio

    import structlog
else:
    # structlog imports rich, for pretty tracebacks, wherever that is installed (here, with typer), and does without if
    # it is not. A supervisor would carry those 3.5 MB for months and never use them. None in sys.modules is Python's
    # documented way of making an import fail; it is taken back at once, for the command line does use rich.
    _hide_rich = "rich" not in sys.modules
    if _hide_rich:
        sys.modules["rich"] = None
    try:
        import structlog
    finally:
        if _hide_rich:
            del sys.modules["rich"]

Format = Literal["console", "json"]
Sink = Callable[[str, Mapping[str, Any]], None]
_Fields = MutableMapping[str, Any]

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_DIM, _RED, _GREEN, _YELLOW, _RESET = "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"
_ERASE: Final = "\r\x1b[K"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_LAST_WORDS_S: Final = 1.0

#: Of the severities in syslog(3), for a line that begins with `<N>`: see sd-daemon(3).
_PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3}

_sinks: list[Sink] = []
_redactor = Redactor()
_writer: LineWriter | None = None
_log: Any = None


def configure(
    format: Format,  # noqa: A002  named as the option
    stream: TextIO | None = None,
    color: bool | None = None,
    *,
    verbose: bool = False,
    quiet: bool = False,
) -> None:
    """Set the form of all further lines.

    `stream` is standard error unless given. `color` None means: on a terminal, unless NO_COLOR is set or TERM is dumb.
    `verbose` also writes events of level debug, and on the console those marked as detail. `quiet` leaves out those of
    level info, but for the answers to what was typed.
    """
    global _writer, _log
    _writer = LineWriter(stream, "utf-8" if format == "json" else None)
    if format == "json":
        render: _Json | _Console = _Json()
    else:
        colored = _wants_color(_writer) if color is None else color
        on_terminal = _writer.is_terminal() and os.environ.get("TERM") != "dumb"
        render = _Console(colored, verbose, on_terminal=on_terminal, to_journal=_writer.is_journal())
    _log = structlog.wrap_logger(
        _writer,
        processors=[
            *([_drop_info] if quiet else []),
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        cache_logger_on_first_use=True,
    )


def emit(event: str, /, **fields: object) -> None:
    """Report an event: to every subscriber, and as a line.

    Optional fields that are None are left out. Raises `LookupError` for an event and `TypeError` for a field that the
    registry does not have: mistakes of the program, which its tests find.
    """
    known = EVENTS.get(event)
    if known is None:
        raise LookupError(f"event {event!r} is not in the registry")
    present = _redactor.fields({name: value for name, value in fields.items() if value is not None})
    known.check(present)
    for sink in tuple(_sinks):
        sink(event, present)
    if _log is None:
        configure("console")
    _log.log(_LEVELS[known.level], event, **present)


def report_fault(task: "asyncio.Future[Any]") -> bool:
    """Report the error that a background task failed with, if any; for `add_done_callback`. True if it failed."""
    if task.cancelled() or (error := task.exception()) is None:
        return False
    report_error(error)
    return True


def report_error(error: BaseException) -> None:
    """Report an error that does not end the bot: its message if it is meant for the user, else where it was raised."""
    if isinstance(error, ScanonceError):
        emit("error", problem=str(error))
        return
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    last = traceback.extract_tb(error.__traceback__)[-1]
    emit(
        "error",
        problem=f"internal error: {type(error).__name__}: {error} ({last.name}, line {last.lineno} of {last.filename})",
        remedy="please report it with this line",
    )


def write_picture(picture: str) -> None:
    """Write several lines as they are: something to look at, and no event. Only for a console."""
    if _writer is not None:
        _writer.msg(picture)


def set_redactor(redactor: Redactor) -> None:
    """Have the secrets that it knows taken out of all further events."""
    global _redactor
    _redactor = redactor


def redacted(command: Sequence[str]) -> list[str]:
    """A command line without the secrets in it, as events have it."""
    return _redactor.command(command)


def subscribe(sink: Sink) -> Callable[[], None]:
    """Have `sink(name, fields)` called with every event, whatever its level. Returns the function that ends that."""
    _sinks.append(sink)
    return lambda: _sinks.remove(sink)


def flush(timeout: float = _LAST_WORDS_S) -> None:
    """Give a reader that is slow up to `timeout` seconds to take what is waiting. Done at exit as well."""
    if _writer is not None:
        _writer.flush(timeout)


atexit.register(flush)


@contextlib.contextmanager
def threaded() -> Iterator[None]:
    """While this is open a thread writes the lines: nobody waits even if the bot writes to the same stream as we do."""
    if _writer is None:
        configure("console")
    writer = _writer
    assert writer is not None
    writer.begin_thread()
    try:
        yield
    finally:
        writer.end_thread(_LAST_WORDS_S / 2)


def _wants_color(writer: LineWriter) -> bool:
    return writer.is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _drop_info(_logger: object, _method: str, fields: _Fields) -> _Fields:
    """The first processor for those who want to hear of trouble only."""
    if EVENTS[fields["event"]].level in {"debug", "info"} and fields["event"] != "key.answer":
        raise structlog.DropEvent
    return fields


class _Json:
    """The last processor for programs: one object a line, the same three keys first."""

    def __call__(self, _logger: object, _method: str, fields: _Fields) -> str:
        name = fields.pop("event")
        line = {"ts": fields.pop("ts"), "level": EVENTS[name].level, "event": name, **fields}
        text = json.dumps(line, ensure_ascii=False, default=str)
        # Bytes of a file's name that are not UTF-8; strict readers of JSON refuse surrogates.
        return _SURROGATE.sub(lambda match: rf"\\u{ord(match[0]):04x}", text)


class _Console:
    """The last processor for people: a dim prefix and the registry's sentence, coloured by how good the news is.

    In the journal, which has its own idea of colour, the level in front of it.
    """

    def __init__(self, color: bool, verbose: bool, *, on_terminal: bool, to_journal: bool) -> None:
        self._to_journal = to_journal
        self._color = color
        self._verbose = verbose
        self._on_terminal = on_terminal
        self._passing = False

    def __call__(self, _logger: object, _method: str, fields: _Fields) -> str:
        event = EVENTS[fields["event"]]
        if event.detail and not self._verbose:
            raise structlog.DropEvent
        sentence = printable(event.describe(fields))
        if self._to_journal:
            return f"<{_PRIORITIES[event.level]}>scanonce  {sentence}"
        if event.passing and self._on_terminal:
            self._passing = True
            # One that is broken over two lines could not be replaced.
            width = shutil.get_terminal_size().columns - 1
            return f"{_ERASE}{f'scanonce  {sentence}'[:width]}{STAY}"
        # The bot may have printed over what is there: what it left of it goes all the same.
        erase, self._passing = _ERASE if self._passing else "", False
        if not self._color:
            return f"{erase}scanonce  {sentence}"
        tint = _tint(event.level, event.good, fields)
        return f"{erase}{_DIM}scanonce{_RESET}  {tint}{sentence}{_RESET if tint else ''}"


def _tint(level: str, good: bool, fields: Mapping[str, Any]) -> str:
    outcome = fields.get("outcome")
    if level == "error" or outcome == "failed":
        return _RED
    if level == "warning" or outcome == "needs_link" or fields.get("target") == "over":
        return _YELLOW
    return _GREEN if good else ""
