"""The status of a running supervisor: the models that its API publishes, and how they are gathered.

Bytes of file names that are not UTF-8 are spelled out (`\\udcff`), since JSON cannot hold them. A published field keeps
its name and its meaning; fields may be added.
"""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from supervisor.bot.ownership import Territory
from supervisor.bot.slot import Slot
from supervisor.bot.spec import BotSpec
from supervisor.config.modes import Mode
from supervisor.log import logger
from supervisor.process.memory import total_pss, total_rss
from supervisor.supervise.session_tracker import KnownSession, PageStatus, SessionTracker
from supervisor.supervise.state_machine import Stage
from supervisor.system import clock
from supervisor.system.escape import escape_surrogates
from supervisor.timing.record import Kind, Outcome, Restart, Verdict

CLOSED: Final = "closed"
AWAITED: Final = "waiting_for_browser"
"""The state of a session that no browser of the bot has open."""
FRESH: Final = 0.25
"""Seconds for which a status is reused, so that processes are read four times a second at most."""

Text = Annotated[str, BeforeValidator(lambda value: escape_surrogates(str(value)))]
Time = Annotated[
    datetime,
    PlainSerializer(clock.iso, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class Part(BaseModel):
    """A part of an answer, made from keywords or from an object that has the same attributes."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Answer(Part):
    """A whole answer."""

    version: Literal[1] = Field(default=1, description="Of the form of this document; see docs/cli.md.")


class SessionView(Part):
    """One session of the bot."""

    id: Text = Field(description="The session's id: its profile folder's name without `session-`.")
    profile: Text = Field(description="Its profile's folder.")
    state: Text = Field(
        description="The state of its page, such as `ready`, `linked`, `needs_link`, `logged_out`; `closed` when no "
        "browser has it open, `waiting_for_browser` when the bot is up and has opened none for this linked session. "
        "Further states may be added."
    )
    since: Time | None = Field(description="Since when; for a closed session, when it was last seen open.")
    linked: bool | None = Field(description="Whether it was linked when last seen.")
    snapshots: int = Field(description="The number of its snapshots.")
    last_snapshot_at: Time | None = Field(description="When the newest was taken.")
    last_snapshot_bytes: int | None = Field(
        default=None, description="Its size in bytes, files shared with other snapshots included."
    )


class FinishedRestart(Part):
    """One start or restart that is over."""

    at: Time = Field(validation_alias="started_at", description="When it was requested.")
    reason: Text = Field(description="`start`, `change`, `key`, `control`, `crash`, ... More may be added.")
    detail: Text = Field(description="The trigger: a file, an exit code, the process that asked; may be empty.")
    outcome: Outcome = Field(description="How it ended: ready, waiting for a QR code to be scanned, or not at all.")
    phases_ms: dict[str, int] = Field(description="Milliseconds by phase, in order; they add up to `total_ms`.")
    total_ms: int = Field(description="The whole, in milliseconds.")
    target: Verdict | None = Field(description="How it compares with the target, if ready.")
    clean: bool = Field(description="Whether every browser wrote its data to disk before it exited.")
    kind: Kind = Field(description="Whether the browsers and their pages were kept (`warm`) or closed (`cold`).")
    why: Text = Field(description="Why it was cold; empty if there is nothing to say.")


class Planned(Part):
    """An action that scanonce has scheduled."""

    what: Text = Field(description="`start` (after a crash), `snapshot`, ... More may be added.")
    in_s: float = Field(description="Seconds until then.")
    session: Text | None = Field(default=None, description="The session that it is for, if it is for one.")


class Memory(Part):
    """Memory in bytes."""

    supervisor: int = Field(description="Resident set size (RSS) of scanonce itself.")
    tree: int = Field(
        description="Of the bot and all that it has started, its browsers included: on Linux the proportional set size "
        "(PSS), which counts pages that processes share once; elsewhere the RSS, which counts them for each process."
    )
    processes: int = Field(description="The number of those processes.")


class Status(Answer):
    """The status of a supervisor and its bot."""

    project: Text = Field(description="The bot's folder.")
    pid: int = Field(description="Process id of scanonce.")
    mode: Mode = Field(description="The command that started it.")
    command: list[Text] = Field(description="The bot's command.")
    phase: Stage = Field(description="The state of the supervisor.")
    since: Time = Field(description="When scanonce was started.")
    bot_pid: int | None = Field(description="Process id of the bot, if one runs.")
    uptime_s: float | None = Field(description="How long the bot has been running, in seconds.")
    restarts: int = Field(description="How often the bot was started again; its first start does not count.")
    sessions: list[SessionView] = Field(description="By id.")
    last_restart: FinishedRestart | None = Field(description="The last start or restart that is over.")
    memory: Memory = Field(description=f"Measured at most {FRESH:g} s before the answer.")
    planned: list[Planned] = Field(description="Soonest first.")


class StatusCache:
    """One status for all requests that come while it is gathered or within `fresh` seconds after that."""

    def __init__(self, gather: Callable[[], Coroutine[Any, Any, Status]], fresh: float = FRESH) -> None:
        self._gather = gather
        self._fresh = fresh
        self._gathered_at = float("-inf")
        self._gathering: asyncio.Task[Status] | None = None

    async def get(self) -> Status:
        """Return the latest status, gathered anew if it is too old."""
        expired = time.monotonic() - self._gathered_at > self._fresh
        if self._gathering is None or (self._gathering.done() and expired):
            self._gathering = asyncio.create_task(self._renew(), name="status")
        # Shielded: a caller that is cancelled must not cancel it for the others.
        return await asyncio.shield(self._gathering)

    async def _renew(self) -> Status:
        status = await self._gather()
        self._gathered_at = time.monotonic()
        return status


async def gather(
    spec: BotSpec,
    slot: Slot,
    tracker: SessionTracker,
    *,
    stage: Stage,
    started_at: datetime,
    last_restart: Restart | None,
    planned: Mapping[str, float],
) -> Status:
    """Gather a status. Files and processes are read in threads; nothing is changed.

    `planned` holds what is scheduled and when, in seconds of the monotonic clock.
    """
    run, now = slot.run, time.monotonic()
    shown = {live.profile: str(live.state.status) for live in run.observer.sessions} if run else {}
    known, memory = await asyncio.gather(tracker.sessions(), asyncio.to_thread(_memory, spec.territory))
    pages = tracker.page_states()
    coming: list[tuple[float, str, str | None]] = [(due, what, None) for what, due in planned.items()]
    coming += [(due, "snapshot", session) for session, due in tracker.planned_snapshots()]
    if run is not None and run.waits_for_browser:
        awaited = set(tracker.linked_in_browsers())
        shown |= {one.profile.path: AWAITED for one in known if one.profile.id in awaited}
    found = [_session(session, shown.get(session.profile.path), pages.get(session.profile.id)) for session in known]
    return Status.model_validate(
        {
            "project": spec.territory.project,
            "pid": os.getpid(),
            "mode": spec.mode,
            "command": logger.redacted(spec.command),
            "phase": stage,
            "since": started_at,
            "bot_pid": run.child.pid if run else None,
            "uptime_s": round(now - slot.spawned_at, 3) if run else None,
            "restarts": slot.restarts,
            "sessions": sorted(found, key=lambda one: one.id),
            "last_restart": last_restart,
            "memory": memory,
            "planned": [
                Planned(what=what, in_s=max(0.0, due - now), session=session)
                for due, what, session in sorted(coming, key=lambda one: one[0])
            ],
        }
    )


def _session(session: KnownSession, shown: str | None, page: PageStatus | None) -> SessionView:
    """One session; `shown` is the state of its page, if a browser has it open."""
    since = session.state.last_seen
    if shown not in {None, AWAITED}:
        since = page.since if page is not None and page.state == shown else None
    newest = session.snapshots[0] if session.snapshots else None
    if shown is None and not session.kind.has_browser:
        shown = session.state.last_state
    return SessionView(
        id=session.profile.id,
        profile=str(session.profile.path),
        state=CLOSED if shown is None else shown,
        since=since,
        linked=session.state.is_linked,
        snapshots=len(session.snapshots),
        last_snapshot_at=newest.created_at if newest else None,
        last_snapshot_bytes=newest.bytes if newest else None,
    )


def _memory(territory: Territory) -> Memory:
    tree = [entry.pid for entry in territory.living()]
    return Memory(supervisor=total_rss([os.getpid()]), tree=total_pss(tree), processes=len(tree))
