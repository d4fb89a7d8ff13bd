"""Events of the supervisor, the bot, its browsers and its restarts, in the order of the reference."""

import signal
from typing import Final

from supervisor.log.events.model import (
    PROFILE,
    REASON,
    Field,
    Fields,
    Wording,
    boolean,
    clause,
    debug,
    error,
    info,
    integer,
    integers,
    number,
    string,
    strings,
    warning,
)
from supervisor.timing.record import Target, brief_restart_line, restart_line

_BROWSER: Final = {"pid": integer("process id of the browser's main process"), "profile": PROFILE}
_CLEAN: Final = boolean("whether every browser wrote all its data before it exited")
_EXIT: Final = {
    "pid": integer("process id of the bot"),
    "code": integer("its exit code", optional=True),
    "signal": integer("the signal that ended it", optional=True),
    "ran_s": number("how long it ran, in seconds"),
}


_ON_REQUEST: Final = frozenset({0, 128 + 1, 128 + 2, 128 + 15})
"""Exit codes of a stop that was asked for: by a key or command, SIGHUP, SIGINT (Ctrl+C), SIGTERM."""


def _stopped(fields: Fields) -> str:
    code = fields["exit_code"]
    return ("stopped" if code in _ON_REQUEST else f"stopped, exit code {code}") + _unclean(fields)


def _hurrying(fields: Fields) -> str:
    if fields["kill"]:
        return "killing what is left"
    return "stopping faster: a second for each step. Once more kills what is left; unwritten data is lost then"


def _leftovers(fields: Fields) -> str:
    count = len(fields["pids"])
    return f"found {count} process{'' if count == 1 else 'es'} of an earlier run; closing cleanly"


def _crashed(fields: Fields) -> str:
    why = clause(", because its browser on {} had crashed", fields.get("profile"))
    return f"the bot {_ending(fields)} after {fields['ran_s']:.1f} s{why}"


def _ending(fields: Fields) -> str:
    """How a process ended, as a verb phrase."""
    if (number := fields.get("signal")) is None:
        return clause("exited with code {}", fields.get("code")) or "ended"
    try:
        return f"was ended by {signal.Signals(number).name}"
    except ValueError:  # a signal without a name, such as a real-time one
        return f"was ended by signal {number}"


def _given_up(fields: Fields) -> str:
    never = "" if fields["ever_ready"] else " and was never ready"
    return f"the bot failed {fields['failures']} times{never}; giving up. See its output; its session is kept as it is"


def _closed(fields: Fields) -> str:
    if "took_ms" not in fields:
        return f"the bot has closed its browser on {fields['profile']}"
    took = f"{fields['took_ms'] / 1000:.2f} s"
    return f"browser on {fields['profile']} closed in {took}{clause(', by {}', fields.get('asked_by'))}"


def _backoff(fields: Fields) -> str:
    row = f" (failure {fields['crashes']} in a row)" if fields["crashes"] else ""
    return f"starting the bot again in {fields['pause_s']:g} s{row}"


def _not_ready(fields: Fields) -> str:
    seen = clause(" (last seen: {})", fields.get("state"))
    return f"the bot is not ready after {fields['waited_s']:g} s{seen}; see its output, or raise ready.timeout"


def _detached(fields: Fields) -> str:
    still = ", ".join(f"{name} (process {pid})" for name, pid in zip(fields["programs"], fields["pids"], strict=True))
    runs = "runs, and is ended" if len(fields["pids"]) == 1 else "run, and are ended"
    return (
        f"the bot's first process has ended, but {still} still {runs} with it; start the bot so that it stays in the "
        "foreground: without & and without an option such as --daemon"
    )


def _kept(fields: Fields) -> str:
    if fields["reason"] == "failed":
        return "not restarted: the bot keeps running as before until the problem is fixed"
    return "not restarted: the files are the same as when the bot was started"


def _stuck(fields: Fields) -> str:
    pids = ", ".join(map(str, fields["pids"]))
    return f"these processes cannot be ended: {pids}; the bot is not started while they run. End them, then restart"


def _restart_done(fields: Fields) -> str:
    target = Target(fields["target_low_s"], fields["target_high_s"])
    first, kind = fields["reason"] == "start", fields["kind"]
    line = restart_line(fields["phases_ms"], target, fields["outcome"], first=first, kind=kind)
    return line + _unclean(fields)


def _restart_done_briefly(fields: Fields) -> str:
    target = Target(fields["target_low_s"], fields["target_high_s"])
    first, kind = fields["reason"] == "start", fields["kind"]
    line = brief_restart_line(fields["phases_ms"], target, fields["outcome"], first=first, kind=kind)
    return line + _unclean(fields)


def _unfinished(fields: Fields) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(fields["kinds"].items()))
    return f"the bot was stopped before it had finished with: {kinds}"


def _unclean(fields: Fields) -> str:
    return "" if fields["clean"] else "  (a browser did not close cleanly)"


