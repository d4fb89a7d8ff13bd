"""Whatever scanonce makes, wherever it makes it, is for its owner alone, even where no umask keeps others out."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import build, shell
from tests.helpers.command import Project

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")

OPEN = ("sh", "-c", 'umask 0; exec "$@"', "sh")


def open_to_others(*tops: Path) -> Iterator[str]:
    """What below these folders others may read, write or enter; links have no mode of their own."""
    for top in tops:
        for path in sorted(top.rglob("*")):
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:  # a file for a moment only
                continue
            if not stat.S_ISLNK(mode) and mode & 0o077:
                yield f"{stat.filemode(mode)} {path.relative_to(top.parent)}"


def shapes(*tops: Path) -> set[str]:
    """What kinds of things are there, by a part of the name: that the test has looked at anything."""
    return {path.name.partition("-9")[0] for top in tops for path in top.rglob("*")}


def status_of(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text()


async def test_all_that_a_supervisor_makes_is_for_its_owner_alone(project: Project) -> None:
    project.configure('[ready]\nmethod = "notify"\n')
    profile = project.profile("97150")
    build.profile(profile)
    words = f"browser={profile},devtools"
    running = await project.start("run", words, "notify", prefix=OPEN)
    await running.until("bot.ready")
    asked = shell.run(project.folder, "restart", env=project.environment)
    assert asked.status == 0, asked.err
    await running.until("snapshot.taken")
    await project.noted("browser", "start", 2)
    made = (project.folder / ".session-cache", project.runtime, project.home / "state")
    assert {"history.db", "history.db-wal", "supervisor.lock", "supervisor.json", "control", "backup"} <= shapes(*made)
    assert "notify" in " ".join(shapes(project.runtime)), "the bot's own socket"
    assert not list(open_to_others(*made))
    kept = [path for path in project.folder.iterdir() if path.name not in {"sessions", "scanonce.toml"}]
    beside = [path for path in profile.parent.iterdir() if path != profile]
    assert {path.name for path in kept} == {".session-cache", "session-state.json"}
    assert any("lock" in path.name for path in beside)
    assert [path for path in (*kept, *beside) if path.lstat().st_mode & 0o077] == []
    await running.stop()
    assert not list(open_to_others(*made))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells another process's umask")
async def test_the_bot_keeps_the_umask_that_it_was_given(project: Project) -> None:
    """Ours is not imposed: a bot may serve files to others."""
    async with project.supervised("run", prefix=OPEN) as running:
        [bot] = await project.noted("bot", "up")
        assert running.all("bot.started")
        assert "Umask:\t0000" in status_of(bot.pid)


def test_a_restored_profile_and_one_in_quarantine_are_closed_too(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        profile = shell.make_session(tmp_path)
        shell.take(tmp_path, profile)
        restored = shell.invoke(tmp_path, "snapshot", "restore", "--yes")
    finally:
        os.umask(before)
    assert restored.status == 0, restored.err
    cache = tmp_path / ".session-cache"
    assert cache.stat().st_mode & 0o077 == 0
    assert "quarantine" in shapes(cache), "as it was found, but in a folder that others cannot enter"
    assert not [one for one in open_to_others(cache) if "/quarantine-" not in one]
    assert profile.path.stat().st_mode & 0o077 == 0
    assert not list(open_to_others(profile.path))
