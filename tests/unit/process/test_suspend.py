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
from supervisor.process.suspend import GuardedSuspension, Suspension
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


async def test_it_stands_still_until_it_is_let_go(spawn: Spawn) -> None:
    one, helpers = spawn(), set[int]()
    still = GuardedSuspension(None, lambda: [entry(one.pid)], HelperRunner(Reaper(), helpers))
    await eventually(lambda: state(one.pid) == STOPPED)
    assert len(helpers) == 1
    still.release()
    await eventually(lambda: state(one.pid) != STOPPED)
    assert not helpers
    still.release()


async def test_the_first_one_is_frozen_before_the_others_are_looked_for(spawn: Spawn) -> None:
    one, other = spawn(), spawn()

    def look() -> list[ProcessEntry]:
        os.waitid(os.P_PID, one.pid, os.WSTOPPED | os.WNOWAIT)  # for ever, if nobody has stopped it
        return [entry(one.pid), entry(other.pid)]

    still = GuardedSuspension(entry(one.pid), look, HelperRunner(Reaper(), set()))
    await eventually(lambda: state(other.pid) == STOPPED)
    still.release()
    await eventually(lambda: STOPPED not in {state(one.pid), state(other.pid)})


async def test_handed_over_it_is_somebody_elses_to_thaw(spawn: Spawn) -> None:
    one, helpers = spawn(), set[int]()
    still = GuardedSuspension(None, lambda: [entry(one.pid)], HelperRunner(Reaper(), helpers))
    suspension = still.hand_over()
    assert not helpers
    await eventually(lambda: state(one.pid) == STOPPED)
    suspension.release()
    await eventually(lambda: state(one.pid) != STOPPED)


async def test_a_look_that_fails_thaws(spawn: Spawn) -> None:
    one, helpers = spawn(), set[int]()
    looks = iter([[entry(one.pid)]])
    with pytest.raises(StopIteration):
        GuardedSuspension(None, lambda: next(looks), HelperRunner(Reaper(), helpers))
    await eventually(lambda: state(one.pid) != STOPPED)
    assert not helpers


async def test_without_a_guard_nothing_is_frozen(spawn: Spawn, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "no more processes")

    one, helpers = spawn(), set[int]()
    monkeypatch.setattr(subprocess, "Popen", refuse)
    still = GuardedSuspension(None, lambda: [entry(one.pid)], HelperRunner(Reaper(), helpers))
    assert state(one.pid) != STOPPED
    still.release()


_KEEPER = """
import os, sys, signal
from supervisor.process.helper import HelperRunner
from supervisor.process.reaper import Reaper
from supervisor.process.suspend import GuardedSuspension
from tests.unit.process.conftest import entry
GuardedSuspension(None, lambda: [entry(int(pid)) for pid in sys.argv[1:]], HelperRunner(Reaper(), set()))
os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_a_keeper_that_is_killed_at_once_leaves_nothing_frozen(spawn: Spawn) -> None:
    several = [spawn() for _ in range(3)]
    keeper = await asyncio.create_subprocess_exec(
        *[sys.executable, "-c", _KEEPER, *(str(one.pid) for one in several)], cwd=ROOT
    )
    assert await keeper.wait() == -signal.SIGKILL
    await eventually(lambda: all(state(one.pid) != STOPPED for one in several))
