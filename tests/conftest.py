"""Shared by all tests: nothing is left behind; and a project with the fake bot."""

from __future__ import annotations

import contextlib
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.helpers.command import Project

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

# How long one example takes says nothing here but how busy the machine is.
settings.register_profile("any-machine", parent=settings(), deadline=None)
settings.load_profile("any-machine")

#: Seconds that threads and children which are about to end are given after a test.
_PATIENCE = 30.0


def _children() -> set[int]:
    """The pids of our children; where the system does not tell, none."""
    found: set[int] = set()
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            found.update(map(int, task.read_text().split()))
    return found


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> Iterator[None]:
    """Every test ends the processes and threads that it started, and stays where it was."""
    threads, children, folder = set(threading.enumerate()), _children(), Path.cwd()
    yield
    deadline = time.monotonic() + _PATIENCE
    while new := [t.name for t in threading.enumerate() if t not in threads] + list(_children() - children):
        if time.monotonic() > deadline:
            pytest.fail(f"left behind by this test: {new}", pytrace=False)
        time.sleep(0.01)
    assert Path.cwd() == folder


@pytest.fixture
def _signals_as_in_a_shell() -> Iterator[None]:
    """Have programs start with no signal ignored, even if we run under nohup or in the background of a script."""
    hangup = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGHUP, hangup)
    signal.signal(signal.SIGINT, interrupt)


@pytest.fixture
async def project(tmp_path: Path, _signals_as_in_a_shell: None) -> AsyncIterator[Project]:
    """A folder in which `scanonce` supervises the fake bot. Whatever still runs in the end is ended.

    `Project.is_left_alone` is for tests that promise that nothing does.
    """
    # Not under tmp_path: a socket's path may have 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="scanonce-") as runtime:
        made = Project(tmp_path, Path(runtime))
        yield made
        await made.close()
