"""Closing a browser so that it writes everything it holds to disk.

`Browser.close` over DevTools and SIGINT to the main process are the two ways that flush IndexedDB, localStorage and
cookies alike. SIGTERM takes Chromium's fast exit, which leaves the cookies out, and SIGKILL loses up to five seconds of
localStorage; both are here for a browser that does not answer only (measured; `docs/how-it-works.md`).
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from supervisor.browser.devtools import DevTools, DevToolsError, close_browser, read_endpoint
from supervisor.browser.discovery import Browser
from supervisor.process.handle import Handle
from supervisor.process.terminate import TerminationStep, Urgency, escalate, kill, terminate
from supervisor.session.profiles import singleton

#: Seconds between the start of a browser and the writing of its port file by which their two clocks may disagree.
_CLOCK_SLACK = 2.0

#: Seconds between two looks at whether a closing browser has let go of its profile.
_LOOK = 0.002

#: Seconds given to processes after SIGKILL; one in uninterruptible sleep takes as long as its device does.
_KILL_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class CloseResult:
    """How a browser ended. `clean`: it was asked in a way that flushes, did exit, and left no lock behind."""

    profile: Path
    pid: int
    clean: bool
    how: str
    seconds: float
    survivors: tuple[int, ...] = ()


async def close(
    browser: Browser,
    devtools: DevTools | None,
    *,
    urgency: Urgency,
    close_timeout: float,
    term_timeout: float,
    released: asyncio.Future[bool],
) -> CloseResult:
    """Close one browser: DevTools or SIGINT, then SIGTERM, then SIGKILL; timeouts in seconds.

    `devtools` is a connection that is already open, if there is one. `released` is settled as soon as the browser can
    write nothing more, which is before it is gone, with whether it has left no lock. Never raises for a browser that
    does not answer: the result says how it went.
    """
    began = time.monotonic()
    handles = [entry.handle for entry in browser.processes]
    tasks = [asyncio.create_task(_await_release(browser, released))]

    def ask(handle: Handle) -> None:
        # A supervisor that was killed while it took a live snapshot has left it frozen, and frozen it answers nothing.
        handle.resume()
        if handle is browser.main.handle:
            tasks.append(asyncio.create_task(_ask(browser, devtools, close_timeout)))

    steps = (
        TerminationStep("asked", ask, close_timeout),
        TerminationStep("SIGTERM", terminate, term_timeout),
        TerminationStep("SIGKILL", kill, _KILL_PATIENCE),
    )
    try:
        how, survivors = await escalate(handles, steps, urgency)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    _settle(released, browser.profile)
    clean = how in {None, "asked"} and not survivors and released.result()
    pids = tuple(handle.pid for handle in survivors)
    return CloseResult(browser.profile, browser.main.pid, clean, how or "gone", time.monotonic() - began, pids)


async def _await_release(browser: Browser, released: asyncio.Future[bool]) -> None:
    """Settle the future when none of the processes that write runs any code of its own any more.

    In the last third of a close the kernel only takes apart what the main process had in memory, and the processes that
    do not write wait for that (measured; `docs/how-it-works.md`). The lock is looked at now: once the bot goes on it
    may open another browser on the same profile, whose lock would be taken for this one's.
    """
    writers = browser.writers
    while not all(entry.handle.leaving for entry in writers):  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(_LOOK)
    _settle(released, browser.profile)


def _settle(released: asyncio.Future[bool], profile: Path) -> None:
    if not released.done():
        released.set_result(not singleton.remaining(profile))


async def _ask(browser: Browser, devtools: DevTools | None, timeout: float) -> None:
    """Ask for a flushing exit, by DevTools if it answers and by SIGINT otherwise."""
    try:
        if devtools is not None and not devtools.closed:
            await devtools.request_browser_close(timeout=timeout / 2)
        elif (url := live_endpoint(browser)) is not None:
            await close_browser(url, timeout=timeout / 2)
        else:
            _interrupt(browser.main.handle)
    except DevToolsError:
        _interrupt(browser.main.handle)


def _interrupt(main: Handle) -> None:
    if sys.platform != "win32":  # there is no SIGINT for another process there; the next rung must do
        main.signal(signal.SIGINT)


def live_endpoint(browser: Browser) -> str | None:
    """The DevTools address of this very browser: the port file survives an exit, so its age is compared."""
    endpoint = read_endpoint(browser.profile)
    if endpoint is None or endpoint.written_at < browser.main.started - _CLOCK_SLACK:
        return None
    return endpoint.url
