"""The sentences of events that are more than a template: what a person reads on the terminal."""

import signal
from collections.abc import Mapping, Sequence
from typing import Any

from supervisor.timing.record import Target, restart_line

Fields = Mapping[str, Any]

_BAR = 20  # characters


def stopped(fields: Fields) -> str:
    """For `supervisor.stopped`."""
    code = fields["exit_code"]
    ending = "stopped" if code == 0 else f"stopped, exit code {code}"
    return ending + _unclean(fields)


def leftovers(fields: Fields) -> str:
    """For `supervisor.leftovers`."""
    number = len(fields["pids"])
    return f"found {number} process{'' if number == 1 else 'es'} of an earlier run; closing cleanly"


def starting(fields: Fields) -> str:
    """For `bot.starting`."""
    return f"starting {' '.join(fields['command'])}"


def exited(fields: Fields) -> str:
    """For `bot.exited`."""
    return f"the bot {_ending(fields)}"


def crashed(fields: Fields) -> str:
    """For `bot.crashed`."""
    why = _and(", because its browser on {} had crashed", fields.get("profile"))
    return f"the bot {_ending(fields)} after {fields['ran_s']:.1f} s{why}"


def ready(fields: Fields) -> str:
    """For `bot.ready`."""
    return f"the bot is ready after {fields['after_ms'] / 1000:.2f} s"


def not_ready(fields: Fields) -> str:
    """For `bot.not_ready`."""
    seen = _and(" (last seen: {})", fields.get("state"))
    return f"the bot is not ready after {fields['waited_s']:g} s{seen}; look at its output, or raise ready.timeout"


def given_up(fields: Fields) -> str:
    """For `bot.given_up`."""
    never = "" if fields["ever_ready"] else " and was never ready"
    return (
        f"the bot failed {fields['failures']} times{never}; giving up. Look at its output; its session is kept as it is"
    )


def kept(fields: Fields) -> str:
    """For `bot.kept`."""
    if fields["reason"] == "failed":
        return "not restarted: the bot runs on as it was, until a save that is in order"
    return "not restarted: the files are again as they were when the bot was started"


def stuck(fields: Fields) -> str:
    """For `bot.stuck`."""
    pids = ", ".join(map(str, fields["pids"]))
    return f"these processes do not die: {pids}; the bot is not started while they live. End them, then restart"


def browser_closed(fields: Fields) -> str:
    """For `browser.closed`."""
    return f"browser on {fields['profile']} closed in {fields['took_ms'] / 1000:.2f} s"


def session_found(fields: Fields) -> str:
    """For `session.found`."""
    linked = fields.get("linked")
    known = "" if linked is None else ", linked" if linked else ", not linked"
    return f"session {fields['session']} found{known}"


def damaged(fields: Fields) -> str:
    """For `session.damaged`."""
    moved = _and("; moved to {}", fields.get("moved_to"))
    problem = _clause(fields["problem"])
    return f"session {fields['session']} is damaged: {problem}{moved}; the bot starts without it, for a new link"


def remark(fields: Fields) -> str:
    """For `session.remark`."""
    return f"session {fields['session']}: {fields['seen']}{_and(' {}', fields.get('remedy'))}"


def restored(fields: Fields) -> str:
    """For `session.restored`."""
    moved = _and("; the original lies in {}", fields.get("moved_to"))
    done = f"restored {fields['snapshot']}, {_age(fields['age_s'])} old"
    return f"session {fields['session']}: {_clause(fields['problem'])}; {done}{moved}"


def restore_failed(fields: Fields) -> str:
    """For `session.restore_failed`."""
    return f"session {fields['session']}: {fields['snapshot']} could not be restored ({_clause(fields['problem'])})"


def snapshot_failed(fields: Fields) -> str:
    """For `snapshot.failed`."""
    return (
        f"session {fields['session']}: the snapshot failed ({_clause(fields['reason'])}); the one before is untouched"
    )


