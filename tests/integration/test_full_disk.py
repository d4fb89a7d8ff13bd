"""A disk that is full under all that scanonce keeps: the bot goes on as ever, and what was there is still there."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor.log.segments.reader import LogReader, Note
from supervisor.session.locks import project_lock, running_supervisor
from supervisor.session.profiles.check_report import CheckContext
from supervisor.session.profiles.profile import Profile
from supervisor.session.snapshot.catalog import Snapshot
from supervisor.session.state_file import StateFile
from supervisor.session.store import SessionStore
from supervisor.supervise import state_writer
from supervisor.supervise.file_worker import FileWorker
from supervisor.system.runtime_dir import project_key
from supervisor.timing.history_reader import read
from tests.helpers import build
from tests.helpers.command import Project, Running
from tests.helpers.disk import SmallDisk, small_disk
from tests.helpers.waiting import eventually


@pytest.fixture
def disk(project: Project) -> Iterator[SmallDisk]:
    """The disk on which the project lies, and the log; the profile lies elsewhere, as the fake browser needs room."""
    with small_disk(project.home / "disk") as made:
        project.folder = made.folder / "project"
        project.folder.mkdir()
        yield made


@pytest.fixture
def profile(project: Project) -> Profile:
    """A profile whose page says that it is linked."""
    made = Profile.at(project.home / "session-1")
    build.profile(made.path)
    say(made, "CONNECTED")
    return made


def say(profile: Profile, state: str) -> None:
    """What the fake page in a profile says from now on."""
    (profile.path / "page").write_text(state)


def configure(project: Project, disk: SmallDisk, more: str = "") -> None:
    log = f'[log]\nfolder = "{disk.folder / "log"}"\n'
    project.configure(f'[ready]\nmethod = "page"\n[session]\nqr_patience = "100ms"\n{log}{more}')


def known_and_copied(project: Project, profile: Profile) -> Snapshot:
    """One good snapshot of a session that is known to be linked."""
    store = SessionStore(project.folder)
    store.state.update("1", is_linked=True, profile=str(profile.path))
    assert store.check(profile, context=CheckContext(free=True)).may_start
    return store.capture(profile, linked=True, browser_version="156").publish()


def bot(profile: Profile) -> str:
    return f"browser={profile.path},devtools"


def kept(project: Project, disk: SmallDisk) -> list[str]:
    """The names of the events that the log holds."""
    with contextlib.closing(LogReader(disk.folder / "log", project_key(project.folder.resolve()))) as reader:
        return [entry.fields["event"] for entry in reader.read(flush=True) if isinstance(entry, Note)]


async def restart(project: Project, running: Running) -> dict[str, Any]:
    """Have the bot restarted by command; what came of it."""
    words = project.scanonce("restart")
    command = await asyncio.create_subprocess_exec(*words, cwd=project.folder, env=project.environment)
    done = await running.until("restart.done", reason="control")
    assert await command.wait() == 0
    return done


async def test_restarts_go_on_and_what_has_waited_is_written_when_there_is_room(
    project: Project, disk: SmallDisk, profile: Profile
) -> None:
    configure(project, disk)
    snapshot = known_and_copied(project, profile)
    running = await project.start("run", bot(profile))
    await running.until("restart.done")
    disk.fill(running.process.pid)
    for _ in range(2):
        say(profile, "CONNECTED ")  # so that there is something to copy
        done = await restart(project, running)
        assert (done["outcome"], done["clean"]) == ("ready", True)
    # The copy is made beside the start, and so may the word on it come after that.
    await eventually(lambda: len(running.all("snapshot.failed")) == 2)
    for failed in running.all("snapshot.failed"):
        assert disk.problem in failed["reason"]
    assert [remark["check"] for remark in running.all("session.remark")].count("noted") == 1, "told once"
    assert len(running.all("history.problem")) == 1
    store = SessionStore(project.folder)
    assert store.verify(snapshot) == []
    assert store.state.get("1").is_linked is True
    disk.make_room(running.process.pid)
    await restart(project, running)
    taken = await running.until("snapshot.taken")
    await eventually(lambda: kept(project, disk).count("restart.done") == 4, "what the log could not take")
    assert await running.stop() == 143
    project.is_left_alone()
    names = {snapshot.name, taken["snapshot"]}
    assert names <= {one.name for one in store.snapshots("1") if one.good}
    recorded = read(project.folder / ".session-cache" / "history.db")
    assert [one.reason for one in recorded.restarts] == ["start", "control", "control", "control"]


async def test_what_is_learnt_while_the_disk_is_full_is_written_down_later(
    project: Project, disk: SmallDisk, profile: Profile
) -> None:
    configure(project, disk)
    (project.folder / ".session-cache").mkdir()
    disk.fill()
    running = await project.start("run", bot(profile), prefix=disk.prefix)
    await running.until("restart.done", outcome="ready")
    await eventually(lambda: running.all("error"), "a word on the state file")
    assert running_supervisor(project.folder / ".session-cache") == running.process.pid, "without its note"
    say(profile, "UNPAIRED")
    await running.until("session.needs_link")
    say(profile, "CONNECTED")
    await running.until("session.linked")
    await restart(project, running)
    (problem,) = [event["problem"] for event in running.all("error")]
    assert re.match(r"Could not write the session state .*/session-state\.json: ", problem), "told once"
    assert disk.problem in problem
    state = SessionStore(project.folder).state
    assert state.get("1").is_linked is None
    disk.make_room(running.process.pid)
    assert await running.stop() == 143
    assert (state.get("1").is_linked, state.get("1").auth_method) == (True, "qr")
    project.is_left_alone()


async def test_a_qr_code_is_shown_if_the_disk_has_no_room_for_a_recovery(
    project: Project, disk: SmallDisk, profile: Profile
) -> None:
    configure(project, disk)
    snapshot = known_and_copied(project, profile)
    say(profile, "UNPAIRED")
    disk.fill()
    running = await project.start("run", bot(profile), prefix=disk.prefix)
    told = await running.until("session.not_recovered")
    assert disk.problem in told["reason"]
    await running.until("session.needs_link")
    assert not running.all("session.restored")
    assert await running.stop() == 143
    store = SessionStore(project.folder)
    assert store.verify(snapshot) == []
    assert store.state.get("1").is_linked is True, "the next start tries the snapshot"
    project.is_left_alone()


async def test_a_change_restarts_the_bot_though_there_is_no_room_to_list_it(project: Project) -> None:
    with small_disk(project.home / "runtime") as disk:
        project.runtime = disk.folder
        project.touch("a.js")
        running = await project.start("dev", "report-env")
        await running.until("restart.done")
        await project.noted("bot", "up")
        disk.fill(running.process.pid)
        project.touch("a.js")
        assert (await running.until("restart.done", reason="change"))["outcome"] == "ready"
        await project.noted("bot", "up", 2)
        disk.make_room(running.process.pid)
        project.touch("a.js")
        await project.noted("bot", "up", 3)
        assert [note.more for note in project.notes("bot", "changes")] == ["", "a.js"]
        assert await running.stop() == 143
    project.is_left_alone()


def test_who_holds_a_project_is_known_without_the_note(tmp_path: Path) -> None:
    with project_lock(tmp_path):
        (tmp_path / "supervisor.json").write_bytes(b"")
        assert running_supervisor(tmp_path) is not None
    (tmp_path / "supervisor.json").write_bytes(b"")
    assert running_supervisor(tmp_path) is None


async def test_what_could_not_be_written_is_tried_again_by_and_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_writer, "_RETRY", 0.01)
    state = StateFile(tmp_path / "session-state.json")
    state.path.mkdir()  # what stands in its way
    files = FileWorker()
    writer = state_writer.StateWriter(state, files)
    writer.note("1", {"is_linked": True})
    writer.note("1", {"last_state": "ready"})
    await files.do(state.path.rmdir)
    await eventually(lambda: state.get("1").last_state == "ready")
    files.close()
    assert state.get("1").is_linked is True
