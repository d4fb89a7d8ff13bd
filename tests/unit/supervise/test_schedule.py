"""Restarts that are planned: cron expressions in local time, and lengths of time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.supervise.triggers.schedule import Schedule, keep

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine stands where the clock is put forward on 29 March 2026 and back on 25 October, at 3:00 each."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def moment(text: str, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).timestamp()


def shown(stamp: float) -> str:
    """What the clock on the wall shows then, with its distance from UTC."""
    return datetime.fromtimestamp(stamp, BERLIN).isoformat(timespec="minutes")


def times(expression: str, start: float, number: int) -> list[str]:
    schedule, found = Schedule(expression), []
    for _ in range(number):
        start = schedule.due(start, 0.0)
        found.append(shown(start))
    return found


def test_a_time_of_the_day_is_that_of_the_clock_on_the_wall_in_winter_and_summer() -> None:
    assert times("0 4 * * *", moment("2026-03-27T12:00"), 3) == [
        "2026-03-28T04:00+01:00",
        "2026-03-29T04:00+02:00",
        "2026-03-30T04:00+02:00",
    ]


def test_a_time_that_the_clock_skips_is_made_up_for() -> None:
    assert times("30 2 * * *", moment("2026-03-28T12:00"), 2) == ["2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"]


def test_a_time_that_comes_twice_is_used_once() -> None:
    assert times("30 2 * * *", moment("2026-10-24T12:00"), 2) == ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]


def test_in_the_second_of_two_hours_the_time_of_the_first_is_over() -> None:
    assert times("30 2 * * *", moment("2026-10-25T02:10", fold=1), 1) == ["2026-10-26T02:30+01:00"]


def test_an_hourly_plan_goes_on_through_the_hour_that_is_skipped_without_coming_twice() -> None:
    assert times("0 * * * *", moment("2026-03-29T00:30"), 3) == [
        "2026-03-29T01:00+01:00",
        "2026-03-29T03:00+02:00",
        "2026-03-29T04:00+02:00",
    ]


@given(
    st.integers(1_760_000_000, 1_830_000_000), st.sampled_from(["0 4 * * *", "*/7 * * * *", "30 2 * * 0", "0 0 1 * *"])
)
def test_the_next_time_is_always_ahead(now: int, expression: str) -> None:
    assert Schedule(expression).due(float(now), 0.0) > now


def test_a_length_of_time_counts_from_the_start_of_the_bot_that_runs() -> None:
    assert Schedule("24h").due(after=5000.0, started=4000.0) == 4000.0 + 86400


class Plan:
    """A schedule that is kept, with a clock on the wall that the test sets."""

    def __init__(self, schedule: str) -> None:
        self.now = 1_000_000.0
        self.started: float | None = self.now
        self.planned: float | None = None
        self.restarts: list[float] = []
        self._task = asyncio.create_task(
            keep(
                Schedule(schedule),
                started=lambda: self.started,
                planned=self._plan,
                restart=self._restart,
                now=lambda: self.now,
                look=0.001,
            )
        )

    def _plan(self, seconds: float | None) -> None:
        self.planned = seconds

    def _restart(self) -> None:
        self.restarts.append(self.now)
        self.started = self.now

    async def goes_on(self, seconds: float) -> None:
        """So much time goes by on the wall, and the plan is looked at."""
        self.now += seconds
        await asyncio.sleep(0.02)

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_a_bot_is_restarted_each_time_it_has_run_for_that_long() -> None:
    plan = Plan("1h")
    await plan.goes_on(0)
    await plan.goes_on(3599)
    assert plan.restarts == []
    assert plan.planned == 1
    await plan.goes_on(2)
    await plan.goes_on(3590)
    assert len(plan.restarts) == 1
    await plan.goes_on(20)
    assert len(plan.restarts) == 2
    await plan.end()


async def test_a_bot_that_was_restarted_meanwhile_has_its_whole_time_again() -> None:
    plan = Plan("1h")
    await plan.goes_on(0)
    await plan.goes_on(3000)
    plan.started = plan.now
    await plan.goes_on(3000)
    assert plan.restarts == []
    assert plan.planned == 600
    await plan.end()


async def test_what_falls_due_while_the_bot_is_down_is_left_out() -> None:
    plan = Plan("0 * * * *")
    await plan.goes_on(0)
    plan.started = None
    await plan.goes_on(7200)
    assert plan.planned is None
    plan.started = plan.now
    await plan.goes_on(1)
    assert plan.restarts == []
    await plan.goes_on(3600)
    assert len(plan.restarts) == 1
    await plan.end()


async def test_after_a_long_sleep_of_the_machine_one_restart_makes_up_for_all() -> None:
    plan = Plan("0 * * * *")
    await plan.goes_on(0)
    await plan.goes_on(50 * 3600)
    await plan.goes_on(1)
    assert len(plan.restarts) == 1
    await plan.end()


async def test_a_clock_that_is_put_back_does_not_put_off_the_plan() -> None:
    plan = Plan("0 * * * *")
    await plan.goes_on(0)
    await plan.goes_on(10)
    await plan.goes_on(-86400)
    assert plan.planned is not None
    assert plan.planned <= 3600
    await plan.end()
