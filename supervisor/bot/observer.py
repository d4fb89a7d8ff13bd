"""What a running bot shows of itself: its browsers, their pages, and when it is ready.

The observer only looks. It finds the browsers in the bot's tree, keeps one DevTools connection to each, and tells
`Reports` what it sees; the connection is there for the close as well, so that nothing has to be looked up then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from supervisor.browser.close import live_endpoint
from supervisor.browser.devtools import DevTools, DevToolsError, browser_version
from supervisor.browser.discovery import Browser, find_browsers
from supervisor.browser.page import PageWatcher
from supervisor.browser.presets import PagePreset, PageState, SessionStatus
from supervisor.process.table import ProcessEntry
from supervisor.system.tasks import drop_traceback_on_cancel

#: Seconds between two looks at the tree, while a browser is being waited for and later. What matters at once is told by
#: exits and DevTools events; the slow look only finds a browser that a running bot opens in addition.
LOOK_FAST, LOOK_SLOW = 0.03, 5.0

#: Between the two, the pause as a share of the time already waited: while a browser is expected, and while none is.
_EXPECTING, _AT_EASE = 0.05, 0.2

#: Seconds between two looks for a browser's port file, which Chromium writes some 150 ms after its launch.
_PORT_INTERVAL = 0.02

#: Seconds without a port file after which a browser counts as one without DevTools (`pipe: true`, Playwright).
_BLIND_AFTER = 3.0

#: Seconds without any page of the preset's after which a browser counts as another application's.
_FOREIGN_AFTER = 10.0


class Reports(Protocol):
    """What an observer tells; called on the event loop, and must not block."""

    def browser_up(self, live: Live) -> None:
        """A browser's main process is there."""

    def page_state(self, live: Live) -> None:
        """The state of a browser's page has changed; `live.state` holds it."""

    def browser_blind(self, live: Live) -> None:
        """A browser is up but offers no DevTools: its page cannot be read."""

    def browser_gone(self, live: Live) -> None:
        """A browser's main process has exited."""


@dataclass(slots=True, eq=False)
class Live:
    """One browser of the running bot."""

    browser: Browser
    state: PageState = field(default_factory=lambda: PageState(SessionStatus.UNKNOWN, "no page yet"))
    devtools: DevTools | None = None
    version: str | None = None
    blind: bool = False
    """It offers no DevTools."""
    foreign: bool = False
    """Its pages are none that the preset knows."""
    doubted: bool = False
    """It shows a QR code that is not believed yet: the session was linked."""
    linked: bool | None = None
    """Whether the page was last seen linked; None while nothing has been seen that would tell."""

    @property
    def profile(self) -> Path:
        """The profile that it holds."""
        return self.browser.profile


_LINKED = {SessionStatus.LINKED, SessionStatus.READY}
_UNLINKED = {SessionStatus.NEEDS_LINK, SessionStatus.LOGGED_OUT}


class Observer:
    """Watches one run of the bot; `run` until cancelled."""

    def __init__(
        self,
        look: Callable[[], Iterable[ProcessEntry]],
        reports: Reports,
        preset: PagePreset,
        *,
        expected: frozenset[Path],
        interval: float,
    ) -> None:
        self._look = look
        self._reports = reports
        self._preset = preset
        self._expected = expected
        self._interval = interval
        self._hurry = asyncio.Event()
        #: Whether the bot's start is over without a browser, and none is expected.
        self.at_ease = False
        self.live: dict[Path, Live] = {}
        self._tree: Sequence[ProcessEntry] = ()
        self._looked_at = float("-inf")

    @drop_traceback_on_cancel
    async def run(self) -> None:
        """Find browsers as they come, and watch each until it goes."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with asyncio.TaskGroup() as group:
            while True:
                for browser in find_browsers(self.tree(max_age=0.0)):
                    if browser.profile not in self.live:
                        group.create_task(self._watch(browser), name=f"watch-{browser.main.pid}")
                missing = self._expected - self.live.keys() if self.live or self._expected else {Path()}
                waited = loop.time() - started
                # Looking becomes rarer as the wait grows, so that a bot without a browser costs nothing in the end.
                share = _AT_EASE if self.at_ease else _EXPECTING
                pause = min(LOOK_SLOW, max(LOOK_FAST, waited * share)) if missing else LOOK_SLOW
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._hurry.wait()
                    self._hurry.clear()
                    started = loop.time()

    def tree(self, max_age: float) -> Sequence[ProcessEntry]:
        """The bot's processes as they were at most `max_age` seconds ago: to look anew costs some milliseconds."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at > max_age or not max_age:
            self._tree, self._looked_at = list(self._look()), now
        return self._tree

    def forget(self) -> None:
        """Let go of what was seen, and of who was told; `run` must have ended."""
        self.live.clear()
        self._tree = ()
        del self._look, self._reports

    @drop_traceback_on_cancel
    async def _watch(self, browser: Browser) -> None:
        live = self.live[browser.profile] = Live(browser)
        self._reports.browser_up(live)
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._read(live))
                await browser.main.handle.wait()
                reading.cancel()
        finally:
            if live.devtools is not None:
                await live.devtools.close()
        del self.live[browser.profile]
        self._reports.browser_gone(live)
        self._hurry.set()

    @drop_traceback_on_cancel
    async def _read(self, live: Live) -> None:
        """Connect to the browser and follow its page; again, should the connection break before the browser does."""

        def changed(state: PageState) -> None:
            live.state = state
            if state.status in _LINKED:
                live.linked = True
            elif state.status in _UNLINKED:
                live.linked = False
            self._reports.page_state(live)

        while True:
            live.devtools = await self._connect(live)
            live.blind = False
            with contextlib.suppress(DevToolsError):
                live.version = await browser_version(live.devtools)
                watcher = PageWatcher(live.devtools, self._preset, changed, interval=self._interval)
                judging = asyncio.create_task(self._judge_foreign(live, watcher))
                try:
                    await watcher.run()
                finally:
                    judging.cancel()
            await live.devtools.close()
            await asyncio.sleep(_PORT_INTERVAL)

    async def _judge_foreign(self, live: Live, watcher: PageWatcher) -> None:
        """Find out whether this is another application: one with a page elsewhere, or with none at all for long."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while live.state.status is SessionStatus.UNKNOWN and not live.foreign:
            waited = loop.time() - began
            live.foreign = watcher.elsewhere or waited > _FOREIGN_AFTER
            await asyncio.sleep(max(LOOK_FAST, waited * 0.05))

    async def _connect(self, live: Live) -> DevTools:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            url = live_endpoint(live.browser)
            if url is not None:
                with contextlib.suppress(DevToolsError):
                    return await DevTools.connect(url, timeout=5.0)
            waited = loop.time() - began
            if waited > _BLIND_AFTER and not live.blind and not _promises_port(live.browser):
                live.blind = True
                self._reports.browser_blind(live)
            await asyncio.sleep(max(_PORT_INTERVAL, waited * 0.05))


def _promises_port(browser: Browser) -> bool:
    """Whether the browser was told to choose a port: then it writes the file, and without one has not come up yet.

    Source: Chromium `chrome/browser/devtools/remote_debugging_server.cc`; puppeteer and chromedriver ask for it.
    """
    return "--remote-debugging-port=0" in browser.main.argv
