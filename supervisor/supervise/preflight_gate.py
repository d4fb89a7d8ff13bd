"""The check of changed files, and the bot that is suspended for it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from supervisor.bot.spec import BotSpec
from supervisor.browser.processes import without_browsers
from supervisor.log.logger import report_fault
from supervisor.process.suspend import ResumeGuard, Suspension
from supervisor.process.table import find_process


class SourceWatch(Protocol):
    """The watched source files, and the checks of those that have changed."""

    @property
    def checks(self) -> bool:
        """Whether changed files are to be checked."""

    async def settled(self) -> None:
        """Return once the files have been quiet for a moment."""

    def drain(self) -> tuple[Path, ...]:
        """The files that have changed since this was last called."""

    def exclude(self, folder: Path) -> None:
        """Stop watching a folder: a profile that has been discovered."""

    def stand_by(self) -> None:
        """Get ready to check what changes next: the bot is up. `end_checks` undoes it."""

    def begin_checks(self) -> None:
        """Check each file that has changed at once from now on, if it is to be checked."""

    async def examined(self, *, running: bool) -> bool:
        """Whether a bot is to be started on the files as they are, once they are quiet; bounded in time.

        `running`: in place of a bot that runs. Reports what it finds. Ends its programs when cancelled.
        """

    def hear_again(self) -> None:
        """Report what has changed since a check refused a start."""

    async def end_checks(self) -> None:
        """Return once none of our programs runs for a check."""


class PreflightGate:
    """At most one check at a time, before a restart or, late, before a start."""

    def __init__(self, spec: BotSpec) -> None:
        self._spec = spec
        self._standstill: Suspension | None = None
        self._work: asyncio.Task[bool] | None = None

    def suspend(self, leader: int) -> None:
        """Suspend the bot whose first process has the pid `leader`."""
        territory = self._spec.territory
        self._standstill = suspension = self._suspension()
        try:
            if (first := find_process(leader)) is not None:
                suspension.suspend([first], only_guarded=True)
            suspension.suspend_tree(lambda: without_browsers(territory.living()), only_guarded=True)
        except OSError:
            # Without descriptors, for instance, it runs on while it is checked; what it could do then is no worse.
            self.resume()

    def _suspension(self) -> Suspension:
        return Suspension(ResumeGuard(self._spec.helpers))

    def check(self, files: SourceWatch, on_over: Callable[[bool], None]) -> None:
        """Begin to check; `on_over` is called with whether a bot is to be started, unless `drop` comes first."""
        self._work = asyncio.create_task(files.examined(running=True), name="preflight")

        def over(work: asyncio.Task[bool]) -> None:
            if self._work is work:
                self._work = None
                # A check that has failed itself has found nothing against the files.
                on_over(report_fault(work) or work.result())

        self._work.add_done_callback(over)

    async def check_late(self, files: SourceWatch) -> bool:
        """Check while no bot runs; whether one is to be started. `drop` has this end early, and well."""
        self._work = work = asyncio.create_task(files.examined(running=False), name="preflight")
        await asyncio.wait({work})
        self._work = None
        return work.cancelled() or report_fault(work) or work.result()

    def drop(self) -> None:
        """End the check: something stronger has come."""
        work, self._work = self._work, None
        if work is not None:
            work.cancel()

    def resume(self) -> None:
        """Let the bot go on."""
        standstill, self._standstill = self._standstill, None
        if standstill is not None:
            standstill.release()

    def hand_over(self) -> Suspension:
        """The suspended processes, for the stop, which resumes them; none if nothing was checked."""
        standstill, self._standstill = self._standstill, None
        return standstill or self._suspension()
