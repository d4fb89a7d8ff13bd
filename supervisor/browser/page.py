"""Watching one session's page through DevTools, read-only, beside the bot that drives it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from supervisor.browser.devtools import (
    CallError,
    CallTimeoutError,
    ConnectionLostError,
    DevTools,
    SessionLostError,
)
from supervisor.browser.presets import PagePreset, PageState, SessionStatus

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PagePreset", "PageState", "PageWatcher", "SessionStatus"]

FASTEST = 0.05
"""Seconds between two readings just after something changed."""

WAIT_SHARE = 0.05
"""Between changes the pause grows with the time already waited, so that a change is seen at most 5 % late."""

BROWSER_TIMEOUT = 5.0
"""Seconds for calls that the browser itself answers, however busy its pages are."""

STUCK_AFTER = 10.0
"""Seconds without an answer after which a page counts as stuck. A first sync may keep one busy for some seconds."""

GIVE_UP_AFTER = 60.0
"""Seconds without an answer after which we attach anew, in case the answer was lost."""

EVALUATION_LIMIT_MS = 1000
"""The browser ends an evaluation that takes longer: a custom expression must not be able to hang the bot's page."""

ENDED_PAUSE = 20.0
"""Seconds until an expression that had to be ended is tried again: at most 5 % of the page's time."""

EXPRESSION_ENDED = PageState(SessionStatus.UNKNOWN, "the readiness expression did not come to an end and was stopped")

PAGE_CRASHED = PageState(SessionStatus.STUCK, "the page has crashed")
"""Its renderer is gone ("Aw, snap!"). It stays so until somebody loads it anew."""

_OWN_SCHEMES = ("about:", "chrome:", "chrome-untrusted:", "devtools:")
"""Addresses of the browser's own pages: where a page is before it has gone anywhere."""


