"""Closing a browser so that it writes everything it holds to disk.

`Browser.close` over DevTools and SIGINT to the main process both flush IndexedDB, localStorage and cookies. SIGTERM
takes Chromium's fast exit, which leaves the cookies out, and SIGKILL loses up to five seconds of localStorage; both are
only for a browser that does not answer (measured; `docs/how-it-works.md`).
"""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from supervisor.browser.devtools import DevTools, DevToolsError, close_browser
from supervisor.browser.endpoint import live_endpoint
from supervisor.browser.processes import Browser
from supervisor.process.handle import Handle
from supervisor.process.procfs import dies_of
from supervisor.process.terminate import TerminationStep, Urgency, escalate, kill, terminate
from supervisor.session.profiles import singleton

#: Seconds between two checks whether a closing browser has released its profile.
_POLL = 0.002

#: Seconds given to processes after SIGKILL; one in uninterruptible sleep takes as long as its device does.
_KILL_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class CloseResult:
    """How a browser ended. `clean`: it was asked in a way that flushes, exited, and left no lock. `survivors`: pids.

    `asked_by` is the way in which it was asked last, `DevTools` or `SIGINT`; None if it was not asked by us.
    """

    profile: Path
    pid: int
    clean: bool
    how: str
    seconds: float
    survivors: tuple[int, ...] = ()
    asked_by: str | None = None


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

    `devtools` is an open connection, if there is one. `released` is settled as soon as the browser can write nothing
    more, which is before its exit: True if it left no lock. A browser that does not answer is no error: see the result.
    """
    began = time.monotonic()
    handles = [entry.handle for entry in browser.processes]
    tasks = [asyncio.create_task(_await_release(browser, released))]
    ways: list[str] = []

    def ask(handle: Handle) -> None:
        # A supervisor that was killed during a live snapshot has left it suspended, so that it cannot answer.
        handle.resume()
        if handle is browser.main.handle:
            tasks.append(asyncio.create_task(_ask(browser, devtools, close_timeout, ways.append)))

    steps = (
        TerminationStep("asked", ask, close_timeout),
        TerminationStep("SIGTERM", terminate, term_timeout),
        TerminationStep("SIGKILL", kill, _KILL_TIMEOUT),
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
    took, asked_by = time.monotonic() - began, ways[-1] if ways else None
    return CloseResult(browser.profile, browser.main.pid, clean, how or "gone", took, pids, asked_by)


async def _await_release(browser: Browser, released: asyncio.Future[bool]) -> None:
    """Settle the future when none of the processes that write executes code of its own any more.

    In the last third of a close the kernel only frees the memory of the main process, and the processes that do not
    write wait for that (measured; `docs/how-it-works.md`).
    """
    writers = browser.writers
    while not all(entry.handle.leaving for entry in writers):  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(_POLL)
    # Closes a race: once resumed, the bot may open another browser on the profile, whose lock is not this one's.
    _settle(released, browser.profile)


def _settle(released: asyncio.Future[bool], profile: Path) -> None:
    if not released.done():
        released.set_result(not singleton.remaining(profile))


async def _ask(browser: Browser, devtools: DevTools | None, timeout: float, note: Callable[[str], None]) -> None:
    """Ask for an exit that flushes, by DevTools if it answers and by SIGINT otherwise; `note` is called with which."""
    with contextlib.suppress(DevToolsError):
        if devtools is not None and not devtools.closed:
            note("DevTools")
            await devtools.request_browser_close(timeout=timeout / 2)
            return
        if (url := await live_endpoint(browser)) is not None:
            note("DevTools")
            await close_browser(url, timeout=timeout / 2)
            return
    if sys.platform != "win32":  # where it cannot be sent to another process
        note("SIGINT")
        await _interrupt(browser, timeout / 2)


async def _interrupt(browser: Browser, timeout: float) -> None:
    """Send SIGINT, to a browser that has just locked its profile once it handles that; some 20 ms lie between the two.

    Before that the signal would end it with the lock left behind. `timeout` in seconds.
    """
    over = time.monotonic() + timeout
    while _would_leave_its_lock(browser) and time.monotonic() < over:  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(_POLL)
    browser.main.handle.signal(signal.SIGINT)


def _would_leave_its_lock(browser: Browser) -> bool:
    try:
        return bool(singleton.remaining(browser.profile)) and dies_of(browser.main.pid, signal.SIGINT)
    except OSError:  # it is gone, or this is not Linux
        return False
