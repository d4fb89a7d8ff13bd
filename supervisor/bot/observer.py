"""The observation of a running bot: its browsers and the state of their pages.

The observer only looks. It finds the browsers in the bot's tree, keeps one DevTools connection to each, and reports
changes; the connection serves the close as well, so that nothing has to be looked up then.
"""

import asyncio
import contextlib
import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

from supervisor.browser.devtools import DevTools, DevToolsError, browser_version, default_context
from supervisor.browser.endpoint import debugging_port, live_endpoint, uses_pipe
from supervisor.browser.page import PageWatcher
from supervisor.browser.presets import PagePreset, PageState, SessionStatus
from supervisor.browser.processes import Browser, find_browsers, is_incognito, is_reachable
from supervisor.process.table import ProcessEntry
from supervisor.session.profiles import singleton
from supervisor.system.tasks import drop_traceback_on_cancel

#: Seconds between two looks at the tree, while a browser is being waited for and later. Urgent changes come as exits
#: and DevTools events; the slow look only finds a browser that a running bot opens in addition.
LOOK_FAST, LOOK_SLOW = 0.03, 5.0

#: Between the two, the pause as a share of the time already waited: while a browser is expected, and while none is.
_EXPECTING, _AT_EASE = 0.05, 0.2

#: Seconds between two looks for a browser's port file, which Chromium writes some 150 ms after its launch.
_PORT_INTERVAL = 0.02

#: Seconds without an endpoint after which a browser counts as one without DevTools; and those for one that was told its
#: port, which may be in use by another program.
_BLIND_AFTER, _BLIND_AT_PORT_AFTER = 3.0, 10.0

#: Seconds without any page of the preset's after which a browser counts as another application's.
_FOREIGN_AFTER = 10.0


BrowserChange = Literal["up", "page", "blind", "incognito", "closed", "gone"]
"""A change of a browser. up: its main process exists; page: the state of its page has changed; blind: it offers no
DevTools, so that its page cannot be read; incognito: nothing of its page is kept; closed: its main process has exited
in good order, as when its bot closes it; gone: it has exited in any other way."""

Report = Callable[[BrowserChange, "LiveBrowser"], None]
"""Called on the event loop; must not block."""

_LINKED = {SessionStatus.LINKED, SessionStatus.READY}
_UNLINKED = {SessionStatus.NEEDS_LINK, SessionStatus.LOGGED_OUT}


class LiveBrowser:
    """One browser of the running bot, and the connection to it."""

    def __init__(
        self,
        browser: Browser,
        preset: PagePreset,
        interval: float,
        report: Report,
        is_throwaway: Callable[[Path], bool],
    ) -> None:
        self.browser = browser
        #: The profile with links resolved, once it has been reported: two ways to one folder are one profile.
        self.real = browser.profile
        #: Its profile is one to throw away, and no session; not known before it has been reported.
        self.throwaway = False
        self.state = PageState(SessionStatus.UNKNOWN, "no page yet")
        self.devtools: DevTools | None = None
        #: The address of its DevTools, once it has been found.
        self.endpoint: str | None = None
        self.version: str | None = None
        #: It offers no DevTools.
        self.blind = False
        #: Its pages are none that the preset knows.
        self.foreign = False
        #: Its page could be read in an earlier run: what it shows at first may not be that page.
        self.known_before = False
        #: Its page is incognito: nothing of it outlives the browser.
        self.incognito = False
        #: When the state of the page last changed, in the event loop's seconds.
        self.changed_at = 0.0
        #: The browser context of the pages whose data is kept, if the browser tells.
        self._default_context: str | None = None
        self._watcher: PageWatcher | None = None
        #: It shows a QR code that is not believed yet: the session was linked.
        self.doubted = False
        #: Whether the page was last seen linked; None while nothing has been seen that shows it.
        self.linked: bool | None = None
        self._preset = preset
        self._interval = interval
        self._report = report
        self._is_throwaway = is_throwaway
        #: It was seen to lock its profile, so that it has left it in order if the lock is gone.
        self._locked = False

    @property
    def profile(self) -> Path:
        """The profile that it holds."""
        return self.browser.profile

    def expect_known_page(self) -> None:
        """Note that its page could be read in an earlier run."""
        self.known_before = True

    def doubt(self, doubted: bool) -> None:
        """Doubt the QR code that it shows, or believe it."""
        self.doubted = doubted

    @drop_traceback_on_cancel
    async def watch(self) -> None:
        """Report the browser and its page until it has exited."""
        real, self.throwaway = await asyncio.to_thread(
            lambda: (os.path.realpath(self.profile), self._is_throwaway(self.profile))
        )
        self.real = Path(real)
        self._report("up", self)
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._read())
                await self.browser.main.handle.wait()
                reading.cancel()
        finally:
            if self.devtools is not None:
                await self.devtools.close()

    @property
    def in_order(self) -> bool:
        """Whether it has left its profile in good order: with no lock, and by an exit of its own with status 0.

        chrome-headless-shell makes no lock, and the status is not known on every system: one of the two must speak.
        """
        holder = singleton.holder(self.profile)
        status = self.browser.main.handle.wait_status
        if holder is not None and holder.pid != self.browser.main.pid:  # the lock of a browser that was opened since
            return status == 0
        return not singleton.remaining(self.profile) and (status == 0 or (status is None and self._locked))

    @drop_traceback_on_cancel
    async def _read(self) -> None:
        """Connect to the browser and follow its page; again, should the connection break before the browser does."""
        while True:
            self.devtools = await self._connect()
            self._locked |= bool(singleton.remaining(self.profile))
            self.blind = False
            with contextlib.suppress(DevToolsError):
                self.version = await browser_version(self.devtools)
                self._default_context = await default_context(self.devtools)
                watcher = self._watcher = PageWatcher(
                    self.devtools, self._preset, self._changed, interval=self._interval, read_others=True
                )
                judging = asyncio.create_task(self._judge_foreign())
                try:
                    await watcher.run()
                finally:
                    judging.cancel()
            await self.devtools.close()
            await asyncio.sleep(_PORT_INTERVAL)

    def _changed(self, state: PageState) -> None:
        self.state = state
        self.changed_at = asyncio.get_running_loop().time()
        if state.status in _LINKED:
            self.linked = True
        elif state.status in _UNLINKED:
            self.linked = False
        if state.status is not SessionStatus.UNKNOWN:
            self.foreign = state.status is SessionStatus.OPEN and self.linked is None
            kept, context = self._default_context, self._watcher.context if self._watcher is not None else None
            self._note_incognito(context != kept if context and kept else is_incognito(self.browser))
        self._report("page", self)

    def _note_incognito(self, incognito: bool) -> None:
        news, self.incognito = incognito and not self.incognito, incognito
        if news:
            self._report("incognito", self)

    async def _judge_foreign(self) -> None:
        """Take this for another application if there is no page that can be read for long."""
        await asyncio.sleep(_FOREIGN_AFTER)
        if self.state.status is SessionStatus.UNKNOWN:
            self.foreign = True

    async def _connect(self) -> DevTools:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            self.endpoint = await live_endpoint(self.browser)
            if self.endpoint is not None:
                with contextlib.suppress(DevToolsError):
                    return await DevTools.connect(self.endpoint, timeout=5.0)
            waited = loop.time() - began
            if waited >= _patience(self.browser) and not self.blind:
                self.blind = True
                self._locked |= bool(singleton.remaining(self.profile))
                self._report("blind", self)
                self._note_incognito(is_incognito(self.browser))
            await asyncio.sleep(max(_PORT_INTERVAL, waited * 0.05))


