"""One run of the bot: everything that is true only from its spawn until its tree is proven gone."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from supervisor.bot.environment import CHANGES, NOTIFY, bot_environment, may_notify
from supervisor.bot.observer import Live, Observer, Reports
from supervisor.bot.ownership import Territory
from supervisor.bot.probes import readiness
from supervisor.bot.probes.http import http_ready
from supervisor.bot.probes.liveness import Health
from supervisor.bot.probes.output import OutputMatcher
from supervisor.bot.probes.sd_notify import Notification, NotifySocket
from supervisor.bot.probes.symptoms import Symptom
from supervisor.bot.versions import Provenance
from supervisor.browser.presets import WHATSAPP, PagePreset, SessionStatus, custom_preset
from supervisor.config.modes import Mode
from supervisor.config.schema import Config
from supervisor.config.sections.ready import ReadyPageConfig
from supervisor.log.logger import report_fault
from supervisor.log.sinks import OutputSinks
from supervisor.preflight import javascript
from supervisor.process.child import Child, PrestartedProcess
from supervisor.process.handle import Handle
from supervisor.process.reaper import Reaper, crashed, tells_threads_apart
from supervisor.process.spawn import SpawnSpec
from supervisor.process.start_gate import can_gate_start
from supervisor.session.profile_lock import ProfileLocks
from supervisor.session.profiles import singleton
from supervisor.supervise.snapshot_queue import Quiet
from supervisor.system.qr import QrDisplay
from supervisor.system.runtime_dir import runtime_folder
from supervisor.system.tasks import drop_traceback_on_cancel

Signal = Literal["notify", "http", "output"]


@dataclass(frozen=True, slots=True)
class Setting:
    """What does not change from one run to the next."""

    config: Config
    command: Sequence[str]
    directory: Path
    territory: Territory
    reaper: Reaper
    runtime: Path
    """A folder that is closed to other users, for sockets and lists."""
    provenance: Provenance
    outputs: OutputSinks
    """Where the bot's output goes."""
    mode: Mode = Mode.DEV
    umask: int = -1
    """What the bot's processes begin with; -1 for our own."""
    screen: QrDisplay | None = None
    """Where QR codes are drawn, if anywhere."""
    locks: ProfileLocks = field(default_factory=ProfileLocks)
    """The profiles that no other supervisor may use meanwhile."""

    def environment(self, mark: str, number: int) -> dict[str, str]:
        """The environment of the run that bears this mark and follows so many others."""
        runtime = self.runtime
        if not runtime.is_dir():
            # systemd removes a user's runtime folder when he logs out; a bot under nohup or tmux goes on.
            runtime = runtime_folder(self.territory.key)
        return bot_environment(self.config, runtime, mark=mark, number=number)

    def starts_ahead(self, environment: Mapping[str, str]) -> bool:
        """Whether the bot's leader may be started before its time, in this environment."""
        return (
            self.mode is Mode.DEV
            and self.config.bot.start_ahead
            and (tells_threads_apart() or not self.territory.contained)
            and can_gate_start()
            and javascript.starts_plainly(self.command, environment.get("NODE_OPTIONS", ""))
        )


