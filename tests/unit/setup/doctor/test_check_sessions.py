"""Sessions and snapshots, the disk space for them, and the clock."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections import namedtuple
from contextlib import closing
from datetime import timedelta

import pytest

from supervisor.session.store import SessionStore
from supervisor.setup.doctor import check_sessions
from supervisor.system import clock
from tests.helpers import build
from tests.helpers.shell import browser_on, make_session, take
from tests.unit.setup.doctor.conftest import Bot


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


class TestDisk:
    def test_room_against_what_a_snapshot_needs(self, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
        make_session(bot.folder)
        assert bot.one(check_sessions.disk, "disk").verdict == "ok"
        usage = namedtuple("usage", "free")
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(63 << 20))
        found = bot.one(check_sessions.disk, "disk")
        assert (found.verdict, "Only 63 MB" in found.seen) == ("problem", True)


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
