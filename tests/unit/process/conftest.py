"""Real processes to try things on; each is ended and reaped when its test is over."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest

from supervisor.process import handle
from supervisor.process.handle import Handle, PidfdHandle, PsutilHandle
from supervisor.process.reaper import become_subreaper
from supervisor.process.table import ProcessEntry, descendants

Spawn = Callable[..., subprocess.Popen[bytes]]
Ready = Callable[[str], subprocess.Popen[bytes]]

#: A process that prints a line once it has a chain of three descendants.
NESTED = """
import os, signal, sys
def nest(depth):
    if depth and os.fork() == 0:
        nest(depth - 1)
        if depth == 1:
            print('on', flush=True)
        signal.pause()
nest(3)
signal.pause()
"""

_PR_SET_CHILD_SUBREAPER = 36


def python(code: str) -> list[str]:
    """The command line of a script that starts fast."""
    return [sys.executable, "-I", "-S", "-c", code]


def state(pid: int) -> str:
    """The state of a process as the kernel has it: `T` while it is stopped."""
    return psutil.Process(pid).status()


def descriptors() -> list[str]:
    """The descriptors that this process has open."""
    return sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names, which Path would try to resolve


def entry(pid: int) -> ProcessEntry:
    """The entry of one process, with its true start time, which the guard of frozen processes compares."""
    return ProcessEntry(held(pid), pid, os.getpid(), psutil.Process(pid).create_time(), ("program",))


def held(pid: int) -> Handle:
    """A handle on a process that is there."""
    opened = handle.open_handle(pid)
    assert opened is not None
    return opened


@pytest.fixture(params=[PidfdHandle, PsutilHandle])
def handle_type(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[Handle]:
    """Every test that asks for this runs with each kind of handle."""
    monkeypatch.setattr(handle, "_HANDLE", request.param)
    kind: type[Handle] = request.param
    return kind


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start processes: `spawn()` one that sleeps, `spawn(*command)` another."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command or ("sleep", "600"), stdout=subprocess.PIPE)
        started.append(process)
        return process

    yield start
    for process in started:
        for found in descendants(process.pid) if process.returncode is None else ():
            found.handle.kill()
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def ready(spawn: Spawn) -> Ready:
    """Start a Python script and wait until it has printed a line."""

    def start(code: str) -> subprocess.Popen[bytes]:
        process = spawn(*python(code))
        assert process.stdout is not None
        assert process.stdout.readline()
        return process

    return start


@pytest.fixture
def subreaper() -> Iterator[None]:
    """Adopt orphans during one test; those that are left are ended."""
    known = {found.pid for found in descendants()}
    assert become_subreaper()
    yield
    while left := [found for found in descendants() if found.pid not in known]:
        for found in left:
            found.handle.kill()
    for child in psutil.Process().children():
        if child.pid not in known and child.status() == psutil.STATUS_ZOMBIE:
            os.waitpid(child.pid, 0)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); signal.pause()"
STOPPED = psutil.STATUS_STOPPED
TERMINATED = -signal.SIGTERM
KILLED = -signal.SIGKILL
