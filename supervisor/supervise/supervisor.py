"""The supervisor: takes events, asks the table what they mean, and sets the rooms to work.

One loop reads one queue. Signals, keys, changed files, exits and finished steps all become events in it;
`lifecycle.step` answers each with actions, and an action is a task that reports back through the same queue. Nothing
else decides. How an action is carried out is in rooms of its own: `takedown.py` is the way down, `care.py` what comes
between, `run.py` the way up, `starts.py` how that ends; `sights.py` hears of the browsers meanwhile.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.bot import worth
from supervisor.bot.observer import Live
from supervisor.bot.prestart import HeadStart
from supervisor.bot.probes.readiness import Verdict
from supervisor.bot.probes.symptoms import Symptom
from supervisor.bot.run import Run, Setting
from supervisor.bot.slot import Bot
from supervisor.bot.stop import Descent
from supervisor.config.schema import Config
from supervisor.log.logger import emit, report_fault
from supervisor.process.spawn import CommandError
from supervisor.process.suspend import Suspension
from supervisor.process.terminate import Urgency
from supervisor.session.profiles.profile import Profile
from supervisor.supervise import state_machine
from supervisor.supervise.browser_events import Sights
from supervisor.supervise.changes import Changes
from supervisor.supervise.maintenance import Care
from supervisor.supervise.preflight_gate import Examination
from supervisor.supervise.requests import NotNowError, UnknownSessionError
from supervisor.supervise.session_tracker import Sessions, Shot, Standing
from supervisor.supervise.snapshot_queue import Taken
from supervisor.supervise.starts import Starts
from supervisor.supervise.state_machine import Action, Event, Kind, Phase, Policy, State
from supervisor.supervise.teardown import Takedown
from supervisor.supervise.turn import Turn
from supervisor.system import malloc
from supervisor.system.backoff import backoff
from supervisor.system.errors import ProfileInUseError
from supervisor.system.escape import printable
from supervisor.timing.history import History
from supervisor.timing.record import Restart

if TYPE_CHECKING:
    from supervisor.supervise.status import Status

_EXIT_OF_SIGNAL = 128
#: Whoever asks for one of these himself, and for the first start, gets the bot as it is.
_UNCHECKED = {"start", "key", "control"}
_SNAPSHOT_PATIENCE = 10.0
_TIDY_AFTER = 2.0
_INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h


class Supervisor:
    """Runs one bot until it is asked to end. `run` may be called once."""

    def __init__(self, setting: Setting, care: Care, sessions: Sessions, history: History, policy: Policy) -> None:
        #: What does not change from one run to the next.
        self.setting = setting
        #: What looks after the profiles.
        self.care = care
        #: What is known of the bot's sessions.
        self.sessions = sessions
        #: The bot, from one run to the next.
        self.bot = Bot()
        self.started_at = datetime.now(UTC)
        #: What will be done by itself, and when, in seconds of the monotonic clock.
        self.planned: dict[str, float] = {}
        self._config: Config = setting.config
        self._policy = policy
        self._changes: Changes | None = None
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        #: That no bot could be spawned: heard before whatever has been waiting, which would be about that bot.
        self._not_spawned: Event | None = None
        self._moved = asyncio.Event()
        self._state = State()
        self._turn = Turn("start")
        self._urgency = Urgency()
        self._examination = Examination(setting.territory, setting.reaper)
        self._head_start = HeadStart(setting, self.bot, wanted=lambda: self._state.after is state_machine.After.START)
        self._takedown = Takedown(setting, care, lambda: self._turn)
        self._descent = Descent()
        self._starts = Starts(setting, history, lambda: self._turn)
        self._sights = Sights(setting, care, sessions, self, on_held=self._held_elsewhere, on_lost=self._browser_lost)
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: list[asyncio.TimerHandle] = []
        sessions.restart = self.restart
        sessions.undoubted = lambda: self.bot.run.look_again() if self.bot.run else None
        self._actions: Mapping[Action, Callable[[], None]] = {
            Action.CHECK: self._check,
            Action.THAW: self._examination.thaw,
            Action.LISTEN: self._listen,
            Action.BRING_DOWN: self._go_down,
            Action.HURRY: lambda: self._urgency.hurry(),
            Action.KILL: lambda: self._urgency.kill(),
            Action.PREPARE: lambda: self._begin(self._prepare()),
            Action.SPAWN: self._spawn,
            Action.START_BACKOFF: self._start_backoff,
            Action.GIVE_UP: self._give_up,
            Action.AWAIT_DEATH: lambda: self._begin(self._await_death()),
            Action.END: lambda: None,
        }

    # -- asked from outside ------------------------------------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        """Where the supervisor is now."""
        return self._state.phase

    @property
    def healthy(self) -> bool:
        """Whether the bot, if there is one, is being watched as it should be."""
        return self.bot.run is None or not self.bot.run.faulted

    @property
    def current_run(self) -> Run | None:
        """The bot that runs now, if one does."""
        return self.bot.run

    @property
    def ending(self) -> bool:
        """Whether no bot will be started any more."""
        return self._state.after is state_machine.After.END or self._turn.reason == "stop"

    @property
    def settled(self) -> bool:
        """Whether everything that has happened so far has been acted on."""
        return self._events.empty()

    @property
    def turn(self) -> Turn:
        """The restart that is under way, else the last one."""
        return self._turn

    @property
    def serving(self) -> bool:
        """Whether a bot runs that has become ready and is not being stopped."""
        run = self.bot.run
        return self.phase in {Phase.UP, Phase.CHECKING} and run is not None and not run.stopping

    def standing(self) -> Mapping[str, Standing]:
        """The state of each open page, by session."""
        return self.sessions.standing()

    async def status(self) -> Status:
        """The whole status, gathered now; files and processes are read on other threads."""
        from supervisor.supervise.status import gather  # only a supervisor that is asked needs it

        return await gather(
            self.setting,
            self.bot,
            self.sessions,
            phase=str(self.phase),
            started_at=self.started_at,
            last_restart=self.last_restart,
            planned=self.planned,
        )

    async def moved(self) -> None:
        """Return once the phase or the turn may be another than now."""
        await self._moved.wait()

    @property
    def last_restart(self) -> Restart | None:
        """The last start or restart that is over."""
        return self._starts.last

    def follow(self, changes: Changes) -> None:
        """From now on a start waits until the files are quiet, and tells the bot which have changed."""
        self._changes = changes
        self._sights.exclude = changes.exclude

    def restart(self, reason: str, detail: str | None = None) -> None:
        """Ask for a restart; while one is under way this adds nothing to it."""
        if self.phase in {Phase.STARTING, Phase.UP, Phase.CHECKING, Phase.RESTING, Phase.BACKOFF}:
            self._begin_turn(reason, detail)
            emit("restart.requested", reason=reason, detail=detail)
        elif reason in _UNCHECKED:
            self._examination.drop()
        self._post(Kind.RESTART)

    def changed(self, detail: str) -> None:
        """Watched files have begun to change: restart the bot, if it can be started on them."""
        if self.phase in {Phase.RESTING, Phase.BACKOFF}:
            self.restart("change", detail)
            return
        if self.phase in {Phase.STARTING, Phase.UP} and self.bot.run is not None and not self.bot.run.stopping:
            self._examination.propose(Turn("change", detail))
        self._post(Kind.CHANGED)

    async def snapshot(self) -> list[Shot]:
        """Take a snapshot of each session that the bot has open; empty if no bot runs that could have one."""
        run = self.bot.run
        if run is None or run.stopping:
            return []
        return await self.sessions.snapshot_now(run.observer.live.values())

    async def take_snapshot(self, session: str | None) -> tuple[Taken, list[str]]:
        """Take a snapshot of one session, as `Commands` has it."""
        profile, live = await self._choose(session)
        state = self.sessions.store.state.get(profile.id)
        try:
            if live is not None:
                linked = worth.linked_now(profile, live.state.status, state)
                taken = await self.care.copies.take(profile, live.browser, linked=linked, version=live.version)
                return taken, worth.too_fresh(state, self._config)
            linked = worth.linked_when_last_seen(profile, state)
            if self.bot.run is not None:
                # It may open the profile at any moment, and then the copy would be of something that changes.
                raise NotNowError(
                    f"The browser of session {printable(profile.id)} is not open. Try again when the bot has opened it."
                )
            return await self.care.copies.take(profile, None, linked=linked, version=None), []
        except (worth.NotLinkedError, ProfileInUseError) as error:
            raise NotNowError(str(error)) from None

    async def _choose(self, session: str | None) -> tuple[Profile, Live | None]:
        """The session that is meant, and its browser if it is open."""
        profiles = {profile.id: profile for profile in await self.care.profiles()}
        open_now = {}
        for live in self.bot.run.observer.live.values() if self.bot.run is not None else ():
            profile = self.sessions.store.profile_at(live.profile)
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

    def quit(self, reason: str, exit_code: int = 0) -> None:
        """Ask for the end; asked again it hurries, and asked a third time it kills."""
        if self._state.quits == 0:
            emit("supervisor.stopping", reason=reason)
            self._begin_turn("stop", reason)
        self._post(Kind.QUIT, exit_code)

    def on_signal(self, number: signal.Signals) -> None:
        """SIGINT, SIGTERM and SIGHUP: the same clean stop, told apart by the exit status only."""
        self.quit(number.name, _EXIT_OF_SIGNAL + number)

    # -- the loop ----------------------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Supervise until the end; returns the exit status."""
        self._state, actions = state_machine.begin(self._policy)
        try:
            self._carry_out(actions)
            while self._state.phase is not Phase.ENDED:
                failed, self._not_spawned = self._not_spawned, None
                event = failed or await self._events.get()
                self._state, actions = state_machine.step(self._state, event, self._policy)
                self._carry_out(actions)
                self._head_start.review()
                self._tell_moved()
        finally:
            self._examination.thaw()  # whatever this ends with
            self._head_start.drop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.care.finished()
        emit(
            "supervisor.stopped",
            exit_code=self._state.exit_code,
            clean=self._descent.clean and self._turn.clean,
            total_ms=round(self._turn.clock.finish().total * 1000),
        )
        return self._state.exit_code

    def _post(self, kind: Kind, code: int = 0) -> None:
        self._events.put_nowait(Event(kind, code, asyncio.get_running_loop().time()))

    def _tell_moved(self) -> None:
        self._moved.set()  # wakes whoever waits now
        self._moved.clear()

    def _begin_turn(self, reason: str, detail: str | None = None) -> None:
        self._take_turn(Turn(reason, detail))

    def _take_turn(self, turn: Turn) -> None:
        """What comes now is no longer the start of the bot that runs: whatever that still shows belongs to no turn."""
        self._examination.drop()
        self._turn = turn
        self._tell_moved()
        self.bot.note_stop()

    def _carry_out(self, actions: Sequence[Action]) -> None:
        for action in actions:
            self._actions[action]()

    def _begin(self, work: object) -> None:
        assert asyncio.iscoroutine(work)
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if report_fault(task):
            self.quit("internal error", _INTERNAL_ERROR)
            # The step that has failed will not report any more, and the table would wait for that for ever.
            self._post(Kind.NOT_DOWN)
            self._post(Kind.UNPREPARED)

    def _later(self, seconds: float, call: Callable[[], object]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, call))

    def _cancel_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.planned.pop("start", None)

    # -- before --------------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        assert self._changes is not None, "only they tell of changes"
        assert self.bot.run is not None
        self._examination.begin(self.bot.run.child.pid, self._changes, self._checked)

    def _listen(self) -> None:
        if self._changes is not None:
            self._changes.hear_again()

    def _checked(self, turn: Turn, passed: bool) -> None:
        if passed:
            self._take_turn(turn)
            emit("restart.requested", reason=turn.reason, detail=turn.detail)
        self._post(Kind.PASSED if passed else Kind.REFUSED)

    # -- down --------------------------------------------------------------------------------------------------------

    def _go_down(self) -> None:
        # At once and not in the task: whoever is in a hurry may say so before that has begun.
        self._urgency = Urgency()
        self._cancel_timers()
        self.sessions.note_stop()
        self.bot.note_stop()
        self._begin(self._bring_down(self._examination.hand_over()))

    async def _bring_down(self, suspension: Suspension) -> None:
        with suspension:
            if self._changes is not None:
                await self._changes.end_checks()  # they are our children, and the proof is that there are none
            self._descent = await self._takedown.bring_down(self.bot.run, self._urgency, suspension)
            if self._descent.survivors:
                self._post(Kind.NOT_DOWN)
                return
            await self.bot.release()
            self._post(Kind.DOWN)

    async def _await_death(self) -> None:
        await self._takedown.await_death()
        await self.bot.release()
        self._descent = Descent()
        self._post(Kind.DOWN)

    # -- between -----------------------------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        checked = self._changes is not None and self._changes.checks and self._turn.reason not in _UNCHECKED
        if self._changes is not None and checked:
            self._changes.begin_checks()
        quiet, wanted = self._takedown.take_quiet(), self.sessions.take_wanted()
        in_order = await self.care.prepare(quiet, wanted, self._turn.clock)
        if self._state.after is state_machine.After.START and self._changes is not None:
            self._turn.clock.enter("settle")
            await self._changes.settled()
            if checked:
                self._turn.clock.enter("preflight")
                in_order = await self._examination.late(self._changes) and in_order
        if self._state.after is not state_machine.After.START:
            self.care.copies.finish_in_background()
        kept_off = not in_order and self._policy.rest_after_exit and self._state.after is state_machine.After.START
        if kept_off or self._state.after is state_machine.After.REST:
            emit("bot.waiting")
        self._post(Kind.PREPARED if in_order else Kind.UNPREPARED)

    def _start_backoff(self) -> None:
        config = self._config.restart
        self._turn.clock.enter("backoff")
        pause = backoff(self._state.streak, initial=config.backoff_initial, longest=config.backoff_max)
        emit("bot.backoff", pause_s=round(pause, 2), crashes=self._state.streak)
        self.planned["start"] = time.monotonic() + pause
        self._later(pause, lambda: self._post(Kind.BACKOFF_OVER))

    def _give_up(self) -> None:
        emit("bot.given_up", failures=len(self._state.failures), ever_ready=self._state.ever_ready)

    # -- up ----------------------------------------------------------------------------------------------------------

    def _spawn(self) -> None:
        emit("bot.starting", command=list(self.setting.command), restarts=self.bot.runs)
        self._turn.clock.enter("boot")
        try:
            run = Run(
                self.setting,
                self._sights,
                number=self.bot.runs,
                expected=self.sessions.expected,
                opens_browser=self.sessions.opens_browser,
                changes=self._changes.drain() if self._changes else (),
                on_exit=self._exited,
                on_start_over=self._start_over,
                on_unhealthy=self._unhealthy,
                prestarted=self._head_start.take(),
            )
        except CommandError as error:
            emit("error", problem=str(error))
            self._not_spawned = Event(Kind.SPAWN_FAILED, error.code)
            return
        self.bot.take_in(run)
        self._later(self._config.ready.timeout, self._never_ready)
        self._later(self._config.browser.start_timeout, self._no_browser)
        # The bot's start has the machine to itself; a snapshot that is read can wait for its fsync that long.
        self._later(_SNAPSHOT_PATIENCE, self.care.copies.finish_in_background)

    def _exited(self, run: Run, code: int) -> None:
        if run.stopping:
            return
        status = _EXIT_OF_SIGNAL - code if code < 0 else code
        ended = f"signal {-code}" if code < 0 else f"exit code {code}"
        if (profile := run.felled_by()) is not None:
            self.bot.tell_exit(code, wanted=False, profile=profile)
            self._begin_turn("browser lost", f"{profile}, and the bot ended with it ({ended})")
            self._post(Kind.FELLED, status)
            return
        self.bot.tell_exit(code, wanted=code in ({0} if self._policy.rest_after_exit else self._policy.final_codes))
        self._begin_turn("crash", ended)
        self._post(Kind.EXITED, status)

    def _unhealthy(self, run: Run, symptom: Symptom) -> None:
        if run.stopping:
            return
        emit("bot.unhealthy", reason=symptom.reason, detail=symptom.detail)
        self._begin_turn(symptom.reason, symptom.detail)
        self._post(Kind.UNHEALTHY)

    def _start_over(self, run: Run, verdict: Verdict) -> None:
        self._cancel_timers()
        # The last run's connections, and its snapshot's buffers: when nothing else is going on.
        self._later(_TIDY_AFTER, malloc.give_back)
        self._later(_TIDY_AFTER, self._head_start.begin)
        self.care.copies.finish_in_background()
        self.sessions.note_start(run.observer.live.values())
        self._starts.over(run, verdict, since=self.bot.spawned_at)
        if self._changes is not None:
            self._changes.stand_by()
        self._tell_moved()
        self._post(Kind.READY)

    def _never_ready(self) -> None:
        run = self.bot.run
        if run is None or run.stopping:
            return
        self._starts.in_vain(run)
        self._tell_moved()
        if not self._policy.rest_after_exit:
            self._begin_turn("not ready")
        self._post(Kind.NEVER_READY)

    def _no_browser(self) -> None:
        run = self.bot.run
        if run is not None and self.sessions.opens_browser and not run.observer.live:
            self._starts.without_browser()

    def _held_elsewhere(self) -> None:
        if not self.ending:
            self.quit("profile in use", state_machine.HELD)

    def _browser_lost(self, profile: Path) -> None:
        self._begin_turn("browser lost", str(profile))
        self._post(Kind.BROWSER_LOST)
