"""One run of the bot: everything that is true only from its spawn until its tree is proven gone."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from supervisor.bot.attachment import Attachment, Step
from supervisor.bot.environment import CHANGES, NOTIFY, may_notify
from supervisor.bot.observer import BrowserChange, LiveBrowser, Observer
from supervisor.bot.probes import readiness
from supervisor.bot.probes.http import http_ready
from supervisor.bot.probes.liveness import LivenessMonitor, Symptom
from supervisor.bot.probes.output import OutputMatcher
from supervisor.bot.probes.sd_notify import Notification, NotifySocket
from supervisor.bot.released import Released
from supervisor.bot.spec import BotSpec
from supervisor.browser.endpoint import connects_to_another
from supervisor.browser.page import OPEN_FOR
from supervisor.browser.presets import WHATSAPP, PagePreset, SessionStatus, custom_preset
from supervisor.browser.processes import find_browsers
from supervisor.browser.throwaway import is_throwaway, temporary_folders
from supervisor.config.sections.ready import ReadyPageConfig
from supervisor.log.logger import emit, report_fault
from supervisor.process.child import Child, PrestartedProcess
from supervisor.process.handle import Handle
from supervisor.process.reaper import crashed
from supervisor.process.spawn import SpawnSpec
from supervisor.process.table import ProcessEntry
from supervisor.process.wrappers import speakers
from supervisor.session.profiles import singleton
from supervisor.system import files
from supervisor.system.tasks import drop_traceback_on_cancel
from supervisor.warm.kept import KeptBrowser

#: Seconds between two looks whether a bot without a browser is connected to one that it has not started.
_LOOK_FOR_CONNECTION = 1.0

Signal = Literal["notify", "http", "output"]

#: Stands for all profiles to throw away, of which a bot may have used any number.
_THROWN_AWAY = Path("thrown-away")

#: Seconds that a look at the bot's processes is used for, when one of them sends a notification.
_TREE_AGE = 0.25


@dataclass(frozen=True, slots=True)
class BotExited:
    """The bot's first process has exited with `code`, negative for a signal. Posted once."""

    run: Run
    code: int


@dataclass(frozen=True, slots=True)
class StartOver:
    """The start of the bot is over; posted once more for a bot that first waited for a link and then is ready."""

    run: Run
    verdict: readiness.Verdict


@dataclass(frozen=True, slots=True)
class BotUnwell:
    """The bot has been of no use for too long, although it runs. Posted at most once."""

    run: Run
    symptom: Symptom


@dataclass(frozen=True, slots=True)
class BrowserSeen:
    """Something has happened to one of the bot's browsers."""

    run: Run
    change: BrowserChange
    live: LiveBrowser


@dataclass(frozen=True, slots=True)
class TakeoverStep:
    """The bot has begun a step of taking over the browsers that were kept for it."""

    run: Run
    step: Step


@dataclass(frozen=True, slots=True)
class TakeoverFailed:
    """The bot cannot take over the browsers that were kept for it. Posted at most once."""

    run: Run
    why: str


RunEvent = BotExited | StartOver | BotUnwell | BrowserSeen | TakeoverStep | TakeoverFailed


