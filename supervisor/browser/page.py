"""Watching the page of one session through DevTools, read-only, while the bot drives it."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from supervisor.browser.devtools import (
    CallError,
    CallTimeoutError,
    ConnectionLostError,
    DevTools,
    SessionLostError,
)
from supervisor.browser.presets import ANY_PAGE, PagePreset, PageState, SessionStatus

FASTEST = 0.05
"""Seconds between two readings just after a change."""

WAIT_SHARE = 0.05
"""Without a change the pause grows to this share of the time waited, so a change is seen at most 5 % late."""

BROWSER_TIMEOUT = 5.0
"""Seconds for calls that the browser itself answers, however busy its pages are."""

STUCK_AFTER = 10.0
"""Seconds without an answer after which a page counts as stuck. A first sync may keep one busy for some seconds."""

GIVE_UP_AFTER = 60.0
"""Seconds without an answer after which the watcher attaches anew, in case the answer was lost."""

EVALUATION_LIMIT_MS = 1000
"""The browser ends an evaluation that takes longer, so that a custom expression cannot hang the bot's page."""

OPEN_FOR = 0.3
"""Seconds for which a page of another application must stay as it is after its load: one that leads to another page,
such as a redirect by a script, does so at once."""

ENDED_PAUSE = 20.0
"""Seconds until such an expression is tried again: it takes at most 5 % of the page's time."""

UNREAD_AFTER = STUCK_AFTER
"""Seconds without a reading after which the state of a page that was read before counts as unknown."""

EXPRESSION_ENDED = PageState(SessionStatus.UNKNOWN, "the readiness expression did not come to an end and was stopped")

PAGE_CRASHED = PageState(SessionStatus.STUCK, "the page has crashed")
"""Its renderer is gone ("Aw, snap!") until the page is loaded anew."""

_SAYS_NOTHING = {SessionStatus.UNKNOWN, SessionStatus.STARTING, SessionStatus.STUCK, SessionStatus.OPEN}


