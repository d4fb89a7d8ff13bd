"""Reporting of events: each becomes one line on standard error, and goes to every subscriber.

`configure` chooses the form of the lines, `emit` reports an event. A closed, full or blocked output never raises and
never blocks the caller: a supervisor that ended or hung because of its own log would take the session with it.
"""

import atexit
import contextlib
import logging
import os
import shutil
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO

from supervisor.log.events.registry import EVENTS
from supervisor.log.redact import Redactor
from supervisor.log.segments.format import json_text
from supervisor.log.stream import STAY, LineWriter
from supervisor.system.errors import ScanonceError
from supervisor.system.escape import printable
from supervisor.system.wrap import wrap

if TYPE_CHECKING:
    import asyncio

    import structlog
else:
    # Where rich is installed (here, with typer), structlog imports it for tracebacks that we never print: 3.5 MB for as
    # long as the supervisor runs. None in sys.modules makes that import fail, as Python documents; it is removed at
    # once, since the command line does use rich.
    _hide_rich = "rich" not in sys.modules
    if _hide_rich:
        sys.modules["rich"] = None
    try:
        import structlog
    finally:
        if _hide_rich:
            del sys.modules["rich"]

Format = Literal["auto", "console", "json"]
Sink = Callable[[str, Mapping[str, Any]], None]
_Fields = MutableMapping[str, Any]

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_DIM, _RED, _GREEN, _YELLOW, _RESET = "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"
_ERASE: Final = "\r\x1b[K"
_CLEAR: Final = "\x1b[H\x1b[2J\x1b[3J"  # home, the screen, what has scrolled off it (xterm's ctlseqs)
_PREFIX: Final = "scanonce  "
_FLUSH_TIMEOUT_S: Final = 1.0

#: Severities as in syslog(3), for the prefix `<N>` of a line in the journal: see sd-daemon(3).
_PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3}

_sinks: list[Sink] = []
_redactor = Redactor()
_writer: LineWriter | None = None
_as_json = False
_log: Any = None


def configure(
    format: Format,  # noqa: A002  named as the option
    stream: TextIO | None = None,
    color: bool | None = None,
    *,
    verbose: bool = False,
    quiet: bool = False,
    clear: bool = False,
) -> None:
    """Set the form of all further lines; `auto` is `console` on a terminal and `json` elsewhere.

    `stream` is standard error unless given. Without `color`, a terminal gets colours unless NO_COLOR is set or TERM is
    dumb. `verbose` adds events of level debug, and on the console those marked as detail. `quiet` leaves out those of
    level info, except the answers to keys. `clear` clears a terminal at each requested restart.
    """
    global _writer, _log, _as_json
    _as_json = format == "json" or (format == "auto" and not LineWriter(stream).is_terminal())
    _writer = LineWriter(stream, "utf-8" if _as_json else None)
    if _as_json:
        render: Callable[[object, str, _Fields], str] = _render_json
    else:
        on_terminal = _writer.is_terminal() and os.environ.get("TERM") != "dumb"
        colored = on_terminal and not os.environ.get("NO_COLOR") if color is None else color
        render = _Console(
            colored, verbose, on_terminal=on_terminal, to_journal=_writer.is_journal(), clear=clear and on_terminal
        )
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
    """Report an event, without the optional fields that are None.

    Raises `LookupError` for an event that is not in the registry and `TypeError` for fields that are not those declared
    there: programming errors, which a test finds.
    """
    spec = EVENTS.get(event)
    if spec is None:
        raise LookupError(f"event {event!r} is not in the registry")
    present = _redactor.fields({name: value for name, value in fields.items() if value is not None})
    spec.check(present)
    for sink in tuple(_sinks):
        sink(event, present)
    if _log is None:
        configure("console")
    _log.log(_LEVELS[spec.level], event, **present)


def report_fault(task: "asyncio.Future[Any]") -> bool:
    """Report the error that a background task failed with, if any; for `add_done_callback`. True if it failed."""
    if task.cancelled() or (error := task.exception()) is None:
        return False
    report_error(error)
    return True


