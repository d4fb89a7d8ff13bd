"""The supervisor: takes events, asks the table what they mean, and sets the rooms to work.

One loop reads one queue. Signals, keys, changed files, exits and finished steps all become events in it;
`lifecycle.step` answers each with actions, and an action is a task that reports back through the same queue. Nothing
else decides.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from supervisor import lifecycle
from supervisor.browser.discovery import find_browsers
from supervisor.browser.presets import SessionStatus
from supervisor.care import Care, Quiet
from supervisor.config import Config
from supervisor.cycle import Descent, Stop
from supervisor.examination import Examination
from supervisor.faults import report_fault
from supervisor.lifecycle import Action, Event, Kind, Phase, Policy, State
from supervisor.logs import emit
from supervisor.observe import Live
from supervisor.process import CommandError, Frost, Haste
from supervisor.process.wrappers import unwrap
from supervisor.profile_lock import ProfileBusyError, files_of
from supervisor.ready import Verdict
from supervisor.run import Run, Setting
from supervisor.sessions import Sessions, Shot
from supervisor.timing import History, Outcome, Restart
from supervisor.triggers.backoff import backoff
from supervisor.triggers.liveness import Symptom
from supervisor.turn import Turn


class Changes(Protocol):
    """What watches the source files."""

    async def settled(self) -> None:
        """Return once the files have been quiet for a moment."""

    def drain(self) -> tuple[Path, ...]:
        """The files that have changed since this was last called."""

    def exclude(self, folder: Path) -> None:
        """Leave out a folder from now on: a profile that has come to light."""

    @property
    def checks(self) -> bool:
        """Whether what has changed is to be checked."""

    async def examined(self, *, running: bool) -> bool:
        """Whether a bot is to be started on the files as they are, as in `examination.Examined`."""

    def begin_checks(self) -> None:
        """From now on check each file that has changed at once, if it is to be checked."""

    async def end_checks(self) -> None:
        """Return once none of our programs runs for a check."""


_EXIT_OF_SIGNAL = 128
#: Whoever asks for one of these himself, and for the first start, gets the bot as it is.
_UNCHECKED = {"start", "key", "control"}
_SNAPSHOT_PATIENCE = 10.0
_TIDY_AFTER = 2.0
_INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h


class Supervisor:
    """Runs one bot until it is asked to end. `run` may be called once."""

    def __init__(self, setting: Setting, care: Care, sessions: Sessions, history: History, policy: Policy) -> None:
        self._setting = setting
        self._sessions = sessions
        self.started_at = datetime.now(UTC)
        #: The last start or restart that is over.
        self.last_restart: Restart | None = None
        #: What will be done by itself, and when, in seconds of the monotonic clock.
        self.planned: dict[str, float] = {}
        self._config: Config = setting.config
        self._care = care
        self._history = history
        self._policy = policy
        self._changes: Changes | None = None
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._moved = asyncio.Event()
        self._state = State()
        self._turn = Turn("start")
        self._run: Run | None = None
        self._runs = 0
        #: Set while there is a bot, for those who wait in threads.
        self._running = threading.Event()
        self._input_ended = False
        self._haste = Haste()
        self._examination = Examination(setting.territory, setting.reaper)
        self._descent = Descent()
        self._quiet: dict[Path, Quiet] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: list[asyncio.TimerHandle] = []
        self._told_about_npm = False
        #: When the bot that runs now was started, in seconds of the monotonic clock.
        self.spawned_at = float("-inf")
        sessions.restart = self.restart
        sessions.undoubted = lambda: self._run.look_again() if self._run else None
        self._actions: Mapping[Action, Callable[[], None]] = {
            Action.CHECK: self._check,
            Action.THAW: self._examination.thaw,
            Action.BRING_DOWN: self._go_down,
            Action.HURRY: lambda: self._haste.hurry(),
            Action.KILL: lambda: self._haste.kill(),
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
        return self._run is None or not self._run.faulted

    @property
    def current_run(self) -> Run | None:
        """The bot that runs now, if one does."""
        return self._run

    @property
    def ending(self) -> bool:
        """Whether no bot will be started any more."""
        return self._state.after is lifecycle.After.END or self._turn.reason == "stop"

    @property
    def settled(self) -> bool:
        """Whether everything that has happened so far has been acted on."""
        return self._events.empty()

    @property
    def turn(self) -> Turn:
        """The restart that is under way, else the last one."""
        return self._turn

    async def moved(self) -> None:
        """Return once the phase or the turn may be another than now."""
        await self._moved.wait()

    @property
    def care(self) -> Care:
        """What looks after the profiles."""
        return self._care

    @property
    def setting(self) -> Setting:
        """What does not change from one run to the next."""
        return self._setting

    @property
    def sessions(self) -> Sessions:
        """What is known of the bot's sessions."""
        return self._sessions

    @property
    def restarts(self) -> int:
        """How often the bot was started again."""
        return max(0, self._runs - 1)

    def wait_for_run(self) -> Run:
        """The bot that runs now, or the next one. Blocks until there is one: for a thread that has input for it."""
        while (run := self._run) is None:
            self._running.wait()
        return run

    def end_input(self) -> None:
        """No more input will come, neither for this bot nor for any later one. For the thread that reads the input."""
        self._input_ended = True
        if (run := self._run) is not None:
            run.child.wiring.end_input()

    def follow(self, changes: Changes) -> None:
        """From now on a start waits until the files are quiet, and tells the bot which have changed."""
        self._changes = changes

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
        if self.phase in {Phase.STARTING, Phase.UP} and self._run is not None and not self._run.stopping:
            self._examination.propose(Turn("change", detail))
        self._post(Kind.CHANGED)

    async def snapshot(self) -> list[Shot]:
        """Take a snapshot of each session that the bot has open; empty if no bot runs that could have one."""
        run = self._run
        if run is None or run.stopping:
            return []
        return await self._sessions.snapshot_now(run.observer.live.values())

    def quit(self, reason: str, exit_code: int = 0) -> None:
        """Ask for the end; asked again it hurries, and asked a third time it kills."""
        if self._state.quits == 0:
            emit("supervisor.stopping", reason=reason)
            self._begin_turn("stop", reason)
        self._post(Kind.QUIT, exit_code)

    def on_signal(self, number: signal.Signals) -> None:
        """SIGINT, SIGTERM and SIGHUP: the same clean stop, told apart by the exit status only."""
        self.quit(number.name, _EXIT_OF_SIGNAL + number)

    def resize(self) -> None:
        """Our terminal has another size: so has the bot's."""
        if self._run is not None and self._run.child.wiring.resize() and sys.platform != "win32":
            self._run.child.handle.signal(signal.SIGWINCH)

    # -- the loop ----------------------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Supervise until the end; returns the exit status."""
        self._state, actions = lifecycle.begin(self._policy)
        try:
            self._carry_out(actions)
            while self._state.phase is not Phase.ENDED:
                event = await self._events.get()
                self._state, actions = lifecycle.step(self._state, event, self._policy)
                self._carry_out(actions)
                self._tell_moved()
        finally:
            self._examination.thaw()  # whatever this ends with
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._care.finished()
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
        if self._run is not None:
            self._run.stopping = True

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
        assert self._run is not None
        self._examination.begin(self._run.child.pid, self._changes, self._checked)

    def _checked(self, turn: Turn, passed: bool) -> None:
        if passed:
            self._take_turn(turn)
            emit("restart.requested", reason=turn.reason, detail=turn.detail)
        self._post(Kind.PASSED if passed else Kind.REFUSED)

    # -- down --------------------------------------------------------------------------------------------------------

    def _go_down(self) -> None:
        # At once and not in the task: whoever is in a hurry may say so before that has begun.
        self._haste = Haste()
        self._cancel_timers()
        self._sessions.note_stop()
        if self._run is not None:
            self._run.stopping = True
        self._begin(self._bring_down(self._examination.hand_over()))

    async def _bring_down(self, frost: Frost) -> None:
        with frost:
            if self._changes is not None:
                await self._changes.end_checks()  # they are our children, and the proof is that there are none
            await self._stop_and_prove(frost)

    async def _stop_and_prove(self, frost: Frost) -> None:
        run = self._run
        stop = Stop(
            look=self._setting.territory.living,
            proven=self._proven_empty,
            config=self._config.stop,
            haste=self._haste,
            clock=self._turn.clock,
            leader=run.child.pid if run else None,
            live=run.observer.live if run else {},
            frost=frost,
        )
        if run is None and not await self._find_leftovers(stop):
            return
        self._descent = await stop.bring_down()
        self._note_descent(run)
        self._setting.reaper.reap()
        if self._descent.survivors:
            emit("bot.stuck", pids=list(self._descent.survivors))
            self._post(Kind.NOT_DOWN)
            return
        await self._release()
        self._post(Kind.DOWN)

    def _proven_empty(self) -> bool:
        empty = self._setting.territory.proven_empty
        # Reaping takes a walk through the process table: only if there is something to reap.
        return empty() or (self._setting.reaper.reap() > 0 and empty())

    async def _find_leftovers(self, stop: Stop) -> bool:
        """Before a start: extend the stop to what earlier runs left; False if a stranger holds a profile."""
        profiles = [profile.path for profile in await self._care.profiles()]
        ours, strangers = self._setting.territory.left_behind(profiles)
        if strangers:
            emit(
                "error",
                problem=f"a browser that scanonce did not start holds a profile of this project "
                f"(process {strangers[0].pid}, and its bot still runs)",
                remedy="stop that bot; scanonce goes on as soon as it is gone",
            )
            self._descent = Descent(survivors=tuple(entry.pid for entry in strangers))
            self._post(Kind.NOT_DOWN)
            return False
        if ours:
            emit("supervisor.leftovers", pids=[entry.pid for entry in ours])
            known = {entry.pid: entry for entry in ours}
            living = self._setting.territory.living
            stop.look = lambda: (
                [e for e in known.values() if e.handle.alive] + [e for e in living() if e.pid not in known]
            )
        return True

    def _note_descent(self, run: Run | None) -> None:
        closed = {one.profile: one.clean for one in self._descent.closed}
        for one in self._descent.closed:
            if one.clean:
                emit(
                    "browser.closed",
                    pid=one.pid,
                    profile=str(one.profile),
                    method=one.how,
                    took_ms=round(one.seconds * 1000),
                )
            else:
                emit("browser.unclean", pid=one.pid, profile=str(one.profile), reason=one.how)
        found = run.quiet(closed) if run else {path: Quiet(clean, None, None) for path, clean in closed.items()}
        self._quiet |= found
        self._turn.clean &= all(quiet.clean for quiet in found.values())

    async def _release(self) -> None:
        self._running.clear()
        run, self._run = self._run, None
        if run is not None:
            await run.release()

    async def _await_death(self) -> None:
        """Look now and then whether what would not die has died."""
        left = {entry.pid: entry for entry in self._setting.territory.living()}
        profiles = [profile.path for profile in await self._care.profiles()]
        ours, strangers = self._setting.territory.left_behind(profiles)
        for entry in [*left.values(), *ours, *strangers]:
            await entry.handle.wait()
        self._setting.reaper.reap()
        await self._release()
        self._descent = Descent()
        self._post(Kind.DOWN)

    # -- between -----------------------------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        quiet, self._quiet = self._quiet, {}
        checked = self._changes is not None and self._changes.checks and self._turn.reason not in _UNCHECKED
        if self._changes is not None and checked:
            self._changes.begin_checks()
        in_order = await self._care.prepare(quiet, self._sessions.take_wanted(), self._turn.clock)
        if self._state.after is lifecycle.After.START and self._changes is not None:
            self._turn.clock.enter("settle")
            await self._changes.settled()
            if checked:
                self._turn.clock.enter("preflight")
                in_order = await self._examination.late(self._changes) and in_order
        if self._state.after is not lifecycle.After.START:
            self._care.finish_in_background()
        kept_off = not in_order and self._policy.rest_after_exit and self._state.after is lifecycle.After.START
        if kept_off or self._state.after is lifecycle.After.REST:
            emit("bot.waiting")
        self._post(Kind.PREPARED if in_order else Kind.UNPREPARED)

    def _start_backoff(self) -> None:
        config = self._config.restart
        self._turn.clock.enter("backoff")
        pause = backoff(self._state.streak, initial=config.backoff_initial, longest=config.backoff_max)
        emit("bot.backoff", pause_s=round(pause, 1), crashes=self._state.streak)
        self.planned["start"] = time.monotonic() + pause
        self._later(pause, lambda: self._post(Kind.BACKOFF_OVER))

    def _give_up(self) -> None:
        emit("bot.given_up", failures=len(self._state.failures), ever_ready=self._state.ever_ready)

    # -- up ----------------------------------------------------------------------------------------------------------

    def _spawn(self) -> None:
        emit("bot.starting", command=list(self._setting.command), restarts=self._runs)
        self._turn.clock.enter("boot")
        try:
            run = Run(
                self._setting,
                self,
                number=self._runs,
                expected=self._sessions.expected,
                opens_browser=self._sessions.opens_browser,
                changes=self._changes.drain() if self._changes else (),
                on_exit=lambda code: self._exited(run, code),
                on_start_over=lambda verdict: self._start_over(run, verdict),
                on_unhealthy=lambda symptom: self._unhealthy(run, symptom),
            )
        except CommandError as error:
            emit("error", problem=str(error))
            self._post(Kind.SPAWN_FAILED, error.code)
            return
        self._run = run
        self._running.set()
        # After the line above: the end may come in between, and whoever is second tells the bot.
        if self._input_ended:
            run.child.wiring.end_input()
        self._runs += 1
        self.spawned_at = time.monotonic()
        emit("bot.started", pid=run.child.pid)
        self._later(self._config.ready.timeout, self._never_ready)
        self._later(self._config.browser.start_timeout, self._no_browser)
        # The bot's start has the machine to itself; a snapshot that is read can wait for its fsync that long.
        self._later(_SNAPSHOT_PATIENCE, self._care.finish_in_background)

    def _exited(self, run: Run, code: int) -> None:
        if run.stopping:
            return
        ended = {"signal": -code} if code < 0 else {"code": code}
        wanted = code == 0 if self._policy.rest_after_exit else code in self._policy.final_codes
        ran = round(time.monotonic() - self.spawned_at, 3)
        emit("bot.exited" if wanted else "bot.crashed", pid=run.child.pid, ran_s=ran, **ended)
        self._begin_turn("crash", f"signal {-code}" if code < 0 else f"exit code {code}")
        self._post(Kind.EXITED, _EXIT_OF_SIGNAL - code if code < 0 else code)

    def _unhealthy(self, run: Run, symptom: Symptom) -> None:
        if run.stopping:
            return
        emit("bot.unhealthy", reason=symptom.reason, detail=symptom.detail)
        self._begin_turn(symptom.reason, symptom.detail)
        self._post(Kind.UNHEALTHY)

    def _start_over(self, run: Run, verdict: Verdict) -> None:
        self._cancel_timers()
        # What is left of the last run in reference cycles holds descriptors: it goes when nothing else is going on.
        self._later(_TIDY_AFTER, gc.collect)
        self._care.finish_in_background()
        self._sessions.note_start(run.observer.live.values())
        self._tell_about_npm(run)
        if verdict == "ready":
            emit("bot.ready", method=run.method, after_ms=round((time.monotonic() - self.spawned_at) * 1000))
        # One that was waited for in vain, or for a scan, has been recorded as that already.
        if self._turn.clock.current is not None:
            self._record(run, verdict)
        self._post(Kind.READY)

    def _never_ready(self) -> None:
        run = self._run
        if run is None or run.stopping:
            return
        states = {live.state.detail or live.state.status for live in run.observer.live.values()}
        emit("bot.not_ready", waited_s=self._config.ready.timeout, state=", ".join(sorted(states)) or "no browser")
        self._record(run, "failed")
        if not self._policy.rest_after_exit:
            self._begin_turn("not ready")
        self._post(Kind.NEVER_READY)

    def _no_browser(self) -> None:
        run = self._run
        if run is not None and self._sessions.opens_browser and not run.observer.live:
            emit(
                "error",
                problem=f"the bot has not opened its browser in {self._config.browser.start_timeout:g} s",
                remedy="look at its output; a bot that takes longer needs browser.start_timeout",
            )

    def _record(self, run: Run, outcome: Outcome) -> None:
        self._turn.clock.finish()  # what follows takes time that is none of the restart's
        provenance = self._setting.provenance
        setup = provenance.setup(live.version for live in run.observer.live.values())
        self.last_restart = self._turn.end(outcome, run.mark, self._config.timing, setup)
        self._history.record(self.last_restart, provenance.configuration.settings)
        self._tell_moved()

    def _tell_about_npm(self, run: Run) -> None:
        if self._told_about_npm:
            return
        self._told_about_npm = True
        tree = self._setting.territory.living()
        bot, between = unwrap(run.child.pid, tree)
        self._setting.provenance.note_bot(bot)
        if between:
            emit("npm.between", command=next(list(entry.argv) for entry in tree if entry.pid == bot))

    # -- what the run shows ------------------------------------------------------------------------------------------

    def browser_up(self, live: Live) -> None:
        """A browser's main process is there."""
        if self._state.phase is Phase.STARTING and self._turn.clock.current == "boot":
            self._turn.clock.enter("browser")
        if self._changes is not None:
            for path in (live.profile, *files_of(live.profile)):
                self._changes.exclude(path)
        self._hold(live.profile)
        emit("browser.up", pid=live.browser.main.pid, profile=str(live.profile))

    def _hold(self, profile: Path) -> None:
        """Keep other supervisors off a profile that has come to light, or leave it to the one that has it."""
        try:
            self._setting.locks.take(profile, self._setting.territory.project)
        except ProfileBusyError as error:
            self._care.leave_alone(profile)
            emit("error", problem=str(error), remedy="stop it first")
            if not self.ending:
                self.quit("profile in use", lifecycle.HELD)

    def browser_blind(self, live: Live) -> None:
        """A browser offers no DevTools: its page cannot be read."""
        emit("browser.blind", pid=live.browser.main.pid, profile=str(live.profile))

    def page_state(self, live: Live) -> None:
        """A page has changed its state."""
        if self._run is None or self._run.stopping:
            return
        if self._state.phase is Phase.STARTING and self._turn.clock.current == "browser":
            self._turn.clock.enter("link")
        lives = self._run.observer.live.values()
        linked = {SessionStatus.LINKED, SessionStatus.READY}
        if self._turn.clock.current == "link" and all(live.state.status in linked for live in lives):
            self._turn.clock.enter("ready")
        self._sessions.page_state(live)

    def browser_gone(self, live: Live) -> None:
        """A browser has exited; unless it was closed by us, its bot may open it again, and has some time for that."""
        run = self._run
        if run is None or run.stopping:
            return
        emit("browser.lost", pid=live.browser.main.pid, profile=str(live.profile))

        def still_gone() -> None:
            if self._run is not run or run.stopping:
                return
            # Asked anew: the observer may look for a further browser of a running bot as seldom as that.
            if all(browser.profile != live.profile for browser in find_browsers(self._setting.territory.living())):
                self._begin_turn("browser lost", str(live.profile))
                self._post(Kind.BROWSER_LOST)

        # Not one of the timers of a start, which are off once that is over.
        asyncio.get_running_loop().call_later(self._config.browser.lost_patience, still_gone)
