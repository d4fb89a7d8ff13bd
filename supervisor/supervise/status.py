"""How a running supervisor stands, gathered in one place: for the key `st`, and for whoever asks from outside."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from supervisor.log import logger
from supervisor.process.memory import total_pss, total_rss
from supervisor.system import clock
from supervisor.timing.record import Target, restart_line

if TYPE_CHECKING:
    from supervisor.bot.ownership import Territory
    from supervisor.bot.slot import Slot
    from supervisor.bot.spec import BotSpec
    from supervisor.supervise.session_tracker import KnownSession, PageStatus, SessionTracker
    from supervisor.timing.record import Outcome, Restart

#: The state of a session that no browser of the bot has open.
CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class SessionView:
    """One session. `state` is what its page says, as in `supervisor.browser.presets`, or "closed"."""

    id: str
    profile: str
    state: str
    since: datetime | None
    """Since when it is in that state, of a closed one when it was last seen open; None if that is not known."""
    linked: bool | None
    snapshots: int
    last_snapshot_at: datetime | None
    last_snapshot_bytes: int | None = None
    """Files shared with other snapshots included."""


@dataclass(frozen=True, slots=True)
class LastRestart:
    """The last start or restart that is over."""

    at: datetime
    reason: str
    detail: str
    outcome: Outcome
    phases_ms: Mapping[str, int]
    total_ms: int
    target: str | None
    """ahead, within or over; None if it was not judged."""
    clean: bool


@dataclass(frozen=True, slots=True)
class Planned:
    """Something that will be done by itself: `what`, for which `session` if it is for one, in how many seconds."""

    what: str
    in_s: float
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory in bytes. What the processes of the tree share is counted once, where the system tells."""

    supervisor: int
    tree: int
    """Of the bot and all that it has started, its browsers included."""
    processes: int
    """How many processes the tree has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything there is to say. Times are UTC, durations seconds, sizes bytes."""

    project: str
    pid: int
    mode: str
    command: tuple[str, ...]
    phase: str
    """As in `supervisor.supervise.state_machine.Phase`."""
    since: datetime
    """When the supervisor was started."""
    bot_pid: int | None
    uptime_s: float | None
    """Of the bot that runs now."""
    restarts: int
    """How often this supervisor has started the bot anew; the first start is none."""
    sessions: tuple[SessionView, ...]
    last_restart: LastRestart | None
    memory: Memory
    planned: tuple[Planned, ...]
    """Soonest first."""

    def document(self) -> dict[str, Any]:
        """The same as JSON has it: times in ISO 8601, field by field. Changes only by additions."""
        document: dict[str, Any] = _plain(self)
        return document


async def gather(
    spec: BotSpec,
    slot: Slot,
    tracker: SessionTracker,
    *,
    phase: str,
    started_at: datetime,
    last_restart: Restart | None,
    planned: Mapping[str, float],
) -> Status:
    """Gather a status. Files and processes are read in a thread; nothing is changed.

    `planned` holds what will be done by itself and when, in seconds of the monotonic clock.
    """
    run, now = slot.run, time.monotonic()
    coming = [Planned(what, max(0.0, due - now)) for what, due in planned.items()]
    coming += [Planned("snapshot", max(0.0, due - now), session) for session, due in tracker.planned_snapshots()]
    shown = {live.profile: str(live.state.status) for live in run.observer.live.values()} if run else {}
    known, used = await asyncio.gather(tracker.sessions(), asyncio.to_thread(_memory, spec.territory))
    pages = tracker.page_states()
    found = [_session(session, shown.get(session.profile.path), pages) for session in known]
    return Status(
        project=str(spec.territory.project),
        pid=os.getpid(),
        mode=str(spec.mode),
        command=tuple(logger.redacted(spec.command)),
        phase=phase,
        since=started_at,
        bot_pid=run.child.pid if run else None,
        uptime_s=round(now - slot.spawned_at, 3) if run else None,
        restarts=slot.restarts,
        sessions=tuple(sorted(found, key=lambda one: one.id)),
        last_restart=past(last_restart),
        memory=used,
        planned=tuple(sorted(coming, key=lambda one: one.in_s)),
    )


