"""Events of the supervisor, the bot and its browsers."""

from typing import Final

from supervisor.log.events import messages
from supervisor.log.events.fields import BROWSER_PID, CLEAN, PROFILE, REASON
from supervisor.log.events.model import Event, Field

_EXIT: Final = (
    Field("pid", "integer", "process id of the bot"),
    Field("code", "integer", "its exit code", optional=True),
    Field("signal", "integer", "the signal that ended it", optional=True),
    Field("ran_s", "number", "how long it ran, in seconds"),
)

SUPERVISOR: Final = (
    Event(
        name="supervisor.starting",
        level="info",
        doc="scanonce begins.",
        fields=(
            Field("version", "string", "version of scanonce"),
            Field("mode", "string", "`dev` or `run`"),
            Field("project", "string", "the project's folder"),
            Field("pid", "integer", "process id of the supervisor"),
            Field("run_id", "string", "id of this run, also in the bot's environment as `SCANONCE_RUN_ID`"),
        ),
        sentence="version {version}, {mode}",
    ),
    Event(
        name="supervisor.stopping",
        level="info",
        doc="A stop was asked for.",
        fields=(Field("reason", "string", "who asked: a signal, a key, a command"),),
        sentence="stopping ({reason})",
    ),
    Event(
        name="supervisor.stopped",
        level="info",
        doc="Bot and browsers are gone; scanonce exits.",
        fields=(
            Field("exit_code", "integer", "exit code of scanonce"),
            CLEAN,
            Field("total_ms", "integer", "duration of the stop in milliseconds"),
        ),
        sentence=messages.stopped,
    ),
    Event(
        name="supervisor.leftovers",
        level="warning",
        doc="Processes of an earlier run, which ended without cleaning up, were found and are being closed.",
        fields=(Field("pids", "list of integers", "their process ids"),),
        sentence=messages.leftovers,
    ),
    Event(
        name="supervisor.recovered",
        level="warning",
        doc="Files that an earlier run was killed in the midst of were completed, undone or removed.",
        fields=(Field("what", "string", "what was done"),),
        sentence="{what}",
    ),
)

