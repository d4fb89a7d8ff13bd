"""Restarts on a schedule."""

from __future__ import annotations

import asyncio
import time

from supervisor.bot.slot import Slot
from supervisor.log.logger import report_fault
from supervisor.supervise.inbox import Plans
from supervisor.supervise.requests import Restarter, SupervisorView
from supervisor.supervise.state_machine import Stage
from supervisor.supervise.triggers.cron import Schedule, keep


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
