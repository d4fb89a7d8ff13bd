"""The state of each session while its bot runs: reported, written down, and acted on.

A QR code on a session that was linked is doubted at first: it may go away by itself, or the profile may be at fault.
When it has stood for a while, the newest snapshot that has not been tried yet is restored, each once, a few in a row,
then there is a cool-down (`session/recovery.py` decides). A logout by the phone is final, and never doubted.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from supervisor.bot import live_snapshot
from supervisor.bot.observer import LiveBrowser
from supervisor.bot.slot import Slot
from supervisor.browser.presets import SessionStatus
from supervisor.config.schema import Config
from supervisor.log.logger import emit, report_fault
from supervisor.session.profiles.kinds import SessionKind
from supervisor.session.profiles.profile import Profile
from supervisor.session.recovery import CoolDown, Exhausted, RecoveryPolicy, Try, attempted, decide
from supervisor.session.snapshot.catalog import Snapshot
from supervisor.session.state_file import Recovery, SessionState, StateChanges
from supervisor.session.store import SessionStore
from supervisor.supervise.file_worker import FileWorker
from supervisor.supervise.inbox import (
    Message,
    NotNowError,
    QrBelieved,
    RestartWanted,
    UnknownSessionError,
)
from supervisor.supervise.ongoing import OngoingRestart
from supervisor.supervise.session_registry import SessionRegistry
from supervisor.supervise.snapshot_queue import SnapshotQueue, TakenSnapshot
from supervisor.supervise.state_writer import StateWriter
from supervisor.system.errors import ProfileInUseError, SessionError
from supervisor.system.escape import printable
from supervisor.system.qr import QrDisplay

_T = TypeVar("_T")

_LINKED = {SessionStatus.LINKED, SessionStatus.READY}
_REPORTED = {
    SessionStatus.NEEDS_LINK,
    SessionStatus.LOGGED_OUT,
    SessionStatus.CONFLICT,
    SessionStatus.BLOCKED,
    *_LINKED,
}

#: Seconds that a bot is given to react to a logout before it is restarted.
_LOGOUT_PATIENCE = 3.0


@dataclass(frozen=True, slots=True)
class PageStatus:
    """The state of an open page, and since when."""

    state: SessionStatus
    since: datetime


@dataclass(frozen=True, slots=True)
class SnapshotAnswer:
    """The answer to a request for a snapshot of one session; `reason` says why there is none."""

    session: str
    snapshot: Snapshot | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class KnownSession:
    """A session that is open or known, and its snapshots, newest first."""

    profile: Profile
    kind: SessionKind
    state: SessionState
    snapshots: Sequence[Snapshot]


class SessionTracker:
    """Follows the sessions of one project's bot, from one run to the next. Posts what should follow to the inbox."""

    def __init__(
        self,
        config: Config,
        store: SessionStore,
        registry: SessionRegistry,
        writer: StateWriter,
        files: FileWorker,
        queue: SnapshotQueue,
        slot: Slot,
        post: Callable[[Message], None],
        *,
        screen: QrDisplay | None,
        opens_browser: bool,
        of_browsers: Iterable[str],
    ) -> None:
        """`of_browsers` are the known sessions that a browser opens."""
        self._config = config
        self._store = store
        self._registry = registry
        self._writer = writer
        self._files = files
        self._queue = queue
        self._slot = slot
        self._post = post
        self._screen = screen
        self._policy = RecoveryPolicy(
            config.session.recovery_attempts, timedelta(seconds=config.session.recovery_cooldown)
        )
        self._pages: dict[str, PageStatus] = {}
        self._reported: dict[str, SessionStatus] = {}
        self._codes: dict[str, str] = {}
        self._linked_anew: set[str] = set()
        self._wanted: dict[str, Snapshot] = {}
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        #: The profiles that the bot has closed itself, and when, in seconds of the monotonic clock.
        self._closed: dict[Path, float] = {}
        #: The profiles that the last run had open: the next one counts as ready when it has them all.
        self.expected: frozenset[Path] = frozenset()
        #: Those that it opened soon after its start was held to be over: the next one may do so, too.
        self.late: frozenset[Path] = frozenset()
        #: Whether this bot is known to open a browser: the last run did, or there are profiles from earlier ones.
        self.opens_browser = opens_browser
        #: Whether it is known to do that when a person tells it to.
        self.on_command = False
        self._of_browsers = set(of_browsers)

    def page_states(self) -> Mapping[str, PageStatus]:
        """The states of the open pages, by session."""
        return dict(self._pages)

    async def sessions(self) -> list[KnownSession]:
        """Every session that is open or known. Snapshots that cannot be listed now are left out."""
        run = self._slot.run
        found = {profile.path: profile for profile in await self._registry.profiles()}
        for live in run.observer.sessions if run is not None else ():
            found.setdefault(live.profile, await self._registry.identify(live.profile))
        states = self._registry.states()
        # Not on the file worker, which may be at work on a snapshot for long.
        return await asyncio.to_thread(lambda: [self._known(profile, states) for profile in found.values()])

    def _known(self, profile: Profile, states: Mapping[str, SessionState]) -> KnownSession:
        state = self._store.with_files(profile, states.get(profile.id, SessionState()))
        return KnownSession(profile, profile.kind, state, self._listed(profile))

    def _listed(self, profile: Profile) -> Sequence[Snapshot]:
        try:
            return self._queue.published(profile.id, self._store.snapshots(profile.id))
        except SessionError:
            return ()

    def planned_snapshots(self) -> Iterator[tuple[str, float]]:
        """The sessions of which a snapshot will be taken, and when, in seconds of the monotonic clock."""
        ahead = time.monotonic() - asyncio.get_running_loop().time()
        for (kind, session), timer in self._timers.items():
            if kind == "live":
                yield session, timer.when() + ahead

    @property
    def restores(self) -> bool:
        """Whether a snapshot is to be restored before the next start."""
        return bool(self._wanted)

    def take_wanted(self) -> dict[str, Snapshot]:
        """The snapshots that are to be restored before the next start, by session; asked for once."""
        wanted, self._wanted = self._wanted, {}
        return wanted

    def note_start(self, browsers: Collection[LiveBrowser], method: str) -> None:
        """Note that a start is over, with these browsers; `method` is by what that was found.

        A bot without any is one that opens none if it was waited for, which it is not if it said that it is ready.
        """
        self.expected = frozenset(live.profile for live in browsers if not live.throwaway)
        self.late = frozenset()
        self.opens_browser = bool(browsers) or (self.opens_browser and method != "up")

    def linked_in_browsers(self) -> list[str]:
        """The linked sessions that a browser opens, sorted."""
        return sorted(session for session in self._of_browsers if self._registry.state(session).is_linked)

    def note_wait(self) -> None:
        """Note, and report, that the bot opens no browser although it has a linked session."""
        self.on_command = True
        emit("bot.waiting_for_browser", sessions=self.linked_in_browsers())

    def note_browser(self, live: LiveBrowser) -> None:
        """Note a browser that a bot has opened in the time that it has for that, be its start over or not."""
        if not live.throwaway:
            self.late |= {live.profile}
        self.opens_browser = True

    def note_stop(self) -> None:
        """Drop what was planned for the sessions of a bot that is going down."""
        # One that it has closed and not opened again since, it may well leave closed; but a browser that it has closed
        # only just before its end belongs to that.
        before = time.monotonic() - self._config.browser.lost_patience
        closed = {profile for profile, at in self._closed.items() if at <= before}
        if closed:
            self.expected -= closed
            self.late -= closed
            run = self._slot.run
            self.opens_browser = bool(self.expected or (run is not None and run.observer.live))
        self._closed.clear()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._reported.clear()
        self._pages.clear()
        self._codes.clear()
        self._writer.retry()

    # -- what becomes of a browser -----------------------------------------------------------------------------------

    def browser_up(self, live: LiveBrowser) -> None:
        """Note that a browser has been opened."""
        self._closed.pop(live.profile, None)

    def browser_gone(self, profile: Profile, live: LiveBrowser, *, closed: bool) -> None:
        """Drop what was known of a browser's page; `closed`: the bot has closed it in good order."""
        for kind in ("doubt", "logout", "live"):
            self._cancel(kind, profile)
        for known in (self._pages, self._reported, self._codes):
            known.pop(profile.id, None)
        if closed and not live.throwaway:
            self._closed[live.profile] = time.monotonic()

    # -- what a page shows -------------------------------------------------------------------------------------------

    def page_changed(self, profile: Profile, live: LiveBrowser) -> None:
        """Report a page's new state if it matters, write it down, and act on it."""
        self._of_browsers.add(profile.id)
        status, before = live.state.status, self._reported.get(profile.id)
        shown = self._pages.get(profile.id)
        if shown is None or shown.state is not status:
            self._pages[profile.id] = PageStatus(status, datetime.now(UTC))
            self._report_state(profile, live, shown)
        self._act_on(profile, live, before)
        self._report_qr(profile, live)

    def _report_state(self, profile: Profile, live: LiveBrowser, before: PageStatus | None) -> None:
        status, reason = live.state.status, live.state.detail
        emit(
            "session.state",
            session=profile.id,
            state=str(status),
            before=str(before.state) if before else None,
            reason=reason or None,
        )
        if status is SessionStatus.OPEN and not live.throwaway:
            self.note_unreadable(profile, live)
        if status is SessionStatus.STUCK:
            emit("session.stuck", session=profile.id, reason=reason)
        if SessionStatus.STUCK in {status, before.state if before else None} and not live.throwaway:
            # Whether it is linked, and what else is known of it, is as it was: only its state is noted.
            self._registry.note(profile.id, StateChanges(last_seen=datetime.now(UTC), last_state=str(status)))

    def _act_on(self, profile: Profile, live: LiveBrowser, before: SessionStatus | None) -> None:
        status = live.state.status
        if status not in _REPORTED or status is before:
            return
        self._reported[profile.id] = status
        if status is SessionStatus.NEEDS_LINK and before is None and self._was_linked(profile) and not live.incognito:
            live.doubt(True)
            self._later("doubt", profile, self._config.session.qr_patience, lambda: self._begin_recovery(profile, live))
            return
        live.doubt(False)
        self._cancel("doubt", profile)
        self._report(profile, live, before)
        if live.throwaway:
            return
        self._write_down(profile, live, before)
        if status in _LINKED:
            self._plan_live_snapshot(profile, live)
        elif status is SessionStatus.LOGGED_OUT:
            # LocalAuth deletes the profile under the running browser, and what is linked in it then is lost.
            self._later("logout", profile, _LOGOUT_PATIENCE, lambda: self._want_restart("logged out", profile.id))

    def note_unreadable(self, profile: Profile, live: LiveBrowser) -> None:
        """Note a session whose page cannot be read: that it is not linked is no longer known, if it was.

        That it is linked is not known either, but what is not known to be lost is looked after.
        """
        changes = self._seen(profile, live)
        if self._registry.state(profile.id).is_linked is False:
            changes["is_linked"] = None
        self._registry.note(profile.id, changes)

    def _want_restart(self, reason: str, detail: str) -> None:
        self._post(RestartWanted(OngoingRestart(reason, detail)))

    def _report_qr(self, profile: Profile, live: LiveBrowser) -> None:
        """Report each code that is to be scanned, once; not one on a page that is doubted."""
        code = live.state.qr
        if code is None or live.doubted or self._codes.get(profile.id) == code:
            return
        self._codes[profile.id] = code
        emit("session.qr", session=profile.id, qr=code)
        if self._screen is not None:
            self._screen.show(code)

    def _was_linked(self, profile: Profile) -> bool:
        return self._registry.state(profile.id).is_linked is True

    def _report(self, profile: Profile, live: LiveBrowser, before: SessionStatus | None) -> None:
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

    def _write_down(self, profile: Profile, live: LiveBrowser, before: SessionStatus | None) -> None:
        status, now = live.state.status, datetime.now(UTC)
        changes = self._seen(profile, live)
        if status in _LINKED and not live.incognito:
            changes |= {"is_linked": True, "recovery": Recovery()}
            if before is SessionStatus.NEEDS_LINK:
                changes |= {"auth_method": "qr", "linked_at": now}
        elif status is SessionStatus.LOGGED_OUT:
            changes |= {"is_linked": False}
        self._registry.note(profile.id, changes)

    def _seen(self, profile: Profile, live: LiveBrowser) -> StateChanges:
        """What is known of every session that is open."""
        state, place = str(live.state.status), self._store.relative(profile.path)
        changes = StateChanges(last_seen=datetime.now(UTC), last_state=state, profile=place)
        if live.browser.main.argv:
            changes["browser"] = live.browser.main.argv[0]
        return changes

    # -- a QR code that should not be there --------------------------------------------------------------------------

    def _begin_recovery(self, profile: Profile, live: LiveBrowser) -> None:
        self._begin(self._recover(profile, live), "recovery")

    async def _recover(self, profile: Profile, live: LiveBrowser) -> None:
        """Try a snapshot in place of a QR code that has stood for long enough, or believe it."""
        await self._queue.settle(profile)
        snapshots = await self._files.do(self._store.snapshots, profile.id)
        state, now = self._registry.state(profile.id), datetime.now(UTC)
        decision = decide(snapshots, state.recovery, now, self._policy, linked_at=state.began_at)
        if self._overtaken(profile, live):
            self._doubt_again(profile, live)
            return
        reason: str | None = None
        if not self._was_linked(profile):
            pass  # since the code was shown, the bot has turned out to empty its profile at each start
        elif isinstance(decision, Try):
            recovery = attempted(state.recovery, decision.snapshot.name, now, self._policy)
            try:
                # Before it is tried: a crash in between must not give the same snapshot another chance.
                await self._registry.persist(profile.id, StateChanges(recovery=recovery))
            except SessionError as error:  # a disk that does not take that takes no restored profile either
                reason = str(error)
            else:
                if self._overtaken(profile, live):
                    self._doubt_again(profile, live)
                    return
                self._wanted[profile.id] = decision.snapshot
                self._want_restart("recovery", f"session {profile.id} shows a QR code although it was linked")
                return
        else:
            reason = self._why_not(decision)
        if self._overtaken(profile, live):
            self._doubt_again(profile, live)
            return
        if reason is not None:
            emit("session.not_recovered", session=profile.id, reason=reason)
        live.doubt(False)
        self._report(profile, live, None)
        self._write_down(profile, live, None)
        self._report_qr(profile, live)
        self._post(QrBelieved())

    def _overtaken(self, profile: Profile, live: LiveBrowser) -> bool:
        """Whether the bot is going down, or the page has gone on, while files were read."""
        return profile.id not in self._reported or live.state.status is not SessionStatus.NEEDS_LINK

    def _doubt_again(self, profile: Profile, live: LiveBrowser) -> None:
        """Begin anew with the QR code, should it be back, if the page could not be read just when it counted."""
        if live.state.status not in _REPORTED:
            self._reported.pop(profile.id, None)

    def _why_not(self, decision: CoolDown | Exhausted) -> str:
        if isinstance(decision, CoolDown):
            tried = f"{self._policy.max_attempts} snapshots were tried in vain"
            return f"{tried}; the next try is at {decision.until:%H:%M} UTC"
        if self._policy.max_attempts == 0:
            return "session.recovery_attempts is 0"
        return f"every snapshot ({decision.tried}) was tried in vain" if decision.tried else "there is no snapshot"

    # -- snapshots of a bot that keeps running -----------------------------------------------------------------------

    def _plan_live_snapshot(self, profile: Profile, live: LiveBrowser) -> None:
        """Plan the first one for some time after the link, if there is none of it yet; then as scheduled."""
        config = self._config.snapshot
        if ("live", profile.id) in self._timers or live.incognito:
            return
        linked_at = self._registry.state(profile.id).linked_at
        newest = self._registry.newest_snapshot(profile.id)
        covered = newest is not None and linked_at is not None and newest >= linked_at
        pause = config.schedule if covered else config.live_after or config.schedule
        if pause:
            self._later("live", profile, pause, lambda: self._take_live_snapshot(profile, live))

    def _take_live_snapshot(self, profile: Profile, live: LiveBrowser) -> None:
        del self._timers["live", profile.id]
        if live.state.status in _LINKED:
            self._begin(self._capture(profile, live, linked=True), "live-snapshot")
        if self._config.snapshot.schedule:
            self._later(
                "live", profile, self._config.snapshot.schedule, lambda: self._take_live_snapshot(profile, live)
            )

    async def _capture(self, profile: Profile, live: LiveBrowser, *, linked: bool | None) -> Snapshot | None:
        return await self._queue.take_live(profile, live.browser, linked=linked, version=live.version)

    # -- snapshots on request ----------------------------------------------------------------------------------------

    async def snapshot_open(self) -> list[SnapshotAnswer]:
        """Take a snapshot of every session that the bot has open, unless it is not linked."""
        run = self._slot.run
        if run is None or run.stopping:
            return []
        return [await self._snapshot(live) for live in run.observer.sessions]

    async def _snapshot(self, live: LiveBrowser) -> SnapshotAnswer:
        profile = await self._registry.identify(live.profile)
        if not self._config.snapshot.enabled:
            return SnapshotAnswer(profile.id, None, "snapshots are turned off (snapshot.enabled)")
        if live.incognito:
            return SnapshotAnswer(profile.id, None, live_snapshot.INCOGNITO)
        # Where the page has not shown it, the last known state has to do, but only against a snapshot.
        if live.linked is False or (live.linked is None and self._registry.state(profile.id).is_linked is False):
            return SnapshotAnswer(profile.id, None, "it is not linked, so there is nothing worth keeping")
        # A task of its own: a caller that gives up must not cut it short.
        snapshot = await asyncio.shield(self._begin(self._capture(profile, live, linked=live.linked), "live-snapshot"))
        return SnapshotAnswer(profile.id, snapshot, "" if snapshot else "the snapshot failed")

    async def take_snapshot(self, session: str | None) -> tuple[TakenSnapshot, list[str]]:
        """Take a snapshot of one session, as `requests.Commands` has it."""
        profile, live = await self._choose(session)
        state = self._registry.state(profile.id)
        try:
            if live is not None and live.incognito:
                raise live_snapshot.NotLinkedError(f"Session {printable(profile.id)}: {live_snapshot.INCOGNITO}.")
            if live is not None:
                linked = live_snapshot.linked_now(profile, live.state.status, state)
                taken = await self._queue.take(profile, live.browser, linked=linked, version=live.version)
                return taken, live_snapshot.too_fresh(state, self._config)
            kind, state = await asyncio.to_thread(lambda: (profile.kind, self._store.with_files(profile, state)))
            linked = live_snapshot.linked_when_last_seen(profile, state)
            if self._slot.run is not None and not kind.has_browser:
                raise NotNowError(
                    f"Session {printable(profile.id)} is a folder of files, which is copied while no bot runs: at the "
                    "next restart (scanonce restart), or now if the bot is stopped."
                )
            if self._slot.run is not None:
                # It may open the profile at any moment, and then the copy would be of something that changes.
                raise NotNowError(
                    f"The browser of session {printable(profile.id)} is not open. Try again when the bot has opened it."
                )
            return await self._queue.take(profile, None, linked=linked, version=None), []
        except (live_snapshot.NotLinkedError, ProfileInUseError) as error:
            raise NotNowError(str(error)) from None

    async def _choose(self, session: str | None) -> tuple[Profile, LiveBrowser | None]:
        """The session that is meant, and its browser if it is open."""
        profiles = {profile.id: profile for profile in await self._registry.profiles()}
        open_now = {}
        for live in self._slot.run.observer.sessions if self._slot.run is not None else ():
            profile = await self._registry.identify(live.profile)
            profiles[profile.id], open_now[profile.id] = profile, live
        if session is None and len(profiles) == 1:
            session = next(iter(profiles))
        if not profiles:
            kind = UnknownSessionError if session else NotNowError
            raise kind("There is no session yet: the bot has not opened a browser.")
        known = ", ".join(map(printable, sorted(profiles)))
        if session is None:
            raise NotNowError(f"Say which session is meant; there are {known}.")
        if session not in profiles:
            raise UnknownSessionError(f"There is no session {printable(session)}; known: {known}.")
        return profiles[session], open_now.get(session)

    # -- common ------------------------------------------------------------------------------------------------------

    def _begin(self, work: Coroutine[Any, Any, _T], name: str) -> asyncio.Task[_T]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(report_fault)
        return task

    def _later(self, kind: str, profile: Profile, seconds: float, call: Callable[[], None]) -> None:
        self._cancel(kind, profile)
        self._timers[kind, profile.id] = asyncio.get_running_loop().call_later(seconds, call)

    def _cancel(self, kind: str, profile: Profile) -> None:
        if (timer := self._timers.pop((kind, profile.id), None)) is not None:
            timer.cancel()

    async def close(self) -> None:
        """Wait for what was begun."""
        if self._tasks:
            await asyncio.wait(set(self._tasks))
