"""The processes there are to stop: the bot that runs, or those an earlier supervisor has left behind."""

from collections.abc import Collection
from pathlib import Path

from supervisor.bot.released import Released
from supervisor.bot.run import Run
from supervisor.bot.spec import BotSpec
from supervisor.bot.stop import Stop, Stopped
from supervisor.browser.processes import is_reachable, without_browsers
from supervisor.log.logger import emit
from supervisor.process.suspend import Suspension
from supervisor.process.terminate import Urgency
from supervisor.supervise.session_registry import SessionRegistry


class Leftovers:
    """Finds what must be gone before a bot may be started, and reports how it went."""

    def __init__(self, spec: BotSpec, registry: SessionRegistry) -> None:
        self._spec = spec
        self._registry = registry

    async def plan_stop(
        self, run: Run | None, urgency: Urgency, suspension: Suspension, *, leaves_browsers: bool = False
    ) -> Stop | Stopped:
        """The stop of `run`, or without one of what earlier runs have left.

        `urgency` may grow meanwhile; `suspension` holds what is suspended already. A `Stopped` with survivors if
        a browser that another program has started holds one of our profiles: it is reported, and nothing may be started
        beside it.
        """
        territory = self._spec.territory
        look = territory.living
        if run is None:
            profiles = await self._profiles()
            ours, strangers = territory.left_behind(profiles)
            if strangers:
                emit(
                    "error",
                    problem=f"a browser that scanonce did not start holds a profile of this project "
                    f"(process {strangers[0].pid}, and its bot still runs)",
                    remedy="stop that bot; scanonce goes on as soon as it is gone",
                )
                return Stopped(survivors=tuple(entry.pid for entry in strangers))
            if ours:
                emit("supervisor.leftovers", pids=[entry.pid for entry in ours])
                look = territory.leftovers(profiles)
        return Stop(
            self._spec.config.stop,
            urgency,
            suspension,
            look=look,
            proven=self._proven_empty,
            leader=run.child.pid if run else None,
            live=run.observer.live if run and not leaves_browsers else {},
            leaves_browsers=leaves_browsers,
        )

    def _proven_empty(self) -> bool:
        empty = self._spec.territory.proven_empty
        # Reaping takes a walk through the process table: only if there is something to reap.
        return empty() or (self._spec.reaper.reap() > 0 and empty())

    def note(self, stopped: Stopped, run: Run | None, kept: Collection[Path] = ()) -> dict[Path, Released]:
        """Report how each browser has closed and what would not die; returns what is known of their profiles.

        `kept`: the profiles of browsers that go on.
        """
        self._spec.reaper.reap()
        if stopped.survivors:
            emit("bot.stuck", pids=list(stopped.survivors))
        for one in stopped.closed:
            profile = str(one.profile)
            if one.clean:
                took = round(one.seconds * 1000)
                how = {"method": one.how, "asked_by": one.asked_by if one.how == "asked" else None}
                emit("browser.closed", pid=one.pid, profile=profile, took_ms=took, **how)
            else:
                emit("browser.unclean", pid=one.pid, profile=profile, reason=one.how)
        closed = {one.profile: one.clean for one in stopped.closed if is_reachable(one.profile)}
        return (
            run.released(closed, kept) if run else {path: Released(clean, None, None) for path, clean in closed.items()}
        )

    def report_detached(self) -> None:
        """Report what still runs of a bot whose first process has ended by itself, and well."""
        still = [entry for entry in without_browsers(self._spec.territory.living()) if not entry.handle.leaving]
        if still:
            emit("bot.detached", pids=[entry.pid for entry in still], programs=[entry.name for entry in still])

    async def await_death(self) -> None:
        """Return once everything has died that keeps a bot from being started."""
        ours, strangers = self._spec.territory.left_behind(await self._profiles())
        for entry in [*ours, *strangers]:
            await entry.handle.wait()
        self._spec.reaper.reap()

    async def _profiles(self) -> list[Path]:
        return [profile.path for profile in await self._registry.profiles()]
