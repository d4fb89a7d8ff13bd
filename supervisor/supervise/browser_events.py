"""The consequences of what a run's browsers do.

The watcher leaves their profiles out, other supervisors are kept off them, their sessions are followed, and a browser
that is lost for good is reported.
"""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from supervisor.bot.observer import LiveBrowser
from supervisor.bot.run import BrowserSeen, Run
from supervisor.bot.spec import BotSpec
from supervisor.browser.processes import find_browsers
from supervisor.log.logger import emit, report_fault
from supervisor.session.locks import ProfileBusyError, profile_lock_files
from supervisor.session.profiles.profile import Profile
from supervisor.supervise.inbox import BrowserLost, Message, ProfileHeld
from supervisor.supervise.maintenance import Maintenance
from supervisor.supervise.preflight_gate import SourceWatch
from supervisor.supervise.profile_changes import ProfileChanges
from supervisor.supervise.session_registry import SessionRegistry
from supervisor.supervise.session_tracker import SessionTracker


class BrowserEvents:
    """Handles what is seen of the browsers of each run. Posts what should follow to the inbox."""

    def __init__(
        self,
        spec: BotSpec,
        maintenance: Maintenance,
        registry: SessionRegistry,
        tracker: SessionTracker,
        changes: ProfileChanges,
        post: Callable[[Message], None],
    ) -> None:
        self._spec = spec
        self._maintenance = maintenance
        self._registry = registry
        self._tracker = tracker
        self._changes = changes
        self._post = post
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, seen: BrowserSeen, files: SourceWatch | None) -> None:
        """Handle one event. `files` are the watched source files, if any are."""
        live, run = seen.live, seen.run
        pid, path = live.browser.main.pid, str(live.profile)
        # A profile to throw away is no session; its page is followed all the same, for it may show a QR code.
        temporary = live.throwaway
        profile = Profile(path, live.profile) if temporary else self._registry.assign(live.profile, live.real)
        match seen.change:
            case "up":
                if files is not None:
                    for excluded in (live.profile, *profile_lock_files(live.profile)):
                        files.exclude(excluded)
                emit("browser.up", pid=pid, profile=path)
                if not temporary:
                    if self._registry.state(profile.id).is_linked is not None:
                        live.expect_known_page()
                    self._tracker.browser_up(live)
                    self._changes.browser_up(profile)
                    self._begin(self._hold(profile, live.real))
            case "page" if not run.stopping:
                self._tracker.page_changed(profile, live)
            case "blind":
                emit("browser.blind", pid=pid, profile=path)
                if not (run.stopping or temporary):
                    self._tracker.note_unreadable(profile, live)
            case "incognito":
                emit("browser.incognito", pid=pid, profile=path)
            case "closed" | "gone" if not run.stopping:
                self._tracker.browser_gone(profile, live, closed=seen.change == "closed")
                if not temporary:
                    self._changes.browser_gone(profile, closed=seen.change == "closed")
                if seen.change == "closed":
                    emit("browser.closed", pid=pid, profile=path, method="bot")
                    return
                emit("browser.lost", pid=pid, profile=path)
                # Its bot may open it again, and has some time for that.
                asyncio.get_running_loop().call_later(
                    self._spec.config.browser.lost_patience, lambda: self._look_for_lost(run, live)
                )
            case "page" | "closed" | "gone":
                pass

    async def _hold(self, profile: Profile, real: Path) -> None:
        """Keep other supervisors off a profile, or leave it to the one that has it; the lock may block."""
        try:
            await asyncio.to_thread(self._spec.locks.take, real, self._spec.territory.project)
        except ProfileBusyError as error:
            self._maintenance.leave_alone(profile)
            emit("error", problem=str(error), remedy="stop it first")
            self._post(ProfileHeld())

    def _look_for_lost(self, run: Run, live: LiveBrowser) -> None:
        if run.stopping:
            return
        # Looked at anew: the observer may look for a further browser of a running bot as seldom as that.
        browsers = find_browsers(self._spec.territory.living())
        # Some bots dispose of a temporary browser by a kill; it is missed only if it was all that the bot had.
        if all(browser.profile != live.profile for browser in browsers) and not (live.throwaway and browsers):
            self._post(BrowserLost(live.profile))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="hold-profile")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(report_fault)

    async def close(self) -> None:
        """Wait for what was begun."""
        if self._tasks:
            await asyncio.wait(set(self._tasks))
