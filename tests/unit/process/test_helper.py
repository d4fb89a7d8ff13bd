"""Programs that run for the supervisor itself: bounded in time, and gone with all that they have started."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import psutil
import pytest

from supervisor.process.helper import HelperRunner
from supervisor.process.reaper import Reaper
from tests.helpers.waiting import eventually
from tests.unit.process.conftest import python


@pytest.fixture
def helpers() -> HelperRunner:
    return HelperRunner(Reaper(), set())


def children(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children()


async def test_status_and_output_come_back(helpers: HelperRunner, tmp_path: Path) -> None:
    given = tmp_path / "in"
    given.write_text("hello")
    code = "import sys; print(sys.stdin.read()); sys.stderr.write('and more'); sys.exit(3)"
    finished = await helpers.run(python(code), directory=tmp_path, environment=os.environ, timeout=60, input=given)
    assert (finished.code, finished.output) == (3, "hello\nand more")
    assert not helpers.running


async def test_a_great_deal_of_output_blocks_nobody(helpers: HelperRunner, tmp_path: Path) -> None:
    finished = await helpers.run(
        python("print('x' * 10_000_000)"), directory=tmp_path, environment=os.environ, timeout=60
    )
    assert finished.code == 0
    assert set(finished.output) == {"x"}


#: Starts two others, and all stay.
FAMILY = ["sh", "-c", "sleep 600 & sleep 600 & wait"]


async def test_after_its_time_it_is_killed_with_its_children(helpers: HelperRunner, tmp_path: Path) -> None:
    running = asyncio.create_task(helpers.run(FAMILY, directory=tmp_path, environment=os.environ, timeout=2))
    await eventually(lambda: helpers.running)
    (pid,) = helpers.running
    await eventually(lambda: len(children(pid)) == 2)
    family = children(pid)
    assert (await running).code is None
    await eventually(lambda: not any(process.is_running() for process in family))
    assert not helpers.running


async def test_cancelled_it_is_killed(helpers: HelperRunner, tmp_path: Path) -> None:
    running = asyncio.create_task(helpers.run(FAMILY, directory=tmp_path, environment=os.environ, timeout=60))
    await eventually(lambda: helpers.running)
    (pid,) = helpers.running
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not psutil.pid_exists(pid)
    assert not helpers.running


async def test_what_cannot_be_run_is_an_error_of_the_system(helpers: HelperRunner, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await helpers.run([str(tmp_path / "none")], directory=tmp_path, environment=os.environ, timeout=1)
    assert not helpers.running
