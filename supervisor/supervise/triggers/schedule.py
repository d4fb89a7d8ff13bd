"""Restarting the bot as planned."""

from __future__ import annotations

import asyncio
import time

from supervisor.log.logger import report_fault
from supervisor.supervise.state_machine import Phase
from supervisor.supervise.supervisor import Supervisor
from supervisor.supervise.triggers.cron import Schedule, keep


def plan(supervisor: Supervisor, text: str) -> asyncio.Task[None]:
    """Restart the bot whenever `restart.schedule` says so, until the task is cancelled."""
    schedule = Schedule(text)

    def started() -> float | None:
        if supervisor.phase is not Phase.UP:
            return None
        return time.time() - (time.monotonic() - supervisor.bot.spawned_at)

    def planned(seconds: float | None) -> None:
        supervisor.planned.pop("restart", None)
        if seconds is not None:
            supervisor.planned["restart"] = time.monotonic() + seconds

    def restart() -> None:
        supervisor.restart("schedule", schedule.text)

    task = asyncio.create_task(keep(schedule, started=started, planned=planned, restart=restart), name="schedule")
    task.add_done_callback(report_fault)
    return task
