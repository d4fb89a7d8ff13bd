"""A handle names one process for ever, and tells its exit."""

from __future__ import annotations

import asyncio
import os
import platform
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from supervisor.process import handle
from supervisor.process.handle import Handle, PidfdHandle, open_handle
from tests.helpers.waiting import DEADLINE, eventually
from tests.unit.process.conftest import KILLED, STOPPED, TERMINATED, Spawn, descriptors, held, python, state

_LARGE = """
import mmap
memory = mmap.mmap(-1, 1 << 29)
memory.madvise(mmap.MADV_NOHUGEPAGE)
for page in range(0, len(memory), mmap.PAGESIZE):
    memory[page] = 1
print(flush=True)
input()
"""

_EXIT = {"x86_64": 60, "aarch64": 93}  # the number of exit(2), which ends one thread
_LEADERLESS = f"""
import ctypes, threading, time
threading.Thread(target=time.sleep, args=[600]).start()
ctypes.CDLL(None).syscall({_EXIT.get(platform.machine())}, 0)
"""

_LAST_PID = Path("/proc/sys/kernel/ns_last_pid")


def choose_next_pid(pid: int) -> None:
    """Have the kernel go on counting from there."""
    _LAST_PID.write_text(str(pid - 1))


def wait_unreaped(process: subprocess.Popen[bytes]) -> None:
    """Wait for an exit and leave the zombie."""
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def test_a_process_that_is_not_there_has_no_handle(handle_type: type[Handle], spawn: Spawn) -> None:
    gone = spawn("true")
    gone.wait()
    assert open_handle(gone.pid) is None


@pytest.mark.parametrize(("verb", "status"), [("terminate", TERMINATED), ("kill", KILLED)])
async def test_a_signal_reaches_the_process(handle_type: type[Handle], spawn: Spawn, verb: str, status: int) -> None:
    process = spawn()
    one = held(process.pid)
    assert getattr(one, verb)() is True
    assert await one.wait(DEADLINE)
    assert process.wait() == status


async def test_a_suspended_process_stands_still_until_it_is_resumed(handle_type: type[Handle], spawn: Spawn) -> None:
    process = spawn()
    one = held(process.pid)
    assert one.suspend()
    await eventually(lambda: state(process.pid) == STOPPED)
    assert one.alive
    assert one.resume()
    await eventually(lambda: state(process.pid) != STOPPED)


async def test_a_zombie_counts_as_gone(handle_type: type[Handle], spawn: Spawn) -> None:
    process = spawn()
    one = held(process.pid)
    process.kill()
    wait_unreaped(process)
    assert not one.alive
    assert await one.wait(0)
    assert process.wait() == KILLED, "whoever waits must not take the status from the owner"


