"""What is kept in the project: configuration, sessions, leftovers, room, limits, time."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections import namedtuple
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from supervisor.bot.ownership import Territory
from supervisor.config.issues import ConfigError
from supervisor.process.table import ENVIRONMENT_MARK
from supervisor.session.locks import project_lock
from supervisor.session.store import SessionStore
from supervisor.setup.doctor import check_configuration, check_inotify, check_leftovers, check_sessions
from supervisor.setup.doctor.runner import apply_fixes
from supervisor.system import clock
from tests.helpers import build
from tests.helpers.shell import browser_on, make_session, take
from tests.unit.setup.doctor.conftest import Bot, only


class TestSettings:
    def test_every_mistake_is_told_and_the_rest_is_looked_at(self, bot: Bot) -> None:
        bot.write({"scanonce.toml": "[stop]\ngrace = 5\nodrer = 1\n"})
        found = [one for one in bot.look(check_configuration.configuration) if one.name == "configuration"]
        assert [one.verdict for one in found] == ["problem", "problem"]
        assert "scanonce.toml:2: stop.grace" in found[0].seen
        assert found[1].seen.endswith("did you mean stop.order?")
        assert bot.project().config.stop.order == "browser-first"

    def test_a_sound_one_and_none(self, bot: Bot) -> None:
        assert bot.one(check_configuration.configuration, "configuration").verdict == "ok"
        bot.write({"scanonce.toml": '[stop]\ngrace = "5s"\n'})
        assert bot.one(check_configuration.configuration, "configuration").verdict == "ok"

    def test_a_project_that_is_no_folder(self, bot: Bot) -> None:
        bot.folder.rmdir()
        with pytest.raises(ConfigError):
            bot.project()

    def test_a_state_file_that_makes_no_sense_is_left_as_it_is(self, bot: Bot) -> None:
        assert bot.one(check_configuration.configuration, "state-file").verdict == "ok"
        bot.write({"session-state.json": "{ no"})
        build.profile(bot.folder / "sessions/session-1")
        project = bot.project()
        assert only(check_configuration.configuration(project), "state-file").verdict == "problem"
        assert [profile.id for profile in project.profiles] == ["1"]
        assert list(check_sessions.sessions(project))
        assert sorted(path.name for path in bot.folder.iterdir()) == ["session-state.json", "sessions"]
        assert (bot.folder / "session-state.json").read_text() == "{ no"

    def test_a_folder_in_the_place_of_the_state_file_is_one_problem_and_hides_nothing_else(self, bot: Bot) -> None:
        (bot.folder / "session-state.json").mkdir()
        build.profile(bot.folder / "sessions/session-1")
        project = bot.project()
        found = only(check_configuration.configuration(project), "state-file")
        assert found.verdict == "problem"
        assert "session-state.json: a folder is in its place: move it away" in found.seen
        assert [profile.id for profile in project.profiles] == ["1"]
        assert list(check_sessions.sessions(project))


class TestSessions:
    def test_none(self, bot: Bot) -> None:
        assert bot.one(check_sessions.sessions, "session").seen == "There is no session yet."

    def test_a_sound_one_with_a_snapshot(self, bot: Bot) -> None:
        name = take(bot.folder, make_session(bot.folder)).name
        assert bot.one(check_sessions.sessions, "session").verdict == "ok"
        found = bot.one(check_sessions.sessions, "snapshots")
        assert (found.verdict, name in found.seen, found.subject) == ("ok", True, "97150")

    def test_one_without_a_snapshot(self, bot: Bot) -> None:
        make_session(bot.folder)
        assert bot.one(check_sessions.sessions, "snapshots").verdict == "warning"
        bot.write({"scanonce.toml": "[snapshot]\nenabled = false\n"})
        assert bot.one(check_sessions.sessions, "snapshots").verdict == "ok"

    def test_one_that_is_not_linked_needs_none(self, bot: Bot) -> None:
        make_session(bot.folder, linked=False)
        assert bot.one(check_sessions.sessions, "snapshots").verdict == "ok"
        assert bot.one(check_sessions.sessions, "session").verdict == "warning"

    def test_a_damaged_one(self, bot: Bot) -> None:
        profile = make_session(bot.folder)
        (profile.path / build.INDEXED_DB / "CURRENT").unlink()
        found = bot.one(check_sessions.sessions, "session")
        assert (found.verdict, "IndexedDB" in found.seen, "snapshot restore" in found.remedy) == ("problem", True, True)

    def test_a_snapshot_that_is_not_sound(self, bot: Bot) -> None:
        profile = make_session(bot.folder)
        (bot.folder / ".session-cache" / "backup-97150-1700000000000").mkdir(parents=True)
        assert bot.one(check_sessions.sessions, "snapshots").verdict == "problem"
        take(bot.folder, profile)
        assert bot.one(check_sessions.sessions, "snapshots").verdict == "ok"

    def test_one_that_is_open(self, bot: Bot) -> None:
        profile = make_session(bot.folder)
        with browser_on(profile.path, bot.programs) as browser:
            found = bot.one(check_sessions.sessions, "session")
        assert (found.verdict, f"process {browser.pid}" in found.seen) == ("ok", True)


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


class TestDisk:
    def test_room_against_what_a_snapshot_needs(self, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
        make_session(bot.folder)
        assert bot.one(check_sessions.disk, "disk").verdict == "ok"
        usage = namedtuple("usage", "free")
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(63 << 20))
        found = bot.one(check_sessions.disk, "disk")
        assert (found.verdict, "Only 63 MB" in found.seen) == ("problem", True)


class TestLimits:
    @pytest.fixture
    def kernel(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "inotify"
        folder.mkdir()
        (folder / "max_user_watches").write_text("100000000\n")
        (folder / "max_user_instances").write_text("100000\n")
        monkeypatch.setattr(check_inotify, "_LIMITS", folder)
        return folder

    def test_enough(self, bot: Bot, kernel: Path) -> None:
        bot.write({"a/b/c.js": "", "node_modules/x/index.js": ""})
        found = bot.one(check_inotify.inotify, "inotify")
        assert (found.verdict, "takes 3 of the 100000000" in found.seen) == ("ok", True)

    @pytest.mark.parametrize("name", ["max_user_watches", "max_user_instances"])
    def test_too_few(self, bot: Bot, kernel: Path, name: str) -> None:
        (kernel / name).write_text("0")
        found = bot.one(check_inotify.inotify, "inotify")
        assert (found.verdict, f"sysctl fs.inotify.{name}=" in found.remedy) == ("problem", True)

    def test_not_to_be_read(self, bot: Bot, kernel: Path) -> None:
        (kernel / "max_user_watches").write_text("?")
        assert bot.one(check_inotify.inotify, "inotify").verdict == "unknown"

    def test_those_in_use_are_counted(self, bot: Bot, kernel: Path) -> None:
        from supervisor.watch.inotify import InotifySource

        source = InotifySource()
        try:
            source.add(str(bot.folder))
            seen = bot.one(check_inotify.inotify, "inotify").seen
        finally:
            source.close()
        used = re.search(r"(\d+) are in use, and (\d+) of", seen)
        assert used is not None
        assert int(used[1]) >= 1
        assert int(used[2]) >= 1


class TestClock:
    def test_as_it_should_be(self, bot: Bot) -> None:
        take(bot.folder, make_session(bot.folder))
        assert bot.one(check_sessions.clock, "clock").verdict == "ok"

    def test_a_snapshot_from_the_future(self, bot: Bot) -> None:
        stamp = round((time.time() + 400 * 86400) * 1000)
        (bot.folder / f".session-cache/backup-1-{stamp}").mkdir(parents=True)
        found = bot.one(check_sessions.clock, "clock")
        assert (found.verdict, f"backup-1-{stamp}" in found.seen, "move it" in found.remedy) == ("problem", True, True)

    def test_a_sight_from_the_future_is_no_copy_that_could_be_moved(self, bot: Bot) -> None:
        SessionStore(bot.folder).state.update("1", last_seen=clock.now() + timedelta(days=400))
        found = bot.one(check_sessions.clock, "clock")
        assert (found.verdict, "it was wrong then" in found.remedy, "copy" in found.remedy) == ("problem", True, False)

    def test_a_clock_that_has_gone_back_some_hours(self, bot: Bot) -> None:
        SessionStore(bot.folder).state.update("1", last_seen=clock.now() + timedelta(hours=3))
        found = bot.one(check_sessions.clock, "clock")
        assert (found.verdict, "last activity of session 1" in found.seen) == ("problem", True)

    def test_the_history_counts_and_is_only_read(self, bot: Bot) -> None:
        path = bot.folder / ".session-cache/history.db"
        path.parent.mkdir()
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("CREATE TABLE restarts (started_at REAL)")
            db.execute("INSERT INTO restarts VALUES (?)", (time.time() + 3600,))
        before = path.read_bytes()
        assert "history" in bot.one(check_sessions.clock, "clock").seen
        path.write_bytes(b"no database")
        assert bot.one(check_sessions.clock, "clock").verdict == "ok"
        assert before != path.read_bytes() == b"no database"

    def test_one_that_was_never_set(self, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(clock, "now", lambda: clock.parse("1970-01-01T00:10:00Z"))
        assert bot.one(check_sessions.clock, "clock").verdict == "problem"