BOT: Final = (
    Event(
        name="bot.starting",
        level="info",
        doc="The bot's command is about to be run.",
        fields=(
            Field("command", "list of strings", "program and arguments"),
            Field("restarts", "integer", "how often this run has restarted it so far"),
        ),
        sentence=messages.starting,
    ),
    Event(
        name="bot.started",
        level="info",
        doc="The bot's process exists.",
        fields=(Field("pid", "integer", "process id of the bot"),),
        sentence="the bot runs as process {pid}",
        detail=True,
    ),
    Event(
        name="bot.exited",
        level="info",
        doc="The bot ended because it was asked to, or with an exit code that means: do not restart.",
        fields=_EXIT,
        sentence=messages.exited,
    ),
    Event(
        name="bot.crashed",
        level="error",
        doc="The bot ended by itself.",
        fields=(
            *_EXIT,
            Field(
                "profile",
                "string",
                "folder of the profile whose browser had crashed, if the bot ended for that",
                optional=True,
            ),
        ),
        sentence=messages.crashed,
    ),
    Event(
        name="bot.backoff",
        level="info",
        doc="The bot is started again after a pause.",
        fields=(
            Field("pause_s", "number", "the pause in seconds"),
            Field("crashes", "integer", "failures in a row, up to this one"),
        ),
        sentence="starting the bot again in {pause_s:g} s (failure {crashes} in a row)",
    ),
    Event(
        name="bot.given_up",
        level="error",
        doc="The bot failed too often (`restart.limit`) and is not started again: `scanonce run` ends, `scanonce dev` "
        "waits for a change. The session is kept.",
        fields=(
            Field("failures", "integer", "failures that count (`restart.window`)"),
            Field("ever_ready", "boolean", "whether it was ready, or waiting for a scan, at any time of this run"),
        ),
        sentence=messages.given_up,
    ),
    Event(
        name="bot.waiting",
        level="info",
        doc="The bot is down and stays down until a file changes or a restart is asked for (`scanonce dev`).",
        fields=(),
        sentence="waiting for a change; rs + Enter starts the bot as it is",
    ),
    Event(
        name="bot.ready",
        level="info",
        doc="The bot is ready.",
        fields=(
            Field("method", "string", "how that was found out: `page`, `notify`, `http`, `output` or `up`"),
            Field("after_ms", "integer", "milliseconds since its start"),
        ),
        sentence=messages.ready,
        tone="good",
        detail=True,
    ),
    Event(
        name="bot.not_ready",
        level="error",
        doc="The bot did not become ready in time (`ready.timeout`).",
        fields=(
            Field("waited_s", "number", "how long it was waited for, in seconds"),
            Field("state", "string", "what it was last seen doing", optional=True),
        ),
        sentence=messages.not_ready,
    ),
    Event(
        name="bot.unhealthy",
        level="error",
        doc="The bot runs, but is of no use; it is restarted. [What is looked at](production.md#hangs-and-leaks).",
        fields=(
            Field("reason", "string", "`hang`, `stuck`, `page crash`, `http`, `watchdog` or `memory`"),
            Field("detail", "string", "what was seen, in words"),
        ),
        sentence="{detail}; restarting the bot",
    ),
    Event(
        name="bot.kept",
        level="info",
        doc="Files have changed, but the bot is not restarted for that: it runs on as it was.",
        fields=(
            Field("reason", "string", "`failed`: it could not be started on them; `unchanged`: they are as they were"),
        ),
        sentence=messages.kept,
    ),
    Event(
        name="bot.not_frozen",
        level="warning",
        doc="A process of the bot could not be suspended; the restart goes on without.",
        fields=(Field("pid", "integer", "its process id"),),
        sentence="process {pid} could not be frozen; it may see its browser go before it is stopped itself",
    ),
    Event(
        name="bot.stuck",
        level="error",
        doc="Processes could not be ended; nothing is started while they live.",
        fields=(Field("pids", "list of integers", "their process ids"),),
        sentence=messages.stuck,
    ),
    Event(
        name="npm.between",
        level="info",
        doc="A package manager or a shell stands between scanonce and the bot.",
        fields=(Field("command", "list of strings", "what the bot itself was started with"),),
        sentence=messages.npm_between,
    ),
)

BROWSER: Final = (
    Event(
        name="browser.up",
        level="info",
        doc="A browser of the bot is running.",
        fields=(
            BROWSER_PID,
            PROFILE,
            Field("version", "string", "its version", optional=True),
        ),
        sentence="browser up on {profile}",
        detail=True,
    ),
    Event(
        name="browser.blind",
        level="info",
        doc="A browser offers no DevTools port (`pipe: true`, Playwright): its page cannot be read.",
        fields=(BROWSER_PID, PROFILE),
        sentence="the browser on {profile} offers no DevTools port: whether the session is linked cannot be seen",
    ),
    Event(
        name="browser.closed",
        level="info",
        doc="A browser was closed and wrote everything down.",
        fields=(
            BROWSER_PID,
            PROFILE,
            Field("method", "string", "what closed it"),
            Field("took_ms", "integer", "milliseconds until every one of its processes was gone"),
        ),
        sentence=messages.browser_closed,
        detail=True,
    ),
    Event(
        name="browser.unclean",
        level="warning",
        doc="A browser ended without writing everything down.",
        fields=(BROWSER_PID, PROFILE, REASON),
        sentence="the browser on {profile} did not close cleanly ({reason}); the profile will be checked in full",
    ),
    Event(
        name="browser.lost",
        level="warning",
        doc="A browser went away while the bot was running.",
        fields=(BROWSER_PID, PROFILE),
        sentence="the browser on {profile} is gone",
    ),
)