class PageWatcher:
    """Reads the page of one session at intervals and reports each change of its state.

    Pages are found by the browser's events. The first one whose URL matches the preset's is read until it is gone or
    elsewhere, then the next. While there is none, with `read_others` the first page of any other application is read:
    whether it has loaded. There is never more than one reading under way, even while the page is busy, suspended or
    paused in a debugger.

    `interval` is the longest pause between readings until the session is ready, `ready_interval` the pause from then
    on; both are seconds. `on_state` is called on the event loop with each state that differs from the last.
    """

    def __init__(
        self,
        devtools: DevTools,
        preset: PagePreset,
        on_state: Callable[[PageState], None],
        *,
        interval: float = 0.25,
        ready_interval: float = 2.0,
        read_others: bool = False,
    ) -> None:
        self._devtools = devtools
        self._preset = preset
        self._read_others = read_others
        self._on_state = on_state
        self._interval = interval
        self._ready_interval = ready_interval
        self._urls: dict[str, str] = {}
        """The matching pages, by target id, in the order in which they began to match."""
        self._others: dict[str, str] = {}
        """The pages of other applications, likewise."""
        self._contexts: dict[str, str] = {}
        """The browser context that each page belongs to, by target id."""
        self._attached: tuple[str, str] | None = None
        self._changed = asyncio.Event()
        self._state: PageState | None = None
        self._changed_at = 0.0
        #: When the first of the readings failed that have failed since the last good one.
        self._unread_since: float | None = None
        #: Whether the last reading was stopped.
        self._stopped = False
        self.elsewhere = False
        """Whether a page has gone to an address that does not match the preset: another application."""
        self.context: str | None = None
        """The browser context of the page that was read last, if the browser tells."""

    async def run(self) -> None:
        """Watch until the connection ends. Raises DevToolsError if the browser refuses to report its pages.

        A cancellation leaves the connection open and possibly attached to a page; closing the connection detaches.
        """
        subscriptions = [
            self._devtools.subscribe("Target.targetCreated", self._on_target),
            self._devtools.subscribe("Target.targetInfoChanged", self._on_target),
            self._devtools.subscribe("Target.targetDestroyed", self._on_target_gone),
            self._devtools.subscribe("Target.targetCrashed", self._on_target_crashed),
        ]
        try:
            await self._call("Target.setDiscoverTargets", {"discover": True, "filter": [{"type": "page"}]})
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch_pages(), name="page-watcher")
                await self._devtools.wait_closed()
                watching.cancel()
        except ConnectionLostError:
            return
        finally:
            for unsubscribe in subscriptions:
                unsubscribe()

    async def _call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        return await self._devtools.call(method, params, timeout=BROWSER_TIMEOUT)

    async def _watch_pages(self) -> None:
        while True:
            target, preset = self._to_read()
            if target is None:
                self._changed.clear()
                await self._changed.wait()
                continue
            try:
                await self._watch(target, preset)
            except ConnectionLostError:
                return  # `run` waits for the end of the connection itself
            except CallTimeoutError:
                await self._pause()  # the browser itself was too busy to attach or detach

    def _to_read(self) -> tuple[str | None, PagePreset]:
        """The page to read now, and as what."""
        if self._urls or not self._read_others:
            return next(iter(self._urls), None), self._preset
        return next(iter(self._others), None), ANY_PAGE

    async def _watch(self, target: str, preset: PagePreset) -> None:
        """Read one page at intervals until it is gone, or another is to be read."""
        try:
            answer = await self._call("Target.attachToTarget", {"targetId": target, "flatten": True})
        except CallError:
            self._urls.pop(target, None)  # it is gone, or its next change is reported again
            self._others.pop(target, None)
            return
        session = str(answer.get("sessionId"))
        self._attached = (target, session)
        self._changed_at = asyncio.get_running_loop().time()
        try:
            while self._to_read() == (target, preset):
                self._changed.clear()
                await self._read(target, session, preset)
                await self._pause()
        except (SessionLostError, CallTimeoutError):
            # Gone, crashed, or silent for too long. If it is still among the pages, attach anew after the usual pause.
            await self._pause()
        finally:
            self._attached = None
        with contextlib.suppress(CallError):  # the session may have ended with its page
            await self._call("Target.detachFromTarget", {"sessionId": session})

    async def _read(self, target: str, session: str, preset: PagePreset) -> None:
        """Evaluate once and report; a page that takes long is reported as stuck, and still waited for."""
        # Whether a page of another application is busy is not known to be anybody's trouble.
        status = SessionStatus.UNKNOWN if preset is ANY_PAGE else SessionStatus.STUCK
        stuck = PageState(status, f"the page has not answered for {STUCK_AFTER:g} s")
        alarm = asyncio.get_running_loop().call_later(STUCK_AFTER, self._report_of, target, stuck, preset)
        parameters = {
            # A new page is reported with the address that it is going to, while it still has an empty document: each
            # reading therefore includes its document's address.
            "expression": f"[location.href, {preset.expression}]",
            "returnByValue": True,
            "silent": True,
            "timeout": EVALUATION_LIMIT_MS,
        }
        try:
            answer = await self._devtools.call("Runtime.evaluate", parameters, session=session, timeout=GIVE_UP_AFTER)
        except CallError as error:
            # In any other case the page was navigating, and the next reading finds the new document.
            self._stopped = "Execution was terminated" in error.message
            if self._stopped:
                self._report_reading(target, EXPRESSION_ENDED, preset)
            return
        finally:
            alarm.cancel()
        self._stopped = False
        self._report_reading(target, _interpret(answer, preset), preset)

    def _report_reading(self, target: str, state: PageState, preset: PagePreset) -> None:
        """Report what was read. A reading that failed, as on a busy machine, says nothing about the page at first.

        What the page was last seen to show, a QR code for instance, stands meanwhile.
        """
        now = asyncio.get_running_loop().time()
        if state.status is not SessionStatus.UNKNOWN:
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        unread = 0.0 if self._unread_since is None else now - self._unread_since
        known = self._state is not None and self._state.status not in _SAYS_NOTHING
        if self._unread_since is None or unread >= UNREAD_AFTER or not known or preset is ANY_PAGE:
            self._report_of(target, state, preset)

    def _report_of(self, target: str, state: PageState, preset: PagePreset) -> None:
        # Closes a race: the event that the page is gone may be handled between the answer and this call.
        if self._to_read() != (target, preset):
            return
        self.context = self._contexts.get(target)
        if preset is ANY_PAGE and state.status is not SessionStatus.OPEN and self._has_been_open():
            return  # it goes from page to page, as it may; and whether it is busy is its own affair
        self._report(state)

    def _has_been_open(self) -> bool:
        """Whether a page of another application has been open for so long that it was not about to go on."""
        lasted = asyncio.get_running_loop().time() - self._changed_at
        return self._state is not None and self._state.status is SessionStatus.OPEN and lasted > OPEN_FOR

    def _report(self, state: PageState) -> None:
        if state != self._state:
            self._state = state
            self._changed_at = asyncio.get_running_loop().time()
            self._on_state(state)

    async def _pause(self) -> None:
        """Wait until the next reading is due, or the matching pages or their URLs change."""
        waited = asyncio.get_running_loop().time() - self._changed_at
        state = None if self._preset.ends and self._state == EXPRESSION_ENDED else self._state
        seconds = pause_after(state, waited, interval=self._interval, ready_interval=self._ready_interval)
        if self._stopped and not self._preset.ends:
            seconds = ENDED_PAUSE
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _on_target(self, params: dict[str, Any], _session: str | None) -> None:
        info = params.get("targetInfo")
        if not isinstance(info, dict) or info.get("type") != "page":
            return
        target, url = str(info.get("targetId")), str(info.get("url"))
        if isinstance(context := info.get("browserContextId"), str):
            self._contexts[target] = context
        matches, other = self._preset.url.fullmatch(url) is not None, ANY_PAGE.url.fullmatch(url) is not None
        pages = self._urls if matches else self._others
        if (target in self._urls and not matches) or (target in self._others and not matches and not other):
            self._forget(target, PageState(SessionStatus.UNKNOWN, "the page has gone to another address"))
        if matches:
            self._others.pop(target, None)
        else:
            self.elsewhere |= other
        if (matches or other) and pages.get(target) != url:
            pages[target] = url
            self._changed.set()

    def _on_target_gone(self, params: dict[str, Any], _session: str | None) -> None:
        self._forget(str(params.get("targetId")), PageState(SessionStatus.UNKNOWN, "the page was closed"))
        self._contexts.pop(str(params.get("targetId")), None)

    def _on_target_crashed(self, params: dict[str, Any], _session: str | None) -> None:
        # A crashed page answers nothing. When it is reloaded, the change of its target announces it again.
        target = str(params.get("targetId"))
        self._forget(
            target, PAGE_CRASHED if target in self._urls else PageState(SessionStatus.UNKNOWN, "it has crashed")
        )

    def _forget(self, target: str, state: PageState) -> None:
        if self._urls.pop(target, None) is None and self._others.pop(target, None) is None:
            return
        self._changed.set()
        if self._attached is not None and self._attached[0] == target:
            self._devtools.abandon_session(self._attached[1], state.detail)
            self._report(state)


def pause_after(state: PageState | None, waited: float, *, interval: float, ready_interval: float) -> float:
    """Return the seconds before the next reading, given the last state and the seconds since it changed."""
    if state == EXPRESSION_ENDED:
        return ENDED_PAUSE
    if state is not None and state.status in {SessionStatus.READY, SessionStatus.OPEN}:
        return ready_interval
    return min(interval, max(FASTEST, waited * WAIT_SHARE))


def _interpret(answer: dict[str, Any], preset: PagePreset) -> PageState:
    if isinstance(fault := answer.get("exceptionDetails"), dict):
        return preset.interpret({"exception": _thrown(fault)})
    match answer.get("result"):
        case {"value": [str(url), reading]}:
            if preset.url.fullmatch(url) is None:
                status = SessionStatus.UNKNOWN if preset is ANY_PAGE else SessionStatus.STARTING
                return PageState(status, "the page is loading")
            return preset.interpret(reading if isinstance(reading, dict) else {})
    return preset.interpret({})


def _thrown(fault: dict[str, Any]) -> str:
    """The description of what an evaluation threw."""
    match fault:
        case {"exception": {"description": str(description)}}:
            return description
    return str(fault.get("text", "an exception"))
