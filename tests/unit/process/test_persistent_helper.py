"""A program that waits for questions: answered in their order, never waited for too long, and gone with its family."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from supervisor.process.helper import HelperRunner, PersistentHelper
from supervisor.process.reaper import Reaper
from tests.helpers.waiting import DEADLINE, eventually
from tests.unit.process.conftest import python

Make = Callable[..., PersistentHelper]

ECHO = "import sys\nfor line in sys.stdin: print(line.strip().upper(), flush=True)"
#: Stands still at "wait" until the file `go` is there.
SLOW = """
import os, sys, time
for line in sys.stdin:
    while line == "wait\\n" and not os.path.exists("go"): time.sleep(0.01)
    print(line.strip(), flush=True)
"""


@pytest.fixture
def reaper() -> Reaper:
    return Reaper()


@pytest.fixture
def running() -> set[int]:
    return set()


@pytest.fixture
def make(tmp_path: Path, reaper: Reaper, running: set[int]) -> Iterator[Make]:
    def made(command: list[str], *, idle: float = 60.0) -> PersistentHelper:
        runner = HelperRunner(reaper, running)
        return PersistentHelper(runner, command, directory=tmp_path, environment=os.environ, idle=idle)

    yield made
    for pid in running:  # of a test that has failed
        os.kill(pid, signal.SIGKILL)


async def test_questions_are_answered_in_their_order(make: Make, running: set[int], reaper: Reaper) -> None:
    standby = make(python(ECHO))
    standby.start()
    standby.start()
    (pid,) = running
    assert reaper.own == running
    assert await asyncio.gather(*(standby.ask(word, DEADLINE) for word in "abc")) == ["A", "B", "C"]
    standby.end()
    standby.end()
    assert not psutil.pid_exists(pid)
    assert not running
    assert not reaper.own
    standby.start()
    assert await standby.ask("again", DEADLINE) == "AGAIN"
    standby.end()


async def test_without_one_there_is_no_answer(make: Make) -> None:
    assert await make(python(ECHO)).ask("a", DEADLINE) is None


async def test_one_that_cannot_be_started_answers_nothing(make: Make, running: set[int]) -> None:
    standby = make(["/no/such/program"])
    standby.start()
    assert await standby.ask("a", DEADLINE) is None
    assert not running


async def test_an_answer_that_nobody_waits_for_any_more_is_nobody_elses(make: Make, tmp_path: Path) -> None:
    standby = make(python(SLOW))
    standby.start()
    assert await standby.ask("ready", DEADLINE) == "ready"
    assert await standby.ask("wait", 0.01) is None
    dropped = asyncio.create_task(standby.ask("dropped", DEADLINE))
    await asyncio.sleep(0)
    dropped.cancel()
    asked = asyncio.create_task(standby.ask("asked", DEADLINE))
    (tmp_path / "go").touch()
    assert await asked == "asked"
    standby.end()


async def test_whoever_waits_when_it_is_ended_gets_no_answer(make: Make) -> None:
    standby = make(python(SLOW))
    standby.start()
    asked = asyncio.create_task(standby.ask("wait", DEADLINE))
    await asyncio.sleep(0)
    standby.end()
    assert await asked is None


async def test_one_that_ends_by_itself_is_reaped_and_can_be_started_again(make: Make, running: set[int]) -> None:
    standby = make(python(ECHO))
    standby.start()
    (pid,) = running
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: not running)
    assert not psutil.pid_exists(pid)
    assert await standby.ask("a", DEADLINE) is None
    standby.start()
    assert await standby.ask("a", DEADLINE) == "A"
    standby.end()


async def test_one_that_does_not_read_is_given_up(make: Make, running: set[int]) -> None:
    standby = make(["/bin/sleep", "600"])
    standby.start()
    while running:
        await standby.ask("x" * 4000, 0)
    assert await standby.ask("a", DEADLINE) is None


async def test_after_an_idle_time_it_is_ended(make: Make, running: set[int]) -> None:
    standby = make(python(ECHO), idle=0.01)
    standby.start()
    await eventually(lambda: not running)


async def test_what_it_has_started_ends_with_it(make: Make, running: set[int]) -> None:
    standby = make(python("import subprocess; subprocess.Popen(['/bin/sleep', '600']).wait()"))
    standby.start()
    (pid,) = running
    await eventually(lambda: psutil.Process(pid).children())
    (child,) = psutil.Process(pid).children()
    standby.end()
    await eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