def progress(fields: Fields) -> str:
    """For `session.progress` and `snapshot.progress`."""
    total = fields["bytes_total"] or 1
    share = min(1.0, fields["bytes_done"] / total)
    bar = ("#" * round(share * _BAR)).ljust(_BAR, ".")
    return f"session {fields['session']}: {fields['doing']} [{bar}] {share:.0%} of {total / 1e6:.0f} MB"


def snapshot_taken(fields: Fields) -> str:
    """For `snapshot.taken`."""
    return f"session {fields['session']}: {fields['snapshot']} taken in {fields['took_ms'] / 1000:.2f} s"


def trimmed(fields: Fields) -> str:
    """For `session.trimmed`."""
    return f"session {fields['session']}: emptied its caches, {fields['bytes'] / 1e6:.0f} MB"


def restart_requested(fields: Fields) -> str:
    """For `restart.requested`."""
    return f"restarting ({fields['reason']}{_and(': {}', fields.get('detail'))})"


def restart_done(fields: Fields) -> str:
    """For `restart.done`."""
    target = Target(fields["target_low_s"], fields["target_high_s"])
    line = restart_line(fields["phases_ms"], target, fields["outcome"], first=fields["reason"] == "start")
    return line + _unclean(fields)


def watching(fields: Fields) -> str:
    """For `watch.started`."""
    return f"watching {_first(fields['paths'])}{' by polling' if fields['poll'] else ''}"


def changed(fields: Fields) -> str:
    """For `watch.change`."""
    return f"changed: {_first(fields['paths'])}"


def preflight_failed(fields: Fields) -> str:
    """For `preflight.failed`."""
    place = ":".join(str(fields[part]) for part in ("path", "line_number") if part in fields)
    return f"{place}{': ' if place else ''}{fields['problem']}{_and('   {}', fields.get('source'))}"


def npm_between(fields: Fields) -> str:
    """For `npm.between`."""
    return f"the bot runs behind npm or a shell; starting it directly is faster: {' '.join(fields['command'])}"


def dropping(fields: Fields) -> str:
    """For `output.dropping`."""
    return f"the bot's output is dropped on its way to {_way(fields)}: {fields['problem']}"


def dropped(fields: Fields) -> str:
    """For `output.dropped`."""
    number = f"{fields['bytes'] / 1e6:.1f} MB" if fields["bytes"] else "nothing"
    return f"{number} of the bot's output was dropped on its way to {_way(fields)}"


def gap(fields: Fields) -> str:
    """For `log.gap`."""
    number = fields.get("bytes")
    missing = "output" if number is None else f"{number / 1e6:.1f} MB of output"
    return f"here {missing} is missing: {fields['problem']}"


def error(fields: Fields) -> str:
    """For `error`."""
    remedy = fields.get("remedy")
    return str(fields["problem"]) if remedy is None else f"{_clause(fields['problem'])}; {remedy}"


def _ending(fields: Fields) -> str:
    """How a process ended, as a clause."""
    number = fields.get("signal")
    if number is not None:
        try:
            return f"was ended by {signal.Signals(number).name}"
        except ValueError:  # a signal that has no name here, such as the real-time ones
            return f"was ended by signal {number}"
    code = fields.get("code")
    return "ended" if code is None else f"exited with code {code}"


def _unclean(fields: Fields) -> str:
    return "" if fields["clean"] else "  (a browser did not close cleanly)"


def _way(fields: Fields) -> str:
    return "the log files" if fields["where"] == "log" else f"our {fields['where']}"


def _and(clause: str, value: object) -> str:
    return "" if value is None else clause.format(value)


def _clause(sentence: str) -> str:
    """A sentence from elsewhere as a part of one of ours."""
    return sentence.removesuffix(".")


def _first(items: Sequence[object]) -> str:
    """The first few of many, for a short line."""
    shown = ", ".join(str(item) for item in items[:3])
    return shown if len(items) <= 3 else f"{shown} and {len(items) - 3} more"


def _age(seconds: float) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{seconds:.0f} s"