def _session(session: KnownSession, shown: str | None, pages: Mapping[str, PageStatus]) -> SessionView:
    profile, snapshots = session.profile, session.snapshots
    linked, seen = session.state.is_linked, session.state.last_seen
    stood = pages.get(profile.id)
    since = seen if shown is None else stood.since if stood is not None and stood.state == shown else None
    return SessionView(
        id=profile.id,
        profile=str(profile.path),
        state=CLOSED if shown is None else shown,
        since=since,
        linked=linked,
        snapshots=len(snapshots),
        last_snapshot_at=snapshots[0].created_at if snapshots else None,
        last_snapshot_bytes=snapshots[0].bytes if snapshots else None,
    )


def _memory(territory: Territory) -> Memory:
    tree = [entry.pid for entry in territory.living()]
    return Memory(total_rss([os.getpid()]), total_pss(tree), len(tree))


def past(restart: Restart | None) -> LastRestart | None:
    """A record of the history's, as it is shown."""
    if restart is None:
        return None
    return LastRestart(
        at=datetime.fromtimestamp(restart.started_at, UTC),
        reason=restart.reason,
        detail=restart.detail,
        outcome=restart.outcome,
        phases_ms=dict(restart.phases_ms),
        total_ms=restart.total_ms,
        target=restart.target,
        clean=restart.clean,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return clock.iso(value)
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


# -- as text -----------------------------------------------------------------------------------------------------------

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
_WHAT = {"start": "start the bot again", "restart": "restart the bot as planned", "snapshot": "snapshot"}


def describe(status: Status, target: Target, now: datetime | None = None) -> Iterator[str]:
    """A status for a person, a line for each thing; `target` is what a restart may take."""
    now = now or datetime.now(UTC)
    runs = f", process {status.bot_pid}, for {_span(status.uptime_s)}" if status.uptime_s is not None else ""
    again = f", restarted {_times(status.restarts)}" if status.restarts else ""
    yield f"bot {_PHASES.get(status.phase, status.phase)}{runs}{again}"
    for session in status.sessions:
        yield _session_line(session, now)
    if status.last_restart is not None:
        last = status.last_restart
        why = f"{last.reason}: {last.detail}" if last.detail else last.reason
        told = restart_line(last.phases_ms, target, last.outcome, first=last.reason == "start")
        yield f"last restart {_ago(last.at, now)} ({why}): {told}"
    memory = status.memory
    bot = "process" if memory.processes == 1 else f"{memory.processes} processes"
    yield (
        f"memory: the bot's {bot} {memory.tree / 1e6:.0f} MB, "
        f"scanonce (process {status.pid}) {memory.supervisor / 1e6:.0f} MB"
    )
    for planned in status.planned:
        of = f" of session {planned.session}" if planned.session else ""
        yield f"next: {_WHAT.get(planned.what, planned.what)}{of} in {_span(planned.in_s)}"


def _session_line(session: SessionView, now: datetime) -> str:
    since = f" for {_span((now - session.since).total_seconds())}" if session.since is not None else ""
    kept = "no snapshot"
    if session.last_snapshot_at is not None:
        number = f"{session.snapshots} snapshot{'' if session.snapshots == 1 else 's'}"
        kept = f"{number}, the last {_ago(session.last_snapshot_at, now)}"
    return f"session {session.id}: {session.state.replace('_', ' ')}{since}; {kept}"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _ago(moment: datetime, now: datetime) -> str:
    return f"{_span((now - moment).total_seconds())} ago"


def _span(seconds: float) -> str:
    """A length of time in its two largest units; a clock that was set back makes none negative.

    >>> _span(59.9), _span(3720), _span(200_000)
    ('59 s', '1 h 2 min', '2 d 7 h')
    """
    left = max(timedelta(), timedelta(seconds=int(seconds)))
    units = (("d", left.days), ("h", left.seconds // 3600), ("min", left.seconds // 60 % 60), ("s", left.seconds % 60))
    first = next((at for at, (_, number) in enumerate(units) if number), 3)
    return " ".join(f"{number} {unit}" for unit, number in units[first : first + 2] if number) or "0 s"
