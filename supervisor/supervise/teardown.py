"""The way down: the bot that runs, or what an earlier supervisor has left behind, until nothing of it lives.

How one stop goes is in `cycle.py`. Here is what stands around it: what there is to stop, what is said of it, and what
is known of the profiles that have become quiet by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from supervisor.bot.run import Run, Setting
from supervisor.bot.stop import Descent, Stop
from supervisor.log.logger import emit
from supervisor.process.suspend import Suspension
from supervisor.process.table import ProcessEntry
from supervisor.process.terminate import Urgency
from supervisor.supervise.maintenance import Care
from supervisor.supervise.snapshot_queue import Quiet
from supervisor.supervise.turn import Turn


class Takedown:
    """Takes down one bot after another, and gathers what is known of the profiles that they held.

    `turn()` is the restart under way. It is asked anew each time: a quit on the way down begins another one.
    """

    def __init__(self, setting: Setting, care: Care, turn: Callable[[], Turn]) -> None:
        self._setting = setting
        self._care = care
        self._turn = turn
        self._quiet: dict[Path, Quiet] = {}

    def take_quiet(self) -> dict[Path, Quiet]:
        """What is known of each profile that has become quiet since this was last called."""
        quiet, self._quiet = self._quiet, {}
        return quiet

    async def bring_down(self, run: Run | None, urgency: Urgency, suspension: Suspension) -> Descent:
        """Stop `run`, or without one whatever is left of earlier ones, and prove that nothing of it lives.

        `urgency` may grow meanwhile; `suspension` is what stands still already. Nothing may be started beside the
        survivors of the answer: processes of ours that would not die, or browsers of somebody else's on our profiles.
        """
        stop = Stop(
            look=self._setting.territory.living,
            proven=self._proven_empty,
            config=self._setting.config.stop,
            urgency=urgency,
            clock=self._turn().clock,
            leader=run.child.pid if run else None,
            live=run.observer.live if run else {},
            on_let_go=lambda profiles: self._look_ahead(run, profiles),
            suspension=suspension,
        )
        if run is None and (strangers := await self._find_leftovers(stop)):
            return Descent(survivors=tuple(entry.pid for entry in strangers))
        descent = await stop.bring_down()
        self._note(descent, run)
        self._setting.reaper.reap()
        if descent.survivors:
            emit("bot.stuck", pids=list(descent.survivors))
        return descent

    async def await_death(self) -> None:
        """Return once everything has died that keeps a bot from being started."""
        ours, strangers = self._setting.territory.left_behind(await self._profiles())
        for entry in [*ours, *strangers]:
            await entry.handle.wait()
        self._setting.reaper.reap()

    def _proven_empty(self) -> bool:
        empty = self._setting.territory.proven_empty
        # Reaping takes a walk through the process table: only if there is something to reap.
        return empty() or (self._setting.reaper.reap() > 0 and empty())

    async def _profiles(self) -> list[Path]:
        return [profile.path for profile in await self._care.profiles()]

    async def _find_leftovers(self, stop: Stop) -> list[ProcessEntry]:
        """Before a start: extend the stop to what earlier runs left, unless strangers hold a profile, who are told."""
        profiles = await self._profiles()
        ours, strangers = self._setting.territory.left_behind(profiles)
        if strangers:
            emit(
                "error",
                problem=f"a browser that scanonce did not start holds a profile of this project "
                f"(process {strangers[0].pid}, and its bot still runs)",
                remedy="stop that bot; scanonce goes on as soon as it is gone",
            )
        elif ours:
            emit("supervisor.leftovers", pids=[entry.pid for entry in ours])
            stop.look = self._setting.territory.leftovers(profiles)
        return strangers

    def _look_ahead(self, run: Run | None, profiles: Mapping[Path, bool]) -> None:
        if run is not None:
            self._care.look_ahead(run.quiet(profiles))

    def _note(self, descent: Descent, run: Run | None) -> None:
        """Say how each browser has closed, and keep what is known of its profile."""
        closed = {one.profile: one.clean for one in descent.closed}
        for one in descent.closed:
            if one.clean:
                emit(
                    "browser.closed",
                    pid=one.pid,
                    profile=str(one.profile),
                    method=one.how,
                    took_ms=round(one.seconds * 1000),
                )
            else:
                emit("browser.unclean", pid=one.pid, profile=str(one.profile), reason=one.how)
        found = run.quiet(closed) if run else {path: Quiet(clean, None, None) for path, clean in closed.items()}
        self._quiet |= found
        self._turn().clean &= all(quiet.clean for quiet in found.values())
