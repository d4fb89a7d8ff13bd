"""When a closing browser has let go of its profile, and what is said of it."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from supervisor.browser import close as module
from supervisor.browser.close import CloseResult, close
from supervisor.browser.processes import Browser
from supervisor.process.handle import Handle
from supervisor.process.table import ProcessEntry
from supervisor.process.terminate import Urgency
from supervisor.session.profiles.singleton import LOCK

NEVER = 60.0


@dataclass
class Process:
    """A process that ends when the test says so, and may be on its way out before."""

    pid: int
    leaving: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def alive(self) -> bool:
        return not self.ended.is_set()

    def end(self) -> None:
        self.leaving = True
        self.ended.set()

    def resume(self) -> bool:
        return True

    async def wait(self, timeout: float | None = None) -> bool:
        async with asyncio.timeout(timeout):
            await self.ended.wait()
        return True


class Closing:
    """A browser that is being closed, and has been asked to."""

    def __init__(self, profile: Path) -> None:
        self.profile = profile
        profile.mkdir()
        self.lock()
        self.main, self.gpu, self.zygote, self.crash_handler = map(Process, (11, 12, 13, 14))
        self.entries = [
            self.entry(self.main, "chromium", f"--user-data-dir={profile}"),
            self.entry(self.zygote, "chromium --type=zygote --no-sandbox"),
            self.entry(self.gpu, "chromium --type=gpu-process"),
            self.entry(self.crash_handler, "chrome_crashpad_handler", f"--database={profile}/Crashpad"),
        ]
        self.released: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(
            close(
                Browser(profile, self.entries[0], tuple(self.entries)),
                None,
                urgency=Urgency(),
                close_timeout=NEVER,
                term_timeout=NEVER,
                released=self.released,
            )
        )

    @staticmethod
    def entry(process: Process, *argv: str) -> ProcessEntry:
        return ProcessEntry(cast("Handle", process), process.pid, os.getpid(), 0.0, argv)

    def lock(self) -> None:
        (self.profile / LOCK).symlink_to("host-11")

    def unlock(self) -> None:
        (self.profile / LOCK).unlink()

    async def end(self) -> CloseResult:
        for process in (self.main, self.gpu, self.zygote, self.crash_handler):
            process.end()
        async with asyncio.timeout(NEVER):
            return await self.task


@pytest.fixture
async def closing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Closing:
    async def ask(*_: object) -> None:
        """Do nothing: the test is the browser."""

    monkeypatch.setattr(module, "_ask", ask)
    monkeypatch.setattr(module, "_POLL", 0)
    return Closing(tmp_path / "profile")


async def turns() -> None:
    """Let every task run for a while that can run."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_it_has_let_go_when_nothing_that_writes_runs_any_more(closing: Closing) -> None:
    closing.unlock()
    closing.main.leaving = True
    await turns()
    assert not closing.released.done(), "the GPU process still runs"
    closing.gpu.end()
    await turns()
    assert closing.released.result() is True
    assert not closing.task.done(), "the processes are there yet"
    assert (await closing.end()).clean


async def test_whether_it_left_a_lock_is_seen_when_it_lets_go(closing: Closing) -> None:
    """A bot that goes on then may open its browser anew, and that one's lock is none of this one's."""
    closing.unlock()
    closing.main.leaving = closing.gpu.leaving = True
    await turns()
    closing.lock()
    assert (await closing.end()).clean


async def test_one_that_leaves_its_lock_is_not_clean(closing: Closing) -> None:
    closing.main.leaving = closing.gpu.leaving = True
    await turns()
    assert closing.released.result() is False
    closing.unlock()
    assert not (await closing.end()).clean


async def test_one_that_is_gone_at_once_has_let_go_as_well(closing: Closing) -> None:
    closing.unlock()
    closed = await closing.end()
    assert closing.released.result() is True
    assert (closed.clean, closed.how) == (True, "asked")


async def test_a_close_that_is_cancelled_leaves_no_task_behind(closing: Closing) -> None:
    await turns()
    closing.task.cancel()
    await asyncio.wait({closing.task})
    await turns()
    assert asyncio.all_tasks() == {asyncio.current_task()}
