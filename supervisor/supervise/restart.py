"""One restart, from top to bottom: every step under the name of its phase, in the order in which they are taken.

    preflight: freeze -> preflight                          for a changed file; the bot goes on if it is refused
    warm stop: gate -> drain -> stop -> prove               the browsers are kept; else it goes on with the next
    stop:      freeze -> close -> stop -> prove             with `stop.order = "bot-first"`: close -> stop -> prove
    prepare:   check -> snapshot | restore -> settle -> preflight
    start:     boot -> browser -> link -> ready             after a failure: backoff first
    takeover:  boot -> attach -> replay                     by a bot for which browsers were kept

Phases are entered in this module and nowhere else; what each step does is in `bot/stop.py`, `maintenance.py`,
`snapshot_queue.py`, `preflight_gate.py` and `bot/run.py`. Who asked for the restart, and what follows a step, is the
state machine's affair. The time between the request and the first step belongs to that step.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from supervisor.bot.attachment import Step
from supervisor.bot.observer import LiveBrowser
from supervisor.bot.released import Released
from supervisor.bot.run import Run
from supervisor.bot.spec import BotSpec
from supervisor.bot.stop import Stop, Stopped
from supervisor.browser.presets import SessionStatus
from supervisor.log.logger import emit
from supervisor.process.suspend import Suspension
from supervisor.session.profiles.profile import Profile
from supervisor.session.snapshot.catalog import Snapshot
from supervisor.supervise.kept_browsers import ColdReason, KeptBrowsers
from supervisor.supervise.maintenance import Maintenance
from supervisor.supervise.ongoing import OngoingRestart
from supervisor.supervise.preflight_gate import PreflightGate, SourceWatch
from supervisor.supervise.snapshot_queue import SnapshotQueue
from supervisor.system.errors import SessionError
from supervisor.timing.phases import PhaseClock

_LINKED = {SessionStatus.LINKED, SessionStatus.READY}


class RestartSequence:
    """The sequences of a restart. None of them decides whether it is wanted."""

    def __init__(self, spec: BotSpec, gate: PreflightGate, maintenance: Maintenance, queue: SnapshotQueue) -> None:
        self._spec = spec
        self._gate = gate
        self._maintenance = maintenance
        self._queue = queue

    # -- before a stop -----------------------------------------------------------------------------------------------

    def preflight(
        self, restart: OngoingRestart, run: Run, files: SourceWatch, on_over: Callable[[bool], None], *, freeze: bool
    ) -> None:
        """Begin to check what has changed; `on_over` is called with whether to restart.

        A bot whose browsers are about to be closed is suspended meanwhile, since it must not react to that.
        """
        if freeze:
            restart.clock.enter("freeze")
            self._gate.suspend(run.child.pid)
        restart.clock.enter("preflight")
        self._gate.check(files, on_over)

    # -- stop --------------------------------------------------------------------------------------------------------

    async def stop(self, restart: OngoingRestart, run: Run | None, stop: Stop, suspension: Suspension) -> Stopped:
        """Stop `run`, or without one what earlier supervisors left, and prove that nothing of it lives."""
        clock = restart.clock
        with suspension:
            clock.enter("prove" if run is None else "freeze")  # a first start has nothing to freeze, as a rule
            if self._spec.config.stop.order == "bot-first":
                clock.enter("close")
                await stop.let_bot_close()
                clock.enter("stop")
                await stop.end_bot()
            else:
                stop.suspend()
                clock.enter("close")
                # The bot is ended as soon as its browsers can write nothing more: both then go side by side.
                async with stop.closing_browsers() as left_clean:
                    if run is not None:
                        self._maintenance.look_ahead(run.released(left_clean))
                    clock.enter("stop")
                    await stop.end_bot()
        clock.enter("prove")
        return await stop.prove()

    async def shut_gates(self, restart: OngoingRestart, run: Run | None, kept: KeptBrowsers) -> ColdReason | None:
        """Have the events of the bot's pages wait, and the bot finish those before; a reason if that cannot be."""
        restart.clock.enter("gate")
        reason = await kept.shut(run)
        if reason is None and run is not None and run.child.handle.alive:
            restart.clock.enter("drain")
            await kept.drain()
        return reason

    async def stop_warm(self, restart: OngoingRestart, stop: Stop) -> Stopped:
        """Stop the bot without its browsers, and prove that nothing else of it lives."""
        restart.clock.enter("stop")
        stop.look()
        await stop.end_bot()
        restart.clock.enter("prove")
        return await stop.prove()

    # -- prepare -----------------------------------------------------------------------------------------------------

    async def prepare(
        self,
        clock: PhaseClock,
        released: Mapping[Path, Released],
        wanted: Mapping[str, Snapshot],
        kept: Collection[Path],
    ) -> bool:
        """Put every profile in order before a start; False if one could not be, and was left as it is.

        `released` holds what is known of profiles that a browser has just let go of. `wanted` are snapshots that are to
        be restored regardless of the check, by session. The browsers on the profiles `kept` go on.
        """
        clock.enter("check")
        in_order = True
        for profile in await self._maintenance.profiles_to_prepare(released):
            if profile.path in kept:
                continue
            try:
                in_order &= await self._prepare(clock, profile, released.get(profile.path), wanted.get(profile.id))
            except SessionError as error:
                emit("error", problem=str(error))
                in_order = False
        self._queue.drop_ahead()
        return in_order

    async def _prepare(
        self, clock: PhaseClock, profile: Profile, released: Released | None, wanted: Snapshot | None
    ) -> bool:
        clock.enter("check")
        if not await self._maintenance.free(profile):
            return True
        if wanted is not None:
            clock.enter("restore")
            await self._maintenance.restore(profile, [wanted], "a QR code appeared although the session was linked")
            return True
        report = await self._maintenance.check(profile, released)
        released = released or await self._maintenance.quiet(profile)
        if report is not None and report.blocked:
            return False
        if report is not None and report.damage:
            clock.enter("restore")
            await self._maintenance.recover(profile, " ".join(report.damage))
            return True
        if released is not None and released.clean:
            clock.enter("snapshot")
            await self._queue.read(profile, released)
        await self._maintenance.trim(profile)
        return True

    async def wait_for_files(self, clock: PhaseClock, files: SourceWatch, *, checked: bool) -> bool:
        """Wait until the source files are quiet, and check them if wanted; whether a bot is to be started on them."""
        clock.enter("settle")
        await files.settled()
        if not checked:
            return True
        clock.enter("preflight")
        return await self._gate.check_late(files)

    # -- start -------------------------------------------------------------------------------------------------------

    def back_off(self, clock: PhaseClock) -> None:
        """Begin the pause before a bot that has failed is started again."""
        clock.enter("backoff")

    def start(self, clock: PhaseClock, spawn: Callable[[], Run]) -> Run:
        """Spawn the bot. Raises `CommandError`."""
        clock.enter("boot")
        return spawn()

    def takeover(self, clock: PhaseClock, step: Step) -> None:
        """The bot has begun a step of taking over the browsers that were kept for it."""
        if step == "attach":
            clock.enter("attach")
        elif step == "replay":
            clock.enter("replay")

    def browser_up(self, clock: PhaseClock) -> None:
        """The main process of one of the bot's browsers exists."""
        if clock.current == "boot" or clock.paused:
            clock.enter("browser")

    def wait_for_browser(self, clock: PhaseClock) -> None:
        """The bot does nothing more until a person tells it to."""
        clock.pause()

    def page_changed(self, clock: PhaseClock, browsers: Mapping[Path, LiveBrowser]) -> None:
        """The page of one of the bot's browsers has answered, or has changed its state."""
        if clock.current == "browser":
            clock.enter("link")
        if clock.current == "link" and all(live.state.status in _LINKED for live in browsers.values()):
            clock.enter("ready")
