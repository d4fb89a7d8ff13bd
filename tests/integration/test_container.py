"""scanonce as PID 1, as in a container: it reaps what nobody else can, and takes the signals.

Each test has a namespace of its own, which the kernel empties when its PID 1 is gone. Run by another user than root it
needs user namespaces; where neither is allowed these tests fail, for then nothing is proven.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

import psutil
import pytest

from tests.helpers.command import Project, Running
from tests.helpers.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")

ORPHANS = 1000

# Each grandchild outlives its parent, and so becomes a child of PID 1, and then exits.
GRANDCHILDREN = f"""
import os, sys, time
for number in range({ORPHANS}):
    if os.fork() == 0:
        if os.fork() != 0:
            os._exit(0)
        while os.getppid() != 1:
            time.sleep(0.001)
        os._exit(0)
    os.wait()
print("all gone", flush=True)
time.sleep(600)
"""


def namespace() -> Sequence[str]:
    """The command prefix that makes what follows PID 1 of a namespace of its own."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--pid", "--fork", "--mount-proc", "--kill-child"]


def first(running: Running) -> psutil.Process:
    """PID 1 of the namespace, by the number that it has here."""
    [inside] = psutil.Process(running.process.pid).children()
    return inside


def states(root: psutil.Process) -> list[str]:
    """The states of all that descends from a process."""
    found: list[str] = []
    for process in root.children(recursive=True):
        try:
            found.append(process.status())
        except psutil.NoSuchProcess:
            continue
    return found


async def stopped(running: Running, init: psutil.Process) -> int:
    """SIGTERM to PID 1, as `docker stop` sends it; its exit status."""
    init.send_signal(signal.SIGTERM)
    return await running.ends()


async def test_no_zombie_is_left_of_a_thousand_orphaned_grandchildren(project: Project) -> None:
    running = await project.start("run", command=[sys.executable, "-c", GRANDCHILDREN], prefix=namespace())
    started = await running.until("supervisor.starting")
    assert started["pid"] == 1, "it is not PID 1: nothing would be proven"
    await running.until_output(b"all gone")
    init = first(running)
    await eventually(lambda: psutil.STATUS_ZOMBIE not in states(init), f"no zombie: {states(init)}")
    assert len(states(init)) == 1, "the bot itself"
    assert await stopped(running, init) == 128 + signal.SIGTERM
    assert running.all("supervisor.stopped")[-1]["clean"]


async def test_sigterm_to_pid_1_closes_the_browser_cleanly(project: Project) -> None:
    profile = project.profile("1")
    running = await project.start("run", f"browser={profile},devtools", prefix=namespace())
    await running.until("browser.up")
    await project.noted("browser", "start")
    assert await stopped(running, first(running)) == 128 + signal.SIGTERM
    assert running.all("browser.closed")
    assert project.notes("browser", "clean")
    project.is_left_alone()


async def test_a_container_that_was_killed_leaves_a_lock_that_the_next_one_clears(project: Project) -> None:
    """`docker kill`, or the machine's end: PID 1 and all others go at once, and the next host has another name."""
    profile = project.profile("1")
    words = f"browser={profile},devtools"
    running = await project.start("run", words, prefix=namespace())
    await project.noted("browser", "start")
    first(running).kill()
    await running.ends()
    lock = profile / "SingletonLock"
    lock.unlink()
    lock.symlink_to("0123456789ab-1")  # a process that lives here, under the number that it had there
    running = await project.start("run", words, prefix=namespace())
    await project.noted("browser", "start", 2)
    assert not running.all("error")
    assert await stopped(running, first(running)) == 128 + signal.SIGTERM
    project.is_left_alone()  # nor has any browser found its profile locked
    assert not lock.is_symlink()