class PageWatcher:
    """Follows the page of one session and reports each change of its state.

    Pages are found by the browser's own announcements. The first one whose URL matches is read at intervals; when it
    goes away, the next one takes over. There is never more than one reading under way, however long the page is busy,
    frozen or paused in a debugger.

    `interval` bounds the pause between readings until the session is ready, `ready_interval` applies from then on;
    both are seconds. `on_state` is called on the event loop, only when the state differs from the last one reported.
    """

    def __init__(
        self,
        devtools: DevTools,
        preset: PagePreset,
        on_state: Callable[[PageState], None],
        *,
        interval: float = 0.25,
        ready_interval: float = 2.0,
    ) -> None:
        self._devtools = devtools
        self._preset = preset
        self._on_state = on_state
        self._interval = interval
        self._ready_interval = ready_interval
        self._urls: dict[str, str] = {}
        """The matching pages, by target id, in the order in which they began to match."""
        self._attached: tuple[str, str] | None = None
        self._changed = asyncio.Event()
        self._state: PageState | None = None
        self._changed_at = 0.0
        self.elsewhere = False
        """Whether a page is open that has gone to an address which is none of the preset's: another application."""

    async def run(self) -> None:
        """Watch until the connection ends. Raises DevToolsError if the browser refuses to announce its pages.

        When cancelled it leaves the connection open and possibly attached to a page; closing the connection detaches.
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
            if not self._urls:
                self._changed.clear()
                await self._changed.wait()
                continue
            try:
                await self._watch(next(iter(self._urls)))
            except ConnectionLostError:
                return  # `run` learns of it from the connection itself
            except CallTimeoutError:
                await self._pause()  # the browser itself was too busy to attach or detach

    async def _watch(self, target: str) -> None:
        """Read one page at intervals until it stops matching."""
        try:
            answer = await self._call("Target.attachToTarget", {"targetId": target, "flatten": True})
        except CallError:
            self._urls.pop(target, None)  # it went away as we came; if not, its next change announces it again
            return
        session = str(answer.get("sessionId"))
        self._attached = (target, session)
        self._changed_at = asyncio.get_running_loop().time()
        try:
            while target in self._urls:
                self._changed.clear()
                await self._read(target, session)
                await self._pause()
        except (SessionLostError, CallTimeoutError):
            # Gone, crashed, or silent for too long. If it is announced still, we attach anew after the usual pause.
            await self._pause()
        finally:
            self._attached = None
        await self._detach(session)

    async def _detach(self, session: str) -> None:
        try:
            await self._call("Target.detachFromTarget", {"sessionId": session})
        except CallError:
            return  # the session ended with its page

    async def _read(self, target: str, session: str) -> None:
        """Evaluate once and report; a page that takes long is reported as stuck meanwhile, and still waited for."""
        stuck = PageState(SessionStatus.STUCK, f"the page has not answered for {STUCK_AFTER:g} s")
        alarm = asyncio.get_running_loop().call_later(STUCK_AFTER, self._report_of, target, stuck)
        parameters = {
            # A new page is announced with the address it is going to, while it still holds an empty document: each
            # reading therefore says which document it is of.
            "expression": f"[location.href, {self._preset.expression}]",
            "returnByValue": True,
            "silent": True,
            "timeout": EVALUATION_LIMIT_MS,
        }
        try:
            answer = await self._devtools.call("Runtime.evaluate", parameters, session=session, timeout=GIVE_UP_AFTER)
        except CallError as error:
            # Otherwise the page was navigating, and the next reading finds the new document.
            if "Execution was terminated" in error.message:
                self._report_of(target, EXPRESSION_ENDED)
            return
        finally:
            alarm.cancel()
        self._report_of(target, self._interpret(answer))

    def _interpret(self, answer: dict[str, Any]) -> PageState:
        if isinstance(fault := answer.get("exceptionDetails"), dict):
            return self._preset.interpret({"exception": _thrown(fault)})
        match answer.get("result"):
            case {"value": [str(url), reading]}:
                if self._preset.url.fullmatch(url) is None:
                    return PageState(SessionStatus.STARTING, "the page is loading")
                return self._preset.interpret(reading if isinstance(reading, dict) else {})
        return self._preset.interpret({})

    def _report_of(self, target: str, state: PageState) -> None:
        # An answer may have come in just before the news that its page is gone, and be looked at just after it.
        if target in self._urls:
            self._report(state)

    def _report(self, state: PageState) -> None:
        if state != self._state:
            self._state = state
            self._changed_at = asyncio.get_running_loop().time()
            self._on_state(state)

    async def _pause(self) -> None:
        """Wait for the next reading, or until the matching pages or their URLs change."""
        waited = asyncio.get_running_loop().time() - self._changed_at
        seconds = pause_after(self._state, waited, interval=self._interval, ready_interval=self._ready_interval)
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def _on_target(self, params: dict[str, Any], _session: str | None) -> None:
        info = params.get("targetInfo")
        if not isinstance(info, dict) or info.get("type") != "page":
            return
        target, url = str(info.get("targetId")), str(info.get("url"))
        if self._preset.url.fullmatch(url) is None:
            self.elsewhere |= not url.startswith(_OWN_SCHEMES)
            self._forget(target, PageState(SessionStatus.UNKNOWN, "the page has gone to another address"))
        elif self._urls.get(target) != url:
            self._urls[target] = url
            self._changed.set()

    def _on_target_gone(self, params: dict[str, Any], _session: str | None) -> None:
        self._forget(str(params.get("targetId")), PageState(SessionStatus.UNKNOWN, "the page was closed"))

    def _on_target_crashed(self, params: dict[str, Any], _session: str | None) -> None:
        # A crashed page answers nothing. When it is reloaded, the change of its target announces it again.
        self._forget(str(params.get("targetId")), PAGE_CRASHED)

    def _forget(self, target: str, state: PageState) -> None:
        if self._urls.pop(target, None) is None:
            return
        self._changed.set()
        if self._attached is not None and self._attached[0] == target:
            self._devtools.abandon_session(self._attached[1], state.detail)
            self._report(state)


def pause_after(state: PageState | None, waited: float, *, interval: float, ready_interval: float) -> float:
    """The pause before the next reading, given the last state and the time since it changed; all in seconds."""
    if state == EXPRESSION_ENDED:
        return ENDED_PAUSE
    if state is not None and state.status is SessionStatus.READY:
        return ready_interval
    return min(interval, max(FASTEST, waited * WAIT_SHARE))


def _thrown(fault: dict[str, Any]) -> str:
    """What an evaluation threw, in words."""
    match fault:
        case {"exception": {"description": str(description)}}:
            return description
    return str(fault.get("text", "an exception"))
