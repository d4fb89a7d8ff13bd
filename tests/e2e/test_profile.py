"""A real profile, damaged in the ways that cost real users their link, comes back whole in real Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.profile_generator import Chromium, StorageServer
from supervisor.session.profiles.check_report import CheckContext, CheckOutcome
from supervisor.session.profiles.profile import Profile
from supervisor.session.snapshot.catalog import Snapshot
from supervisor.session.store import SessionStore
from tests.helpers import build

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

RECORDS, RING, START = 3000, 400, 20.0
FREE = CheckContext(free=True)


class Bot:
    """A session whose page was linked: what it wrote must be there again."""

    def __init__(self, server: StorageServer, project: Path) -> None:
        self.server = server
        self.store = SessionStore(project)
        self.profile = Profile.at(project / "sessions" / "session-1")
        self.run(RECORDS)
        self.store.state.update("1", is_linked=True)
        assert self.store.check(self.profile, context=FREE).may_start
        self.snapshot: Snapshot = self.take()
        (self.indexed_db,) = (self.profile.path / "Default/IndexedDB").glob("*.leveldb")

    def run(self, records: int = 0) -> dict[str, int]:
        """Start the browser, have the page read everything and write more, close it."""
        with Chromium(self.profile.path, self.server.url(records=records, ring=RING)) as browser:
            found = self.server.wait_for("read", START)
            self.server.wait_for("done", START)
            browser.close()
        return {name: int(found[name]) for name in ("read", "whole", "local")}

    def take(self) -> Snapshot:
        return self.store.capture(self.profile, linked=True, browser_version=None).publish()


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    with StorageServer() as server:
        yield Bot(server, tmp_path_factory.mktemp("project"))


def newest(folder: Path, suffix: str) -> Path:
    return max(folder.glob(f"*{suffix}"))


DAMAGE: dict[str, Callable[[Bot], None]] = {
    "CURRENT removed": lambda bot: build.remove(bot.indexed_db / "CURRENT"),
    "CURRENT emptied": lambda bot: build.cut(bot.indexed_db / "CURRENT", 0),
    "MANIFEST removed": lambda bot: build.remove(max(bot.indexed_db.glob("MANIFEST-*"))),
    "MANIFEST cut": lambda bot: build.cut(max(bot.indexed_db.glob("MANIFEST-*")), 60),
    "table removed": lambda bot: build.remove(newest(bot.indexed_db, ".ldb")),
    "table flipped": lambda bot: build.flip(newest(bot.indexed_db, ".ldb"), 1000),
    "log flipped": lambda bot: build.flip(newest(bot.indexed_db, ".log"), 1000),
    "log cut": lambda bot: build.cut(newest(bot.indexed_db, ".log"), 40_000),
    "IndexedDB removed": lambda bot: build.remove(bot.indexed_db.parent),
    "Local Storage removed": lambda bot: build.remove(bot.profile.path / "Default/Local Storage"),
    "Local Storage log emptied": lambda bot: build.cut(
        newest(bot.profile.path / "Default/Local Storage/leveldb", ".log"), 0
    ),
    "profile removed": lambda bot: build.remove(bot.profile.path),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_profile_comes_back_with_every_record(bot: Bot, damage: str) -> None:
    DAMAGE[damage](bot)
    report = bot.store.check(bot.profile, context=FREE)
    assert report.damage
    bot.store.restore(bot.profile, bot.snapshot)
    assert bot.store.check(bot.profile, context=FREE).may_start
    assert bot.run() == {"read": RECORDS, "whole": True, "local": RECORDS}
    assert bot.store.check(bot.profile, context=FREE).may_start


def test_a_check_after_a_clean_stop_finds_nothing_to_say(bot: Bot) -> None:
    bot.store.restore(bot.profile, bot.snapshot)
    for _ in range(2):
        bot.run()
        checks = bot.store.check(bot.profile, context=FREE).checks
        assert [check for check in checks if check.outcome is not CheckOutcome.OK] == []
