"""The status of a supervisor as text, made from its JSON: `scanonce status` reads it without loading the models."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from supervisor.timing.record import Target, brief_restart_line

_NARROWEST = 40  # columns for the second column of a table

_PHASES = {
    "closing": "going down",
    "preparing": "looking after the profiles",
    "starting": "starting",
    "up": "up",
    "checking": "standing still while changed files are checked",
    "resting": "down, waiting for a change",
    "backoff": "down, waiting to be started again",
    "stuck": "stuck: a process does not die",
    "ended": "ended",
}
_PLANNED = {"start": "start the bot again", "restart": "restart the bot as planned", "snapshot": "snapshot"}


def describe(
    status: Mapping[str, Any], target: Target, now: datetime | None = None, *, columns: int = 80
) -> Iterator[str]:
    """Describe a status, given as in docs/openapi.json, as a table of two columns; judge restarts by `target`.

    If the second one would be narrow, with so many `columns` in all, each line begins with its label and a colon.
    """
    rows = list(_rows(status, target, now or datetime.now(UTC)))
    width = max(len(label) for label, _ in rows)
    aligned = columns - width >= _NARROWEST
    for label, text in rows:
        yield f"{label:<{width}}  {text}" if aligned else f"{label}: {text}"


def _rows(status: Mapping[str, Any], target: Target, now: datetime) -> Iterator[tuple[str, str]]:
    phase, restarts = status["phase"], status["restarts"]
    runs = f" for {_span(status['uptime_s'])} (process {status['bot_pid']})" if status["uptime_s"] is not None else ""
    times = {1: "once", 2: "twice"}.get(restarts, f"{restarts} times")
    waits = any(session["state"] == "waiting_for_browser" for session in status["sessions"])
    doing = "waiting for it to open its browser" if waits else _PHASES.get(phase, phase)
    yield "bot", f"{doing}{runs}{f', restarted {times}' if restarts else ''}"
    for session in status["sessions"]:
        yield f"session {session['id']}", _session_line(session, now)
    if (last := status["last_restart"]) is not None:
        why = f"{last['reason']}: {last['detail']}" if last["detail"] else last["reason"]
        line = brief_restart_line(
            last["phases_ms"], target, last["outcome"], first=last["reason"] == "start", kind=last["kind"]
        )
        yield (
            "last start" if last["reason"] == "start" else "last restart",
            f"{_since(last['at'], now)} ago ({why}): {line}",
        )
    for planned in status["planned"]:
        of = f" of session {planned['session']}" if planned["session"] else ""
        yield "next", f"{_PLANNED.get(planned['what'], planned['what'])}{of} in {_span(planned['in_s'])}"
    memory = status["memory"]
    bot = "1 process" if memory["processes"] == 1 else f"{memory['processes']} processes"
    yield "memory", f"bot {memory['tree'] / 1e6:.0f} MB ({bot}), scanonce {memory['supervisor'] / 1e6:.0f} MB"
    yield "command", " ".join(status["command"])
    yield "project", f"{status['project']} (scanonce {status['mode']}, process {status['pid']})"


def _session_line(session: Mapping[str, Any], now: datetime) -> str:
    since = f" for {_since(session['since'], now)}" if session["since"] is not None else ""
    kept = "no snapshot"
    if session["last_snapshot_at"] is not None:
        number = f"{session['snapshots']} snapshot{'' if session['snapshots'] == 1 else 's'}"
        kept = f"{number}, the last {_since(session['last_snapshot_at'], now)} ago"
    return f"{session['state'].replace('_', ' ')}{since}; {kept}"


def _since(moment: str, now: datetime) -> str:
    return _span((now - datetime.fromisoformat(moment)).total_seconds())


def _span(seconds: float) -> str:
    """A length of time in its two largest units; never negative, even if the clock was set back.

    >>> _span(59.9), _span(3720), _span(200_000)
    ('59 s', '1 h 2 min', '2 d 7 h')
    """
    left = max(timedelta(), timedelta(seconds=int(seconds)))
    units = (("d", left.days), ("h", left.seconds // 3600), ("min", left.seconds // 60 % 60), ("s", left.seconds % 60))
    first = next((at for at, (_, number) in enumerate(units) if number), 3)
    return " ".join(f"{number} {unit}" for unit, number in units[first : first + 2] if number) or "0 s"
