"""Bots whose pages are none that we can read: what is lost comes back, and what is new is kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor.session.profiles.profile import Profile
from supervisor.session.store import SessionStore
from tests.helpers import build
from tests.helpers.command import Project, Running

BOT = "browser=sessions/session-1"


def profile_of(project: Project) -> Profile:
    return Profile.at(project.profile("1"))


async def run_once(project: Project) -> Running:
    """A run of the bot; at its end a snapshot is taken of its session, of which nothing is known."""
    async with project.supervised("dev", BOT) as running:
        pass
    return running


def emptied(path: Path) -> None:
    shutil.rmtree(path)
    path.mkdir()


def hollow(path: Path) -> None:
    emptied(path)
    (path / "Default").mkdir()


@pytest.mark.parametrize("lose", [shutil.rmtree, emptied, hollow])
async def test_a_profile_that_is_lost_between_two_runs_is_restored(
    project: Project, lose: Callable[[Path], object]
) -> None:
    profile = profile_of(project)
    build.profile(profile.path)
    before = build.kept(profile.path)
    running = await run_once(project)
    assert running.all("snapshot.taken")
    lose(profile.path)
    running = await run_once(project)
    assert len(running.all("session.restored")) == 1
    assert build.kept(profile.path) == before
    assert not (await run_once(project)).all("session.restored")


@pytest.mark.parametrize("check", ["true", "false"])
async def test_a_new_link_is_not_thrown_away_for_an_old_one(project: Project, check: str) -> None:
    profile = profile_of(project)
    build.profile(profile.path)
    await run_once(project)
    SessionStore(project.folder).clear(profile)
    project.configure(f"[session]\ncheck = {check}\n")
    async with project.supervised("dev", BOT):
        build.profile(profile.path, records=4)
        written = build.kept(profile.path)
    project.configure("")
    for _ in range(2):
        running = await run_once(project)
        assert not running.all("session.restored"), running.told()
        assert not running.all("session.damaged"), running.told()
    assert build.kept(profile.path) == written
