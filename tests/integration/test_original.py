"""Bots with a session manager of their own, which use the names that scanonce uses: `session-state.json` above all."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from supervisor.session.profiles.profile import Profile
from supervisor.session.store import SessionStore
from tests.helpers import build
from tests.helpers.build import take
from tests.helpers.command import Project, Running
from tests.helpers.shell import invoke, run
from tests.helpers.waiting import eventually

#: As such a bot keeps its accounts, before the link and for good.
THEIRS = {"timestamp": 1, "version": "1.0", "masterPhoneNumber": "971", "accounts": {"971": {"isLinked": False}}}
FLAT = {"masterNumber": "971", "lastSeen": 1, "isLinked": False, "authMethod": "qr", "deviceStatus": None}


def linked_session(project: Project) -> Profile:
    """A linked session with a sound snapshot."""
    profile = Profile.at(project.profile("971"))
    build.profile(profile.path)
    take(SessionStore(project.folder), profile)
    return profile


def own_state(folder: Path) -> dict[str, object]:
    """The state of the session as scanonce knows it."""
    document = json.loads((folder / ".session-cache" / "state.json").read_text())
    state: dict[str, object] = document["sessions"]["971"]
    return state


@pytest.mark.parametrize("theirs", [THEIRS, FLAT])
async def test_a_state_file_of_the_bots_own_is_left_alone_and_said_once(project: Project, theirs: object) -> None:
    linked_session(project)
    file = project.folder / "session-state.json"
    file.write_text(json.dumps(theirs))
    async with project.supervised("run", f"browser={project.profile('971')},devtools") as running:
        assert "is left alone" in running.all("supervisor.recovered")[0]["what"]
        assert running.all("session.found")[0]["linked"] is True
    assert json.loads(file.read_text()) == theirs
    assert own_state(project.folder)["isLinked"] is True
    async with project.supervised("run", f"browser={project.profile('971')},devtools") as running:
        assert not running.all("supervisor.recovered")
        assert not running.all("state.foreign")
    assert json.loads(file.read_text()) == theirs


@pytest.mark.parametrize("stale", ["as it was", "changed", "flat"])
async def test_what_the_bot_writes_back_later_is_reported_and_costs_no_link(project: Project, stale: str) -> None:
    profile = linked_session(project)
    file = project.folder / "session-state.json"
    SessionStore(project.folder).state.update("971", is_linked=False)
    held = json.loads(file.read_text())  # as the bot reads it at its start
    running = await project.start("run", f"browser={profile.path},devtools")
    await running.until("session.linked")
    await eventually(lambda: '"isLinked": true' in file.read_text())
    if stale == "changed":
        held["sessions"]["971"]["lastState"] = "waiting"
    file.write_text(json.dumps(FLAT if stale == "flat" else held))
    told = await running.until("state.foreign")
    assert "is left alone and not believed" in told["what"]
    assert await running.stop() == 143
    await eventually(lambda: own_state(project.folder)["isLinked"] is True)
    build.remove(profile.path)
    running = await project.start("run", f"browser={profile.path},devtools")
    restored = await running.until("session.restored")
    assert restored["session"] == "971"
    assert len(running.all("state.foreign")) == 0, "said once"


@pytest.mark.parametrize("lost", ["profile", "database"])
async def test_the_bots_own_copy_is_restored_if_nothing_else_is_left(project: Project, lost: str) -> None:
    profile = Profile.at(project.profile("971"))
    build.profile(profile.path)
    wanted = build.kept(profile.path)
    SessionStore(project.folder).state.update("971", is_linked=True, profile=str(profile.path))
    copy = project.folder / f".session-cache/backup-971-{time.time_ns() // 1_000_000 - 86_400_000 * 20}"
    build.copy(profile.path, copy, preserving=False)
    build.remove(profile.path if lost == "profile" else profile.path / build.INDEXED_DB / "CURRENT")

    assert "a plain copy, not verified" in " ".join(invoke(project.folder, "snapshot", "list").out.split())
    said = " ".join(invoke(project.folder, "session", "info").out.split())
    assert f"can restore perhaps, from the plain copy {copy.name}" in said
    planned = invoke(project.folder, "snapshot", "restore", "--dry-run").out
    assert f"{copy.name}, taken " in planned
    assert "by another program" in planned

    async with project.supervised("run", f"browser={profile.path},devtools") as running:
        assert running.all("session.restored")[0]["snapshot"] == copy.name
    assert build.kept(profile.path).keys() == wanted.keys()
    assert invoke(project.folder, "snapshot", "prune").status == 0
    assert copy.is_dir()


async def reported(running: Running, event: str, times: int) -> None:
    await eventually(lambda: len(running.all(event)) == times)


SOON = '[ready]\nsettle = "50ms"\n[browser]\nstart_timeout = "200ms"\n'


@pytest.mark.parametrize("mode", ["dev", "run"])
async def test_a_bot_that_opens_its_browser_on_command_is_waited_for_and_not_timed(project: Project, mode: str) -> None:
    profile = linked_session(project)
    SessionStore(project.folder).state.update("971", is_linked=True, profile=str(profile.path))
    (profile.path / "page").write_text("CONNECTED")
    project.configure(SOON)
    running = await project.start(mode, "until=go", f"browser={profile.path},devtools")
    for times in (1, 2):
        await reported(running, "bot.waiting_for_browser", times)
        assert running.all("bot.waiting_for_browser")[-1]["sessions"] == ["971"]
        assert len(running.all("restart.done")) == times - 1
        assert not running.all("error")
        [session] = invoke(project.folder, "status", "--json").json["sessions"]
        assert (session["state"], session["linked"]) == ("waiting_for_browser", True)
        assert "waiting for it to open its browser" in run(project.folder, "status").out
        project.touch("go")
        await reported(running, "restart.done", times)
        over = running.all("restart.done")[-1]
        assert over["outcome"] == "ready"
        assert "boot" not in over["phases_ms"]
        assert "browser" in over["phases_ms"]
        assert len(running.all("bot.ready")) == times
        (project.folder / "go").unlink()
        if times == 1:
            assert run(project.folder, "restart", "--no-wait").status == 0
    assert not running.all("bot.not_ready")
    await running.stop()


async def test_a_bot_whose_session_is_not_linked_is_not_waited_for(project: Project) -> None:
    profile = Profile.at(project.profile("971"))
    build.profile(profile.path)
    project.configure(SOON)
    async with project.supervised("dev", "until=go", f"browser={profile.path},devtools") as running:
        assert running.all("bot.ready")[0]["method"] == "up"
        assert not running.all("bot.waiting_for_browser")


async def test_a_bot_that_says_that_it_is_ready_is_believed_whatever_browser_it_opens(project: Project) -> None:
    profile = linked_session(project)
    SessionStore(project.folder).state.update("971", is_linked=True, profile=str(profile.path))
    project.configure(SOON)
    async with project.supervised("dev", "notify", "until=go", f"browser={profile.path},devtools") as running:
        assert running.all("bot.ready")[0]["method"] == "notify"
        assert not running.all("bot.waiting_for_browser")
