"""Leftovers of earlier runs, and their fixes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.bot.ownership import Territory
from supervisor.process.table import ENVIRONMENT_MARK
from supervisor.session.locks import project_lock
from supervisor.setup.doctor import check_leftovers
from supervisor.setup.doctor.runner import apply_fixes
from tests.helpers.shell import browser_on, make_session
from tests.unit.setup.doctor.conftest import Bot, only


def fix(bot: Bot, name: str) -> str:
    """Apply the fix of one finding, and return the sentence about it."""
    project = bot.project()
    results = apply_fixes([only(check_leftovers.leftovers(project), name)], project)
    (done,) = [one for one in results if one.name == name][-1:]
    assert done.done, done.what
    return done.what


class TestLeftovers:
    def test_nothing_in_a_fresh_folder(self, bot: Bot) -> None:
        assert {one.verdict for one in bot.look(check_leftovers.leftovers)} == {"ok"}
        assert not list(bot.folder.iterdir())

    @pytest.fixture
    def orphan(self, bot: Bot) -> Iterator[subprocess.Popen[bytes]]:
        """What a supervisor of this project that was killed might have left."""
        key = Territory(bot.folder, contained=False).key
        environment = {"PATH": "/usr/bin:/bin", ENVIRONMENT_MARK: f"{key}-1-1-1"}
        with subprocess.Popen(["/bin/sleep", "600"], env=environment) as process:
            yield process
            process.kill()

    def test_processes_of_an_earlier_run_are_closed(self, bot: Bot, orphan: subprocess.Popen[bytes]) -> None:
        found = bot.one(check_leftovers.leftovers, "processes")
        assert (found.verdict, str(orphan.pid) in found.seen) == ("problem", True)
        assert fix(bot, "processes") == "Closed 1 process of an earlier run."
        assert orphan.wait(10) == -signal.SIGTERM
        assert bot.one(check_leftovers.leftovers, "processes").verdict == "ok"

    def test_while_a_supervisor_runs_they_are_its_own(self, bot: Bot, orphan: subprocess.Popen[bytes]) -> None:
        before = list(check_leftovers.leftovers(project := bot.project()))
        with project_lock(bot.folder / ".session-cache"):
            assert {one.verdict for one in bot.look(check_leftovers.leftovers)} == {"ok"}
            (refused,) = apply_fixes([only(before, "processes")], project)
        assert (refused.done, f"process {os.getpid()}" in refused.what) == (False, True)
        assert orphan.poll() is None

    def test_a_strangers_browser_is_told_and_left_alone(self, bot: Bot) -> None:
        profile = make_session(bot.folder)
        with browser_on(profile.path, bot.programs) as browser:
            found = bot.one(check_leftovers.leftovers, "processes")
            assert (found.verdict, found.fix, str(browser.pid) in found.seen) == ("warning", None, True)

    @pytest.mark.parametrize(("host", "verdict"), [(socket.gethostname(), "warning"), ("older-container", "problem")])
    def test_the_lock_of_a_browser_that_is_gone(self, bot: Bot, host: str, verdict: str) -> None:
        lock = make_session(bot.folder).path / "SingletonLock"
        assert bot.one(check_leftovers.leftovers, "profile-lock").verdict == "ok"
        lock.symlink_to(f"{host}-4194399")  # above the largest pid there is (PID_MAX_LIMIT)
        assert bot.one(check_leftovers.leftovers, "profile-lock").verdict == verdict
        assert fix(bot, "profile-lock") == "Removed SingletonLock."
        assert not os.path.lexists(lock)

    def test_a_lock_that_is_held_stays(self, bot: Bot) -> None:
        profile = make_session(bot.folder)
        lock = profile.path / "SingletonLock"
        lock.symlink_to("older-container-4194399")
        project = bot.project()
        before = only(check_leftovers.leftovers(project), "profile-lock")
        with browser_on(profile.path, bot.programs) as browser:
            (refused,) = apply_fixes([before], project)  # opened between the look and the fix
            assert (refused.done, f"process {browser.pid}" in refused.what) == (False, True)
            lock.unlink()
            lock.symlink_to(f"{socket.gethostname()}-{browser.pid}")
            assert bot.one(check_leftovers.leftovers, "profile-lock").verdict == "ok"
        assert os.path.lexists(lock)

    def test_a_restore_that_was_cut_off_is_settled(self, bot: Bot) -> None:
        profile = make_session(bot.folder)
        new = profile.path.with_name(".scanonce-new-97150-1")
        new.mkdir()
        journal = bot.folder / ".session-cache" / "restore-97150.json"
        entry = {"live": str(profile.path), "new": str(new), "old": str(new) + "-old", "ready": False}
        journal.write_text(json.dumps(entry))
        found = bot.one(check_leftovers.leftovers, "unfinished")
        assert (found.verdict, journal.name in found.seen) == ("problem", True)
        project = bot.project()
        fixed = apply_fixes([only(check_leftovers.leftovers(project), "unfinished")], project)
        assert [one.done for one in fixed] == [True]
        assert "it was undone, the profile is as before" in fixed[0].what
        assert not new.exists()
        assert not journal.exists()

    def test_the_folder_for_sockets(self, bot: Bot) -> None:
        base = Path(os.environ["XDG_RUNTIME_DIR"], "scanonce")
        folder = base / Territory(bot.folder, contained=False).key
        assert str(folder) in bot.one(check_leftovers.leftovers, "runtime-folder").seen
        assert not base.exists()
        folder.mkdir(parents=True)
        (folder / "control.lock").touch()  # as after a clean stop
        assert bot.one(check_leftovers.leftovers, "runtime-folder").verdict == "ok"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(folder / "control.sock"))
        assert bot.one(check_leftovers.leftovers, "runtime-folder").verdict == "warning"
        assert fix(bot, "runtime-folder") == "Removed control.sock from the folder for sockets."
        assert [path.name for path in folder.iterdir()] == ["control.lock"]
        shutil.rmtree(folder)
        folder.write_text("no folder")
        assert bot.one(check_leftovers.leftovers, "runtime-folder").verdict == "problem"
