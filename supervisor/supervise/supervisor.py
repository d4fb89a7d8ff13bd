"""The supervisor: takes messages, asks the table what they mean, and sets the steps to work.

One loop reads one inbox. Signals, keys, changed files, exits and finished steps all become messages in it; each
`_handle_*` method notes what a message brings and turns it into an event, `state_machine.step` answers with actions,
and an action is begun here and reports back through the inbox. Nothing else decides. How one restart goes is in
`restart.py`.
"""

import asyncio
import contextlib
import functools
import os
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from supervisor.bot.last_resort import end_regardless
from supervisor.bot.prestart import Prestart
from supervisor.bot.probes.sd_notify import NotifyError
from supervisor.bot.released import Released
from supervisor.bot.run import BotExited, BotUnwell, BrowserSeen, Run, StartOver, TakeoverFailed, TakeoverStep
from supervisor.bot.slot import Slot
from supervisor.bot.spec import BotSpec
from supervisor.bot.stop import Stop, Stopped
from supervisor.log.logger import emit, report_error
from supervisor.process.spawn import CommandError
from supervisor.process.suspend import Suspension
from supervisor.process.terminate import Urgency
from supervisor.supervise import state_machine
from supervisor.supervise.browser_events import BrowserEvents
from supervisor.supervise.inbox import (
    BrowserLost,
    FilesChanged,
    Inbox,
    Message,
    Plans,
    ProfileHeld,
    QrBelieved,
    QuitWanted,
    RestartWanted,
    StepFailed,
)
from supervisor.supervise.kept_browsers import ColdReason, KeptBrowsers
from supervisor.supervise.leftovers import Leftovers
from supervisor.supervise.maintenance import Maintenance
from supervisor.supervise.ongoing import OngoingRestart, RestartRecorder, Wanted
from supervisor.supervise.preflight_gate import PreflightGate, SourceWatch
from supervisor.supervise.profile_changes import ProfileChanges
from supervisor.supervise.restart import RestartSequence
from supervisor.supervise.session_tracker import PageStatus, SessionTracker, SnapshotAnswer
from supervisor.supervise.snapshot_queue import SnapshotQueue, TakenSnapshot
from supervisor.supervise.state_machine import Action, After, Event, EventKind, Policy, Stage, State
from supervisor.supervise.status import Status
from supervisor.system import malloc
from supervisor.system.backoff import backoff
from supervisor.system.runtime_dir import RuntimeFolderError
from supervisor.timing.history import History

_EXIT_OF_SIGNAL = 128
#: Reasons of restarts before which changed files are not checked: the user asked for the bot as it is.
_UNCHECKED = {"start", "key", "control"}
#: Seconds for which a snapshot that has been read may wait to be made durable: the bot's start comes first.
_SNAPSHOT_PATIENCE = 10.0
_TIDY_AFTER = 2.0
#: Seconds between two looks for a program that is missing.
_PROGRAM_INTERVAL = 0.3
_INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h


