"""A copy that has been read and is not published yet: it counts for every decision, however slow the disk is."""

from __future__ import annotations

import asyncio
import errno
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from supervisor.log import logger
from supervisor.session.profiles.check_report import CheckContext
from supervisor.session.profiles.profile import Profile
from supervisor.session.snapshot.capture import Capture
from supervisor.session.snapshot.catalog import Snapshot
from supervisor.session.store import SessionStore
from supervisor.system import files
from tests.helpers import build
from tests.helpers.command import Project
from tests.helpers.inside import Inside, MakeInside
from tests.helpers.waiting import eventually

PAGE = """
[ready]
method = "page"
[session]
qr_patience = "50ms"
"""
BOT = "browser=sessions/session-1,devtools"


def linked(project: Project) -> Profile:
    """A linked session whose page says that it is."""
    profile = Profile.at(project.profile("1"))
    build.profile(profile.path)
    (profile.path / "page").write_text("CONNECTED")
    SessionStore(project.folder).state.update("1", is_linked=True, profile="sessions/session-1")
    return profile


def older_snapshot(project: Project, profile: Profile) -> Snapshot:
    store = SessionStore(project.folder)
    assert store.check(profile, context=CheckContext(free=True)).may_start
    return store.capture(profile, linked=True, browser_version="156").publish()


def wipe(profile: Profile) -> None:
    """The start of the bot removes the whole folder, and its browser makes a new one, which is not linked."""
    shutil.rmtree(profile.path)
    profile.path.mkdir()
    (profile.path / "page").write_text("UNPAIRED")


def wipe_inside(profile: Profile) -> None:
    """It removes what is in the folder, and not the folder itself."""
    shutil.rmtree(profile.path / "Default")
    (profile.path / "page").write_text("UNPAIRED")


