"""A process that does something is told from one that only waits."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from supervisor.process.activity import Activity
from tests.helpers.waiting import eventually
from tests.unit.process.conftest import Spawn, python

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="starts programs with pipes as on Unix")

WAITS = "import signal; print('on', flush=True); signal.pause()"
COUNTS = "print('on', flush=True)\nwhile True: pass"
COUNTS_ASIDE = """
import signal, threading
def count():
    while True: pass
threading.Thread(target=count, daemon=True).start()
print('on', flush=True)
signal.pause()
"""
ASKS = """
import socket, sys
asked = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
print('on', flush=True)
asked.recv(1)
"""


def started(spawn: Spawn, program: str, *words: str) -> Activity:
    process = spawn(*python(program), *words)
    assert process.stdout is not None
    process.stdout.readline()
    return Activity([process.pid])


async def test_one_that_waits_does_nothing(spawn: Spawn) -> None:
    activity = started(spawn, WAITS)
    await eventually(lambda: not activity.look())
    assert not activity.awaits_answer()


@pytest.mark.parametrize("program", [COUNTS, COUNTS_ASIDE], ids=["itself", "in a thread of its own"])
async def test_one_that_computes_is_at_work_at_every_look(spawn: Spawn, program: str) -> None:
    activity = started(spawn, program)
    # At first its threads may have to settle who goes first.
    await eventually(lambda: all(activity.look() for _ in range(20)))


async def test_one_awaits_an_answer_until_the_other_hangs_up(spawn: Spawn) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        activity = started(spawn, ASKS, str(server.getsockname()[1]))
        other, _ = server.accept()
        assert all(activity.awaits_answer() for _ in range(20))
        other.close()
    await eventually(lambda: not activity.awaits_answer())


async def test_one_that_is_gone_does_nothing(spawn: Spawn) -> None:
    process = spawn(*python(COUNTS))
    activity = Activity([process.pid, 2**22 + 1])
    process.kill()
    process.wait()
    assert not activity.look()
    assert not activity.awaits_answer()


def test_one_that_ends_while_its_threads_are_listed_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise FileNotFoundError("/proc/1/task")

    monkeypatch.setattr(os, "listdir", gone)
    monkeypatch.setattr("supervisor.process.activity._done", lambda _process: (0.0,))
    assert not Activity([os.getpid()]).look()
