"""Look after look, our descendants are found as by a walk through the whole table, without asking everybody."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from supervisor.process import descendants as module
from supervisor.process.descendants import Descendants
from supervisor.process.handle import Handle
from supervisor.process.table import ProcessEntry, descendants
from tests.helpers.waiting import eventually
from tests.unit.process.conftest import NESTED, Ready, Spawn, entry, python

Waiting = Callable[[str], subprocess.Popen[bytes]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each look is a walk")

#: Becomes another program when it is told to.
BECOMES = "import os; print('on', flush=True); input(); os.execvp('sleep', ['sleep', '600.5'])"

#: Leaves a child behind when it is told to.
LEAVES = "import os, signal; os.fork() or signal.pause(); print('on', flush=True); input()"


def seen(found: list[ProcessEntry]) -> list[tuple[Any, ...]]:
    return [(one.pid, one.parent, one.started, one.argv, one.stopped) for one in found]


def pids(ours: Descendants) -> list[int]:
    return [one.pid for one in ours.look()]


async def test_each_look_finds_what_a_walk_finds(handle_type: type[Handle], ready: Ready) -> None:
    ours = Descendants()
    before = pids(ours)
    process = ready(NESTED)
    for found in (ours.look(), ours.look()):
        assert seen(found) == seen(descendants())
        assert next(one.pid for one in found if one.pid not in before) == process.pid
        assert all(isinstance(one.handle, handle_type) and one.handle.alive for one in found)
    last = ours.look()[-1]
    last.handle.kill()
    await eventually(lambda: last.pid not in pids(ours))


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    """Start a script that says a line and then waits for one."""
    with contextlib.ExitStack() as stack:

        def start(code: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(python(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout is not None
            process.stdout.readline()
            return process

        yield start


def tell(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()


async def test_what_changes_in_a_process_is_seen(waiting: Waiting) -> None:
    ours = Descendants()
    process = waiting(BECOMES)

    def itself() -> ProcessEntry:
        return next(one for one in ours.look() if one.pid == process.pid)

    assert itself().name.startswith("python")
    tell(process)
    await eventually(lambda: itself().argv == ("sleep", "600.5"))
    process.send_signal(signal.SIGSTOP)
    await eventually(lambda: itself().stopped)
    process.send_signal(signal.SIGCONT)
    await eventually(lambda: not itself().stopped)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222
    assert process.pid not in pids(ours), "a zombie is not living"


@pytest.mark.usefixtures("subreaper")
def test_an_orphan_stays_found(waiting: Waiting) -> None:
    ours = Descendants()
    process = waiting(LEAVES)
    (child,) = [one for one in ours.look() if one.parent == process.pid]
    tell(process)
    process.wait()
    (orphan,) = [one for one in ours.look() if one.pid == child.pid]
    assert orphan.parent == os.getpid()


class Table:
    """A table of processes as /proc shows it; `asked` are those whose parents were looked up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, parents: dict[int, int]) -> None:
        self.parents = parents
        self.inodes = {pid: pid for pid in parents}
        self.asked: list[int] = []
        monkeypatch.setattr(module, "_running", lambda: {pid: self.inodes[pid] for pid in self.parents})
        monkeypatch.setattr(module, "_stat", self._stat)
        monkeypatch.setattr(module, "entry_of", self._enter)

    def _stat(self, pid: int) -> object:
        self.asked.append(pid)
        return module._Stat("S", self.parents[pid])

    def _enter(self, process: psutil.Process) -> ProcessEntry:
        return ProcessEntry(entry(process.pid).handle, process.pid, self.parents[process.pid], 0.0, ())


def test_strangers_are_asked_once(monkeypatch: pytest.MonkeyPatch, spawn: Spawn) -> None:
    me, child, late = os.getpid(), spawn().pid, spawn().pid
    table = Table(monkeypatch, {1: 0, 2: 1, 3: 2, me: 3, child: me})
    ours = Descendants()
    assert pids(ours) == [child]
    assert sorted(table.asked) == sorted([1, 2, 3, me, child])
    table.asked.clear()
    table.parents[late] = table.inodes[late] = 2
    assert pids(ours) == [child]
    assert sorted(table.asked) == sorted([me, child, late])


def test_a_pid_that_was_a_strangers_may_be_ours_by_now(monkeypatch: pytest.MonkeyPatch, spawn: Spawn) -> None:
    me, child = os.getpid(), spawn().pid
    table = Table(monkeypatch, {1: 0, me: 1, child: 1})
    ours = Descendants()
    assert pids(ours) == []
    table.parents[child], table.inodes[child] = me, 0
    assert pids(ours) == [child]


def test_whose_parent_is_just_gone_is_no_stranger_yet(monkeypatch: pytest.MonkeyPatch, spawn: Spawn) -> None:
    me, child, gone = os.getpid(), spawn().pid, 2**22
    table = Table(monkeypatch, {1: 0, me: 1, child: gone})
    ours = Descendants()
    assert pids(ours) == []
    table.parents[child] = me
    assert pids(ours) == [child]


def test_as_pid_1_we_adopt_strangers_too(monkeypatch: pytest.MonkeyPatch, spawn: Spawn) -> None:
    shell, child = spawn().pid, spawn().pid
    monkeypatch.setattr(os, "getpid", lambda: 1)
    table = Table(monkeypatch, {1: 0, shell: 0, child: shell})  # such as `docker exec` starts
    ours = Descendants()
    assert pids(ours) == []
    del table.parents[shell]
    table.parents[child] = 1
    assert pids(ours) == [child]
