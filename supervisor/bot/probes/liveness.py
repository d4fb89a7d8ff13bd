"""Whether a bot that runs is of any use: does it live, does its page get on, does it keep within its memory.

Nothing of the bot's is changed, and nothing is asked of it that it does not offer: the browser is asked to answer, its
page is read anyway, the bot must read what the browser tells it, and no process may have been stopped. What a bot can
say of itself (a URL, WATCHDOG=1) counts in addition. Each sign is borne for a while; then the bot is to be restarted.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from supervisor.bot.observer import LiveBrowser, Observer
from supervisor.bot.probes.http import http_answers
from supervisor.bot.probes.sd_notify import Notification
from supervisor.browser.backlog import unread_bytes
from supervisor.browser.devtools import CallTimeoutError, DevToolsError, ping
from supervisor.browser.page import PAGE_CRASHED, STUCK_AFTER
from supervisor.browser.presets import SessionStatus
from supervisor.browser.processes import find_browsers, without_browsers
from supervisor.config.schema import Config
from supervisor.process.memory import total_pss, total_rss
from supervisor.process.table import ProcessEntry, find_process
from supervisor.process.wrappers import unwrap
from supervisor.system.tasks import drop_traceback_on_cancel

Reason = Literal["hang", "stuck", "page crash", "http", "watchdog", "memory"]
"""Why a bot that runs is restarted, as events and the history have it.