SUPERVISOR: Final = (
    info(
        "supervisor.starting",
        "scanonce starts.",
        "version {version}, {mode}",
        version=string("version of scanonce"),
        mode=string("`dev` or `run`"),
        project=string("the project's folder"),
        pid=integer("process id of the supervisor"),
        run_id=string("id of this run, also in the bot's environment as `SCANONCE_RUN_ID`"),
    ),
    info(
        "supervisor.stopping",
        "A stop was requested.",
        "stopping ({reason})",
        reason=string("what requested it: a signal, a key, a command"),
    ),
    info(
        "supervisor.hurrying",
        "A stop was requested once more while one is under way.",
        _hurrying,
        kill=boolean("false: each step of the stop gets one second at most; true: what is left is killed at once"),
    ),
    info(
        "supervisor.stopped",
        "Bot and browsers are gone; scanonce exits.",
        _stopped,
        exit_code=integer("exit code of scanonce"),
        clean=_CLEAN,
        total_ms=integer("duration of the stop in milliseconds"),
    ),
    warning(
        "supervisor.leftovers",
        "Processes of an earlier run, which ended without cleaning up, were found and are being closed.",
        _leftovers,
        pids=integers("their process ids"),
    ),
    warning(
        "supervisor.recovered",
        "Files that an earlier run left half done when it was killed were completed, undone or removed.",
        "{what}",
        what=string("what was done"),
    ),
    warning(
        "supervisor.lock_renewed",
        "The file of the project's lock was removed or replaced, perhaps with the whole cache and its snapshots; it "
        "was made anew, so that no second scanonce starts.",
        lambda fields: f"the lock {', '.join(fields['paths'])} was removed or replaced, and has been taken anew",
        paths=strings("the lock's files"),
    ),
)

BOT: Final = (
    info(
        "bot.starting",
        "The bot's command is about to be run.",
        lambda fields: f"starting {' '.join(fields['command'])}",
        command=strings("program and arguments"),
        restarts=integer("how often this run has restarted it so far"),
    ),
    info(
        "bot.started",
        "The bot's process exists.",
        "the bot runs as process {pid}",
        "detail",
        pid=integer("process id of the bot"),
    ),
    info(
        "bot.exited",
        "The bot ended on request, or with an exit code that means: do not restart.",
        lambda fields: f"the bot {_ending(fields)}",
        **_EXIT,
    ),
    error(
        "bot.crashed",
        "The bot ended by itself.",
        _crashed,
        **_EXIT,
        profile=string("folder of the profile whose browser had crashed, if the bot ended for that", optional=True),
    ),
    info(
        "bot.backoff",
        "The bot is started again after a pause.",
        _backoff,
        pause_s=number("the pause in seconds"),
        crashes=integer("failures in a row, up to this one; 0 if the bot ended because its QR code was not scanned"),
    ),
    error(
        "bot.given_up",
        "The bot failed too often (`restart.limit`) and is not started again: `scanonce run` ends, `scanonce dev` "
        "waits for a change. The session is kept.",
        _given_up,
        failures=integer("failures that count (`restart.window`)"),
        ever_ready=boolean("whether it was ready at any time of this run"),
    ),
    info(
        "bot.waiting",
        "The bot is down until a file changes or a restart is requested (`scanonce dev`).",
        "waiting for a change; rs + Enter starts the bot as it is",
    ),
    warning(
        "bot.waiting_for_browser",
        "The bot is up, but opens no browser although a session is linked: it may wait for a person's command. It is "
        "not ready until then, and the time until its browser comes is no part of the restart's.",
        lambda fields: (
            "waiting for the bot to open its browser ("
            + ", ".join(f"session {one}" for one in fields["sessions"])
            + f" {'is' if len(fields['sessions']) == 1 else 'are'} linked)"
        ),
        sessions=strings("the linked sessions"),
    ),
    warning(
        "bot.program_missing",
        "The bot's program cannot be run any more; scanonce waits for it (`scanonce dev`).",
        lambda fields: f"waiting for {fields['program']}, which cannot be run; rs + Enter tries at once",
        program=string("its path"),
    ),
    info(
        "bot.ready",
        "The bot is ready.",
        lambda fields: f"the bot is ready after {fields['after_ms'] / 1000:.2f} s",
        "detail",
        "good",
        method=string("how readiness was detected: `page`, `notify`, `http`, `output` or `up`"),
        after_ms=integer("milliseconds since its start"),
    ),
    info(
        "bot.notification_ignored",
        "A process that the bot has started, but that is not the bot itself, sent a notification (`READY=1`, "
        "`WATCHDOG=1`); it does not count. Reported once for each process.",
        "{program} (process {pid}) sent a notification as if it were the bot; ignored",
        "detail",
        pid=integer("its process id"),
        program=string("its name"),
    ),
    error(
        "bot.not_ready",
        "The bot did not become ready in time (`ready.timeout`).",
        _not_ready,
        waited_s=number("how long it was waited for, in seconds"),
        state=string("what it was last seen doing", optional=True),
    ),
    error(
        "bot.unhealthy",
        "The bot runs but does not work; it is restarted. [What is checked](production.md#hangs-and-leaks).",
        "{detail}; restarting the bot",
        reason=string("`hang`, `stuck`, `page crash`, `http`, `watchdog` or `memory`"),
        detail=string("what was seen, in words"),
    ),
    warning(
        "bot.detached",
        "The bot's first process has exited with code 0 while others that it had started were still running, as when "
        "it starts itself in the background; they are ended.",
        _detached,
        pids=integers("the process ids of those"),
        programs=strings("their names"),
    ),
    info(
        "bot.kept",
        "Files have changed, but the bot is not restarted: it keeps running as before.",
        _kept,
        reason=string("`failed`: the changed files did not pass the checks; `unchanged`: they are as they were"),
    ),
    warning(
        "bot.not_frozen",
        "A process of the bot could not be suspended; the restart goes on without.",
        "process {pid} could not be frozen; it may see its browser close before it is stopped itself",
        pid=integer("its process id"),
    ),
    error(
        "bot.stuck",
        "Processes could not be ended; nothing is started while they run.",
        _stuck,
        pids=integers("their process ids"),
    ),
    info(
        "npm.between",
        "A package manager or a shell runs between scanonce and the bot.",
        lambda f: f"the bot runs behind npm or a shell; starting it directly is faster: {' '.join(f['command'])}",
        command=strings("the command that started the bot itself"),
    ),
)

