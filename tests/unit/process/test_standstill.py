"""What stands still goes on: when it is let go, when its keeper fails, and when its keeper is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import psutil
import pytest

from supervisor.process.handle import open_handle
from supervisor.process.reaper import Reaper
from supervisor.process.standstill import Standstill
from supervisor.process.table import Entry
from tests import ROOT
from tests.unit.process.conftest import STOPPED, Spawn, eventually, state


def entry(pid: int) -> Entry:
    handle = open_handle(pid)
    assert handle is not None
    return Entry(handle, pid, os.getpid(), psutil.Process(pid).create_time(), ("sleep",))


async def test_it_stands_still_until_it_is_let_go(spawn: Spawn) -> None:
    one, errands = spawn(), set[int]()
    still = Standstill(None, lambda: [entry(one.pid)], errands, Reaper())
    await eventually(lambda: state(one.pid) == STOPPED)
    assert len(errands) == 1
    still.release()
    await eventually(lambda: state(one.pid) != STOPPED)
    assert not errands
    still.release()


async def test_the_first_one_is_frozen_before_the_others_are_looked_for(spawn: Spawn) -> None:
    one, other = spawn(), spawn()

    def look() -> list[Entry]:
        os.waitid(os.P_PID, one.pid, os.WSTOPPED | os.WNOWAIT)  # for ever, if nobody has stopped it
        return [entry(one.pid), entry(other.pid)]

    still = Standstill(entry(one.pid), look, set(), Reaper())
    await eventually(lambda: state(other.pid) == STOPPED)
    still.release()
    await eventually(lambda: STOPPED not in {state(one.pid), state(other.pid)})


async def test_handed_over_it_is_somebody_elses_to_thaw(spawn: Spawn) -> None:
    one, errands = spawn(), set[int]()
    still = Standstill(None, lambda: [entry(one.pid)], errands, Reaper())
    frost = still.hand_over()
    assert not errands
    await eventually(lambda: state(one.pid) == STOPPED)
    frost.release()
    await eventually(lambda: state(one.pid) != STOPPED)


async def test_a_look_that_fails_thaws(spawn: Spawn) -> None:
    one, errands = spawn(), set[int]()
    looks = iter([[entry(one.pid)]])
    with pytest.raises(StopIteration):
        Standstill(None, lambda: next(looks), errands, Reaper())
    await eventually(lambda: state(one.pid) != STOPPED)
    assert not errands


async def test_without_a_guard_nothing_is_frozen(spawn: Spawn, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "no more processes")

    one, errands = spawn(), set[int]()
    monkeypatch.setattr(subprocess, "Popen", refuse)
    still = Standstill(None, lambda: [entry(one.pid)], errands, Reaper())
    assert state(one.pid) != STOPPED
    still.release()


_KEEPER = """
import os, sys, signal
from supervisor.process.reaper import Reaper
from supervisor.process.standstill import Standstill
from tests.unit.process.test_standstill import entry
Standstill(None, lambda: [entry(int(pid)) for pid in sys.argv[1:]], set(), Reaper())
os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_a_keeper_that_is_killed_at_once_leaves_nothing_frozen(spawn: Spawn) -> None:
    several = [spawn() for _ in range(3)]
    keeper = await asyncio.create_subprocess_exec(
        *[sys.executable, "-c", _KEEPER, *(str(one.pid) for one in several)], cwd=ROOT
    )
    assert await keeper.wait() == -signal.SIGKILL
    await eventually(lambda: all(state(one.pid) != STOPPED for one in several))
