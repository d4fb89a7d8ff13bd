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
        post: Callable[[Message], None],
    ) -> None:
        self._spec = spec
        self._maintenance = maintenance
        self._registry = registry
        self._tracker = tracker
        self._post = post
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, seen: BrowserSeen, files: SourceWatch | None) -> None:
        """Handle one event. `files` are the watched source files, if any are."""
        live, run = seen.live, seen.run
        pid, profile = live.browser.main.pid, str(live.profile)
        match seen.change:
            case "up":
                if files is not None:
                    for path in (live.profile, *profile_lock_files(live.profile)):
                        files.exclude(path)
                emit("browser.up", pid=pid, profile=profile)
                session = self._registry.assign(live.profile, live.real)
                if self._registry.state(session.id).is_linked is not None:
                    live.expect_known_page()
                self._begin(self._hold(session, live.real))
            case "page" if not run.stopping:
                self._tracker.page_changed(self._registry.assign(live.profile, live.real), live)
            case "page":
                pass
            case "blind":
                emit("browser.blind", pid=pid, profile=profile)
                if not run.stopping:
                    self._tracker.note_unreadable(self._registry.assign(live.profile, live.real), live)
            case "incognito":
                emit("browser.incognito", pid=pid, profile=profile)
            case "gone" if not run.stopping:
                emit("browser.lost", pid=pid, profile=profile)
                # Its bot may open it again, and has some time for that.
                asyncio.get_running_loop().call_later(
                    self._spec.config.browser.lost_patience, lambda: self._look_for_lost(run, live)
                )
            case "gone":
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
        if all(browser.profile != live.profile for browser in find_browsers(self._spec.territory.living())):
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
