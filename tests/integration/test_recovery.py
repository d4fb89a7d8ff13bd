"""A QR code that should not be there, and copies of a bot that keeps running: the supervisor, with a scripted page."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from supervisor.log.events.registry import EVENTS
from supervisor.session.profiles.check_report import CheckContext
from supervisor.session.profiles.profile import Profile
from supervisor.session.snapshot.catalog import Snapshot
from supervisor.session.state_file import Recovery
from supervisor.session.store import SessionStore
from tests.helpers import build
from tests.helpers.command import Project, Running
from tests.helpers.control import ask, socket_of
from tests.helpers.shell import invoke
from tests.helpers.waiting import eventually

PAGE = """
[ready]
method = "page"
[session]
qr_patience = "100ms"
"""
BOT = "browser=sessions/session-1,devtools"


def linked(project: Project) -> Profile:
    """A linked session whose page says that it is."""
    profile = Profile.at(project.profile("1"))
    build.profile(profile.path)
    say(profile, "CONNECTED")
    SessionStore(project.folder).state.update("1", is_linked=True, profile="sessions/session-1")
    return profile


def say(profile: Profile, state: str) -> None:
    """What the fake page in a profile says from now on; it is part of the profile, and of its snapshots."""
    (profile.path / "page").write_text(state)


def take(project: Project, profile: Profile) -> Snapshot:
    store = SessionStore(project.folder)
    assert store.check(profile, context=CheckContext(free=True)).may_start
    return store.capture(profile, linked=True, browser_version="156").publish()


@asynccontextmanager
async def supervised(project: Project) -> AsyncIterator[Running]:
    """A supervisor from its first word on; it must stop with nothing left."""
    running = await project.start("dev", BOT)
    yield running
    assert await running.stop() == 128 + signal.SIGTERM, running.told()
    project.is_left_alone()


def info(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(invoke(project.folder, "session", "info", "--json").out)
    return found


async def ready(running: Running) -> None:
    assert (await running.until("restart.done"))["outcome"] == "ready"


async def test_a_qr_code_on_a_linked_session_is_answered_with_the_newest_snapshot(project: Project) -> None:
    profile = linked(project)
    take(project, profile)
    newest = take_changed(project, profile, "CONNECTED")
    say(profile, "UNPAIRED")
    project.configure(PAGE)
    async with supervised(project) as running:
        restored = await running.until("session.restored")
        assert restored["snapshot"] == newest.name
        assert restored["problem"] == "a QR code appeared although the session was linked"
        assert restored["age_s"] >= 0
        assert (SessionStore(project.folder).quarantined()[0].path / "page").read_text() == "UNPAIRED"
        assert restored["moved_to"] == str(SessionStore(project.folder).quarantined()[0].path)
        await ready(running)
        assert not running.all("session.needs_link")
        await eventually(lambda: SessionStore(project.folder).state.get("1").recovery == Recovery())
    assert (profile.path / "page").read_text() == "CONNECTED"


def take_changed(project: Project, profile: Profile, state: str) -> Snapshot:
    """A snapshot that differs from the one before."""
    say(profile, state)
    log = profile.path / build.INDEXED_DB / "000006.log"
    there = build.RECORDS // 2 + log.stat().st_size // (len(build.TEXT) + 19)
    build.append(log.parent, range(there + 1, there + 2))
    return take(project, profile)


async def test_after_three_attempts_there_is_a_pause_that_a_restart_does_not_end_but_a_link_does(
    project: Project,
) -> None:
    profile = linked(project)
    snapshots = [take_changed(project, profile, "UNPAIRED").name for _ in range(4)]
    project.configure(PAGE)
    async with supervised(project) as running:
        await running.until("session.needs_link")
        assert [event["snapshot"] for event in running.all("session.restored")] == snapshots[:0:-1]
        [told] = running.all("session.not_recovered")
        assert re.fullmatch(r"3 snapshots were tried in vain; the next try is at \d\d:\d\d UTC", told["reason"])
    recovery = info(project)["recovery"]
    assert (recovery["attempts"], recovery["tried"], recovery["cooling_down"]) == (3, snapshots[:0:-1], True)
    assert "3 of 3 attempts" in invoke(project.folder, "session", "info").out
    async with supervised(project) as running:
        await running.until("session.not_recovered")
        assert not running.all("session.restored")
        say(profile, "CONNECTED")
        await running.until("session.linked")
        await eventually(lambda: not info(project)["recovery"]["cooling_down"])
    recovery = info(project)["recovery"]
    assert (recovery["attempts"], recovery["tried"]) == (0, [])
    assert {path.name for path in (project.folder / ".session-cache").glob("backup-*")} >= set(snapshots)


async def test_without_any_snapshot_the_user_is_asked_at_once_and_nothing_is_touched(project: Project) -> None:
    profile = linked(project)
    say(profile, "UNPAIRED")
    before = build.kept(profile.path)
    project.configure(PAGE)
    async with supervised(project) as running:
        await running.until("session.needs_link")
        assert running.all("session.not_recovered")[0]["reason"] == "there is no snapshot"
    assert build.kept(profile.path) == before
    assert SessionStore(project.folder).quarantined() == []


@pytest.mark.parametrize("state", ["OPENING", "BUSY"])
async def test_a_qr_code_that_goes_and_comes_back_while_it_is_doubted_is_shown(project: Project, state: str) -> None:
    profile = linked(project)
    (profile.path / "qr").write_text("code-1")
    say(profile, "UNPAIRED")
    project.configure(PAGE)
    async with supervised(project) as running:
        await running.until("session.state", state="needs_link")
        (profile.path / "qr").unlink()
        say(profile, state)
        await project.noted("browser", "unsettled", 12)  # readings, in more than the patience with a code
        (profile.path / "qr").write_text("code-2")
        say(profile, "UNPAIRED")
        await running.until("session.qr", qr="code-2")
        assert running.all("session.needs_link")


async def test_a_qr_code_stands_while_the_machine_is_too_busy_to_read_the_page(project: Project) -> None:
    profile = Profile.at(project.profile("1"))
    build.profile(profile.path)
    (profile.path / "qr").write_text("code-1")
    say(profile, "UNPAIRED")
    project.configure(PAGE)
    async with supervised(project) as running:
        await running.until("session.qr")
        say(profile, "BUSY")
        await project.noted("browser", "unsettled", 3)
        [session] = (await ask(socket_of(project), "GET", "/v1/status")).json["sessions"]
        assert session["state"] == "needs_link"
        (profile.path / "qr").write_text("code-2")
        say(profile, "UNPAIRED")
        assert (await running.until("session.qr"))["qr"] == "code-2"
        assert "unknown" not in {event["state"] for event in running.all("session.state")}


async def test_a_bot_that_keeps_running_is_copied_some_time_after_its_link_and_then_as_planned(
    project: Project,
) -> None:
    profile = linked(project)
    project.configure(f'{PAGE}[snapshot]\nlive_after = "200ms"\nschedule = "300ms"\n')
    async with supervised(project) as running:
        first = await running.until("snapshot.taken")
        (profile.path / "Default/Preferences").write_text('{"changed": true}')
        await eventually(lambda: len({event["snapshot"] for event in running.all("snapshot.taken")}) > 1)
        assert first["live"]
        await eventually(lambda: not project.frozen())
    good = [one for one in SessionStore(project.folder).snapshots("1") if one.good]
    assert sum(one.live for one in good) >= 2
    assert not good[0].live, "the clean stop's own comes before them"


@pytest.mark.parametrize("snapshots", [0, 1])
async def test_a_profile_gone_bad_is_moved_aside_whatever_there_is_to_take_its_place(
    project: Project, snapshots: int
) -> None:
    profile = linked(project)
    for _ in range(snapshots):
        take(project, profile)
    (profile.path / build.INDEXED_DB / "CURRENT").write_bytes(b"")
    project.configure(PAGE)
    async with supervised(project) as running:
        event = await running.until("session.restored" if snapshots else "session.damaged")
        assert "CURRENT" in event["problem"]
        moved = SessionStore(project.folder).quarantined()[0].path
        assert event["moved_to"] == str(moved)
        assert (moved / build.INDEXED_DB / "CURRENT").read_bytes() == b""
        await running.until("restart.done")


# -- a folder that lost everything but the snapshots ------------------------------------------------------------------


async def test_a_profile_and_the_state_that_are_lost_together_come_back_by_themselves(project: Project) -> None:
    profile = linked(project)
    newest = take(project, profile)
    shutil.rmtree(project.folder / "sessions")
    (project.folder / "session-state.json").unlink()
    project.configure(PAGE)
    async with supervised(project) as running:
        told = await running.until("supervisor.recovered")
        assert "session-state.json was gone, and was put back from its copy" in told["what"]
        restored = await running.until("session.restored")
        assert restored["snapshot"] == newest.name
        await ready(running)
        assert not running.all("session.needs_link")
        assert not running.all("session.lost")


async def test_a_session_that_was_cleared_stays_so_whatever_is_lost_afterwards(project: Project) -> None:
    profile = linked(project)
    take(project, profile)
    SessionStore(project.folder).clear(profile)
    (project.folder / "session-state.json").unlink()
    profile.path.mkdir()
    say(profile, "UNPAIRED")  # what the bot's new profile will show
    project.configure(PAGE)
    async with supervised(project) as running:
        await running.until("session.needs_link")
        assert not running.all("session.restored")
        assert not running.all("session.not_recovered")


async def test_in_a_folder_that_was_copied_nothing_is_restored_but_the_way_to_do_it_is_told(project: Project) -> None:
    profile = linked(project)
    newest = take(project, profile)
    shutil.rmtree(profile.path)
    (project.folder / "session-state.json").unlink()
    copy = project.folder / ".session-cache" / "state-copy.json"
    copy.write_text(copy.read_text().replace(str(project.folder.resolve()), "/srv/the-other"))
    project.configure(PAGE)
    async with supervised(project) as running:
        told = await running.until("session.lost")
        assert told["session"] == "1"
        await running.until("browser.up")
        assert not running.all("session.restored")
        await running.until("session.linked")  # the new one's own page
    assert "scanonce snapshot restore 1" in EVENTS["session.lost"].describe(told)
    said = invoke(project.folder, "snapshot", "restore", "1", "--yes")
    assert said.status == 0, said
    assert newest.name in said.out
