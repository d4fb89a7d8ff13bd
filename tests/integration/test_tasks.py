"""Nothing of a run outlives it: what it held is let go of at once, and not when the garbage collector comes round."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.system.tasks import drop_traceback_on_cancel
from tests.helpers.command import Project, Running
from tests.helpers.waiting import eventually

#: Read by Python at its start, in the supervisor: no garbage collection, not even one that is asked for.
_NO_COLLECTION = "import gc\ngc.disable()\ngc.collect = lambda *_: 0\n"

#: A run looks at its processes again and again, and holds what it saw last, and each browser's as they were at first.
_CHILDREN, _RESTARTS = 8, 10
_MOST = 5 * (_CHILDREN + 2)


class Held:
    """Something that a task has."""


@pytest.fixture
def _no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def _wait_with(_held: Held) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(3600))
        await asyncio.sleep(3600)


async def _cancelled(task: asyncio.Task[None]) -> None:
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


@pytest.mark.usefixtures("_no_collection")
async def test_a_cancelled_task_lets_go_at_once() -> None:
    held = Held()
    gone = weakref.ref(held)
    task = asyncio.create_task(drop_traceback_on_cancel(_wait_with)(held))
    del held
    await _cancelled(task)
    assert gone() is None


async def test_a_task_that_is_cancelled_before_it_begins_is_no_coroutine_that_nobody_awaits() -> None:
    task = asyncio.create_task(drop_traceback_on_cancel(_wait_with)(Held()))
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_results_and_failures_pass_through() -> None:
    @drop_traceback_on_cancel
    async def answer(value: int) -> int:
        if value < 0:
            raise ValueError("negative")
        return value

    assert await answer(3) == 3
    with pytest.raises(ValueError, match="negative") as caught:
        await answer(-1)
    assert caught.traceback[-1].name == "answer"


def _pidfds(running: Running) -> int:
    held = 0
    for descriptor in Path(f"/proc/{running.process.pid}/fd").iterdir():
        try:
            held += "pidfd" in str(descriptor.readlink())
        except FileNotFoundError:  # closed since
            continue
    return held


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has pidfds")
async def test_a_run_that_is_over_holds_no_process(project: Project, tmp_path: Path) -> None:
    """Without any garbage collection there are no more pidfds after some restarts than one run can have."""
    project.configure('[ready]\nmethod = "page"\n')
    (tmp_path / "sitecustomize.py").write_text(_NO_COLLECTION)
    browser = f"browser={project.profile('1')},devtools,children={_CHILDREN}"
    async with project.supervised("dev", browser, environment={"PYTHONPATH": str(tmp_path)}) as running:
        for _ in range(_RESTARTS):
            project.touch("index.js")
            await running.until("restart.done", outcome="ready")
        await eventually(lambda: _pidfds(running) <= _MOST, f"at most {_MOST} pidfds")
