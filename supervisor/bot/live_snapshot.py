"""A snapshot of a running bot, from whichever process asks: ask its page, freeze its browser, read, thaw.

The image is of one instant, as a power cut would leave it. The bot stands still while its files are read; making the
copy durable and verifying it comes after that.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from datetime import timedelta

from supervisor.browser.devtools import DevTools, DevToolsError, browser_version
from supervisor.browser.endpoint import live_endpoint
from supervisor.browser.page import PageWatcher
from supervisor.browser.presets import PagePreset, PageState, SessionStatus
from supervisor.browser.processes import Browser
from supervisor.config.schema import Config
from supervisor.process.suspend import ResumeGuard, Suspension
from supervisor.process.table import ProcessEntry, descendants
from supervisor.session.profiles.profile import Profile
from supervisor.session.snapshot.capture import Capture
from supervisor.session.state_file import SessionState
from supervisor.session.store import SessionStore
from supervisor.system import clock
from supervisor.system.errors import SessionError
from supervisor.system.escape import printable

#: Seconds that a page is given to say whether it is linked. One that is at work says so at once.
_PATIENCE = 5.0
_INTERVAL = 0.05

#: Seconds that a browser may be suspended at most; what is read from its profile after that is found to have changed.
LONGEST_PAUSE = 30.0

_UNSETTLED = {SessionStatus.UNKNOWN, SessionStatus.STARTING}


@dataclass(frozen=True, slots=True)
class Seen:
    """The answers of a running browser; `version` is None if it offers no DevTools."""

    status: SessionStatus
    version: str | None


@dataclass(frozen=True, slots=True)
class Still:
    """A capture of a suspended browser's profile, and for how many seconds it was suspended."""

    capture: Capture
    pause: float


def ask(browser: Browser, preset: PagePreset, patience: float = _PATIENCE) -> Seen:
    """Ask a browser for its version and its page for its state; waits up to `patience` seconds for the latter."""
    return asyncio.run(_ask(browser, preset, patience))


def read_still(
    store: SessionStore,
    profile: Profile,
    browser: Browser,
    guard: ResumeGuard,
    *,
    linked: bool | None,
    version: str | None,
) -> Still:
    """Freeze a browser, read its profile, and resume it in any case; all in the calling thread.

    Raises `SessionError`, also if the browser may not be frozen, or is gone.
    """
    with Suspension(guard) as suspension:
        if not guard.start():
            raise SessionError(
                "The process that would thaw the browser did not start, so it was not frozen. Try again."
            )
        began = time.monotonic()
        frozen = suspension.suspend_tree(lambda: family(browser.main), only_guarded=True)
        if suspension.refused:
            raise SessionError(
                f"The browser (process {browser.main.pid}) may not be frozen by this user, and without that no copy of "
                "its profile is sound. Run this as the user that runs the bot."
            )
        if not frozen:
            raise SessionError(f"The browser (process {browser.main.pid}) has just ended. Try again.")
        capture = store.capture(profile, linked=linked, browser_version=version, live=True)
    return Still(capture, time.monotonic() - began)


def family(main: ProcessEntry) -> list[ProcessEntry]:
    """A browser's main process, if it lives, and all that descend from it."""
    return [main, *descendants(main.pid)] if main.handle.alive else []


async def _ask(browser: Browser, preset: PagePreset, patience: float) -> Seen:
    url = await live_endpoint(browser)
    version = None
    status = SessionStatus.UNKNOWN
    if url is None:
        return Seen(status, version)
    with contextlib.suppress(DevToolsError):
        async with await DevTools.connect(url, timeout=patience) as devtools:
            version = await browser_version(devtools)
            status = await _status(devtools, preset, patience)
    return Seen(status, version)


async def _status(devtools: DevTools, preset: PagePreset, patience: float) -> SessionStatus:
    status = SessionStatus.UNKNOWN
    settled = asyncio.Event()

    def changed(state: PageState) -> None:
        nonlocal status
        status = state.status
        if status not in _UNSETTLED:
            settled.set()

    watcher = PageWatcher(devtools, preset, changed, interval=_INTERVAL)
    watching = asyncio.create_task(watcher.run())
    try:
        async with asyncio.timeout(patience):
            # Another application's page will never say anything.
            while not (settled.is_set() or watching.done() or (watcher.elsewhere and status is SessionStatus.UNKNOWN)):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_INTERVAL):
                        await settled.wait()
    except TimeoutError:
        return status
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return status


# -- whether a session is worth a snapshot ---------------------------------------------------------------------------

_LINKED = {SessionStatus.LINKED, SessionStatus.READY}
_UNREAD = {SessionStatus.UNKNOWN, SessionStatus.OPEN}
_NOT_LINKED = {SessionStatus.NEEDS_LINK, SessionStatus.LINKING, SessionStatus.LOGGED_OUT}


INCOGNITO = "its page is incognito, so its profile holds nothing of it"


class NotLinkedError(SessionError):
    """There is nothing worth keeping."""


def linked_now(profile: Profile, status: SessionStatus, state: SessionState) -> bool | None:
    """Whether the page of a running bot is linked, None where it does not show that.

    Raises `NotLinkedError` if it is not, or was not when it last showed it.
    """
    if status in _LINKED:
        return True
    if status in _NOT_LINKED:
        raise NotLinkedError(
            f"Session {printable(profile.id)} is not linked (its page says: {status}): there is nothing worth "
            "keeping. Link it first, then try again."
        )
    linked_when_last_seen(profile, state)
    return None


def linked_when_last_seen(profile: Profile, state: SessionState) -> bool | None:
    """Whether a session without a page was linked when it last had one, None if that could not be read.

    Raises `NotLinkedError` if it was not.
    """
    if state.is_linked is False or state.last_state in {SessionStatus.NEEDS_LINK, SessionStatus.LOGGED_OUT}:
        raise NotLinkedError(
            f"Session {printable(profile.id)} was not linked when last seen: there is nothing worth keeping. "
            "Link it first, then try again."
        )
    return state.is_linked if state.last_state not in _UNREAD else None


def too_fresh(state: SessionState, config: Config) -> list[str]:
    """A remark on a snapshot of a running bot that comes very soon after the link."""
    needed = timedelta(seconds=config.snapshot.live_after)
    age = clock.now() - state.linked_at if state.linked_at is not None else needed
    if age >= needed:
        return []
    return [
        f"The session was linked only {age.total_seconds():.0f} s ago, and its browser may not have written all of the "
        "link yet. Take another snapshot in a minute."
    ]