BROWSER: Final = (
    info(
        "browser.up",
        "A browser of the bot is running.",
        "browser up on {profile}",
        "detail",
        **_BROWSER,
        version=string("its version", optional=True),
    ),
    info(
        "browser.blind",
        "A browser offers no DevTools port (`pipe: true`, Playwright): its page cannot be read.",
        "the browser on {profile} offers no DevTools port: whether the session is linked cannot be seen",
        **_BROWSER,
    ),
    warning(
        "browser.incognito",
        "The browser keeps nothing of its page: it has `--incognito`, or the bot has opened an incognito page.",
        "the browser on {profile} keeps nothing (--incognito, or an incognito page): this session is lost at every "
        "restart",
        **_BROWSER,
    ),
    info(
        "browser.closed",
        "A browser was closed and wrote all its data.",
        _closed,
        "detail",
        **_BROWSER,
        method=string("what closed it: `asked` for a request of ours, `bot`, or `gone` if it was closing already"),
        asked_by=string("how it was asked: `DevTools` or `SIGINT`", optional=True),
        took_ms=integer("milliseconds until all of its processes were gone, if scanonce closed it", optional=True),
    ),
    warning(
        "browser.unclean",
        "A browser ended without writing all its data.",
        "the browser on {profile} did not close cleanly ({reason}); the profile will be checked in full",
        **_BROWSER,
        reason=REASON,
    ),
    warning(
        "browser.lost",
        "A browser crashed or was killed while the bot was running.",
        "the browser on {profile} is gone",
        **_BROWSER,
    ),
)

RESTART: Final = (
    info(
        "restart.requested",
        "A restart was requested.",
        lambda fields: f"restarting ({fields['reason']}{clause(': {}', fields.get('detail'))})",
        reason=string("`change`, `key`, `control`, `schedule`, `recovery`, `logged out`"),
        detail=string("the trigger: a file, an exit code, the user of a command", optional=True),
    ),
    info(
        "restart.done",
        "A start or restart ended.",
        Wording(_restart_done, brief=_restart_done_briefly),
        "good",
        reason=string(
            "as in `restart.requested` or `bot.unhealthy`; or `start` for the first one of a run, `crash`, "
            "`browser lost`, `not ready`, `no scan`"
        ),
        outcome=string("`ready`, `needs_link` or `failed`"),
        phases_ms=Field("object of integers", "milliseconds by phase, adding up to `total_ms`"),
        total_ms=integer("the whole restart in milliseconds"),
        target=string("`ahead`, `within` or `over`; only when `ready`", optional=True),
        target_low_s=number("fewer seconds than this are ahead of the target"),
        target_high_s=number("more seconds than this are over it"),
        clean=_CLEAN,
        kind=string("`warm`: the browsers and their pages were kept; or `cold`"),
        why=string("why it was cold, if a warm one was possible in principle", optional=True),
    ),
    debug(
        "browser.keepable",
        "The bot is ready on a page that its library has prepared as we know it: a restart may keep it from now on.",
        "the page on {profile} can be kept over restarts",
        profile=PROFILE,
    ),
    info(
        "restart.cold",
        "The restart closes the browser, and loads the page anew, for a reason that is not always there.",
        "cold restart: {why}",
        why=string("the reason"),
    ),
    warning(
        "event.unfinished",
        "A bot was replaced before it had finished what it had begun with some events of its page; they are not "
        "delivered again.",
        _unfinished,
        kinds=Field("object of integers", "by kind of event, how many"),
    ),
    warning(
        "event.dropped",
        "Events of the page did not find room while no bot ran that could take them.",
        "{count} events of the page were dropped while no bot took them",
        count=integer("how many"),
    ),
)