@contextlib.asynccontextmanager
async def in_background(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Run a coroutine as a task until the end of the block; an error that ends it before is reported."""
    import asyncio  # most commands have no event loop, and do without

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(report_fault)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


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


def for_people() -> bool:
    """Whether lines are written as sentences, not as JSON."""
    return not _as_json


def note_output(fd: int) -> Callable[[bytes], None] | None:
    """A function to be called with the bot's output to a descriptor, from any thread; None if lines go elsewhere."""
    return _writer.note_output if _writer is not None and _writer.writes_to(fd) else None


def bot_asks() -> bool:
    """Whether the last thing on our terminal is a line of the bot's without an end, as a question is."""
    return _writer is not None and _writer.unfinished


def note_answer() -> None:
    """Note that a line was typed: the terminal has gone to the next one."""
    if _writer is not None:
        _writer.note_output(b"\n")


def columns() -> int:
    """The columns that a sentence of ours has on the terminal."""
    return shutil.get_terminal_size().columns - len(_PREFIX)


def write_picture(picture: str) -> None:
    """Write several lines as they are, such as a QR code; for the console only."""
    if _writer is not None:
        _writer.msg(picture)


def set_redactor(redactor: Redactor) -> None:
    """Remove the secrets that `redactor` knows from all further events."""
    global _redactor
    _redactor = redactor


def redacted(command: Sequence[str]) -> list[str]:
    """A command line as in events, without the secrets in it."""
    return _redactor.command(command)


def subscribe(sink: Sink) -> Callable[[], None]:
    """Call `sink(name, fields)` for every event of any level. Returns the function that ends the subscription."""
    _sinks.append(sink)
    return lambda: _sinks.remove(sink)


def flush(timeout: float = _FLUSH_TIMEOUT_S) -> None:
    """Wait up to `timeout` seconds for a slow reader to take the lines still queued. Called at exit as well."""
    if _writer is not None:
        _writer.flush(timeout)


atexit.register(flush)


@contextlib.contextmanager
def threaded() -> Iterator[None]:
    """Write lines from a thread inside the block, so that nothing blocks even if the bot writes to the same stream."""
    if _writer is None:
        configure("console")
    writer = _writer  # `configure` may replace it meanwhile
    assert writer is not None
    writer.begin_thread()
    try:
        yield
    finally:
        writer.end_thread(_FLUSH_TIMEOUT_S / 2)


def _drop_info(_logger: object, _method: str, fields: _Fields) -> _Fields:
    """The structlog processor for `quiet`."""
    if EVENTS[fields["event"]].level in {"debug", "info"} and fields["event"] != "key.answer":
        raise structlog.DropEvent
    return fields


def _render_json(_logger: object, _method: str, fields: _Fields) -> str:
    """The structlog processor for JSON lines: the keys `ts`, `level` and `event` come first."""
    name = fields.pop("event")
    return json_text({"ts": fields.pop("ts"), "level": EVENTS[name].level, "event": name, **fields})


class _Console:
    """The structlog processor for people: a dim prefix and the event's sentence, coloured by its level and outcome.

    Lines in the journal begin with their level instead of having colours.
    """

    def __init__(self, color: bool, verbose: bool, *, on_terminal: bool, to_journal: bool, clear: bool) -> None:
        self._to_journal = to_journal
        self._color = color
        self._verbose = verbose
        self._on_terminal = on_terminal
        self._clear = clear
        self._passing = False

    def __call__(self, _logger: object, _method: str, fields: _Fields) -> str:
        event = EVENTS[fields["event"]]
        if event.detail and not self._verbose:
            raise structlog.DropEvent
        sentence = printable(event.describe(fields, brief=not self._verbose))
        if self._to_journal:
            return f"<{_PRIORITIES[event.level]}>{_PREFIX}{sentence}"
        if event.passing and self._on_terminal:
            self._passing = True
            # A line that wraps could not be replaced by the next one.
            width = shutil.get_terminal_size().columns - 1
            return f"{_ERASE}{f'{_PREFIX}{sentence}'[:width]}{STAY}"
        if self._on_terminal:
            sentence = wrap(sentence, shutil.get_terminal_size().columns, first=len(_PREFIX), rest=len(_PREFIX))
        # The line to replace may be partly overwritten by the bot's output; it is erased all the same.
        erase, self._passing = _ERASE if self._passing else "", False
        if self._clear and event.name == "restart.requested":
            erase = _CLEAR
        if not self._color:
            return f"{erase}{_PREFIX}{sentence}"
        tint = _tint(event.level, event.good, fields)
        return f"{erase}{_DIM}scanonce{_RESET}  {tint}{sentence}{_RESET if tint else ''}"


def _tint(level: str, good: bool, fields: Mapping[str, Any]) -> str:
    outcome = fields.get("outcome")
    if level == "error" or outcome == "failed":
        return _RED
    if level == "warning" or outcome == "needs_link" or fields.get("target") == "over":
        return _YELLOW
    return _GREEN if good else ""