class Run:
    """A bot that is running, and what is seen of it.

    `on_exit(run, code)` and `on_start_over(run, verdict)` are called on the event loop: the first once, the second when
    the start is over, and once more for a bot that first waited for a link and then is ready. `on_unhealthy(run,
    symptom)` is called at most once. `reports` hears of the browsers and their pages.
    """

    def __init__(
        self,
        setting: Setting,
        reports: Reports,
        *,
        number: int,
        expected: frozenset[Path],
        opens_browser: bool,
        changes: Sequence[Path],
        on_exit: Callable[[Run, int], None],
        on_start_over: Callable[[Run, readiness.Verdict], None],
        on_unhealthy: Callable[[Run, Symptom], None],
        prestarted: PrestartedProcess | None = None,
    ) -> None:
        """Spawn the bot, or go on with what was started `prestarted` for it.

        Raises CommandError if that cannot be done, and then leaves nothing behind.
        """
        self.setting = setting
        self.number = number
        self.mark = prestarted.mark if prestarted is not None else setting.territory.new_mark()
        self.expected = expected
        self.opens_browser = opens_browser
        self.stopping = False
        #: Set when something of ours that watches this run has failed: the bot goes on, unwatched.
        self.faulted = False
        self._reports = reports
        self._on_exit = on_exit
        self._on_start_over = on_start_over
        self._started = asyncio.get_running_loop().time()
        self._sight_changed = self._started
        #: By which of the ways that it has the bot has said that it is ready.
        self._signalled: Signal | None = None
        self._verdict: readiness.Verdict | None = None
        self._gone: dict[Path, Quiet] = {}
        #: The browsers that have gone and not come back.
        self._lost: dict[Path, Handle] = {}
        self._resources = contextlib.ExitStack()
        self._tasks: set[asyncio.Task[None]] = set()
        try:
            self.child = self._spawn(changes, prestarted)
        except BaseException:
            self._resources.close()
            if prestarted is not None:
                prestarted.drop()
            raise
        ready_config = setting.config.ready
        self.observer = Observer(
            setting.territory.living,
            self,
            _preset(ready_config.page),
            expected=expected,
            interval=ready_config.page.poll,
        )
        self._health = Health(
            setting.config, self.child.pid, self.observer, lambda symptom: on_unhealthy(self, symptom)
        )
        self._exited = asyncio.create_task(self._wait(), name="bot-exit")
        self._begin(self.observer.run(), "observer")
        self._begin(self._settle(), "settle")
        if ready_config.http is not None:
            self._begin(self._ask_http(ready_config.http), "http-ready")

    def _spawn(self, changes: Sequence[Path], prestarted: PrestartedProcess | None) -> Child:
        setting = self.setting
        listeners = [setting.outputs.on_output] if setting.outputs.on_output is not None else []
        if (screen := setting.screen) is not None:
            listeners.append(lambda _stream, chunk: screen.feed(chunk))
        if (pattern := setting.config.ready.output) is not None:
            loop = asyncio.get_running_loop()

            def matched(_text: str) -> None:
                loop.call_soon_threadsafe(self._signal, "output")

            matcher = OutputMatcher(str(pattern), matched)
            listeners.append(lambda _stream, chunk: matcher.feed(chunk))

        def on_output(stream: str, chunk: bytes) -> None:
            for listener in listeners:
                listener(stream, chunk)

        spec = SpawnSpec(setting.command, setting.directory, self._environment(changes), setting.umask)
        return Child.spawn(
            spec,
            reaper=setting.reaper,
            on_output=on_output if listeners else None,
            writers=setting.outputs.writers,
            gated=setting.starts_ahead(spec.environment),
            prestarted=prestarted,
        )

    def _environment(self, changes: Sequence[Path]) -> Mapping[str, str]:
        """The bot's environment, with what it names in place."""
        setting = self.setting
        environment = setting.environment(self.mark, self.number)
        try:
            Path(environment[CHANGES]).write_bytes(b"".join(os.fsencode(path) + b"\n" for path in changes))
        except OSError:  # a full disk: better a bot that does not hear what has changed than none
            del environment[CHANGES]
        if may_notify(setting.config):
            notify = NotifySocket(Path(environment[NOTIFY]), self._notified, trusted=self._is_mine)
            self._resources.enter_context(notify)
        return environment

    def _is_mine(self, pid: int) -> bool:
        return any(entry.pid == pid for entry in self.setting.territory.living())

    # -- what is seen ------------------------------------------------------------------------------------------------

    def browser_up(self, live: Live) -> None:
        """A browser's main process is there."""
        self._gone.pop(live.profile, None)
        self._lost.pop(live.profile, None)
        self._seen()
        self._reports.browser_up(live)

    def page_state(self, live: Live) -> None:
        """The state of a browser's page has changed."""
        self._reports.page_state(live)
        self._health.page_state(live)
        self._seen()

    def browser_blind(self, live: Live) -> None:
        """A browser is up whose page cannot be read."""
        self._seen()
        self._reports.browser_blind(live)

    def browser_gone(self, live: Live) -> None:
        """A browser's main process has exited."""
        self._lost[live.profile] = live.browser.main.handle
        self._gone[live.profile] = _left_by(live)
        self._seen()
        self._reports.browser_gone(live)

    def _notified(self, notification: Notification) -> None:
        self._health.notified(notification)
        if notification.ready:
            self._signal("notify")

    def _signal(self, by: Signal) -> None:
        self._signalled = by
        self._judge(settled=False)

    @drop_traceback_on_cancel
    async def _ask_http(self, url: str) -> None:
        if await http_ready(url, interval=0.1, timeout=self.setting.config.ready.timeout):
            self._signal("http")

    def look_again(self) -> None:
        """Something that is known of the browsers from elsewhere has changed."""
        self._judge(settled=False)

    def _seen(self) -> None:
        self._sight_changed = asyncio.get_running_loop().time()
        self._judge(settled=False)

    @drop_traceback_on_cancel
    async def _settle(self) -> None:
        """Judge once more whenever nothing has come or gone for as long as "up" must last."""
        loop = asyncio.get_running_loop()
        while self._verdict is None:
            left = self._sight_changed + self._quiet_enough() - loop.time()
            if left <= 0:
                self._judge(settled=True)
                left = self.setting.config.ready.settle
            await asyncio.sleep(min(max(left, 0.01), self.setting.config.ready.settle))

    def _quiet_enough(self) -> float:
        """Seconds of quiet after which nothing more is expected to come.

        A bot that is known to open browsers may be compiled first, or wait for a database. One that had a browser in
        its last run and has none now is never just "up"; one that lacks some of them, or that only has profiles from
        earlier days, gets as long as is granted for opening them.
        """
        config, live = self.setting.config, self.observer.live
        if self.expected and not live:
            return math.inf
        waits = self.expected - live.keys() or (self.opens_browser and not live)
        return config.ready.settle + (config.browser.start_timeout if waits else 0.0)

    def _judge(self, *, settled: bool) -> None:
        if self.stopping or self._verdict == "ready":
            return
        pages = tuple(_readable(live) for live in self.observer.live.values())
        missing = len(self.expected - self.observer.live.keys())
        sight = readiness.Sight(pages, missing, self._signalled is not None, settled)
        verdict = readiness.judge(sight, self.setting.config.ready)
        if verdict is not None and verdict != self._verdict:
            if self._verdict is None and self.setting.config.health.enabled:
                self._begin(self._health.run(), "health")
            self._verdict = verdict
            self.observer.at_ease = not (self.expected or self.opens_browser or self.observer.live)
            self._on_start_over(self, verdict)

    @property
    def ready(self) -> bool:
        """Whether it has become ready; a session may have lost its link since."""
        return self._verdict == "ready"

    @property
    def method(self) -> str:
        """By what the start was found to be over: the bot's own word, its page, or that it is up."""
        if self._signalled is not None:
            return self._signalled
        return "page" if any(_readable(live) for live in self.observer.live.values()) else "up"

    # -- the end -----------------------------------------------------------------------------------------------------

    async def _wait(self) -> None:
        self._on_exit(self, await self.child.wait())

    def felled_by(self) -> Path | None:
        """After the exit: the profile of the browser that had crashed before, if that is why the bot has ended.

        puppeteer kills its browser as the bot exits, for whatever reason, so that two ends close together tell nothing.
        But a bot that has reaped its browser was still running then. A browser that it had no time to reap has come to
        us, with what ended it: a crash, or puppeteer's SIGKILL. Where orphans do not come to us nobody can tell.
        """
        if not self.setting.territory.contained:
            return None
        mains = {path: live.browser.main.handle for path, live in self.observer.live.items()} | self._lost
        for profile, main in mains.items():
            if not main.alive and singleton.remaining(profile):
                status = self.setting.reaper.status_of(main.pid)
                if status is None or crashed(status):
                    return profile
        return None

    def quiet(self, closed: Mapping[Path, bool]) -> dict[Path, Quiet]:
        """What is known of each profile that this run held; `closed` tells which were closed, and whether cleanly."""
        # A browser that has ended shortly before its bot may not have been missed yet.
        seen = {profile: _left_by(live) for profile, live in self.observer.live.items()} | self._gone
        for profile, clean in closed.items():
            live = self.observer.live.get(profile)
            before = seen.get(profile)
            linked = live.linked if live else before.linked if before else None
            version = live.version if live else before.version if before else None
            seen[profile] = Quiet(clean, linked, version)
        return seen

    async def release(self) -> None:
        """Let go of everything, once the tree is proven gone."""
        self._health.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._exited
        self._tasks.clear()
        self._resources.close()
        self.observer.forget()
        self.child.release()

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._work_ended)

    def _work_ended(self, task: asyncio.Task[None]) -> None:
        self.faulted |= report_fault(task)


def _left_by(live: Live) -> Quiet:
    """How a browser that has ended by itself has left its profile."""
    return Quiet(not singleton.remaining(live.profile), live.linked, live.version)


def _readable(live: Live) -> SessionStatus | None:
    """The status that a browser's page has; None for a browser whose page cannot be read, or is none that we know."""
    if live.blind or live.foreign:
        return None
    unsettled = live.doubted or live.state.status is SessionStatus.UNKNOWN
    return SessionStatus.STARTING if unsettled else live.state.status


def _preset(page: ReadyPageConfig) -> PagePreset:
    if page.ready is None:
        return WHATSAPP
    return custom_preset(page.url or "*", ready=page.ready, needs_login=page.needs_login)
