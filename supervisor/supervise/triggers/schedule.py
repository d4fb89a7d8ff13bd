"""Restarts on a schedule."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime

from supervisor.bot.slot import Slot
from supervisor.config.types import parse_duration
from supervisor.log.logger import report_fault
from supervisor.supervise.inbox import Plans
from supervisor.supervise.requests import Restarter, SupervisorView
from supervisor.supervise.state_machine import Stage

#: Seconds between two looks at the clock on the wall, which may be set, or go on while the machine sleeps. asyncio's
#: timers know nothing of either.
LOOK = 30.0

#: The same while the bot is not up: its time begins to count when it is.
_LOOK_DOWN = 1.0


class Schedule:
    """A cron expression in local time, or a time that a bot may have run; see `restart.schedule`.

    A time of day that the clock skips in spring is made up for as soon as it has gone past it; one that comes twice in
    autumn is used the first time.
    """

    def __init__(self, text: str) -> None:
        """`text` has been validated: five fields of a cron expression, or a duration."""
        self.text = text
        self._limit = None if len(text.split()) == 5 else parse_duration(text)

    def due(self, after: float, started: float) -> float:
        """The first moment after `after`, both in seconds since the epoch, for a bot that was started at `started`."""
        return started + self._limit if self._limit is not None else self._cron(after)

    def _cron(self, after: float) -> float:
        # Here, because few bots have a plan.
        from cronsim import CronSim

        # Without a zone: these are what the clock on the wall shows. `timestamp` takes a time that there is twice for
        # the first one, and one that there is not for as much later as the clock is put forward (PEP 495).
        wall = datetime.fromtimestamp(after)  # noqa: DTZ006
        return next(moment.timestamp() for moment in CronSim(self.text, wall) if moment.timestamp() > after)


async def keep(
    schedule: Schedule,
    *,
    started: Callable[[], float | None],
    planned: Callable[[float | None], None],
    restart: Callable[[], None],
    now: Callable[[], float] = time.time,
    look: float = LOOK,
) -> None:
    """Ask for a restart whenever one is due, until cancelled.

    `started()` is when the bot was started, in seconds since the epoch, or None while it is not up: one that is being
    restarted, or waits to be, needs no further restart, and what falls due meanwhile is left out. `planned(seconds)`
    is called with the time until the next one.
    """
    asked_at = now()
    while True:
        moment, since = now(), started()
        due = schedule.due(asked_at, since) if since is not None else None
        if due is not None and due <= moment:
            restart()
        if due is None or due <= moment or moment < asked_at:  # or the clock was put back
            asked_at = moment
        planned(None if due is None or due <= moment else due - moment)
        await asyncio.sleep(min(look, _LOOK_DOWN if due is None else max(0.05, due - moment)))


def plan(text: str, restarter: Restarter, view: SupervisorView, slot: Slot, plans: Plans) -> asyncio.Task[None]:
    """Restart the bot whenever `restart.schedule`, which is `text`, says so, until the task is cancelled."""
    schedule = Schedule(text)

    def started() -> float | None:
        if view.stage is not Stage.UP:
            return None
        return time.time() - (time.monotonic() - slot.spawned_at)

    def planned(seconds: float | None) -> None:
        plans.set("restart", None if seconds is None else time.monotonic() + seconds)

    def restart() -> None:
        restarter.restart("schedule", schedule.text)

    task = asyncio.create_task(keep(schedule, started=started, planned=planned, restart=restart), name="schedule")
    task.add_done_callback(report_fault)
    return task