class Supervisor:
    """Runs one bot until it is asked to end. `run` may be called once."""

    def __init__(
        self,
        spec: BotSpec,
        policy: Policy,
        inbox: Inbox,
        slot: Slot,
        plans: Plans,
        maintenance: Maintenance,
        queue: SnapshotQueue,
        tracker: SessionTracker,
        browsers: BrowserEvents,
        changes: ProfileChanges,
        leftovers: Leftovers,
        history: History,
    ) -> None:
        self._spec = spec
        self._policy = policy
        self._inbox = inbox
        self._slot = slot
        self._plans = plans
        self._maintenance = maintenance
        self._queue = queue
        self._tracker = tracker
        self._browsers = browsers
        self._changes = changes
        self._leftovers = leftovers
        self._recorder = RestartRecorder(spec, history)
        self._started_at = datetime.now(UTC)
        self._files: SourceWatch | None = None
        #: The failure of a spawn: handled before the messages that wait, which would be about that bot.
        self._not_spawned: Event | None = None
        #: Whether the program could not be run when it was last tried again.
        self._tried_again = False
        self._moved = asyncio.Event()
        self._state = State()
        self._restart = OngoingRestart("start")
        #: The restart that there will be if the check of the changed files passes.
        self._proposed: OngoingRestart | None = None
        self._urgency = Urgency()
        self._gate = PreflightGate(spec)
        self._sequence = RestartSequence(spec, self._gate, maintenance, queue)
        self._prestart = Prestart(spec, slot)
        self._kept = KeptBrowsers(spec)
        self._stopped = Stopped()
        #: What is known of the profiles that browsers have let go of since the last preparation.
        self._released: dict[Path, Released] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: list[asyncio.TimerHandle] = []
        self._handlers: Mapping[type[Message], Callable[[Any], Event | None]] = {
            Event: lambda event: event,
            RestartWanted: self._handle_restart,
            FilesChanged: self._handle_change,
            QuitWanted: self._handle_quit,
            BotExited: self._handle_exit,
            StartOver: self._handle_start_over,
            BotUnwell: self._handle_unwell,
            BrowserSeen: self._handle_browser,
            TakeoverStep: self._handle_takeover,
            TakeoverFailed: self._handle_failed_takeover,
            BrowserLost: self._handle_lost_browser,
            ProfileHeld: self._handle_held_profile,
            QrBelieved: self._handle_believed_qr,
            StepFailed: self._handle_failed_step,
        }
        self._actions: Mapping[Action, Callable[[], None]] = {
            Action.CHECK: self._check,
            Action.THAW: self._gate.resume,
            Action.LISTEN: self._listen,
            Action.BRING_DOWN: self._bring_down,
            Action.HURRY: self._hurry,
            Action.KILL: self._kill,
            Action.PREPARE: lambda: self._begin(self._prepare()),
            Action.SPAWN: self._spawn,
            Action.START_BACKOFF: self._start_backoff,
            Action.GIVE_UP: self._give_up,
            Action.AWAIT_DEATH: lambda: self._begin(self._await_death()),
            Action.AWAIT_PROGRAM: lambda: self._begin(self._await_program()),
            Action.END: lambda: None,
        }

    # -- the view from outside, as `requests.SupervisorView` has it --------------------------------------------------

    @property
    def stage(self) -> Stage:
        """The stage of the state machine."""
        return self._state.stage

    @property
    def healthy(self) -> bool:
        """Whether the bot, if one runs, is being watched as it should be."""
        return self._slot.run is None or not self._slot.run.faulted

    @property
    def serving(self) -> bool:
        """Whether a bot runs whose start is over and that is not being stopped."""
        run = self._slot.run
        return self.stage in {Stage.UP, Stage.CHECKING} and run is not None and not run.stopping

    @property
    def ready(self) -> bool:
        """Whether the bot that runs has become ready; a session may have lost its link since."""
        return self._slot.run is not None and self._slot.run.ready

    @property
    def ending(self) -> bool:
        """Whether no bot will be started any more."""
        return self._state.after is After.END or self._inbox.quit_requested

    @property
    def settled(self) -> bool:
        """Whether everything that has happened so far has been acted on."""
        return self._inbox.empty

    @property
    def current_restart(self) -> OngoingRestart:
        """The restart that is under way, else the last one."""
        return self._restart

    async def moved(self) -> None:
        """Return once the stage or the restart may be another than now."""
        await self._moved.wait()

    def page_states(self) -> Mapping[str, PageStatus]:
        """The state of each open page, by session."""
        return self._tracker.page_states()

    async def status(self) -> Status:
        """The whole status, gathered now; files and processes are read on other threads."""
        from supervisor.supervise.status import gather  # only a supervisor that is asked needs it

        return await gather(
            self._spec,
            self._slot,
            self._tracker,
            stage=self.stage,
            started_at=self._started_at,
            last_restart=self._recorder.last,
            planned=dict(self._plans),
        )

    # -- requests, as `requests.Commands` has them -------------------------------------------------------------------

    def restart(self, reason: str, detail: str | None = None, wanted: Wanted = "auto") -> None:
        """Request a restart of the kind `wanted`; while one is under way this adds nothing to it."""
        self._inbox.restart(reason, detail, wanted)

    def quit(self, reason: str, exit_code: int = 0) -> None:
        """Request the end. A second request shortens the grace periods, a third kills."""
        self._inbox.quit(reason, exit_code)

    async def snapshot(self) -> Sequence[SnapshotAnswer]:
        """Take a snapshot of each session that the bot has open; empty if no bot runs that could have one."""
        return await self._tracker.snapshot_open()

    async def take_snapshot(self, session: str | None) -> tuple[TakenSnapshot, Sequence[str]]:
        """Take a snapshot of one session, as `Commands` has it."""
        return await self._tracker.take_snapshot(session)

    def follow(self, files: SourceWatch) -> None:
        """From now on a start waits until the source files are quiet, and the bot learns which have changed."""
        self._files = files

    # -- the loop ----------------------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Supervise until the end; returns the exit status.

        No error leaves the bot running. Raises `RuntimeFolderError` or `NotifyError` if the bot cannot be spawned
        because of these; any other error is reported, and the status is that of an internal error.
        """
        try:
            await self._handle_messages()
        except (RuntimeFolderError, NotifyError):
            await self._end_after_error()
            raise
        except Exception as error:  # noqa: BLE001
            with contextlib.suppress(Exception):  # it may be the reporting that fails
                self.quit("internal error")
                report_error(error)
            await self._end_after_error()
        except BaseException:
            await self._end_after_error()
            raise
        await self._finish()
        emit(
            "supervisor.stopped",
            exit_code=self._state.exit_code,
            clean=self._stopped.clean and self._restart.clean,
            total_ms=round(self._restart.clock.elapsed * 1000),
        )
        return self._state.exit_code

    async def _handle_messages(self) -> None:
        self._state, actions = state_machine.begin(self._policy)
        try:
            self._carry_out(actions)
            while self._state.stage is not Stage.ENDED:
                failed, self._not_spawned = self._not_spawned, None
                message: Message = failed or await self._inbox.next()
                event = self._handlers[type(message)](message)
                if event is not None:
                    self._state, actions = state_machine.step(self._state, event, self._policy)
                    self._carry_out(actions)
                    if self._state.after is not After.START:
                        self._prestart.drop()
                self._tell_moved()
        finally:
            self._gate.drop()
            self._gate.resume()  # also after an exception: nothing stays suspended
            self._prestart.drop()

    async def _end_after_error(self) -> None:
        """End the bot, whatever has failed, as cleanly as that still goes: it must not outlive its supervisor."""
        self._state = State(stage=Stage.ENDED, after=After.END, exit_code=_INTERNAL_ERROR)
        run, stop, territory = self._slot.run, self._spec.config.stop, self._spec.territory
        self._restart = OngoingRestart("stop", "internal error")  # the clock of the last one may have ended
        self._slot.note_stop()
        await self._cancel_steps()
        try:
            await self._kept.let_go()
            with self._gate.hand_over() as suspension:
                plan = await self._leftovers.plan_stop(run, Urgency(), suspension)
                if isinstance(plan, Stop):
                    self._stopped = await self._sequence.stop(self._restart, run, plan, suspension)
                    self._leftovers.note(self._stopped, run)
        except Exception as error:  # noqa: BLE001
            left, clean = await end_regardless(
                lambda: territory.left_behind(())[0], stop.close_timeout, stop.prove_timeout
            )
            if not clean:
                self._restart.mark_unclean()
            self._stopped = Stopped(survivors=tuple(left))
            with contextlib.suppress(Exception):
                report_error(error)
        if not self._stopped.survivors:
            await self._slot.release()

    async def _cancel_steps(self) -> None:
        self._cancel_timers()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _finish(self) -> None:
        await self._cancel_steps()
        if self._kept.browsers and self._slot.run is None:
            await self._close_kept()
        await self._browsers.close()
        await self._tracker.close()
        await self._maintenance.finished()

    def _event(self, kind: EventKind, code: int = 0) -> Event:
        return Event(kind, code, asyncio.get_running_loop().time())

    def _report(self, kind: EventKind) -> None:
        """Report to the table that a step is finished."""
        self._inbox.post(self._event(kind))

    def _tell_moved(self) -> None:
        self._moved.set()  # wakes those who wait now
        self._moved.clear()

    def _begin_restart(self, restart: OngoingRestart) -> None:
        """From now on what the bot that runs still shows belongs to no start."""
        self._gate.drop()
        self._proposed = None
        self._restart = restart
        self._slot.note_stop()

    def _carry_out(self, actions: Sequence[Action]) -> None:
        for action in actions:
            self._actions[action]()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._inbox.post(StepFailed(error))

    def _later(self, seconds: float, call: Callable[[], object]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, call))

    def _cancel_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._plans.set("start", None)

    # -- messages ----------------------------------------------------------------------------------------------------

    def _handle_restart(self, wanted: RestartWanted) -> Event:
        restart = wanted.restart
        if self.stage in {Stage.STARTING, Stage.UP, Stage.CHECKING, Stage.RESTING, Stage.BACKOFF}:
            self._begin_restart(restart)
            emit("restart.requested", reason=restart.reason, detail=restart.detail)
        elif restart.reason in _UNCHECKED:
            self._gate.drop()
        return self._event(EventKind.RESTART)

    def _handle_change(self, changed: FilesChanged) -> Event:
        if self.stage in {Stage.RESTING, Stage.BACKOFF}:
            return self._handle_restart(RestartWanted(changed.restart))
        if self.stage in {Stage.STARTING, Stage.UP}:
            self._proposed = changed.restart
        return self._event(EventKind.CHANGED)

    def _handle_quit(self, wanted: QuitWanted) -> Event:
        if self._state.quits == 0:
            self._begin_restart(OngoingRestart("stop", wanted.reason))
        return self._event(EventKind.QUIT, wanted.exit_code)

    def _handle_exit(self, exited: BotExited) -> Event | None:
        run, code = exited.run, exited.code
        if run.stopping:
            return None
        status = _EXIT_OF_SIGNAL - code if code < 0 else code
        ended = f"signal {-code}" if code < 0 else f"exit code {code}"
        if (profile := run.felled_by()) is not None:
            self._slot.report_exit(code, wanted=False, profile=profile)
            self._recorder.failed(self._restart, run)
            self._begin_restart(OngoingRestart("browser lost", f"{profile}, and the bot ended with it ({ended})"))
            return self._event(EventKind.FELLED, status)
        if run.awaits_scan and code >= 0:
            self._slot.report_exit(code, wanted=True)
            self._begin_restart(OngoingRestart("no scan", ended))
            return self._event(EventKind.UNSCANNED, status)
        wanted = {0} if self._policy.rest_after_exit else self._policy.final_codes
        self._slot.report_exit(code, wanted=code in wanted)
        if code not in wanted:
            self._recorder.failed(self._restart, run)
        if code == 0:
            self._leftovers.report_detached()
        # What ends by itself, and well, is not about to be replaced.
        self._begin_restart(OngoingRestart("crash", ended, wanted="cold" if code == 0 else "auto"))
        return self._event(EventKind.EXITED, status)

    def _handle_unwell(self, unwell: BotUnwell) -> Event | None:
        if unwell.run.stopping:
            return None
        symptom = unwell.symptom
        emit("bot.unhealthy", reason=symptom.reason, detail=symptom.detail)
        self._recorder.failed(self._restart, unwell.run)
        self._begin_restart(OngoingRestart(symptom.reason, symptom.detail))
        return self._event(EventKind.UNHEALTHY)

    def _handle_start_over(self, over: StartOver) -> Event | None:
        run = over.run
        if run.stopping:
            return None
        self._cancel_timers()
        # The last run's connections, and its snapshot's buffers: when nothing else is going on.
        self._later(_TIDY_AFTER, malloc.give_back)
        self._later(_TIDY_AFTER, self._start_ahead)
        self._queue.finish_in_background()
        if over.verdict == "waiting_for_browser":
            self._sequence.wait_for_browser(self._restart.clock)
            self._tracker.note_wait()
        else:
            self._changes.note_start()
            self._tracker.note_start(run.observer.live.values(), run.method)
            since = run.browser_came_at or self._slot.spawned_at
            self._recorder.over(self._restart, run, over.verdict, since=since)
            self._begin(self._note_start(run))
        if self._files is not None:
            self._files.stand_by()
        return self._event(EventKind.READY if over.verdict == "ready" else EventKind.WAITING)

    async def _note_start(self, run: Run) -> None:
        """What can wait until the bot is back, and has to be known by the next restart."""
        if run.attachment.takes_over and not run.attachment.pending:
            await self._kept.taken_over(run)
        await self._kept.note_start(run)

    def _handle_takeover(self, step: TakeoverStep) -> None:
        if step.step == "attach":
            self._later(self._spec.config.browser.start_timeout, lambda: self._judge_takeover(step.run))
        self._sequence.takeover(self._restart.clock, step.step)

    def _judge_takeover(self, run: Run) -> None:
        if run is self._slot.run and not run.stopping and run.attachment.pending:
            self._inbox.post(TakeoverFailed(run, "the bot has not taken over its browsers in time"))

    def _handle_failed_takeover(self, failed: TakeoverFailed) -> Event | None:
        if failed.run.stopping or failed.run is not self._slot.run:
            return None
        emit("restart.cold", why=failed.why)
        self._restart.fall_back(failed.why)
        self._begin_restart(self._restart)
        return self._event(EventKind.RESTART)

    def _handle_browser(self, seen: BrowserSeen) -> None:
        starting = self.stage is Stage.STARTING or (self.stage is Stage.UP and not self._restart.over)
        if starting and not seen.run.stopping and not seen.run.attachment.takes_over:
            if seen.change == "up":
                self._sequence.browser_up(self._restart.clock)
            elif seen.change == "page":
                self._sequence.page_changed(self._restart.clock, seen.run.observer.live)
        if seen.change == "up" and self._belongs_to_start():
            self._tracker.note_browser(seen.live)
        self._browsers.handle(seen, self._files)
        # Only now: a QR code that is doubted since is not the end of a start.
        seen.run.judge()

    def _belongs_to_start(self) -> bool:
        """Whether a browser that has just come is one that the bot opens at its start, be that held to be over."""
        config = self._spec.config
        in_time = time.monotonic() - self._slot.spawned_at < config.browser.start_timeout
        return config.ready.method == "auto" and in_time

    def _handle_lost_browser(self, lost: BrowserLost) -> Event | None:
        if self._slot.run is None or self._slot.run.stopping:
            return None
        self._recorder.failed(self._restart, self._slot.run)
        self._begin_restart(OngoingRestart("browser lost", str(lost.profile)))
        return self._event(EventKind.BROWSER_LOST)

    def _handle_held_profile(self, _held: ProfileHeld) -> None:
        if not self.ending:
            self.quit("profile in use", state_machine.HELD)

    def _handle_believed_qr(self, _believed: QrBelieved) -> None:
        if self._slot.run is not None:
            self._slot.run.judge()

    def _handle_failed_step(self, failed: StepFailed) -> NoReturn:
        raise failed.error

    # -- actions: before a stop --------------------------------------------------------------------------------------

    def _check(self) -> None:
        assert self._files is not None, "only they report changes"
        assert self._slot.run is not None
        restart, self._proposed = self._proposed, None
        assert restart is not None, "proposed by the message that led here"
        over = functools.partial(self._checked, restart)
        run = self._slot.run
        self._sequence.preflight(restart, run, self._files, over, freeze=not self._kept.likely(run))

    def _listen(self) -> None:
        if self._files is not None:
            self._files.hear_again()

    def _checked(self, restart: OngoingRestart, passed: bool) -> None:
        if passed:
            self._begin_restart(restart)
            emit("restart.requested", reason=restart.reason, detail=restart.detail)
        self._report(EventKind.PASSED if passed else EventKind.REFUSED)

    # -- actions: stop -----------------------------------------------------------------------------------------------

    def _bring_down(self) -> None:
        # At once and not in the task: a request to hurry may come before that has begun.
        self._urgency = Urgency()
        self._cancel_timers()
        self._tracker.note_stop()
        self._slot.note_stop()
        self._begin(self._stop(self._gate.hand_over()))

    def _hurry(self) -> None:
        emit("supervisor.hurrying", kill=False)
        self._urgency.hurry()

    def _kill(self) -> None:
        if not self._urgency.ruthless:
            emit("supervisor.hurrying", kill=True)
        self._urgency.kill()

    async def _stop(self, suspension: Suspension) -> None:
        run = self._slot.run
        with suspension:
            if self._files is not None:
                await self._files.end_checks()  # they are our children, and the proof is that there are none
            warm = await self._shut_gates(run)
            stop = await self._leftovers.plan_stop(run, self._urgency, suspension, leaves_browsers=warm)
            if isinstance(stop, Stopped):
                self._stopped = stop
                self._report(EventKind.NOT_DOWN)
                return
            if warm:
                self._stopped = stopped = await self._sequence.stop_warm(self._restart, stop)
                self._kept.report_unfinished()
            else:
                self._stopped = stopped = await self._sequence.stop(self._restart, run, stop, suspension)
        await self._changes.end()
        released = self._leftovers.note(stopped, run, self._kept.profiles)
        self._released |= released
        if not all(one.clean for one in released.values()):
            self._restart.mark_unclean()
        if stopped.survivors:
            self._report(EventKind.NOT_DOWN)
            return
        await self._slot.release()
        self._report(EventKind.DOWN)

    async def _shut_gates(self, run: Run | None) -> bool:
        """Have the pages wait for the next bot if this restart can be warm, and note why it cannot; whether it is."""
        restart = self._restart
        renewed = await self._kept.renewed_file()
        if renewed is not None:
            self._prestart.drop()  # it may have loaded the old one
        reason = self._kept.prevented(restart, run, restores=self._tracker.restores, renewed=renewed)
        if reason is None and self._state.after is After.END:
            reason = ColdReason("no bot is to follow", lasting=True)
        if reason is None:
            reason = await self._sequence.shut_gates(restart, run, self._kept)
        if reason is None:
            restart.mark("warm")
            self._kept.keep()
            return True
        await self._kept.let_go()
        if restart.wanted != "cold":  # else it is as asked for, or has been reported
            restart.mark("cold", "" if restart.reason in {"start", "stop"} else reason.text)
            if restart.reason not in {"start", "stop"} and self._state.after is not After.END:
                self._kept.report_cold(reason, run)
        return False

    async def _close_kept(self) -> None:
        """Close browsers that were kept for a bot that will not come, as cleanly as with their bot."""
        await self._kept.let_go()
        with self._gate.hand_over() as suspension:
            stop = await self._leftovers.plan_stop(None, self._urgency, suspension)
            if isinstance(stop, Stopped):
                return
            self._stopped = await self._sequence.stop(self._restart, None, stop, suspension)
        released = self._leftovers.note(self._stopped, None)
        await self._sequence.prepare(self._restart.clock, released, {}, ())

    async def _await_death(self) -> None:
        await self._leftovers.await_death()
        await self._slot.release()
        self._stopped = Stopped()
        self._report(EventKind.DOWN)

    # -- actions: prepare --------------------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        clock, files = self._restart.clock, self._files
        checked = files is not None and files.checks and self._restart.reason not in _UNCHECKED
        if files is not None and checked:
            files.begin_checks()
        released, self._released = self._released, {}
        wanted = self._tracker.take_wanted()
        in_order = await self._sequence.prepare(clock, released, wanted, self._kept.profiles)
        starts = self._state.after is After.START
        if starts and files is not None:
            in_order = await self._sequence.wait_for_files(clock, files, checked=checked) and in_order
            starts = self._state.after is After.START
        if not starts:
            self._queue.finish_in_background()
        elif not in_order:
            self._recorder.failed(self._restart, None)
            self._restart = OngoingRestart(self._restart.reason, self._restart.detail)  # the next try
        else:
            await self._changes.begin()
        if self._state.after is After.REST or (starts and not in_order and self._policy.rest_after_exit):
            emit("bot.waiting")
        self._report(EventKind.PREPARED if in_order else EventKind.UNPREPARED)

    def _start_backoff(self) -> None:
        config = self._spec.config.restart
        self._sequence.back_off(self._restart.clock)
        pause = backoff(self._state.streak, initial=config.backoff_initial, longest=config.backoff_max)
        crashes = 0 if self._restart.reason == "no scan" else self._state.streak
        emit("bot.backoff", pause_s=round(pause, 2), crashes=crashes)
        self._plans.set("start", time.monotonic() + pause)
        self._later(pause, lambda: self._report(EventKind.BACKOFF_OVER))

    def _give_up(self) -> None:
        emit("bot.given_up", failures=len(self._state.failures), ever_ready=self._state.ever_ready)

    # -- actions: start ----------------------------------------------------------------------------------------------

    def _spawn(self) -> None:
        emit("bot.starting", command=list(self._spec.command), restarts=self._slot.runs)
        try:
            run = self._sequence.start(self._restart.clock, self._new_run)
        except CommandError as error:
            emit("error", problem=str(error))
            self._recorder.failed(self._restart, None)
            if self._slot.runs == 0:
                self._not_spawned = Event(EventKind.SPAWN_FAILED, error.code)
                return
            self._restart = OngoingRestart("crash", str(error))  # the next try
            self._not_spawned = self._event(EventKind.PROGRAM_GONE, error.code)
            return
        self._slot.take_in(run)
        self._tried_again = False
        self._later(self._spec.config.ready.timeout, self._never_ready)
        self._later(self._spec.config.browser.start_timeout, self._no_browser)
        # The bot's start has the machine to itself; a snapshot that is read can wait for its fsync that long.
        self._later(_SNAPSHOT_PATIENCE, self._queue.finish_in_background)

    async def _await_program(self) -> None:
        """Restart once the program can be run again; it need not be among the watched files."""
        program = self._spec.command[0]
        self._listen()
        emit("bot.program_missing", program=program)
        if await asyncio.to_thread(os.access, program, os.X_OK) and self._tried_again:
            return  # it is there, and something else is wrong with it: a change will mend that
        self._tried_again = True
        while self.stage is Stage.RESTING:
            await asyncio.sleep(_PROGRAM_INTERVAL)
            if await asyncio.to_thread(os.access, program, os.X_OK):
                if self.stage is Stage.RESTING:
                    self._inbox.restart("change", f"{program} is back")
                return

    def _new_run(self) -> Run:
        return Run(
            self._spec,
            self._inbox.post,
            number=self._slot.runs,
            expected=self._tracker.expected,
            late=self._tracker.late,
            opens_browser=self._tracker.opens_browser,
            awaited=bool(self._tracker.linked_in_browsers()),
            on_command=self._tracker.on_command,
            changes=self._files.drain() if self._files else (),
            kept=self._kept.hand_over(),
            prestarted=self._prestart.take(),
        )

    def _start_ahead(self) -> None:
        if self._state.after is After.START:
            self._prestart.begin()

    def _never_ready(self) -> None:
        run = self._slot.run
        if run is None or run.stopping:
            return
        self._recorder.in_vain(self._restart, run)
        if not self._policy.rest_after_exit:
            self._begin_restart(OngoingRestart("not ready"))
        self._report(EventKind.NEVER_READY)

    def _no_browser(self) -> None:
        """Report that a bot that is known to open a browser has not done so in the time that it had."""
        run = self._slot.run
        if run is None or run.awaited:  # the wait is reported when it is certain, and is no error
            return
        if run.opens_browser and self._tracker.opens_browser and not run.opened_browser:
            emit(
                "error",
                problem=f"the bot has not opened its browser in {self._spec.config.browser.start_timeout:g} s",
                remedy="look at its output; a bot that takes longer needs browser.start_timeout",
            )
