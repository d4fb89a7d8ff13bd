"""Every event that scanonce reports.

Programs read these, so a published name or field keeps its meaning; new fields may be added. No field may hold anything
out of a profile: a profile is the account. `docs/events.md` is generated from this registry.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from supervisor.log.events.model import (
    REASON,
    EventSpec,
    Fields,
    boolean,
    clause,
    error,
    info,
    integer,
    string,
    strings,
    unended,
    warning,
)
from supervisor.log.events.processes import BOT, BROWSER, RESTART, SUPERVISOR
from supervisor.log.events.sessions import SESSIONS, SNAPSHOTS

_WHERE: Final = string("`stdout` and `stderr` are those of scanonce, `log` the log files")
_TARGET: Final = string("which target, without the secrets of its address")
_KIND: Final = string("`needs_link`, `recovered`, `crash_loop`, `logged_out` or `over_target`")
_NOTICE: Final = string("one sentence")
_ATTEMPTS: Final = integer("how often it was tried")
_HOOK: Final = string("`on_ready`, `on_needs_link` or `on_crash`")
_PREVENTS: Final = string("what prevents it")


def _first(items: Sequence[object]) -> str:
    """The first few of `items`, for a short line."""
    shown = ", ".join(str(item) for item in items[:3])
    return shown if len(items) <= 3 else f"{shown} and {len(items) - 3} more"


def _watching(fields: Fields) -> str:
    how = " by polling" if fields["poll"] else ""
    if "files" not in fields:
        return f"watching {_first(fields['paths'])}{how}"
    count, extensions = fields["files"], fields["extensions"]
    kinds = f" ({_first(extensions)})" if extensions else ""
    return f"watching {_first(fields['paths'])}{how}: {count} file{'' if count == 1 else 's'}{kinds}"


def _dropped(fields: Fields) -> str:
    amount = f"{fields['bytes'] / 1e6:.1f} MB" if fields["bytes"] else "nothing"
    return f"{amount} of the bot's output to {_destination(fields)} was dropped"


def _destination(fields: Fields) -> str:
    return "the log files" if fields["where"] == "log" else str(fields["where"])


def _gap(fields: Fields) -> str:
    size = fields.get("bytes")
    return f"{'output' if size is None else f'{size / 1e6:.1f} MB of output'} missing here: {fields['problem']}"


def _preflight_failed(fields: Fields) -> str:
    place = "".join(f"{fields[part]}:" for part in ("path", "line_number") if part in fields)
    return f"{place}{' ' if place else ''}{fields['problem']}{clause('   {}', fields.get('source'))}"


def _error(fields: Fields) -> str:
    remedy = fields.get("remedy")
    return str(fields["problem"]) if remedy is None else f"{unended(fields['problem'])}; {remedy}"


_WATCH: Final = (
    info(
        "watch.started",
        "Files are being watched.",
        _watching,
        paths=strings("what is watched"),
        poll=boolean("whether files are compared at intervals instead of waiting for the system's events"),
        files=integer("how many files", optional=True),
        extensions=strings("their extensions, the most frequent first", optional=True),
    ),
    warning(
        "watch.notice",
        "Something about the watching that the user should know.",
        "{notice}",
        notice=_NOTICE,
    ),
    warning(
        "watch.storm",
        "The bot writes a watched file and so restarts itself. The file is no longer watched.",
        "{notice}",
        path=string("the file"),
        line=string("what to add to the configuration, under `[watch]`"),
        notice=_NOTICE,
    ),
    info(
        "watch.change",
        "Watched files changed.",
        lambda fields: f"changed: {_first(fields['paths'])}",
        "detail",
        paths=strings("the changed files"),
    ),
)

_OUTPUT: Final = (
    warning(
        "output.dropping",
        "One of the destinations of the bot's output is full or not read. Output is dropped there from now on; the bot "
        "does not wait. `output.dropped` reports how much it was.",
        lambda fields: f"the bot's output to {_destination(fields)} is being dropped: {fields['problem']}",
        where=_WHERE,
        problem=string("why: no process reads it, or the disk's error"),
    ),
    info(
        "output.dropped",
        "Nothing more was dropped for 10 s, or scanonce is about to stop.",
        _dropped,
        where=_WHERE,
        bytes=integer("how much of the bot's output is missing there"),
    ),
    warning(
        "log.gap",
        "Only in the log files, and in what `scanonce logs` prints: some output is missing here.",
        _gap,
        problem=string("why"),
        bytes=integer("how much", optional=True),
    ),
)

_PREFLIGHT: Final = (
    info(
        "preflight.passed",
        "The changed files passed the checks before a restart.",
        "checked the changes in {took_ms} ms",
        "detail",
        checked=integer("how many checks there were"),
        took_ms=integer("milliseconds since the first change"),
    ),
    error(
        "preflight.failed",
        "The bot could not be started on the changed files. One event for each problem.",
        _preflight_failed,
        path=string("the file, if the problem is in one file", optional=True),
        line_number=integer("the line in it", optional=True),
        problem=string("the error's message"),
        source=string("the line's text", optional=True),
    ),
    error(
        "preflight.output",
        "A line of the output of `preflight.command`, after its `preflight.failed`.",
        "  {text}",
        text=string("the line"),
    ),
    warning(
        "preflight.skipped",
        "A check could not be run, and counts as passed.",
        "{what}",
        what=string("which, and why, in a sentence"),
    ),
)

_INTERFACES: Final = (
    info(
        "control.on",
        "The control socket is open: `scanonce status`, `restart` and `stop` reach this supervisor.",
        "control socket {socket}",
        "detail",
        socket=string("its path"),
    ),
    warning(
        "control.off",
        "There is no control socket: the bot runs all the same, but no command reaches its supervisor. It is tried "
        "again every few seconds.",
        "no command can reach this supervisor: {problem}",
        problem=_PREVENTS,
    ),
    info(
        "metrics.on",
        "[Health and metrics](metrics.md) are served.",
        "health and metrics at {url}",
        "detail",
        url=string("where, without the path"),
    ),
    warning(
        "metrics.off",
        "The address of `metrics.listen` cannot be used: the bot runs all the same, but monitoring cannot see it.",
        "health and metrics are not available: {problem}",
        problem=_PREVENTS,
    ),
    info(
        "notify.sent",
        "A [message](notifications.md) was delivered.",
        "sent to {target}: {kind}",
        "detail",
        target=_TARGET,
        kind=_KIND,
        attempts=_ATTEMPTS,
    ),
    warning(
        "notify.delayed",
        "A message could not be delivered; it is tried again (`notify.retry_for`).",
        "the message to {target} could not be delivered yet ({problem}); trying again",
        target=_TARGET,
        kind=_KIND,
        problem=REASON,
    ),
    error(
        "notify.failed",
        "A message could not be delivered and is not tried again.",
        "{kind} could not be sent to {target}: {problem}",
        target=_TARGET,
        kind=_KIND,
        problem=REASON,
        attempts=_ATTEMPTS,
    ),
    warning(
        "notify.dropped",
        "Messages were dropped untried: too many were waiting (`notify.queue`), or scanonce ends.",
        "{count} of the messages to {target} dropped: {reason}",
        target=_TARGET,
        count=integer("how many"),
        reason=REASON,
    ),
    error(
        "notify.unusable",
        "At the start: a target cannot be used. The bot runs all the same, and the other targets get their messages.",
        "no message will be sent to {target}: {problem}; {remedy}",
        target=_TARGET,
        problem=string("what is missing"),
        remedy=string("what to do next"),
    ),
)

_OTHER: Final = (
    info(
        "hook.output",
        "A line that a command of `[hooks]` has printed.",
        "{hook}: {text}",
        hook=_HOOK,
        text=string("the line"),
    ),
    warning(
        "hook.failed",
        "A command of `[hooks]` could not be run, or failed. The bot is not affected.",
        lambda fields: f"{fields['hook']} failed: {' '.join(fields['command'])}: {fields['problem']}",
        hook=_HOOK,
        command=strings("program and arguments"),
        problem=string("its exit code, or why it was not run"),
    ),
    info(
        "keys.on",
        "Commands can be typed on the terminal.",
        "? + Enter lists the keys",
    ),
    info(
        "key.answer",
        "A line of the answer to a key typed on the terminal: help, the status, a snapshot.",
        "{line}",
        key=string("what was typed, such as `st`"),
        line=string("one line"),
    ),
    warning(
        "state.foreign",
        "Another program has written to `session-state.json`. The file is left to it; what scanonce knows is in "
        "`.session-cache/state.json` from now on.",
        "{what}",
        what=string("which file, and what was seen, in a sentence"),
    ),
    warning(
        "history.problem",
        "The history of restarts cannot be written, or had to be begun anew.",
        "{problem}",
        problem=string("what was found and done"),
    ),
    error(
        "error",
        "Any other error.",
        _error,
        problem=string("what was seen, and where"),
        remedy=string("what to do next", optional=True),
    ),
)

_GROUPS: Final = (
    SUPERVISOR,
    BOT,
    BROWSER,
    SESSIONS,
    SNAPSHOTS,
    RESTART,
    _WATCH,
    _OUTPUT,
    _PREFLIGHT,
    _INTERFACES,
    _OTHER,
)

EVENTS: Final[Mapping[str, EventSpec]] = MappingProxyType({event.name: event for group in _GROUPS for event in group})
"""The registry, by name."""
