"""Whoever adopts must reap, and must not take what is not his."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import psutil
import pytest

from supervisor.process.child import Child
from supervisor.process.reaper import Reaper
from supervisor.process.spawn import SpawnSpec
from supervisor.process.table import descendants
from supervisor.process.terminate import TerminationStep, Urgency, escalate, kill
from tests.helpers.waiting import DEADLINE, eventually
from tests.unit.process.conftest import Spawn, python

pytestmark = pytest.mark.usefixtures("subreaper")

#: Leaves so many children behind, each of which sleeps or exits at once with a status of its own.
LEAVES = """
import os, signal, sys
for n in range(%d):
    if os.fork() == 0:
        os.close(1)
        if %s:
            os._exit(n %% 256)
        signal.pause()
print('on', flush=True)
"""


def zombies() -> list[int]:
    return [child.pid for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE]


def leave(spawn: Spawn, count: int, *, exit_at_once: bool) -> None:
    process = spawn(*python(LEAVES % (count, exit_at_once)))
    assert process.stdout is not None
    process.stdout.readline()
    assert process.wait() == 0


async def test_orphans_come_to_us_and_are_reaped(spawn: Spawn) -> None:
    before = len(psutil.Process().children())
    leave(spawn, 5, exit_at_once=False)
    adopted = psutil.Process().children()
    assert len(adopted) == before + 5
    reaper = Reaper()
    assert reaper.reap() == 0
    for child in adopted[before:]:
        child.kill()
    await eventually(lambda: len(zombies()) == 5)
    assert reaper.reap() == 5
    assert zombies() == []


async def test_a_thousand_orphans_are_ended_and_reaped(spawn: Spawn) -> None:
    leave(spawn, 1000, exit_at_once=False)
    orphans = descendants()
    assert len(orphans) == 1000
    assert await escalate([one.handle for one in orphans], [TerminationStep("killed", kill, DEADLINE)], Urgency()) == (
        "killed",
        [],
    )
    assert descendants() == []
    assert Reaper().reap() == 1000
    assert psutil.Process().children() == []


async def test_the_statuses_of_our_own_children_are_never_taken(spawn: Spawn) -> None:
    """Children and orphans exit in any order, while the reaper reaps all the time."""
    reaper = Reaper()
    children = []
    for status in range(20):
        pause = random.uniform(0, 0.1)
        children.append(
            Child.spawn(
                SpawnSpec(["/bin/sh", "-c", f"sleep {pause}; exit {status}"], Path(), os.environ), reaper=reaper
            )
        )
        if status % 5 == 0:
            leave(spawn, 10, exit_at_once=True)
    waits = asyncio.gather(*(child.wait() for child in children))
    async with asyncio.timeout(DEADLINE):
        while not waits.done():
            reaper.reap()
            await asyncio.sleep(0)
    assert await waits == list(range(20))
    assert reaper.own == set()
    # They exit as soon as they are forked, but on a busy machine that may be a while.
    await eventually(lambda: reaper.reap() == 0 and psutil.Process().children() == [])
    for child in children:
        child.release()


async def test_a_child_is_left_to_its_owner(spawn: Spawn) -> None:
    reaper = Reaper()
    process = spawn("sh", "-c", "exit 7")
    reaper.claim(process.pid)
    await eventually(lambda: zombies() == [process.pid])
    assert reaper.reap() == 0
    assert process.wait() == 7


async def test_an_orphan_that_exits_beside_a_child_of_our_own_is_reaped_when_that_is_let_go(spawn: Spawn) -> None:
    """The kernel lists them in the order in which they came to us."""
    reaper = Reaper()
    process = spawn("sh", "-c", "exit 7")
    reaper.claim(process.pid)
    leave(spawn, 1, exit_at_once=True)
    await eventually(lambda: len(zombies()) == 2)
    assert process.pid in zombies()
    reaper.reap()
    assert process.wait() == 7
    reaper.release(process.pid)
    assert zombies() == []
    assert not reaper.own