class Observer:
    """Watches one run of the bot; `run` until cancelled."""

    def __init__(
        self,
        look: Callable[[], Iterable[ProcessEntry]],
        report: Report,
        preset: PagePreset,
        *,
        expected: frozenset[Path],
        interval: float,
        is_throwaway: Callable[[Path], bool],
    ) -> None:
        self._look = look
        self._report = report
        self._preset = preset
        self._expected = expected
        self._interval = interval
        self._is_throwaway = is_throwaway
        self._hurry = asyncio.Event()
        self._at_ease = False
        self.live: dict[Path, LiveBrowser] = {}
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
                    if browser.profile not in self.live and is_reachable(browser.profile):
                        group.create_task(self._watch(browser), name=f"watch-{browser.main.pid}")
                missing = self._expected - self.live.keys() if self.live or self._expected else {Path()}
                waited = loop.time() - started
                # Looking becomes rarer as the wait grows, so that a bot without a browser costs nothing in the end.
                share = _AT_EASE if self._at_ease else _EXPECTING
                pause = min(LOOK_SLOW, max(LOOK_FAST, waited * share)) if missing else LOOK_SLOW
                # Not wait_for: before Python 3.12 it loses a cancellation that comes with the event (gh-86296),
                # and at a stop both do, since the last browser goes as the bot is let go of.
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

    @property
    def sessions(self) -> list[LiveBrowser]:
        """The browsers whose profiles are sessions."""
        return [live for live in self.live.values() if not live.throwaway]

    def expect_browser(self, expected: bool) -> None:
        """Look less often for browsers once the bot's start is over without one and none is expected."""
        self._at_ease = not expected

    def forget(self) -> None:
        """Drop what was seen and the callbacks; `run` must have ended."""
        self.live.clear()
        self._tree = ()
        del self._look, self._report

    @drop_traceback_on_cancel
    async def _watch(self, browser: Browser) -> None:
        live = self.live[browser.profile] = LiveBrowser(
            browser, self._preset, self._interval, self._report, self._is_throwaway
        )
        await live.watch()
        # A race: a bot that opens its browser anew may have two on one profile in one look, and the later counts.
        if self.live.get(browser.profile) is live:
            del self.live[browser.profile]
        self._report("closed" if live.in_order else "gone", live)
        self._hurry.set()


def _patience(browser: Browser) -> float:
    """Seconds without an endpoint after which a browser counts as one without DevTools.

    One that was told to choose a port writes the file, and without it has not come up yet; one on a pipe (Playwright,
    `pipe: true`) will never have one.
    """
    port = debugging_port(browser)
    if port is not None:
        return _BLIND_AT_PORT_AFTER if port else math.inf
    return 0.0 if uses_pipe(browser) else _BLIND_AFTER