def test_one_that_runs_is_not_leaving_and_a_zombie_is(handle_type: type[Handle], spawn: Spawn) -> None:
    process = spawn()
    one = held(process.pid)
    seen = [one.leaving]
    process.kill()
    wait_unreaped(process)
    seen.append(one.leaving)
    process.wait()
    seen.append(one.leaving)
    assert seen == [False, True, True]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_one_that_only_gives_its_memory_back_is_leaving(ready: Callable[[str], subprocess.Popen[bytes]]) -> None:
    """That takes the kernel a while for half a gigabyte in small pages; on a busy machine we may miss it."""
    for _ in range(20):
        process = ready(_LARGE)
        one = PidfdHandle(process.pid)
        process.kill()
        while one.alive:
            leaving = one.leaving
            if leaving and one.alive:
                return
    pytest.fail("it was never seen to be leaving")


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError])
def test_one_that_the_system_hides_is_not_leaving(
    spawn: Spawn, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    """As /proc mounted with hidepid= hides another user's."""
    process = spawn()
    one = PidfdHandle(process.pid)

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr("builtins.open", refuse)
    leaving = one.leaving
    monkeypatch.undo()
    assert not leaving


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
async def test_one_whose_first_thread_alone_has_ended_is_not_leaving(spawn: Spawn) -> None:
    process = spawn(*python(_LEADERLESS))
    await eventually(lambda: state(process.pid) == psutil.STATUS_ZOMBIE)
    assert not PidfdHandle(process.pid).leaving


def test_signals_to_a_process_that_is_gone_do_nothing(handle_type: type[Handle], spawn: Spawn) -> None:
    process = spawn()
    one = held(process.pid)
    process.kill()
    process.wait()
    assert [one.signal(signal.SIGTERM), one.suspend(), one.resume(), one.terminate(), one.kill()] == [False] * 5
    assert not one.alive


@pytest.mark.skipif(not os.access(_LAST_PID, os.W_OK), reason="only root may choose the next pid")
async def test_a_signal_never_reaches_the_next_process_with_the_same_pid(
    handle_type: type[Handle], spawn: Spawn
) -> None:
    for _ in range(200):  # others on this machine take pids too
        first = spawn()
        one = held(first.pid)
        first.kill()
        first.wait()
        # Start times are told apart by the kernel's clock ticks; no system comes around to a pid that fast.
        await asyncio.sleep(2 / os.sysconf("SC_CLK_TCK"))
        choose_next_pid(first.pid)
        second = spawn()
        if second.pid == first.pid:
            break
        second.kill()
        second.wait()
    else:
        pytest.fail("the pid was always taken by somebody else")
    assert not one.alive
    assert [one.kill(), one.suspend(), one.terminate()] == [False] * 3
    assert await one.wait(0)
    assert state(second.pid) != STOPPED
    assert second.poll() is None


async def test_a_wait_ends_when_its_time_is_over(handle_type: type[Handle], spawn: Spawn) -> None:
    one = held(spawn().pid)
    assert await one.wait(0.02) is False
    assert await one.wait(0) is False
    assert one.alive


async def test_any_number_of_tasks_wait_for_one_process(handle_type: type[Handle], spawn: Spawn) -> None:
    process = spawn()
    one = held(process.pid)
    waits = [asyncio.create_task(one.wait()) for _ in range(40)]
    waits[0].cancel()
    await asyncio.sleep(0)
    process.kill()
    async with asyncio.timeout(DEADLINE):
        assert await asyncio.gather(*waits[1:]) == [True] * 39
    assert waits[0].cancelled()
    assert process.wait() == KILLED


@pytest.mark.parametrize("turns", range(8))
async def test_a_cancelled_wait_is_cancelled_even_if_the_process_exits_in_the_same_turn(
    spawn: Spawn, turns: int
) -> None:
    process = spawn()
    waiting = asyncio.create_task(PidfdHandle(process.pid).wait())
    await asyncio.sleep(0)
    process.kill()
    wait_unreaped(process)
    for _ in range(turns):
        await asyncio.sleep(0)
    too_late = not waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled() or too_late


async def test_waiting_leaves_no_descriptor_behind(spawn: Spawn) -> None:
    one = held(spawn().pid)
    before = descriptors()
    for _ in range(3):
        await one.wait(0.01)
    assert descriptors() == before


def test_a_closed_handle_does_nothing(handle_type: type[Handle], spawn: Spawn) -> None:
    process = spawn()
    one = held(process.pid)
    one.close()
    one.close()
    if isinstance(one, PidfdHandle):
        assert not one.alive
        assert one.kill() is False
    assert process.poll() is None


def test_handles_let_go_of_their_descriptors_by_themselves(spawn: Spawn) -> None:
    pid = spawn().pid
    before = len(descriptors())
    for _ in range(100):
        held(pid)
    assert len(descriptors()) == before


async def test_a_tree_may_have_more_processes_than_we_may_have_descriptors(spawn: Spawn) -> None:
    process = spawn()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        many = [held(process.pid) for _ in range(1000)]
        assert all(one.alive for one in many)
        assert many[-1].kill()
        assert await many[-1].wait(DEADLINE)
        assert not any(one.alive for one in many)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert process.wait() == KILLED


def test_a_process_that_may_not_be_signalled_is_said_to_be(
    handle_type: type[Handle], monkeypatch: pytest.MonkeyPatch, spawn: Spawn
) -> None:
    one = held(spawn().pid)

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(signal, "pidfd_send_signal", refuse)
        patch.setattr(os, "kill", refuse)
        with pytest.raises(PermissionError):
            one.kill()


def test_without_pidfds_another_kind_of_handle_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int) -> int:
        raise OSError(38, "Function not implemented")

    assert handle._pidfd_works()
    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert not handle._pidfd_works()


@pytest.mark.parametrize(("code", "status"), [("", 0), ("raise SystemExit(3)", 3 << 8), ("os.kill(os.getpid(), 9)", 9)])
def test_the_status_of_an_exit_is_known_without_reaping(spawn: Spawn, code: str, status: int) -> None:
    process = spawn(*python(f"import os, time; time.sleep(0.2); {code}"))
    one = held(process.pid)
    alive, early = one.alive, one.wait_status
    assert (alive, early) == (True, None)
    wait_unreaped(process)
    assert one.wait_status == status
    process.wait()
    assert one.wait_status in {status, None}, "from Linux 6.15 on it is known after that as well"
