"""What is frozen is thawed or ended, whatever happens in between."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import psutil
import pytest

from supervisor.process.handle import Handle
from supervisor.process.helper import HelperRunner
from supervisor.process.reaper import Reaper
from supervisor.process.suspend import ResumeGuard, Suspension
from supervisor.process.table import ProcessEntry, descendants
from tests import ROOT
from tests.helpers.waiting import DEADLINE, eventually
from tests.unit.process.conftest import STOPPED, Spawn, entry, python, state

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
    with Suspension() as suspension:
        assert suspension.suspend_tree(lambda: [entry(pid) for pid in pids]) == 3
        await eventually(lambda: all(state(pid) == STOPPED for pid in pids))
    await eventually(lambda: all(state(pid) != STOPPED for pid in pids))


async def test_a_tree_that_forks_all_the_time_is_frozen_to_the_last(spawn: Spawn) -> None:
    process = spawn(*python(FORKS))
    assert process.stdout is not None
    process.stdout.readline()

    def tree() -> list[ProcessEntry]:
        return [entry(process.pid), *descendants(process.pid)]

    with Suspension() as suspension:
        suspension.suspend_tree(tree)
        await eventually(lambda: all(state(one.pid) == STOPPED for one in tree()))
        size = len(tree())
    await eventually(lambda: len(tree()) == 16)
    assert size <= 16
    assert all(state(one.pid) != STOPPED for one in tree())
    for one in descendants(process.pid):
        one.handle.kill()


async def test_a_child_that_comes_while_its_parent_has_not_stopped_yet_is_found(spawn: Spawn) -> None:
    parent, child = entry(spawn().pid), entry(spawn().pid)
    standing = replace(parent, stopped=True)
    looks = [[parent], [parent], [standing], [standing, child]]

    def look() -> list[ProcessEntry]:
        return looks.pop(0) if looks else [standing, replace(child, stopped=True)]

    with Suspension() as suspension:
        assert suspension.suspend_tree(look) == 2
        await eventually(lambda: state(child.pid) == STOPPED)


async def test_an_exception_thaws(spawn: Spawn) -> None:
    pid = spawn().pid

    def work() -> None:
        with Suspension() as suspension:
            suspension.suspend_tree(lambda: [entry(pid)])
            raise KeyError

    with pytest.raises(KeyError):
        work()
    await eventually(lambda: state(pid) != STOPPED)


async def test_a_cancelled_task_thaws(spawn: Spawn) -> None:
    pid = spawn().pid
    frozen = asyncio.Event()

    async def work() -> None:
        with Suspension() as suspension:
            suspension.suspend_tree(lambda: [entry(pid)])
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
    with pytest.raises(StopIteration), Suspension() as suspension:
        suspension.suspend_tree(lambda: next(looks))
    await eventually(lambda: state(pid) != STOPPED)


async def test_thawing_twice_does_not_wake_what_somebody_else_has_stopped_since(spawn: Spawn) -> None:
    process = spawn()
    suspension = Suspension()
    suspension.suspend_tree(lambda: [entry(process.pid)])
    suspension.release()
    psutil.Process(process.pid).suspend()
    await eventually(lambda: state(process.pid) == STOPPED)
    suspension.release()
    assert state(process.pid) == STOPPED


def test_a_process_that_goes_meanwhile_is_not_counted(spawn: Spawn) -> None:
    process = spawn("true")
    gone = entry(process.pid)
    process.wait()
    with Suspension() as suspension:
        assert suspension.suspend_tree(lambda: [gone]) == 0
        assert suspension.refused == []


class Stubborn:
    """A handle on a process that may be neither frozen nor thawed by us."""

    def __init__(self, pid: int, suspend: Callable[[], bool], resume: Callable[[], bool]) -> None:
        self.pid = pid
        self.suspend = suspend
        self.resume = resume


def refuse() -> bool:
    raise PermissionError(1, "Operation not permitted")


def stubborn(pid: int, suspend: Callable[[], bool], resume: Callable[[], bool]) -> ProcessEntry:
    handle: Handle = Stubborn(pid, suspend, resume)  # type: ignore[assignment]
    return ProcessEntry(handle, pid, 1, 0.0, ("program",))


async def test_one_that_may_not_be_frozen_is_noted_and_the_others_are_frozen(spawn: Spawn) -> None:
    pid = spawn().pid
    with Suspension() as suspension:
        assert suspension.suspend_tree(lambda: [stubborn(7, refuse, refuse), entry(pid)]) == 1
        assert suspension.refused == [7]
        await eventually(lambda: state(pid) == STOPPED)
    await eventually(lambda: state(pid) != STOPPED)


async def test_one_that_may_not_be_thawed_does_not_keep_the_others_frozen(spawn: Spawn) -> None:
    pid = spawn().pid
    suspension = Suspension()
    suspension.suspend_tree(lambda: [stubborn(7, lambda: True, refuse), entry(pid)])
    suspension.release()
    await eventually(lambda: state(pid) != STOPPED)


@pytest.fixture
def helpers() -> set[int]:
    """The pids of the guards that run."""
    return set()


@pytest.fixture
def guard(helpers: set[int]) -> ResumeGuard:
    return ResumeGuard(HelperRunner(Reaper(), helpers))


async def test_a_guard_lives_from_the_first_process_to_the_release(
    spawn: Spawn, guard: ResumeGuard, helpers: set[int]
) -> None:
    one = spawn()
    suspension = Suspension(guard)
    suspension.suspend_tree(list)
    assert not helpers, "nothing was to be suspended"
    suspension.suspend_tree(lambda: [entry(one.pid)])
    await eventually(lambda: state(one.pid) == STOPPED)
    assert len(helpers) == 1
    suspension.release()
    await eventually(lambda: state(one.pid) != STOPPED)
    assert not helpers
    suspension.release()


async def test_a_look_that_fails_thaws_and_ends_the_guard(spawn: Spawn, guard: ResumeGuard, helpers: set[int]) -> None:
    one = spawn()
    looks = iter([[entry(one.pid)]])
    with pytest.raises(StopIteration), Suspension(guard) as suspension:
        suspension.suspend_tree(lambda: next(looks))
    await eventually(lambda: state(one.pid) != STOPPED)
    assert not helpers


@pytest.mark.parametrize("only_guarded", [True, False])
async def test_without_a_guard_is_suspended_only_what_has_to_be(
    spawn: Spawn, guard: ResumeGuard, monkeypatch: pytest.MonkeyPatch, only_guarded: bool
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "no more processes")

    one = spawn()
    monkeypatch.setattr(subprocess, "Popen", refuse)
    with Suspension(guard) as suspension:
        assert suspension.suspend_tree(lambda: [entry(one.pid)], only_guarded=only_guarded) == (not only_guarded)
    await eventually(lambda: state(one.pid) != STOPPED)


async def test_a_guard_that_was_killed_counts_as_none(spawn: Spawn, guard: ResumeGuard, helpers: set[int]) -> None:
    one = spawn()
    assert guard.start()
    [pid] = helpers
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: state(pid) == psutil.STATUS_ZOMBIE)
    with Suspension(guard) as suspension:
        assert suspension.suspend_tree(lambda: [entry(one.pid)], only_guarded=True) == 0
    assert not helpers


_KEEPER = """
import os, sys, signal
from supervisor.process.helper import HelperRunner
from supervisor.process.reaper import Reaper
from supervisor.process.suspend import ResumeGuard, Suspension
from tests.unit.process.conftest import entry
limit, *pids = sys.argv[1:]
guard = ResumeGuard(HelperRunner(Reaper(), set()), limit=float(limit) or None)
Suspension(guard).suspend_tree(lambda: [entry(int(pid)) for pid in pids])
os.kill(os.getpid(), signal.SIGSTOP if guard._limit else signal.SIGKILL)
"""


@pytest.mark.parametrize("limit", ["0", "0.1"], ids=["killed", "stopped"])
async def test_a_keeper_that_does_not_go_on_leaves_nothing_frozen(spawn: Spawn, limit: str) -> None:
    several = [spawn() for _ in range(3)]
    keeper = await asyncio.create_subprocess_exec(
        *[sys.executable, "-c", _KEEPER, limit, *(str(one.pid) for one in several)], cwd=ROOT
    )
    if limit != "0":
        await eventually(lambda: state(keeper.pid) == STOPPED)
    else:
        assert await keeper.wait() == -signal.SIGKILL
    await eventually(lambda: all(state(one.pid) != STOPPED for one in several))
    if limit != "0":
        keeper.kill()
        await keeper.wait()