hang: the bot, its browser or its page gives no sign of life. stuck: the page answers, but does not get connected.
"""

#: A pause between two looks that is longer than so many intervals, and these seconds, was none that was planned: this
#: process did not run (a suspended machine, a stopped supervisor), and perhaps no other did.
_LATE_INTERVALS, _LATE_SECONDS = 3, 5.0


@dataclass(frozen=True, slots=True)
class Symptom:
    """Something that is wrong now, in words, and for how many seconds that is borne."""

    reason: Reason
    subject: str
    """The thing that is wrong: the same for as long as it lasts, however the detail changes."""
    detail: str
    patience: float


class SymptomTimeline:
    """Since when each symptom has lasted, seen at looks that are `interval` seconds apart."""

    def __init__(self, interval: float) -> None:
        self._latest = _LATE_INTERVALS * interval + _LATE_SECONDS
        self._since: dict[tuple[Reason, str], float] = {}
        self._looked_at: float | None = None

    def note(self, now: float, symptoms: Iterable[Symptom]) -> Symptom | None:
        """Take what one look has found, at `now` in seconds; returns the first that has lasted for its patience."""
        if self._looked_at is not None and now - self._looked_at > self._latest:
            self._since.clear()
        self._looked_at = now
        found = {(symptom.reason, symptom.subject): symptom for symptom in symptoms}
        self._since = {key: self._since.get(key, now) for key in found}
        borne = (symptom for key, symptom in found.items() if now - self._since[key] >= symptom.patience)
        return next(borne, None)


#: The longest pause between two looks in seconds, and how many there are at least while something is borne. One costs
#: some milliseconds, most of them in the kernel.
_LONGEST_INTERVAL, _LOOKS = 15.0, 4

#: Seconds that a browser's main process has for an answer: it has nothing to do with how busy its pages are.
_ANSWER_LIMIT = 5.0

#: The states from which a page gets on by itself, or not at all.
_ON_THE_WAY = {SessionStatus.STARTING, SessionStatus.LINKING, SessionStatus.LINKED}


class LivenessMonitor:
    """Looks after one run of the bot, whose first process is `leader`.

    `report` is called once, when the bot has been unwell for too long.
    """

    def __init__(self, config: Config, leader: int, observer: Observer, report: Callable[[Symptom], None]) -> None:
        self._leader = leader
        self._config = config.health
        self._lost_patience = config.browser.lost_patience
        self._observer = observer
        #: Called once; None after that.
        self._report: Callable[[Symptom], None] | None = report
        self._timers: dict[str, asyncio.TimerHandle] = {}

    @drop_traceback_on_cancel
    async def run(self) -> None:
        """Look after the bot from now on, when its start is over; until cancelled."""
        self._rearm_watchdog()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look(min(self._config.timeout, self._config.stuck), self._signs))
            if self._config.max_memory is not None:
                group.create_task(self._look(self._config.memory_patience, self._memory))
            if self._config.http is not None:
                group.create_task(self._ask(self._config.http))

    def close(self) -> None:
        """Nothing more is reported."""
        self._report = None
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    # -- reports of the page and of the bot itself -------------------------------------------------------------------

    def page_state(self, live: LiveBrowser) -> None:
        """A page has changed its state. That one has crashed is noticed also where nothing else is looked after."""
        if live.state != PAGE_CRASHED:
            return

        def still_crashed() -> None:
            # A bot may have loaded it again, or have opened another.
            if live.state == PAGE_CRASHED and self._observer.live.get(live.profile) is live:
                self._tell("page crash", f"the page of {live.profile.name} has crashed")

        self._later(f"crash {live.profile}", self._lost_patience, still_crashed)

    def notified(self, notification: Notification) -> None:
        """The bot has said something of itself."""
        if not self._config.enabled or self._config.watchdog is None:
            return
        if notification.unwell:
            self._tell("watchdog", "the bot says itself that it needs a restart (WATCHDOG=trigger)")
        elif notification.watchdog and "watchdog" in self._timers:
            self._rearm_watchdog()

    def _rearm_watchdog(self) -> None:
        if (limit := self._config.watchdog) is not None:
            detail = f"the bot has sent no WATCHDOG=1 for {limit:g} s"
            self._later("watchdog", limit, lambda: self._tell("watchdog", detail))

    def _later(self, what: str, seconds: float, call: Callable[[], None]) -> None:
        if (timer := self._timers.pop(what, None)) is not None:
            timer.cancel()
        self._timers[what] = asyncio.get_running_loop().call_later(seconds, call)

    def _tell(self, reason: Reason, detail: str) -> None:
        self._tell_of(Symptom(reason, "", detail, 0.0))

    def _tell_of(self, symptom: Symptom) -> None:
        report, self._report = self._report, None
        if report is not None:
            report(symptom)

    # -- what is looked at -------------------------------------------------------------------------------------------

    async def _look(self, patience: float, find: Callable[[], AsyncIterator[Symptom]]) -> None:
        """Look again and again, and report what is found for longer than it is borne."""
        loop = asyncio.get_running_loop()
        interval = min(_LONGEST_INTERVAL, patience / _LOOKS) if patience else _LONGEST_INTERVAL
        chart = SymptomTimeline(interval)
        while True:
            symptom = chart.note(loop.time(), [symptom async for symptom in find()])
            if symptom is not None:
                self._tell_of(symptom)
            await asyncio.sleep(interval)

    async def _signs(self) -> AsyncIterator[Symptom]:
        """Symptoms of the bot, its browsers and their pages now; the most specific first."""
        timeout = self._config.timeout
        for entry in self._vital():
            if entry.stopped:
                yield _stopped(entry, timeout)
        for live in list(self._observer.live.values()):
            async for symptom in self._signs_of(live):
                yield symptom

    async def _signs_of(self, live: LiveBrowser) -> AsyncIterator[Symptom]:
        timeout, name = self._config.timeout, live.profile.name
        if live.devtools is not None and not live.devtools.closed:
            # Before the ping: what it has the browser say needs a moment to be read, what the last one did had plenty.
            if self._unread(live):
                detail = f"the bot does not read what the browser of {name} sends it"
                yield Symptom("hang", f"bot {name}", detail, timeout)
            try:
                await ping(live.devtools, timeout=_ANSWER_LIMIT)
            except CallTimeoutError:
                # It may have been stopped since this look began: one cause is one symptom, by its most telling name.
                main = find_process(live.browser.main.pid)
                if main is not None and main.stopped:
                    yield _stopped(main, timeout)
                else:
                    yield Symptom("hang", f"browser {name}", f"the browser of {name} does not answer", timeout)
            except DevToolsError:
                return  # the connection, or the browser, has just ended: others see to that
        for symptom in self._signs_of_page(live):
            yield symptom

    def _signs_of_page(self, live: LiveBrowser) -> Iterator[Symptom]:
        state, name = live.state, live.profile.name
        if live.blind or live.foreign:
            return
        if state.status is SessionStatus.STUCK and state != PAGE_CRASHED:
            patience = max(0.0, self._config.timeout - STUCK_AFTER)
            yield Symptom("hang", f"page {name}", f"the page of {name} does not answer", patience)
        gone = state.status in {SessionStatus.UNKNOWN, SessionStatus.OPEN} and live.linked is True
        if gone or state.status in _ON_THE_WAY:
            yield Symptom("stuck", f"page {name}", f"session {name}: {state.detail}", self._config.stuck)

    def _unread(self, live: LiveBrowser) -> int:
        """Whether the ping, and what else the browser told its clients, lies unread with the bot."""
        port = urlsplit(live.endpoint).port if live.endpoint is not None else None
        return unread_bytes(port, [entry.pid for entry in without_browsers(self._tree())]) if port else 0

    def _vital(self) -> Iterator[ProcessEntry]:
        """The processes that must not stand still: the bot proper, what stands between it and us, the browsers.

        What else the bot has started, it may also stop: a player that pauses.
        """
        tree = self._tree()
        bot, _ = unwrap(self._leader, without_browsers(tree))
        yield from (entry for entry in tree if entry.pid in {self._leader, bot})
        for browser in find_browsers(tree):
            yield from browser.processes

    def _tree(self) -> Sequence[ProcessEntry]:
        """The bot's processes. What its observer has seen is new enough, unless we look more often than that."""
        shortest = min(self._config.timeout, self._config.stuck, self._config.memory_patience)
        return self._observer.tree(max_age=min(_LONGEST_INTERVAL, shortest / _LOOKS))

    async def _memory(self) -> AsyncIterator[Symptom]:
        limit = self._config.max_memory
        assert limit is not None
        pids = [entry.pid for entry in self._tree()]
        # Counting what is shared only once is dear, and never the larger figure: done when the cheap one is too large.
        if total_rss(pids) > limit and (used := total_pss(pids)) > limit:
            detail = f"the bot and its browsers hold {used / 1e6:.0f} MB, and may hold {limit / 1e6:.0f} MB"
            yield Symptom("memory", "tree", detail, self._config.memory_patience)

    async def _ask(self, url: str) -> None:
        """Ask the bot's own URL until it has failed too often in a row."""
        failures = 0
        while True:
            await asyncio.sleep(self._config.http_interval)
            failures = 0 if await http_answers(url, timeout=self._config.http_timeout) else failures + 1
            if failures >= self._config.http_failures:
                self._tell("http", f"{url} has not answered well {failures} times in a row")


def _stopped(entry: ProcessEntry, patience: float) -> Symptom:
    return Symptom("hang", f"stopped {entry.pid}", f"process {entry.pid} ({entry.name}) has been stopped", patience)
