"""A leader that is started prestarted of its time: none of the bot's until it is taken, and then one like any other."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from supervisor.process.child import Child, PrestartedProcess
from supervisor.process.reaper import Reaper, childless
from supervisor.process.spawn import CommandError, SpawnSpec
from supervisor.process.table import ENVIRONMENT_MARK
from tests.helpers.waiting import DEADLINE, eventually
from tests.unit.process.conftest import Spawn, descriptors

Begin = Callable[..., PrestartedProcess]

NODE = shutil.which("node") or "node"


@pytest.fixture
def reaper() -> Reaper:
    return Reaper()


@pytest.fixture
def apart() -> set[int]:
    return set()


@pytest.fixture
def what(tmp_path: Path) -> SpawnSpec:
    """A program that exits with 7."""
    (tmp_path / "index.js").write_text("process.exit(7)")
    return SpawnSpec((NODE, "index.js"), tmp_path, {**os.environ, ENVIRONMENT_MARK: "mark"})


@pytest.fixture
def begin(what: SpawnSpec, apart: set[int], reaper: Reaper) -> Iterator[Begin]:
    begun = []

    def start(other: SpawnSpec | None = None) -> PrestartedProcess:
        begun.append(PrestartedProcess(other or what, apart, reaper))
        return begun[-1]

    yield start
    for prestarted in begun:
        prestarted.drop()


async def status_of(child: Child) -> int:
    async with asyncio.timeout(DEADLINE):
        code = await child.wait()
    child.release()
    return code


async def test_it_is_in_nobodys_way_until_it_is_taken(
    what: SpawnSpec, begin: Begin, apart: set[int], reaper: Reaper
) -> None:
    assert childless()
    prestarted = begin()
    (pid,) = apart
    assert prestarted.mark == "mark"
    assert psutil.Process(pid).ppid() == os.getpid()
    assert childless(), "it is not this thread's"
    child = Child.spawn(what, reaper=reaper, prestarted=prestarted)
    assert child.pid == pid
    assert not apart
    await eventually(lambda: not childless())
    await eventually(lambda: child.reached_gate)
    assert await status_of(child) == 7
    assert not reaper.own
    assert childless()


@pytest.mark.usefixtures("subreaper")
async def test_an_orphan_is_seen_beside_it(begin: Begin, spawn: Spawn, reaper: Reaper) -> None:
    prestarted = begin()
    shell = spawn("/bin/sh", "-c", "sleep 600 >/dev/null & echo $!")
    assert shell.stdout is not None
    orphan = int(shell.stdout.readline())
    assert shell.wait() == 0
    assert psutil.Process(orphan).ppid() == os.getpid()
    assert not childless(), "it has come to this thread"
    os.kill(orphan, signal.SIGKILL)
    await eventually(lambda: reaper.reap() == 1)
    assert childless()
    prestarted.drop()


async def test_its_output_is_passed_on_from_the_first_byte(tmp_path: Path, begin: Begin, reaper: Reaper) -> None:
    (tmp_path / "index.js").write_text("process.stdout.write('out'); process.stderr.write('err')")
    what = SpawnSpec((NODE, "--trace-exit", "index.js"), tmp_path, {**os.environ, ENVIRONMENT_MARK: "mark"})
    heard: dict[str, bytes] = {"stdout": b"", "stderr": b""}

    def hear(stream: str, chunk: bytes) -> None:
        heard[stream] += chunk

    child = Child.spawn(what, reaper=reaper, prestarted=begin(what), on_output=hear)
    assert await status_of(child) == 0
    assert heard["stdout"] == b"out"
    assert heard["stderr"].startswith(b"err")


@pytest.mark.parametrize(
    "other",
    [
        lambda what: replace(what, command=(*what.command, "more")),
        lambda what: replace(what, environment={**what.environment, "NODE_ENV": "other"}),
        lambda what: replace(what, directory=what.directory / "." / ".." / what.directory.name),
        lambda what: replace(what, umask=0o77),
    ],
)
async def test_what_is_to_be_started_otherwise_by_now_is_started_anew(
    what: SpawnSpec, begin: Begin, apart: set[int], reaper: Reaper, other: Callable[[SpawnSpec], SpawnSpec]
) -> None:
    prestarted = begin()
    (pid,) = apart
    child = Child.spawn(other(what), reaper=reaper, prestarted=prestarted)
    assert child.pid != pid
    assert not psutil.pid_exists(pid)
    assert not apart
    assert await status_of(child) == 7
    assert not reaper.own


@pytest.mark.parametrize("removed", ["folder", "program"])
async def test_what_has_another_folder_or_program_under_its_feet_is_started_anew(
    tmp_path: Path, what: SpawnSpec, begin: Begin, apart: set[int], reaper: Reaper, removed: str
) -> None:
    folder, program = tmp_path / "dist", tmp_path / "node"
    folder.mkdir()
    program.symlink_to(NODE)
    (folder / "index.js").write_text("process.exit(process.cwd().length > 0 ? 7 : 0)")
    launch = replace(what, directory=folder, command=(str(program), "index.js"))
    prestarted = begin(launch)
    (pid,) = apart
    if removed == "folder":
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / "index.js").write_text("process.exit(process.cwd().length > 0 ? 7 : 0)")
    else:
        program.unlink()
        shutil.copy(NODE, program)
    child = Child.spawn(launch, reaper=reaper, prestarted=prestarted)
    assert child.pid != pid
    assert await status_of(child) == 7


async def test_one_that_has_ended_is_started_anew(
    what: SpawnSpec, begin: Begin, apart: set[int], reaper: Reaper
) -> None:
    prestarted = begin()
    (pid,) = apart
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    assert reaper.reap() == 0
    child = Child.spawn(what, reaper=reaper, prestarted=prestarted)
    assert await status_of(child) == 7
    assert not reaper.own


async def test_one_that_cannot_be_started_is_told_of_when_it_is_wanted(
    what: SpawnSpec, begin: Begin, apart: set[int], reaper: Reaper
) -> None:
    missing = replace(what, command=("/no/such/node", "index.js"))
    prestarted = begin(missing)
    assert not apart
    with pytest.raises(CommandError) as caught:
        Child.spawn(missing, reaper=reaper, prestarted=prestarted)
    assert caught.value.code == 127


async def test_one_that_is_dropped_leaves_nothing(
    what: SpawnSpec, begin: Begin, apart: set[int], reaper: Reaper
) -> None:
    before = descriptors()
    prestarted = begin()
    (pid,) = apart
    prestarted.drop()
    prestarted.drop()
    assert not psutil.pid_exists(pid)
    assert not apart
    assert not reaper.own
    assert descriptors() == before
    child = Child.spawn(what, reaper=reaper, prestarted=prestarted)
    assert await status_of(child) == 7


async def test_one_that_was_taken_is_not_ended_any_more(what: SpawnSpec, begin: Begin, reaper: Reaper) -> None:
    prestarted = begin()
    child = Child.spawn(what, reaper=reaper, prestarted=prestarted)
    prestarted.drop()
    assert await status_of(child) == 7
