"""A browser that keeps nothing: that is said once, nothing is copied of it, and nothing restored for it."""

from __future__ import annotations

from supervisor.log.events.registry import EVENTS
from supervisor.session.profiles.profile import Profile
from supervisor.session.store import SessionStore
from tests.helpers import build
from tests.helpers.command import Project
from tests.helpers.waiting import eventually

PATIENT = '[ready]\nmethod = "page"\n[session]\nqr_patience = "50ms"\n'


async def test_it_is_said_and_no_snapshot_claims_a_link(project: Project) -> None:
    project.configure(PATIENT)
    profile = project.profile("1")
    async with project.supervised("dev", f"browser={profile},devtools,incognito", options=["--verbose"]) as running:
        [told] = running.all("browser.incognito")
        assert "lost at every restart" in EVENTS["browser.incognito"].describe(told)
    [skipped] = running.all("snapshot.skipped")
    assert "incognito" in skipped["reason"]
    store = SessionStore(project.folder)
    assert store.snapshots("1") == []
    assert store.state.get("1").is_linked is not True


async def test_its_qr_code_is_believed_and_no_snapshot_tried_in_vain(project: Project) -> None:
    profile = Profile.at(project.profile("1"))
    build.profile(profile.path)
    (profile.path / "page").write_text("UNPAIRED")
    store = SessionStore(project.folder)
    store.state.update("1", is_linked=True)
    build.take(store, profile)
    project.configure(PATIENT)
    async with project.supervised("dev", f"browser={profile.path},devtools,incognito") as running:
        await eventually(lambda: running.all("session.needs_link"))
        assert not running.all("session.not_recovered")
    assert not running.all("session.restored")


async def test_one_without_devtools_is_known_by_its_command_line(project: Project) -> None:
    async with project.supervised("dev", f"browser={project.profile('1')},pipe,incognito") as running:
        await eventually(lambda: running.all("browser.incognito"))
    assert SessionStore(project.folder).snapshots("1") == []
