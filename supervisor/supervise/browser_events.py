"""What a run shows of its browsers and their pages, and what comes of it.

A restart's phases from "boot" on end by it, the watcher leaves the profiles out by it, other supervisors are kept off
them, and a browser that is lost for good is told of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

from supervisor.bot.observer import Live
from supervisor.bot.run import Run, Setting
from supervisor.browser.discovery import find_browsers
from supervisor.browser.presets import SessionStatus
from supervisor.log.logger import emit
from supervisor.session.profile_lock import ProfileBusyError, files_of
from supervisor.supervise.maintenance import Care
from supervisor.supervise.session_tracker import Sessions
from supervisor.supervise.state_machine import Phase
from supervisor.supervise.turn import Turn


class Situation(Protocol):
    """What is going on while something is seen."""

    @property
    def phase(self) -> Phase:
        """Where the supervisor is now."""

    @property
    def turn(self) -> Turn:
        """The restart that is under way, else the last one."""

    @property
    def current_run(self) -> Run | None:
        """The bot that runs now, if one does."""


class Sights:
    """Hears of the browsers of each run, as `observe.Reports`.

    `exclude(path)` leaves a path out of what is watched. `on_held()` is called when another supervisor turns out to
    have a profile; `on_lost(profile)` when a running bot's browser has gone and not come back in time.
    """

    def __init__(
        self,
        setting: Setting,
        care: Care,
        sessions: Sessions,
        situation: Situation,
        *,
        on_held: Callable[[], None],
        on_lost: Callable[[Path], None],
    ) -> None:
        self._setting = setting
        self._care = care
        self._sessions = sessions
        self._situation = situation
        self._on_held = on_held
        self._on_lost = on_lost
        self.exclude: Callable[[Path], None] = lambda _path: None

    def _enter(self, phase: Literal["browser", "link"], *, after: str) -> None:
        """The start that is under way goes on to its next phase, if it is in the one before."""
        clock = self._situation.turn.clock
        if self._situation.phase is Phase.STARTING and clock.current == after:
            clock.enter(phase)

    def browser_up(self, live: Live) -> None:
        """A browser's main process is there."""
        self._enter("browser", after="boot")
        for path in (live.profile, *files_of(live.profile)):
            self.exclude(path)
        self._hold(live.profile)
        emit("browser.up", pid=live.browser.main.pid, profile=str(live.profile))

    def _hold(self, profile: Path) -> None:
        """Keep other supervisors off a profile that has come to light, or leave it to the one that has it."""
        try:
            self._setting.locks.take(profile, self._setting.territory.project)
        except ProfileBusyError as error:
            self._care.leave_alone(profile)
            emit("error", problem=str(error), remedy="stop it first")
            self._on_held()

    def browser_blind(self, live: Live) -> None:
        """A browser offers no DevTools: its page cannot be read."""
        emit("browser.blind", pid=live.browser.main.pid, profile=str(live.profile))

    def page_state(self, live: Live) -> None:
        """A page has changed its state."""
        run, clock = self._situation.current_run, self._situation.turn.clock
        if run is None or run.stopping:
            return
        self._enter("link", after="browser")
        linked = {SessionStatus.LINKED, SessionStatus.READY}
        if clock.current == "link" and all(one.state.status in linked for one in run.observer.live.values()):
            clock.enter("ready")
        self._sessions.page_state(live)

    def browser_gone(self, live: Live) -> None:
        """A browser has exited; unless it was closed by us, its bot may open it again, and has some time for that."""
        run = self._situation.current_run
        if run is None or run.stopping:
            return
        emit("browser.lost", pid=live.browser.main.pid, profile=str(live.profile))

        def still_gone() -> None:
            if self._situation.current_run is not run or run.stopping:
                return
            # Asked anew: the observer may look for a further browser of a running bot as seldom as that.
            if all(browser.profile != live.profile for browser in find_browsers(self._setting.territory.living())):
                self._on_lost(live.profile)

        # Not one of the timers of a start, which are off once that is over.
        asyncio.get_running_loop().call_later(self._setting.config.browser.lost_patience, still_gone)