class Run:
    """A bot that is running, and what is seen of it.

    Everything that happens to it is posted as a `RunEvent`, on the event loop, until `note_stop`.
    """

    def __init__(
        self,
        spec: BotSpec,
        post: Callable[[RunEvent], None],
        *,
        number: int,
        expected: frozenset[Path],
        late: frozenset[Path],
        opens_browser: bool,
        awaited: bool,
        on_command: bool,
        changes: Sequence[Path],
        kept: Sequence[KeptBrowser] = (),
        prestarted: PrestartedProcess | None = None,
    ) -> None:
        """Spawn the bot, or go on with what was started `prestarted` for it. It is to take over the browsers `kept`.

        `number` is how many runs there were before, `expected` the profiles that the last one had open when its start
        was over, `late` those that it opened soon after, `changes` the files that have changed since. `awaited`: a
        linked session of a browser is known. `on_command`: the bot is known to open it when a person tells it to.
        Raises `CommandError` if the bot cannot be spawned, and then leaves nothing behind.
        """
        self.mark = prestarted.mark if prestarted is not None else spec.territory.new_mark()
        #: Whether it is being stopped: what it shows from then on belongs to no start.
        self.stopping = False
        #: Whether one of our own tasks that watch this run has failed: the bot goes on, unwatched.
        self.faulted = False
        self._spec = spec
        self._post = post
        self._number = number
        #: Without any browser it is not up: the last run had some when its start was over.
        self._needs_browser = bool(expected) and not on_command
        self._expected = expected = expected | late
        self._opens_browser = opens_browser
        #: Whether it may come to wait for a browser: that of a session which is known to be linked.
        self.awaited = awaited and spec.config.ready.method == "auto"
        self._on_command = on_command
        #: When the browser came that it was waited for, in monotonic seconds.
        self.browser_came_at: float | None = None
        self._started = asyncio.get_running_loop().time()
        #: In seconds since the epoch.
        self._spawned_at = time.time()
        self._sight_changed = self._started
        #: By which of the ways that it has the bot has said that it is ready.
        self._signalled: Signal | None = None
        self._verdict: readiness.Verdict | None = None
        #: Whether its start was over once, even if that has been taken back.
        self._over = False
        #: Whether it counts as ready for want of anything to judge by, and how many browsers it had then.
        self._by_default, self._browsers_then = False, 0
        #: The pids of those whose word is the bot's own, as far as they are known.
        self._speakers: set[int] = set()
        #: By pid, those whose word did not count, and whether it was that the bot is ready.
        self._unheard: dict[int, bool] = {}
        self._gone: dict[Path, Released] = {}
        #: The profiles whose browsers the bot has closed itself: it has opened them, and they are not waited for.
        self._closed: set[Path] = set()
        #: The profiles whose pages were last seen waiting for a scan; that a page was closed since says nothing.
        self._unscanned: set[Path] = set()
        #: The browsers that have gone and not come back.
        self._lost: dict[Path, Handle] = {}
        self.attachment = Attachment(
            kept,
            self._takeover_step,
            lambda why: self._tell(TakeoverFailed(self, why)),
        )
        self._resources = contextlib.ExitStack()
        self._tasks: set[asyncio.Task[None]] = set()
        try:
            self.child = self._spawn(changes, prestarted)
        except BaseException:
            self._resources.close()
            if prestarted is not None:
                prestarted.drop()
            raise
        ready_config = spec.config.ready
        self.observer = Observer(
            spec.territory.living,
            self._browser_seen,
            _preset(ready_config.page),
            expected=expected,
            interval=ready_config.page.poll,
            is_throwaway=self._is_throwaway,
        )
        self._health = LivenessMonitor(
            spec.config, self.child.pid, self.observer, lambda symptom: self._tell(BotUnwell(self, symptom))
        )
        if self.child.link is not None:
            self.child.link.listen(self.attachment.report)
        self._exited = asyncio.create_task(self._wait(), name="bot-exit")
        self._begin(self.observer.run(), "observer")
        self._begin(self._settle(), "settle")
        if ready_config.http is not None:
            self._begin(self._ask_http(ready_config.http), "http-ready")

    def _spawn(self, changes: Sequence[Path], prestarted: PrestartedProcess | None) -> Child:
        spec = self._spec
        listeners = spec.outputs.listeners()
        if (screen := spec.screen) is not None:
            listeners.append(lambda _stream, chunk: screen.feed(chunk))
        if (pattern := spec.config.ready.output) is not None:
            loop = asyncio.get_running_loop()

            def matched(_text: str) -> None:
                loop.call_soon_threadsafe(self._signal, "output")

            matcher = OutputMatcher(str(pattern), matched)
            listeners.append(lambda _stream, chunk: matcher.feed(chunk))

        def on_output(stream: str, chunk: bytes) -> None:
            for listener in listeners:
                listener(stream, chunk)

        launch = SpawnSpec(spec.command, spec.directory, self._environment(changes), spec.umask)
        return Child.spawn(
            launch,
            reaper=spec.reaper,
            on_output=on_output if listeners else None,
            writers=spec.outputs.writers,
            gated=spec.starts_ahead(launch.environment),
            linked=spec.link(launch.environment),
            prestarted=prestarted,
        )

    def _environment(self, changes: Sequence[Path]) -> Mapping[str, str]:
        """The bot's environment, with what it names in place."""
        spec = self._spec
        environment = spec.environment(self.mark, self._number)
        try:
            files.rewrite(Path(environment[CHANGES]), b"".join(os.fsencode(path) + b"\n" for path in changes))
        except OSError:  # a full disk: better a bot that does not learn what has changed than none
            del environment[CHANGES]
        if may_notify(spec.config):
            notify = NotifySocket(Path(environment[NOTIFY]), self._notified, trusted=self._is_mine)
            self._resources.enter_context(notify)
        return environment

    def _is_throwaway(self, profile: Path) -> bool:
        config, project = self._spec.config, self._spec.territory.project
        if profile in {(project / path).resolve() for path in config.session.profiles}:
            return False
        temporary = temporary_folders(os.environ | config.bot.env)
        return is_throwaway(profile, temporary, since=self._spawned_at)

    def _is_mine(self, pid: int) -> bool:
        return any(entry.pid == pid for entry in self._tree_with(pid))

    def _tree_with(self, pid: int) -> Sequence[ProcessEntry]:
        """The bot's processes, looked at anew if this one was not among them a moment ago."""
        tree = self.observer.tree(_TREE_AGE)
        return tree if any(entry.pid == pid for entry in tree) else self.observer.tree(0.0)

    # -- what is seen ------------------------------------------------------------------------------------------------

    def note_stop(self) -> None:
        """Post nothing more: it is being stopped."""
        self.stopping = True

    def _tell(self, event: RunEvent) -> None:
        if not self.stopping:
            self._post(event)

    def _browser_seen(self, change: BrowserChange, live: LiveBrowser) -> None:
        match change:
            case "up":
                self._gone.pop(live.profile, None)
                self._lost.pop(live.profile, None)
                self._closed.discard(live.profile)
                self._unscanned.discard(live.profile)
                self._hear_late()
                if self.waits_for_browser:
                    self.browser_came_at = time.monotonic()
                    self._verdict = None
                    self._begin(self._settle(), "settle")
                elif not self._browsers_then:
                    self._reconsider()
            case "page":
                self._health.page_state(live)
                if live.state.status in readiness.AWAITS_SCAN:
                    self._unscanned.add(live.profile)
                elif live.state.status is not SessionStatus.UNKNOWN:
                    self._unscanned.discard(live.profile)
                self._consider_page(live)
            case "closed" | "gone" if not live.throwaway:
                self._gone[live.profile] = _left_by(live)
                if change == "gone":
                    self._lost[live.profile] = live.browser.main.handle
            case "closed" | "gone" | "blind" | "incognito":
                pass
        if change == "closed":
            self._closed.add(live.profile if not live.throwaway else _THROWN_AWAY)
        self._post(BrowserSeen(self, change, live))  # also of a bot that opens its browser anew while it is stopped
        self._sight_changed = asyncio.get_running_loop().time()

    def _consider_page(self, live: LiveBrowser) -> None:
        if live.state.status is SessionStatus.OPEN:
            asyncio.get_running_loop().call_later(OPEN_FOR, self.judge)
        elif live.state.status is not SessionStatus.UNKNOWN:
            self._reconsider()

    def _reconsider(self) -> None:
        """Take back that the bot is ready if that was held for want of anything to judge by, and there is now."""
        in_time = asyncio.get_running_loop().time() - self._started < self._spec.config.browser.start_timeout
        if self._verdict == "ready" and self._by_default and in_time:
            self._verdict = None
            self._begin(self._settle(), "settle")

    def _notified(self, notification: Notification) -> None:
        if notification.pid is not None and not self._speaks_for_bot(notification.pid):
            if notification.pid not in self._unheard:
                program = next((e.name for e in self.observer.tree(_TREE_AGE) if e.pid == notification.pid), "?")
                emit("bot.notification_ignored", pid=notification.pid, program=program)
            # Of a bot behind something unknown only its browser shows that it is the bot.
            self._unheard[notification.pid] = notification.ready or self._unheard.get(notification.pid, False)
            return
        self._health.notified(notification)
        if notification.ready:
            self._signal("notify")

    def _speaks_for_bot(self, pid: int) -> bool:
        if pid not in self._speakers:
            tree = self._tree_with(pid)
            browsers = [browser.main.pid for browser in find_browsers(tree)]
            self._speakers |= speakers(self.child.pid, tree, browsers)
        return pid in self._speakers

    def _hear_late(self) -> None:
        """Take the word of those who have said that the bot is ready before they were known to be the bot."""
        if any(ready and self._speaks_for_bot(pid) for pid, ready in self._unheard.items()):
            self._unheard = dict.fromkeys(self._unheard, False)
            self._signal("notify")

    def _signal(self, by: Signal) -> None:
        self._signalled = by
        self._judge(settled=False)

    @drop_traceback_on_cancel
    async def _ask_http(self, url: str) -> None:
        if await http_ready(url, interval=0.1, timeout=self._spec.config.ready.timeout):
            self._signal("http")

    def judge(self) -> None:
        """Judge whether the start is over, after a change of the browsers or of what is believed of them."""
        self._judge(settled=False)

    @drop_traceback_on_cancel
    async def _settle(self) -> None:
        """Judge once more whenever nothing has come or gone for as long as "up" must last."""
        loop = asyncio.get_running_loop()
        looked = loop.time()
        while self._verdict is None:
            missed = self._opens_browser and not (self._needs_browser or self.observer.live)
            if missed and loop.time() - looked >= _LOOK_FOR_CONNECTION:
                looked = loop.time()
                self._opens_browser = not await self._only_connects()
            left = self._sight_changed + self._quiet_enough() - loop.time()
            if left <= 0:
                self._judge(settled=True)
                left = self._spec.config.ready.settle
            await asyncio.sleep(min(max(left, 0.01), self._spec.config.ready.settle))

    async def _only_connects(self) -> bool:
        """Whether the bot uses a browser that runs already, so that it will open none."""
        pids = [entry.pid for entry in self.observer.tree(_TREE_AGE)]
        return await asyncio.to_thread(connects_to_another, pids)

    @property
    def opens_browser(self) -> bool:
        """Whether a browser of it is to be expected."""
        return self._opens_browser

    def _quiet_enough(self) -> float:
        """Seconds of quiet after which nothing more is expected to come.

        A bot that is known to open browsers may be compiled first, or wait for a database. One that had a browser in
        its last run and has none now is never just "up"; one that lacks some of them, or that only has profiles from
        earlier days, gets as long as is granted for opening them.
        """
        config, seen = self._spec.config, self.observer.live.keys() | self._closed
        if self._needs_browser and not seen:
            return math.inf
        if self._on_command and not seen:
            return config.ready.settle
        waits = self._expected - seen or (self._opens_browser and not seen)
        return config.ready.settle + (config.browser.start_timeout if waits else 0.0)

    def _takeover_step(self, step: Step) -> None:
        self._tell(TakeoverStep(self, step))
        if step == "over":
            self._judge(settled=False)

    def _judge(self, *, settled: bool) -> None:
        if self.stopping or self._verdict == "ready" or self.attachment.pending:
            return
        pages = tuple(self._readable(live) for live in self.observer.live.values())
        missing = len(self._expected - self.observer.live.keys() - self._closed)
        awaited = self.awaited and self._opens_browser and not self.opened_browser
        seen = readiness.Observations(pages, missing, self._signalled is not None, settled, awaited)
        config = self._spec.config.ready
        # The page was ready before, and a signal is asked for by the configuration only.
        taken_over = self.attachment.takes_over and readiness.needs_no_signal(config)
        verdict = "ready" if taken_over else readiness.judge(seen, config)
        if verdict is not None and verdict != self._verdict:
            if not self._over and self._spec.config.health.enabled:
                self._begin(self._health.run(), "health")
            self._over = True
            self._verdict = verdict
            self._by_default = self.method == "up" and self._spec.config.ready.method == "auto"
            self._browsers_then = len(self.observer.live)
            self.observer.expect_browser(bool(self._expected or self._opens_browser or self.observer.live))
            self._tell(StartOver(self, verdict))

    @property
    def ready(self) -> bool:
        """Whether it has become ready; a session may have lost its link since."""
        return self._verdict == "ready"

    @property
    def waits_for_browser(self) -> bool:
        """Whether it has a linked session and opens no browser, as a bot that a person has to tell to."""
        return self._verdict == "waiting_for_browser"

    @property
    def method(self) -> str:
        """By what the start was found to be over: the bot's own word, its page, or that it is up."""
        if self._signalled is not None:
            return self._signalled
        if self.attachment.takes_over:
            return "attached"
        unread = {None, SessionStatus.OPEN}
        return "page" if any(self._readable(live) not in unread for live in self.observer.live.values()) else "up"

    def _readable(self, live: LiveBrowser) -> SessionStatus | None:
        """The status that a browser's page has, None for a browser whose page cannot be read.

        A page that we do not know is as good as read once it has loaded, unless it is not the one to be waited for.
        """
        status, config = live.state.status, self._spec.config.ready
        if live.blind:
            return None
        if status is SessionStatus.OPEN and live.foreign:
            if live.known_before or config.page.ready is not None or config.method not in {"auto", "up"}:
                return None
            lasted = asyncio.get_running_loop().time() - live.changed_at >= OPEN_FOR
            return SessionStatus.OPEN if lasted else SessionStatus.STARTING
        if live.foreign:
            return None
        unsettled = live.doubted or status in {SessionStatus.UNKNOWN, SessionStatus.OPEN}
        return SessionStatus.STARTING if unsettled else status

    @property
    def awaits_scan(self) -> bool:
        """Whether the last that was seen of it is that it waits for a person to scan a QR code."""
        return bool(self._unscanned)

    @property
    def opened_browser(self) -> bool:
        """Whether it has opened a browser, which it may have closed again."""
        return bool(self.observer.live or self._closed)

    # -- the end -----------------------------------------------------------------------------------------------------

    async def _wait(self) -> None:
        self._tell(BotExited(self, await self.child.wait()))

    def felled_by(self) -> Path | None:
        """After the exit: the profile of the browser that had crashed before, if that is why the bot has ended.

        puppeteer kills its browser as the bot exits, for any reason, so two ends close together show nothing.
        But a bot that has reaped its browser was still running then. A browser that it had no time to reap has come to
        us, with what ended it: a crash, or puppeteer's SIGKILL. Where orphans do not come to us this cannot be known.
        """
        if not self._spec.territory.contained:
            return None
        mains = {path: live.browser.main.handle for path, live in self.observer.live.items()} | self._lost
        for profile, main in mains.items():
            if not main.alive and singleton.remaining(profile):
                status = self._spec.reaper.status_of(main.pid)
                if status is None or crashed(status):
                    return profile
        return None

    def released(self, closed: Mapping[Path, bool], kept: Collection[Path] = ()) -> dict[Path, Released]:
        """The profiles that this run held, as they were left; `closed` has those closed by us, and whether cleanly.

        `kept`: the profiles of browsers that go on.
        """
        # A browser that has ended shortly before its bot may not have been missed yet.
        seen = {live.profile: _left_by(live) for live in self.observer.sessions if live.profile not in kept}
        seen |= self._gone
        for profile, clean in closed.items():
            live = self.observer.live.get(profile)
            # One that was opened just before the stop may not have been seen.
            if live.throwaway if live is not None else self._is_throwaway(profile):
                continue
            before = seen.get(profile)
            linked = live.linked if live else before.linked if before else None
            version = live.version if live else before.version if before else None
            incognito = live.incognito if live else before.incognito if before else False
            seen[profile] = Released(clean, linked, version, incognito)
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


def _left_by(live: LiveBrowser) -> Released:
    """The profile of a browser that has ended by itself."""
    return Released(live.in_order, live.linked, live.version, live.incognito)


def _preset(page: ReadyPageConfig) -> PagePreset:
    if page.ready is None:
        return WHATSAPP
    return custom_preset(page.url or "*", ready=page.ready, needs_login=page.needs_login)
