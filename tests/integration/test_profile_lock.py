"""One supervisor at a time, for a project and for a profile: the second is turned away, the first undisturbed."""

from __future__ import annotations

import os
import stat
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from supervisor.log import logger
from supervisor.session.locks import PROFILE_NOTE_PREFIX, ProfileBusyError, ProfileLocks, profile_lock_files
from tests.helpers import build
from tests.helpers.command import QUICK
from tests.helpers.shell import make_session

if TYPE_CHECKING:
    from tests.helpers.command import Project


def profile_in(folder: Path) -> Path:
    profile = folder / "sessions" / "session-1"
    profile.mkdir(parents=True)
    return profile


def test_a_profile_is_held_by_one_and_the_next_is_told_by_whom(tmp_path: Path) -> None:
    profile = profile_in(tmp_path)
    with closing(ProfileLocks()) as first:
        first.take(profile, tmp_path)
        first.take(profile, tmp_path)
        for path in profile_lock_files(profile):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with closing(ProfileLocks()) as second:
            for _ in range(2):  # being refused must not cost the first its note
                with pytest.raises(ProfileBusyError) as refused:
                    second.take(profile, Path("/other"))
                who = f"process {os.getpid()}, started 0 s ago, in {tmp_path}"
                assert str(refused.value) == f"another scanonce runs on the profile {profile}: {who}"
    with closing(ProfileLocks()) as third:
        third.take(profile, tmp_path)


def test_a_note_that_makes_no_sense_costs_only_the_message(tmp_path: Path) -> None:
    profile = profile_in(tmp_path)
    with closing(ProfileLocks()) as first, closing(ProfileLocks()) as second:
        first.take(profile, tmp_path)
        profile_lock_files(profile)[1].write_text("[]")
        with pytest.raises(ProfileBusyError, match="it has just started"):
            second.take(profile, tmp_path)


def test_a_profile_that_cannot_be_locked_is_told_of_and_used(tmp_path: Path) -> None:
    profile = profile_in(tmp_path)
    profile_lock_files(profile)[0].mkdir()
    told: list[str] = []
    forget = logger.subscribe(lambda name, _fields: told.append(name))
    with closing(ProfileLocks()) as locks:
        locks.take(profile, tmp_path)
        locks.take(tmp_path / "nowhere" / "session-2", tmp_path)
    forget()
    assert told == ["session.not_locked"]


async def test_a_second_supervisor_of_the_profile_is_turned_away_from_any_project(project: Project) -> None:
    profile = project.profile("1")
    profile.mkdir(parents=True)
    other = project.home / "other"
    (other / "sessions").mkdir(parents=True)
    (other / "sessions" / "session-1").symlink_to(profile)
    third = project.home / "third"
    third.mkdir()
    (third / "scanonce.toml").write_text(f'[session]\nprofiles = ["{profile}"]\n' + QUICK)
    async with project.supervised("run", f"browser={profile}") as first:
        for folder in (other, third):
            second = await project.start("run", "write=never", options=["-C", str(folder)])
            assert await second.ends() == 5
            problem = second.problems()
            assert f"process {first.process.pid}, started " in problem
            assert str(project.folder) in problem
            assert [event["event"] for event in second.events] == ["error"]
        assert len(first.all("bot.starting")) == 1
        assert not first.all("browser.lost")
    assert not list(profile.parent.glob(f"{PROFILE_NOTE_PREFIX}*"))


async def test_a_bot_that_opens_the_profile_of_another_supervisor_is_stopped_and_leaves_it_alone(
    project: Project,
) -> None:
    # The first one's bot has no browser just now that would keep others off.
    profile = make_session(project.folder, "1").path
    first = await project.start("run")
    await first.until("bot.started")
    before = build.kept(profile)
    other = project.home / "other"
    other.mkdir()
    (other / "scanonce.toml").write_text(QUICK)
    (other / "link").symlink_to(profile)
    second = await project.start("run", f"browser={other / 'link'}", options=["-C", str(other)])
    assert await second.ends() == 5
    assert f"process {first.process.pid}, started " in second.problems()
    assert second.all("browser.closed")
    assert not second.all("snapshot.taken")
    assert build.kept(profile).items() >= before.items()
    assert await first.stop() == 143
    assert not project.processes()


async def test_a_second_supervisor_of_the_project_is_turned_away_at_once(project: Project) -> None:
    async with project.supervised("run") as first:
        second = await project.start("dev", "write=never")
        assert await second.ends() == 5
        assert f"process {first.process.pid}, started " in second.problems()
        assert [event["event"] for event in second.events] == ["error"]
