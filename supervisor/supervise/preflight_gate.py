"""The check of what has changed, and the bot that stands still for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from supervisor.bot.ownership import Territory
from supervisor.browser.discovery import without_browsers
from supervisor.log.logger import report_fault
from supervisor.process.helper import HelperRunner
from supervisor.process.reaper import Reaper
from supervisor.process.suspend import GuardedSuspension, Suspension
from supervisor.process.table import find_process
from supervisor.supervise.turn import Turn


class Examined(Protocol):
    """What knows of the changed files, and checks them."""

    async def examined(self, *, running: bool) -> bool:
        """Whether a bot is to be started on the files as they are, once they are quiet; bounded in time.

        `running`: instead of a bot that runs. Says itself what it has found. Ends its programs when cancelled.
        """


class Examination:
    """At most one check at a time, before a restart or, late, before a start."""

    def __init__(self, territory: Territory, reaper: Reaper) -> None:
        self._territory = territory
        self._reaper = reaper
        self._standstill: GuardedSuspension | None = None
        self._work: asyncio.Task[bool] | None = None
        #: The restart that there will be if all is well. Its clock runs from the first change on.
        self._turn: Turn | None = None

    def propose(self, turn: Turn) -> None:
        """A file has changed; `begin` follows in a moment, unless something else comes first."""
        self._turn = turn

    def begin(self, leader: int, changes: Examined, on_over: Callable[[Turn, bool], None]) -> None:
        """Freeze the bot, whose first process has the pid `leader`, and check.

        `on_over` is told once of the proposed turn, and whether it is to be begun.
        """
        turn = self._turn
        if turn is None:
            # Dropped since it was proposed: the event of whatever has dropped it is next, and leads to a stop.
            return
        territory = self._territory
        # Without descriptors, for instance, it runs on while it is checked; what it could do meanwhile is no worse.
        with contextlib.suppress(OSError):
            self._standstill = GuardedSuspension(
                find_process(leader),
                lambda: without_browsers(territory.living()),
                HelperRunner(self._reaper, territory.helper_pids),
            )
        turn.clock.enter("preflight")
        self._work = asyncio.create_task(changes.examined(running=True), name="preflight")

        def over(work: asyncio.Task[bool]) -> None:
            if self._work is work:
                self._work = self._turn = None
                # A check that has failed itself has found nothing against the files.
                on_over(turn, report_fault(work) or work.result())

        self._work.add_done_callback(over)

    async def late(self, changes: Examined) -> bool:
        """Check while no bot runs; whether one is to be started. `drop` has this end early, and well."""
        self._work = work = asyncio.create_task(changes.examined(running=False), name="preflight")
        await asyncio.wait({work})
        self._work = None
        return work.cancelled() or report_fault(work) or work.result()

    def drop(self) -> None:
        """Something stronger has come: nothing is proposed any more, and nothing will be said of it."""
        self._turn = None
        work, self._work = self._work, None
        if work is not None:
            work.cancel()

    def thaw(self) -> None:
        """Let the bot go on."""
        standstill, self._standstill = self._standstill, None
        if standstill is not None:
            standstill.release()

    def hand_over(self) -> Suspension:
        """What stands still, for the stop, which thaws it; nothing if nobody was examined."""
        standstill, self._standstill = self._standstill, None
        return Suspension() if standstill is None else standstill.hand_over()
