"""Requests, signals and stops are served while the disk is slow, or another process holds the state file's lock."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from filelock import FileLock

from supervisor.session.state_file import StateFile
from supervisor.session.store import SessionStore
from tests.helpers.command import Project
from tests.helpers.inside import Inside, MakeInside
from tests.helpers.waiting import eventually


@contextmanager
def stalled(monkeypatch: pytest.MonkeyPatch, *methods: tuple[type, str]) -> Iterator[threading.Event]:
    """Have these methods wait as long as the block lasts; the event is set once one is waited for."""
    over, waited = threading.Event(), threading.Event()
    for owner, name in methods:
        real = getattr(owner, name)

        def slow(*args: Any, real: Any = real, **named: Any) -> Any:
            waited.set()
            assert threading.current_thread() is not threading.main_thread(), "the event loop waits for the disk"
            assert over.wait(60)
            return real(*args, **named)

        monkeypatch.setattr(owner, name, slow)
    try:
        yield waited
    finally:
        over.set()


async def test_a_slow_disk_holds_up_neither_the_status_nor_the_restart_nor_the_stop(
    project: Project, inside: MakeInside, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.configure("", quick=False)
    one: Inside = inside(f"browser={project.profile('1')},devtools")
    running = asyncio.create_task(one.run())
    await eventually(lambda: one.told("bot.ready"))
    page = project.profile("1") / "page"
    methods = [(StateFile, "update"), (StateFile, "load"), (StateFile, "get"), (SessionStore, "profiles")]
    with stalled(monkeypatch, *methods) as waited:
        page.write_text("UNPAIRED")  # a change that is to be written down
        await eventually(lambda: one.told("session.needs_link"))
        page.write_text("CONNECTED")
        await eventually(lambda: len(one.told("session.linked")) == 2)
        await eventually(waited.is_set)
        status = await one.supervisor.status()
        assert [(session.state, session.linked) for session in status.sessions] == [("ready", True)]
        one.supervisor.quit("test")
        await eventually(lambda: one.told("browser.closed"))
    assert await running == 0
    assert not one.told("error")


async def test_a_lock_that_another_process_holds_holds_up_no_request(project: Project) -> None:
    project.configure("", quick=False)
    page = project.profile("1") / "page"
    running = await project.start("run", f"browser={project.profile('1')},devtools")
    await running.until("restart.done")
    with FileLock(project.folder / ".session-cache" / "state.lock"):
        page.write_text("UNPAIRED")
        await running.until("session.needs_link")
        page.write_text("CONNECTED")
        await running.until("session.state", before="needs_link")
        running.process.send_signal(signal.SIGTERM)
        await running.until("browser.closed")
        assert not running.all("error"), "the writer has not given up yet: it waits on another thread"
    assert await running.ends() == 143
    project.is_left_alone()