class Gate:
    """Publishing a snapshot is held up before this gate, as by a disk that is slow without end, until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waiting = 0
        self._open = threading.Event()
        publish = Capture.publish

        def held_up(capture: Capture, **how: Any) -> Snapshot:
            self.waiting += 1
            self._open.wait()
            return publish(capture, **how)

        monkeypatch.setattr(Capture, "publish", held_up)

    def open(self) -> None:
        self._open.set()

    def close(self) -> None:
        self._open.clear()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def at_start(number: int, act: Callable[[], None]) -> Callable[[], None]:
    """Act just before the bot is started for the `number`th time, when its profile has been checked."""
    starts = 0

    def told(name: str, _fields: Mapping[str, Any]) -> None:
        nonlocal starts
        if name == "bot.starting":
            starts += 1
            if starts == number:
                act()

    return logger.subscribe(told)


async def restart_on(one: Inside, profile: Profile, act: Callable[[], None]) -> None:
    """Restart the bot, which changes its profile as it starts."""
    await eventually(lambda: one.told("restart.done"))
    (profile.path / "Default/Preferences").write_text('{"changed": true}')
    forget = at_start(1, act)
    one.supervisor.restart("key")
    await eventually(lambda: len(one.told("bot.starting")) > 1)
    forget()


async def end(one: Inside, running: asyncio.Task[int]) -> None:
    one.interrupt()
    await running


@pytest.mark.parametrize("change", [wipe, wipe_inside])
@pytest.mark.parametrize("older", [0, 2])
async def test_a_qr_code_is_answered_with_the_copy_that_waits_to_be_published(
    project: Project, inside: MakeInside, gate: Gate, change: Callable[[Profile], None], older: int
) -> None:
    profile = linked(project)
    gate.open()
    before = {older_snapshot(project, profile).name for _ in range(older)}
    gate.close()
    project.configure(PAGE)
    one = inside(BOT)
    running = asyncio.create_task(one.run())
    await restart_on(one, profile, lambda: change(profile))
    await eventually(lambda: gate.waiting)
    assert not one.told("session.not_recovered")
    assert not one.told("session.restored")
    gate.open()
    await eventually(lambda: one.told("session.restored"))
    [restored] = one.told("session.restored")
    assert restored["snapshot"] not in before
    await eventually(lambda: len(one.told("restart.done")) > 1)
    assert not one.told("session.needs_link")
    assert (profile.path / "page").read_text() == "CONNECTED"
    await end(one, running)


@pytest.mark.parametrize("kind", ["linked", "of another page", "of another page, the first copy"])
async def test_a_profile_that_is_lost_in_the_next_start_is_replaced_by_the_copy_of_the_last_stop(
    project: Project, inside: MakeInside, gate: Gate, kind: str
) -> None:
    """The bot dies before its start is over, and its profile with it: nothing has been published by then."""
    profile = linked(project)
    if kind == "linked":
        bot = BOT
        project.configure(PAGE)
    else:
        bot = BOT.removesuffix(",devtools")
        project.configure('[ready]\noutput = "up"\n')
        SessionStore(project.folder).state.update("1", is_linked=None)
    gate.open()
    older = None if "first" in kind else older_snapshot(project, profile)
    gate.close()
    one = inside(bot, f"when={project.folder / 'doomed'}:exit=1", "write=up")
    running = asyncio.create_task(one.run())

    def doom() -> None:
        project.touch("doomed")
        shutil.rmtree(profile.path)

    await restart_on(one, profile, doom)
    await eventually(lambda: gate.waiting)
    assert not one.told("session.restored")
    gate.open()
    await eventually(lambda: one.told("session.restored"))
    assert older is None or one.told("session.restored")[0]["snapshot"] != older.name
    await end(one, running)


async def test_the_copy_of_a_later_stop_does_not_take_the_place_of_one_that_waits(
    project: Project, inside: MakeInside
) -> None:
    """Between the two the bot may have lost its session without our noticing."""
    profile, other = linked(project), project.profile("2")
    project.configure(PAGE)
    one = inside(BOT, f"browser={other},devtools")
    running = asyncio.create_task(one.run())
    await eventually(lambda: one.told("restart.done"))
    (other / "page").write_text("OPENING")  # the starts that follow are not over, so nothing is published
    for number in range(2):
        seen = len(states_of(one, "1"))
        (profile.path / "Default/Preferences").write_text(f'{{"changed": {number}}}')
        one.supervisor.restart("key")
        await eventually(lambda seen=seen: len(states_of(one, "1")) > seen)  # type: ignore[misc]
    await end(one, running)
    written = {(copy.path / "Default/Preferences").read_text() for copy in SessionStore(project.folder).snapshots("1")}
    assert written == {f'{{"changed": {number}}}' for number in range(2)}


def states_of(one: Inside, session: str) -> list[object]:
    return [told["state"] for told in one.told("session.state") if told["session"] == session]


@pytest.mark.parametrize("older", [0, 1])
@pytest.mark.parametrize("fails", [False, True], ids=["becomes durable", "does not become durable"])
async def test_the_status_counts_a_snapshot_once_it_is_durable(
    project: Project, inside: MakeInside, monkeypatch: pytest.MonkeyPatch, older: int, fails: bool
) -> None:
    profile = linked(project)
    for _ in range(older):
        older_snapshot(project, profile)
    cache = project.folder / ".session-cache"
    at_rename, go_on = threading.Event(), threading.Event()
    sync = files.sync_folder

    def slow_disk(folder: Path | str) -> None:
        if Path(folder) == cache and len(list(cache.glob("backup-*"))) > older:
            at_rename.set()
            go_on.wait()
            if fails:
                raise OSError(errno.EIO, "Input/output error")
        sync(folder)

    async def counted() -> int:
        [session] = (await one.supervisor.status()).sessions
        return session.snapshots

    project.configure(PAGE)
    one = inside(BOT)
    running = asyncio.create_task(one.run())
    await restart_on(one, profile, lambda: monkeypatch.setattr(files, "sync_folder", slow_disk))
    await eventually(at_rename.is_set)
    assert await counted() == older
    go_on.set()
    await eventually(lambda: one.told("snapshot.failed" if fails else "snapshot.taken"))
    assert await counted() == older + (not fails)
    assert len(list(cache.glob("backup-*"))) == older + (not fails)
    assert not list(cache.glob(".staging-*"))
    monkeypatch.setattr(files, "sync_folder", sync)
    await end(one, running)
