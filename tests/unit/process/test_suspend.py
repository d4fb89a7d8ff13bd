"""What is frozen is thawed or ended, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import psutil
import pytest

from supervisor.process.handle import Handle
from supervisor.process.suspend import Frost
from supervisor.process.table import Entry, offspring
from tests.unit.process.conftest import DEADLINE, STOPPED, Spawn, entry, eventually, python, state

#: Forks as fast as it can, each child as well, until there are as many; then all of them sleep.
FORKS = """
import os, signal, time
print('on', flush=True)
for _ in range(4):
    os.fork()
    time.sleep(0.01)
signal.pause()
"""


async def test_every_process_stands_still_and_goes_on_again(handle_type: type[Handle], spawn: Spawn) -> None:
    pids = [spawn().pid for _ in range(3)]
    with Frost() as frost:
        assert frost.freeze(lambda: [entry(pid) for pid in pids]) == 3
        await eventually(lambda: all(state(pid) == STOPPED for pid in pids))
    await eventually(lambda: all(state(pid) != STOPPED for pid in pids))


async def test_a_tree_that_forks_all_the_time_is_frozen_to_the_last(spawn: Spawn) -> None:
    process = spawn(*python(FORKS))
    assert process.stdout is not None
    process.stdout.readline()

    def tree() -> list[Entry]:
        return [entry(process.pid), *offspring(process.pid)]

    with Frost() as frost:
        frost.freeze(tree)
        await eventually(lambda: all(state(one.pid) == STOPPED for one in tree()))
        size = len(tree())
    await eventually(lambda: len(tree()) == 16)
    assert size <= 16
    assert all(state(one.pid) != STOPPED for one in tree())
    for one in offspring(process.pid):
        one.handle.kill()


async def test_a_child_that_comes_while_its_parent_has_not_stopped_yet_is_found(spawn: Spawn) -> None:
    parent, child = entry(spawn().pid), entry(spawn().pid)
    standing = replace(parent, stopped=True)
    looks = [[parent], [parent], [standing], [standing, child]]

    def look() -> list[Entry]:
        return looks.pop(0) if looks else [standing, replace(child, stopped=True)]

    with Frost() as frost:
        assert frost.freeze(look) == 2
        await eventually(lambda: state(child.pid) == STOPPED)


async def test_an_exception_thaws(spawn: Spawn) -> None:
    pid = spawn().pid

    def work() -> None:
        with Frost() as frost:
            frost.freeze(lambda: [entry(pid)])
            raise KeyError

    with pytest.raises(KeyError):
        work()
    await eventually(lambda: state(pid) != STOPPED)


async def test_a_cancelled_task_thaws(spawn: Spawn) -> None:
    pid = spawn().pid
    frozen = asyncio.Event()

    async def work() -> None:
        with Frost() as frost:
            frost.freeze(lambda: [entry(pid)])
            frozen.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    async with asyncio.timeout(DEADLINE):
        await frozen.wait()
    await eventually(lambda: state(pid) == STOPPED)
    task.cancel()
    await asyncio.wait([task])
    await eventually(lambda: state(pid) != STOPPED)


async def test_a_look_that_fails_midway_leaves_nothing_frozen(spawn: Spawn) -> None:
    pid = spawn().pid
    looks = iter([[entry(pid)]])
    with pytest.raises(StopIteration), Frost() as frost:
        frost.freeze(lambda: next(looks))
    await eventually(lambda: state(pid) != STOPPED)


async def test_thawing_twice_does_not_wake_what_somebody_else_has_stopped_since(spawn: Spawn) -> None:
    process = spawn()
    frost = Frost()
    frost.freeze(lambda: [entry(process.pid)])
    frost.release()
    psutil.Process(process.pid).suspend()
    await eventually(lambda: state(process.pid) == STOPPED)
    frost.release()
    assert state(process.pid) == STOPPED


def test_a_process_that_goes_meanwhile_is_not_counted(spawn: Spawn) -> None:
    process = spawn("true")
    gone = entry(process.pid)
    process.wait()
    with Frost() as frost:
        assert frost.freeze(lambda: [gone]) == 0
        assert frost.refused == []


class Stubborn:
    """A handle on a process that may be neither frozen nor thawed by us."""

    def __init__(self, pid: int, suspend: Callable[[], bool], resume: Callable[[], bool]) -> None:
        self.pid = pid
        self.suspend = suspend
        self.resume = resume


def refuse() -> bool:
    raise PermissionError(1, "Operation not permitted")


def stubborn(pid: int, suspend: Callable[[], bool], resume: Callable[[], bool]) -> Entry:
    handle: Handle = Stubborn(pid, suspend, resume)  # type: ignore[assignment]
    return Entry(handle, pid, 1, 0.0, ("program",))


async def test_one_that_may_not_be_frozen_is_noted_and_the_others_are_frozen(spawn: Spawn) -> None:
    pid = spawn().pid
    with Frost() as frost:
        assert frost.freeze(lambda: [stubborn(7, refuse, refuse), entry(pid)]) == 1
        assert frost.refused == [7]
        await eventually(lambda: state(pid) == STOPPED)
    await eventually(lambda: state(pid) != STOPPED)


async def test_one_that_may_not_be_thawed_does_not_keep_the_others_frozen(spawn: Spawn) -> None:
    pid = spawn().pid
    frost = Frost()
    frost.freeze(lambda: [stubborn(7, lambda: True, refuse), entry(pid)])
    frost.release()
    await eventually(lambda: state(pid) != STOPPED)
