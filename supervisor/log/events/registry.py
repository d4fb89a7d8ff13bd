"""Every event there is.

Programs read these, so a name or a field once published keeps its meaning; new fields may be added. No field may hold
anything out of a profile: a profile is the account. `docs/events.md` is written from this page.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from supervisor.log.events import messages
from supervisor.log.events.control import CONTROL
from supervisor.log.events.fields import CLEAN, WHERE
from supervisor.log.events.model import Event, Field
from supervisor.log.events.outside import METRICS, NOTIFY
from supervisor.log.events.processes import BOT, BROWSER, SUPERVISOR
from supervisor.log.events.sessions import SESSIONS, SNAPSHOTS

_RESTART: Final = (
    Event(
        name="restart.requested",
        level="info",
        doc="Something asked for a restart.",
        fields=(
            Field("reason", "string", "`change`, `key`, `control`, `schedule`, `recovery`, `logged out`"),
            Field("detail", "string", "the trigger: a file, an exit code, who asked", optional=True),
        ),
        sentence=messages.restart_requested,
    ),
    Event(
        name="restart.done",
        level="info",
        doc="A start or restart ended.",
        fields=(
            Field(
                "reason",
                "string",
                "as in `restart.requested` or `bot.unhealthy`; or `start` for the first one of a run, `crash`, "
                "`browser lost`, `not ready`",
            ),
            Field("outcome", "string", "`ready`, `needs_link` or `failed`"),
            Field("phases_ms", "object of integers", "milliseconds by phase, adding up to `total_ms`"),
            Field("total_ms", "integer", "the whole restart in milliseconds"),
            Field("target", "string", "`ahead`, `within` or `over`; only when `ready`", optional=True),
            Field("target_low_s", "number", "fewer seconds than this are ahead of the target"),
            Field("target_high_s", "number", "more seconds than this are over it"),
            CLEAN,
        ),
        sentence=messages.restart_done,
        tone="good",
    ),
)

_WATCH: Final = (
    Event(
        name="watch.started",
        level="info",
        doc="Files are being watched.",
        fields=(
            Field("paths", "list of strings", "what is watched"),
            Field("poll", "boolean", "whether files are compared instead of waiting for the system's notices"),
        ),
        sentence=messages.watching,
    ),
    Event(
        name="watch.notice",
        level="warning",
        doc="Something about the watching that the user should know.",
        fields=(Field("notice", "string", "one sentence"),),
        sentence="{notice}",
    ),
    Event(
        name="watch.storm",
        level="warning",
        doc="The bot writes a file that is watched, and so restarts itself. The file is left out from now on.",
        fields=(
            Field("path", "string", "the file"),
            Field("line", "string", "what to add to the configuration, under `[watch]`"),
            Field("notice", "string", "one sentence"),
        ),
        sentence="{notice}",
    ),
    Event(
        name="watch.change",
        level="info",
        doc="Watched files changed.",
        fields=(Field("paths", "list of strings", "the changed files"),),
        sentence=messages.changed,
        detail=True,
    ),
)

_OUTPUT: Final = (
    Event(
        name="output.dropping",
        level="warning",
        doc="The bot's output finds no room at one of the places where it goes, and is dropped there from now on; the "
        "bot does not wait. `output.dropped` tells how much it was.",
        fields=(WHERE, Field("problem", "string", "why: nobody reads it, or what the disk said")),
        sentence=messages.dropping,
    ),
    Event(
        name="output.dropped",
        level="info",
        doc="For 10 s nothing more had to be dropped, or scanonce is about to stop.",
        fields=(WHERE, Field("bytes", "integer", "how much of the bot's output is missing there")),
        sentence=messages.dropped,
    ),
    Event(
        name="log.gap",
        level="warning",
        doc="Only in the log files, and in what `scanonce logs` prints: here some output is missing.",
        fields=(
            Field("problem", "string", "why"),
            Field("bytes", "integer", "how much", optional=True),
        ),
        sentence=messages.gap,
    ),
)

_PREFLIGHT: Final = (
    Event(
        name="preflight.passed",
        level="info",
        doc="What has changed was checked, and the bot can be started on it.",
        fields=(
            Field("checked", "integer", "how many checks there were"),
            Field("took_ms", "integer", "milliseconds since the first change"),
        ),
        sentence="checked what has changed in {took_ms} ms",
        detail=True,
    ),
    Event(
        name="preflight.failed",
        level="error",
        doc="The bot could not be started on what has changed. One for each problem.",
        fields=(
            Field("path", "string", "the file, if the problem is one file's", optional=True),
            Field("line_number", "integer", "the line in it", optional=True),
            Field("problem", "string", "the error's message"),
            Field("source", "string", "the line's text", optional=True),
        ),
        sentence=messages.preflight_failed,
    ),
    Event(
        name="preflight.output",
        level="error",
        doc="A line of what `preflight.command` has said, after its `preflight.failed`.",
        fields=(Field("text", "string", "the line"),),
        sentence="  {text}",
    ),
    Event(
        name="preflight.skipped",
        level="warning",
        doc="Something could not be checked, and counts as passed.",
        fields=(Field("what", "string", "what, and why, in a sentence"),),
        sentence="{what}",
    ),
)

_OTHER: Final = (
    Event(
        name="key.answer",
        level="info",
        doc="A line of the answer to a key that was typed on the terminal: help, the status, a snapshot.",
        fields=(
            Field("key", "string", "what was typed, such as `st`"),
            Field("line", "string", "one line"),
        ),
        sentence="{line}",
    ),
    Event(
        name="history.problem",
        level="warning",
        doc="The history of restarts cannot be kept, or had to be begun anew.",
        fields=(Field("problem", "string", "what was found and done"),),
        sentence="{problem}",
    ),
    Event(
        name="error",
        level="error",
        doc="Anything else that went wrong.",
        fields=(
            Field("problem", "string", "what was seen, and where"),
            Field("remedy", "string", "what to do next", optional=True),
        ),
        sentence=messages.error,
    ),
)

EVENTS: Final[Mapping[str, Event]] = MappingProxyType(
    {
        event.name: event
        for event in (
            *SUPERVISOR,
            *BOT,
            *BROWSER,
            *SESSIONS,
            *SNAPSHOTS,
            *_RESTART,
            *_WATCH,
            *_OUTPUT,
            *_PREFLIGHT,
            *CONTROL,
            *METRICS,
            *NOTIFY,
            *_OTHER,
        )
    }
)
"""The registry."""
