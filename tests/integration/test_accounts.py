"""Two accounts of one bot stay two, however alike their folders and however close together they come."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from supervisor.session.profiles.profile import Profile
from supervisor.session.store import SessionStore
from supervisor.supervise.file_worker import FileWorker
from supervisor.supervise.session_registry import SessionRegistry
from supervisor.supervise.state_writer import StateWriter
from tests.helpers.command import Project
from tests.helpers.waiting import eventually


@pytest.mark.parametrize("configured", [False, True], ids=["found", "configured"])
async def test_two_profiles_of_one_name_that_are_seen_at_once_are_two_sessions(
    project: Project, configured: bool
) -> None:
    profiles = [project.folder / name / "profile" for name in ("alice", "bob")]
    for profile in profiles:
        profile.mkdir(parents=True)
        (profile / "page").write_text("UNPAIRED")
        (profile / "qr").write_text(f"code of {profile.parent.name}")
    project.configure('[session]\nprofiles = ["alice/profile", "bob/profile"]\n' if configured else "", quick=False)
    async with project.supervised("run", *[f"launch={profile},devtools" for profile in profiles]) as running:
        await eventually(lambda: len(running.all("session.qr")) == 2)
        codes = {event["session"]: event["qr"] for event in running.all("session.qr")}
        assert codes == {"profile": "code of alice", "profile@bob": "code of bob"} or codes == {
            "profile": "code of bob",
            "profile@alice": "code of alice",
        }
        for profile in profiles:
            (profile / "page").write_text("CONNECTED")
        await eventually(lambda: len(running.all("session.linked")) == 2)
        state = project.folder / "session-state.json"
        await eventually(lambda: len(known(state)) == 2)
    homes = {session["profile"] for session in known(state).values()}
    assert homes == {"alice/profile", "bob/profile"}
    assert all(session["isLinked"] for session in known(state).values())


def known(state: Path) -> dict[str, dict[str, object]]:
    """The sessions in a state file."""
    try:
        sessions: dict[str, dict[str, object]] = json.loads(state.read_text())["sessions"]
    except FileNotFoundError:
        return {}
    return sessions


async def test_identities_are_given_one_after_the_other_and_stay(tmp_path: Path) -> None:
    store, files = SessionStore(tmp_path), FileWorker()
    try:
        registry = SessionRegistry.load(store, (), StateWriter(store.state, files))
        paths = [tmp_path / name / "profile" for name in ("alice", "bob", "carol")]
        found = await asyncio.gather(*(registry.identify(path) for path in paths * 2))
        assert len({profile.id for profile in found}) == 3
        assert found[:3] == found[3:] == [registry.assign(path, path) for path in paths]
        (tmp_path / "link").symlink_to(paths[0].parent)
        assert (await registry.identify(tmp_path / "link" / "profile")).id == found[0].id
    finally:
        files.close()


async def test_a_session_that_is_known_by_its_number_alone_gets_its_folder(tmp_path: Path) -> None:
    """As in a state file that does not name the profile."""
    store, files = SessionStore(tmp_path), FileWorker()
    (tmp_path / "session-state.json").write_text('{"version": 1, "sessions": {"97150": {"isLinked": true}}}')
    try:
        registry = SessionRegistry.load(store, (), StateWriter(store.state, files))
        path = tmp_path / "sessions" / "session-97150"
        assert await registry.identify(path) == Profile("97150", path)
        assert registry.state("97150").is_linked is True
    finally:
        files.close()
