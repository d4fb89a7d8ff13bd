"""The census finds every living process that it is asked for, and no other."""

from __future__ import annotations

import os
from dataclasses import replace

import psutil
import pytest

from supervisor.process.handle import Handle
from supervisor.process.table import (
    ENVIRONMENT_MARK,
    descendants,
    find_by_argument,
    find_by_mark,
)
from tests.helpers.waiting import eventually
from tests.unit.process.conftest import NESTED, Ready, Spawn, entry


def test_all_descendants_are_found_parents_first(handle_type: type[Handle], ready: Ready) -> None:
    process = ready(NESTED)
    found = descendants(process.pid)
    assert len(found) == 3
    assert [one.parent for one in found] == [process.pid, *(one.pid for one in found[:-1])]
    assert all(isinstance(one.handle, handle_type) and one.handle.alive for one in found)


def test_of_a_process_that_is_gone_there_are_none(spawn: Spawn) -> None:
    process = spawn("true")
    process.wait()
    assert descendants(process.pid) == []


def test_a_zombie_is_not_living(spawn: Spawn) -> None:
    process = spawn()
    assert process.pid in {one.pid for one in descendants()}
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert process.pid not in {one.pid for one in descendants()}


def test_processes_that_come_and_go_meanwhile_do_no_harm(spawn: Spawn) -> None:
    process = spawn("sh", "-c", "while :; do /bin/true; done")
    for _ in range(100):
        assert len(descendants(process.pid)) <= 1
        assert process.pid in {one.pid for one in descendants()}


async def test_a_process_is_found_by_its_mark_or_its_arguments(spawn: Spawn) -> None:
    process = spawn("env", f"{ENVIRONMENT_MARK}=key-1", "sh", "-c", "echo on; exec sleep 600.5")
    assert process.stdout is not None
    process.stdout.readline()
    await eventually(lambda: psutil.Process(process.pid).cmdline() == ["sleep", "600.5"])
    by_mark = find_by_mark("key-1")
    assert [one.pid for one in by_mark] == [process.pid]
    assert by_mark[0].parent == os.getpid()
    assert process.pid in {one.pid for one in find_by_argument("600.5")}


def test_we_are_not_among_those_that_are_found() -> None:
    assert os.getpid() not in {one.pid for one in find_by_argument("")}


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (("/usr/bin/chromium", "--x"), "chromium"),
        (("npm run dev",), "npm"),
        (("/opt/chromium --type=renderer --y",), "chromium"),
        ((), "?"),
    ],
)
def test_a_process_is_called_by_what_stands_in_its_arguments(argv: tuple[str, ...], name: str) -> None:
    assert replace(entry(os.getpid()), argv=argv).name == name
