"""A profile's path that leads to a person's own folder, with the real command."""

from __future__ import annotations

import signal
from pathlib import Path

from supervisor.session.profiles.profile import Profile
from supervisor.session.store import SessionStore
from tests.helpers import build
from tests.helpers.build import take
from tests.helpers.command import Project
from tests.helpers.shell import invoke


async def test_a_home_folder_behind_a_link_is_neither_moved_nor_opened(project: Project, tmp_path: Path) -> None:
    profile = Profile.at(project.profile("1"))
    build.profile(profile.path)
    store = SessionStore(project.folder)
    store.state.update("1", is_linked=True, profile="sessions/session-1")
    take(store, profile)
    build.remove(profile.path)
    home = tmp_path / "homedir"
    (home / ".ssh").mkdir(parents=True)
    (home / "thesis.txt").write_text("years of work")
    profile.path.symlink_to(home)
    before = build.contents(home)

    running = await project.start("dev", "browser=sessions/session-1,devtools")
    error = await running.until("error")
    assert "leads to" in error["problem"]
    assert "is not a Chromium profile" in error["problem"]
    await running.until("bot.waiting")
    assert not project.notes("bot")
    assert await running.stop() == 128 + signal.SIGTERM, running.told()
    project.is_left_alone()
    assert build.contents(home) == before
    assert store.quarantined() == []
    told = invoke(project.folder, "snapshot", "restore", "--yes")
    assert told.status != 0
    assert "is not a Chromium profile" in told.err
    assert build.contents(home) == before
