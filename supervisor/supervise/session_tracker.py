"""What is known of each session while its bot runs: said, written down, and acted on.

A QR code on a session that was linked is doubted at first: it may go away by itself, or the profile may be at fault.
When it has stood for a while, the newest snapshot that has not been tried yet is restored, each once, a few in a row,
then there is a cool-down (`session/recovery.py` decides). A logout by the phone is final, and never doubted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from supervisor.bot.observer import Live
from supervisor.browser.presets import SessionStatus
from supervisor.config.schema import Config
from supervisor.log.logger import emit
from supervisor.session.profiles.profile import Profile
from supervisor.session.recovery import CoolDown, Exhausted, RecoveryPolicy, Try, attempted, decide
from supervisor.session.snapshot.snapshot import Snapshot
from supervisor.session.state_file import Recovery, StateChanges
from supervisor.session.store import SessionStore
from supervisor.supervise.maintenance import Care
from supervisor.supervise.state_writer import Ledger
from supervisor.system.errors import SessionError

_LINKED = {SessionStatus.LINKED, SessionStatus.READY}
_TOLD = {SessionStatus.NEEDS_LINK, SessionStatus.LOGGED_OUT, SessionStatus.CONFLICT, SessionStatus.BLOCKED, *_LINKED}

#: Seconds that a bot is given to react to a logout before it is restarted.
_LOGOUT_PATIENCE = 3.0


@dataclass(frozen=True, slots=True)
class Standing:
    """What an open page says, and since when."""

    state: SessionStatus
    since: datetime


@dataclass(frozen=True, slots=True)
class Shot:
    """What came of asking for a snapshot of one session; `reason` says why there is none."""

    session: str
    snapshot: Snapshot | None
    reason: str = ""


class Sessions:
    """Follows the sessions of one project's bot, from one run to the next.

    `restart(reason, detail)` asks for a restart; `undoubted()` says that a doubted QR code is to be believed;
    `show_qr(text)` is given each code that is to be scanned.
    """

    def __init__(self, config: Config, store: SessionStore, care: Care) -> None:
        self._store = store
        self._config = config
        self._care = care
        self._ledger = Ledger(store.state, care.files.do_later)
        self._policy = RecoveryPolicy(
            config.session.recovery_attempts, timedelta(seconds=config.session.recovery_cooldown)
        )
        self._standing: dict[str, Standing] = {}
        self._told: dict[str, SessionStatus] = {}
        self._codes: dict[str, str] = {}
        self._linked_anew: set[str] = set()
        self._wanted: dict[str, Snapshot] = {}
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._live_snapshots: set[asyncio.Task[Snapshot | None]] = set()
        self.restart: Callable[[str, str], None] = lambda _reason, _detail: None
        self.undoubted: Callable[[], None] = lambda: None
        self.show_qr: Callable[[str], None] = lambda _text: None
        #: The profiles that the last run had open: the next one counts as ready when it has them all.
        self.expected: frozenset[Path] = frozenset()
        #: Whether this bot is known to open a browser: the last run did, or there are profiles from earlier ones.
        self.opens_browser = False

    @property
    def store(self) -> SessionStore:
        """The project's sessions on disk."""
        return self._store

    def standing(self) -> Mapping[str, Standing]:
        """What the pages that are open say, by session."""
        return dict(self._standing)

    def planned_snapshots(self) -> Iterator[tuple[str, float]]:
        """The sessions of which a snapshot will be taken, and when, in seconds of the monotonic clock."""
        ahead = time.monotonic() - asyncio.get_running_loop().time()
        for (kind, session), timer in self._timers.items():
            if kind == "live":
                yield session, timer.when() + ahead

    def take_wanted(self) -> dict[str, Snapshot]:
        """The snapshots that are to be restored before the next start, by session; asked for once."""
        wanted, self._wanted = self._wanted, {}
        return wanted

    def note_start(self, lives: Iterable[Live]) -> None:
        """A start is over: these browsers belong to the bot."""
        self.expected = frozenset(live.profile for live in lives)
        self.opens_browser = bool(self.expected)

    def note_stop(self) -> None:
        """The bot is going down: what was planned for its sessions is off."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._told.clear()
        self._standing.clear()
        self._codes.clear()
        self._ledger.retry()

    def page_state(self, live: Live) -> None:
        """A page has changed its state: say so in a line if it matters, write it down, and act on it."""
        profile = self._store.profile_at(live.profile)
        status, before = live.state.status, self._told.get(profile.id)
        stood = self._standing.get(profile.id)
        if stood is None or stood.state is not status:
            self._standing[profile.id] = Standing(status, datetime.now(UTC))
            self._say_state(profile, live, stood)
        self._act_on(profile, live, before)
        self._tell_qr(profile, live)

    def _say_state(self, profile: Profile, live: Live, stood: Standing | None) -> None:
        status = live.state.status
        emit(
            "session.state",
            session=profile.id,
            state=str(status),
            before=str(stood.state) if stood else None,
            reason=live.state.detail or None,
        )
        if status is SessionStatus.STUCK:
            emit("session.stuck", session=profile.id, reason=live.state.detail)
        if status is SessionStatus.STUCK or (stood is not None and stood.state is SessionStatus.STUCK):
            # Whether it is linked, and what else was told of it, is as it was: only where it stands is noted.
            self._ledger.note(profile.id, StateChanges(last_seen=datetime.now(UTC), last_state=str(status)))

    def _act_on(self, profile: Profile, live: Live, before: SessionStatus | None) -> None:
        status = live.state.status
        if status not in _TOLD or status is before:
            return
        self._told[profile.id] = status
        if status is SessionStatus.NEEDS_LINK and before is None and self._was_linked(profile):
            live.doubted = True
            self._later("doubt", profile, self._config.session.qr_patience, lambda: self._stop_doubting(live, profile))
            return
        live.doubted = False
        self._cancel("doubt", profile)
        self._say(profile, live, before)
        self._write_down(profile, live, before)
        if status in _LINKED:
            self._plan_live_snapshot(profile, live)
        elif status is SessionStatus.LOGGED_OUT:
            # LocalAuth deletes the profile under the running browser, and what is linked in it then is lost.
            self._later("logout", profile, _LOGOUT_PATIENCE, lambda: self.restart("logged out", profile.id))

    def _tell_qr(self, profile: Profile, live: Live) -> None:
        """Say each code that is to be scanned, once; not one on a page that is doubted."""
        code = live.state.qr
        if code is None or live.doubted or self._codes.get(profile.id) == code:
            return
        self._codes[profile.id] = code
        emit("session.qr", session=profile.id, qr=code)
        self.show_qr(code)

    def _was_linked(self, profile: Profile) -> bool:
        return self._store.state.get(profile.id).is_linked is True

    def _say(self, profile: Profile, live: Live, before: SessionStatus | None) -> None:
        status, detail = live.state.status, live.state.detail
        if status is SessionStatus.NEEDS_LINK:
            emit("session.needs_link", session=profile.id, qr=live.state.qr)
        elif status is SessionStatus.LOGGED_OUT:
            emit("session.logged_out", session=profile.id)
        elif status in _LINKED:
            # What was linked before and simply is so again needs no line: that the bot is back says it.
            if before not in _LINKED and (before is not None or not self._was_linked(profile)):
                emit("session.linked", session=profile.id)
                self._linked_anew.add(profile.id)
            if status is SessionStatus.READY and profile.id in self._linked_anew:
                emit("session.ready", session=profile.id)
                self._linked_anew.discard(profile.id)
        else:
            emit("session.attention", session=profile.id, state=str(status), reason=detail)

    def _write_down(self, profile: Profile, live: Live, before: SessionStatus | None) -> None:
        status = live.state.status
        now = datetime.now(UTC)
        changes = StateChanges(last_seen=now, last_state=str(status), profile=self._home(profile.path))
        if live.browser.main.argv:
            changes["browser"] = live.browser.main.argv[0]
        if status in _LINKED:
            changes |= {"is_linked": True, "recovery": Recovery()}
            if before is SessionStatus.NEEDS_LINK:
                changes |= {"auth_method": "qr", "linked_at": now}
        elif status is SessionStatus.LOGGED_OUT:
            changes |= {"is_linked": False}
        self._ledger.note(profile.id, changes)

    def _home(self, profile: Path) -> str:
        """Relative to the project where the profile lies inside, so that the project can be moved."""
        project = self._store.project
        return profile.relative_to(project).as_posix() if profile.is_relative_to(project) else str(profile)

    # -- a QR code that should not be there --------------------------------------------------------------------------

    def _stop_doubting(self, live: Live, profile: Profile) -> None:
        """The QR code has stood for long enough: try a snapshot, or believe it."""
        if live.state.status is not SessionStatus.NEEDS_LINK:
            return
        state, now = self._store.state.get(profile.id), datetime.now(UTC)
        snapshots = self._store.snapshots(profile.id)
        decision = decide(snapshots, state.recovery, now, self._policy, linked_at=state.linked_at)
        if isinstance(decision, Try):
            recovery = attempted(state.recovery, decision.snapshot.name, now, self._policy)
            try:
                # Before it is tried: a crash in between must not give the same snapshot another chance.
                self._ledger.write(profile.id, StateChanges(recovery=recovery))
            except SessionError as error:  # a disk that does not take that takes no restored profile either
                reason = str(error)
            else:
                self._wanted[profile.id] = decision.snapshot
                self._care.copies.discard(profile)
                self.restart("recovery", f"session {profile.id} shows a QR code although it was linked")
                return
        else:
            reason = self._why_not(decision)
        emit("session.not_recovered", session=profile.id, reason=reason)
        live.doubted = False
        self._say(profile, live, None)
        self._write_down(profile, live, None)
        self._tell_qr(profile, live)
        self.undoubted()

    def _why_not(self, decision: CoolDown | Exhausted) -> str:
        if isinstance(decision, CoolDown):
            tried = f"{self._policy.max_attempts} snapshots were tried in vain"
            return f"{tried}; the next try is at {decision.until:%H:%M} UTC"
        if self._policy.max_attempts == 0:
            return "session.recovery_attempts is 0"
        return f"every snapshot ({decision.tried}) was tried in vain" if decision.tried else "there is no snapshot"

    # -- snapshots of a bot that keeps running -----------------------------------------------------------------------

    def _plan_live_snapshot(self, profile: Profile, live: Live) -> None:
        """The first one some time after the link, if there is none of it yet; then as scheduled."""
        config = self._config.snapshot
        if ("live", profile.id) in self._timers:
            return
        linked_at = self._store.state.get(profile.id).linked_at
        newest = next((s for s in self._store.snapshots(profile.id) if s.good), None)
        covered = newest is not None and linked_at is not None and newest.created_at >= linked_at
        pause = config.schedule if covered else config.live_after or config.schedule
        if pause:
            self._later("live", profile, pause, lambda: self._take_live_snapshot(profile, live))

    def _take_live_snapshot(self, profile: Profile, live: Live) -> None:
        del self._timers["live", profile.id]
        if live.state.status in _LINKED:
            self._capture(profile, live, linked=True)
        if self._config.snapshot.schedule:
            self._later(
                "live", profile, self._config.snapshot.schedule, lambda: self._take_live_snapshot(profile, live)
            )

    def _capture(self, profile: Profile, live: Live, *, linked: bool | None) -> asyncio.Task[Snapshot | None]:
        work = self._care.copies.take_live(profile, live.browser, linked=linked, version=live.version)
        task = asyncio.create_task(work, name="live-snapshot")
        self._live_snapshots.add(task)
        task.add_done_callback(self._live_snapshots.discard)
        return task

    async def snapshot_now(self, lives: Iterable[Live]) -> list[Shot]:
        """Take a snapshot of every session that these browsers have open, unless it is not linked."""
        return [await self._shoot(self._store.profile_at(live.profile), live) for live in list(lives)]

    async def _shoot(self, profile: Profile, live: Live) -> Shot:
        if not self._config.snapshot.enabled:
            return Shot(profile.id, None, "snapshots are turned off (snapshot.enabled)")
        # Where the page does not tell, what was known before has to do.
        linked = live.linked if live.linked is not None else self._store.state.get(profile.id).is_linked
        if linked is False:
            return Shot(profile.id, None, "it is not linked, so there is nothing worth keeping")
        snapshot = await self._capture(profile, live, linked=linked)
        return Shot(profile.id, snapshot, "" if snapshot else "the snapshot failed")

    def _later(self, kind: str, profile: Profile, seconds: float, call: Callable[[], None]) -> None:
        self._cancel(kind, profile)
        self._timers[kind, profile.id] = asyncio.get_running_loop().call_later(seconds, call)

    def _cancel(self, kind: str, profile: Profile) -> None:
        if (timer := self._timers.pop((kind, profile.id), None)) is not None:
            timer.cancel()
