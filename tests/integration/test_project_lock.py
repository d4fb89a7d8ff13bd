"""A project keeps its one supervisor when the lock is removed, replaced or moved under it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from supervisor.bot.ownership import Territory
from supervisor.process.table import ENVIRONMENT_MARK
from supervisor.session.locks import ProfileLocks, ProjectBusyError, ProjectLock, profile_lock_files, running_supervisor
from supervisor.system.held_lock import HeldLock, is_held
from tests.helpers.shell import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.command import Project


def remove_the_cache(cache: Path) -> None:
    shutil.rmtree(cache)


def remove_the_lock(cache: Path) -> None:
    (cache / "supervisor.lock").unlink()


def move_the_cache_away(cache: Path) -> None:
    cache.rename(cache.with_name("old-cache"))


def put_another_in_its_place(cache: Path) -> None:
    cache.rename(cache.with_name("old-cache"))
    cache.mkdir()
    (cache / "supervisor.lock").touch()


@pytest.mark.parametrize("change", [remove_the_cache, remove_the_lock, move_the_cache_away, put_another_in_its_place])
async def test_a_second_supervisor_is_turned_away_whatever_happens_to_the_lock(
    project: Project, change: Callable[[Path], None]
) -> None:
    cache = project.folder / ".session-cache"
    async with project.supervised("run") as first:
        change(cache)
        second = await project.start("run", "write=never")
        assert await second.ends() == 5
        assert f"process {first.process.pid}, started " in second.problems()
        told = await asyncio.to_thread(run, project.folder, "snapshot", "prune", env=project.environment)
        assert told.status != 0
        assert f"process {first.process.pid}" in told.err
        renewed = await first.until("supervisor.lock_renewed")
        assert renewed["paths"] == [str(cache / "supervisor.lock")]
        assert is_held(cache / "supervisor.lock")
        assert running_supervisor(cache) == first.process.pid
        assert len(first.all("bot.started")) == 1
    assert not is_held(cache / "supervisor.lock")


async def test_a_project_that_is_moved_is_held_in_its_new_place(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, moved = project.folder, project.home / "moved"
    async with project.supervised("run") as first:
        before.rename(moved)
        with monkeypatch.context() as patch:
            patch.setattr(project, "folder", moved)
            second = await project.start("run", "write=never")
            assert await second.ends() == 5
        assert f"process {first.process.pid}, started " in second.problems()
        assert not before.exists()
        moved.rename(before)


def test_what_bears_the_mark_of_a_living_supervisor_was_not_left_behind(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Territory(project.folder, contained=False)
    moment = int(time.time() * 1000)
    with subprocess.Popen(["sleep", "600"]) as supervisor:
        living, reused = f"{ours.key}-{supervisor.pid}-{moment}-1", f"{ours.key}-{supervisor.pid}-{moment - 100_000}-1"
        marks = [living, reused, f"{ours.key}-odd", f"{ours.key}-{10**8}-{moment}-1"]
        environment = dict(project.environment)
        bots = [subprocess.Popen(["sleep", "600"], env=environment | {ENVIRONMENT_MARK: mark}) for mark in marks]
        try:
            left = {entry.pid for entry in ours._marked()}
            assert left == {bot.pid for bot in bots[1:]}
            supervisor.kill()
            supervisor.wait()
            assert {entry.pid for entry in ours._marked()} == {bot.pid for bot in bots}
        finally:
            for bot in bots:
                bot.kill()
                bot.wait()


def test_a_lock_that_is_lost_is_taken_anew_unless_another_has_it(tmp_path: Path) -> None:
    cache, runtime = tmp_path / "project" / "cache", tmp_path / "runtime"
    runtime.mkdir()
    (tmp_path / "project").mkdir()
    first = ProjectLock(cache, lambda: runtime)
    first.take()
    assert first.lost == []
    note = (cache / "supervisor.json").read_bytes()
    shutil.rmtree(cache)
    assert first.lost == [cache / "supervisor.lock"]
    with pytest.raises(ProjectBusyError):
        ProjectLock(cache, lambda: runtime).take()
    stranger = ProjectLock(cache)  # one whose runtime folder is another
    stranger.take()
    with pytest.raises(ProjectBusyError):
        first.take()
    stranger.release()
    first.take()
    assert first.lost == []
    assert (cache / "supervisor.json").read_bytes() == note, "it has not just started"
    with pytest.raises(ProjectBusyError):
        stranger.take()
    (runtime / "project.lock").unlink()
    first.take()
    assert is_held(runtime / "project.lock")
    (tmp_path / "project").rename(tmp_path / "moved")
    assert first.lost == []
    assert is_held(tmp_path / "moved" / "cache" / "supervisor.lock")
    first.release()
    assert not is_held(tmp_path / "moved" / "cache" / "supervisor.lock")


def test_the_lock_of_a_profile_is_taken_anew_too(tmp_path: Path) -> None:
    profile = tmp_path / "sessions" / "session-1"
    profile.mkdir(parents=True)
    locks = ProfileLocks()
    locks.take(profile, tmp_path)
    lock, note = profile_lock_files(profile)
    lock.unlink()
    locks.renew(tmp_path)
    assert is_held(lock)
    lock.unlink()
    locks.take(profile, tmp_path)  # as at each start of a browser
    assert is_held(lock)
    locks.close()
    assert not is_held(lock)
    assert not note.exists()


@pytest.mark.parametrize("kind", ["link", "FIFO", "folder"])
def test_only_a_file_is_locked(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "lock"
    (tmp_path / "target").write_text("mine")
    if kind == "link":
        path.symlink_to(tmp_path / "target")
    elif kind == "FIFO":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(OSError, match=r"symbolic link|not a regular file|directory"):
        HeldLock(path).take()
    assert (tmp_path / "target").read_text() == "mine"
