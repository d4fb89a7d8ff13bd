"""The reader against the writer that matters: what real Chromium leaves behind, and what it does with it.

SCANONCE_KILLS sets how often the browser is killed (5 by default; 500 take ten minutes).
"""

from __future__ import annotations

import os
import queue
import random
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.profile_generator import Chromium, StorageServer
from supervisor.session.leveldb.check import verify
from supervisor.session.leveldb.damage import ProblemKind
from supervisor.session.leveldb.truncate import trim_torn_tails

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from supervisor.session.leveldb.damage import LevelDbReport

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

KILLS = int(os.environ.get("SCANONCE_KILLS", "5"))
RING = 400
START = 60.0  # seconds that a browser may take until its page has read everything


def indexed_db(profile: Path) -> Path:
    (folder,) = (profile / "Default" / "IndexedDB").glob("*.leveldb")
    return folder


def local_storage(profile: Path) -> Path:
    return profile / "Default" / "Local Storage" / "leveldb"


def newest_log(profile: Path) -> Path:
    return max(indexed_db(profile).glob("*.log"))


def read_back(server: StorageServer, profile: Path, *, records: int = 0) -> int:
    """Start the browser, have it read everything and write `records` more; the last record it had found."""
    with Chromium(profile, server.url(records=records, ring=RING)) as browser:
        found = server.wait_for("read", START)
        server.wait_for("done", START)
        browser.close()
    return int(found["read"]) if found["whole"] else -1


@pytest.fixture(scope="module")
def server() -> Iterator[StorageServer]:
    with StorageServer() as started:
        yield started


@pytest.fixture(scope="module")
def written(server: StorageServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile with tables and a log, 3,000 records written, closed cleanly."""
    profile = tmp_path_factory.mktemp("written") / "profile"
    assert read_back(server, profile, records=3000) == 0
    return profile


@pytest.fixture
def profile(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "profile")


def test_what_a_clean_stop_leaves_is_sound(profile: Path) -> None:
    for folder in (indexed_db(profile), local_storage(profile)):
        report = verify(folder, deep=True)
        assert report.problems == ()
        assert not report.torn_tail
        assert report.manifest is not None
        assert not report.manifest.torn
        assert report.log_end == report.logs[-1].end == (folder / report.logs[-1].file).stat().st_size
    assert verify(indexed_db(profile)).tables >= 1
    assert verify(indexed_db(profile)).last_sequence > 3000


class Killing:
    """Kills the browser at random moments, and keeps the score."""

    def __init__(self, server: StorageServer, profile: Path, seed: int) -> None:
        self.server = server
        self.profile = profile
        self.random = random.Random(seed)
        self.committed = 0  # the last record that the page was told is stored
        self.sequence = 0
        self.reads = self.torn = 0

    def watch(self, seconds: float) -> None:
        """Take in what the page reports for a while, or (0) what it has reported."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.take_in(self.server.reports.get(timeout=max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                return

    def take_in(self, report: dict[str, Any]) -> None:
        assert "error" not in report
        if "read" in report:
            assert report["whole"]
            assert report["read"] >= self.committed
            self.reads += 1
        self.committed = max(self.committed, report.get("committed", 0))

    def once(self) -> None:
        """Start, kill, verify: mostly while the page writes, sometimes while the browser starts."""
        size, batch = self.random.choice([100, 2000, 20_000]), self.random.choice([1, 5, 50])
        with Chromium(self.profile, self.server.url(records=10**6, size=size, batch=batch, ring=RING)) as browser:
            if self.random.random() < 0.8:
                self.take_in(self.server.wait_for("read", START))
            self.watch(self.random.uniform(0.01, 0.8))
            browser.kill()
        self.watch(0)
        for folder in (self.profile / "Default" / "IndexedDB").glob("*.leveldb"):
            report = self.verify(folder)
            assert report.last_sequence >= self.sequence
            self.sequence = report.last_sequence
        if local_storage(self.profile).exists():
            self.verify(local_storage(self.profile))

    def verify(self, folder: Path) -> LevelDbReport:
        report = verify(folder, deep=True)
        if [problem.kind for problem in report.problems] != [ProblemKind.EMPTY]:  # killed before it was created
            assert report.problems == ()
        self.torn += len(trim_torn_tails(folder, report))
        return report


def test_a_browser_killed_at_any_moment_is_no_damage(server: StorageServer, tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    killing = Killing(server, tmp_path / "profile", seed)
    try:
        for _ in range(KILLS):
            killing.once()
        assert read_back(server, tmp_path / "profile") >= killing.committed > 0
    finally:
        print(
            f"seed {seed}: {KILLS} kills, {killing.reads} read back, {killing.torn} torn, {killing.committed} records"
        )


TEARS: dict[str, Callable[[bytes], bytes]] = {
    "a header alone": lambda log: log + bytes.fromhex("11223344002001"),
    "zeros": lambda log: log + bytes(5000),
}


@pytest.mark.parametrize("tear", TEARS)
def test_a_torn_tail_that_is_trimmed_costs_nothing_later(server: StorageServer, profile: Path, tear: str) -> None:
    log = newest_log(profile)
    log.write_bytes(TEARS[tear](log.read_bytes()))
    report = verify(indexed_db(profile))
    assert (report.ok, report.torn_tail) == (True, True)
    assert trim_torn_tails(indexed_db(profile), report) == (log.name,)
    assert log.stat().st_size == report.log_end
    found = read_back(server, profile, records=500)
    assert 2800 < found <= 3000
    assert verify(indexed_db(profile), deep=True).ok
    assert read_back(server, profile) == found + 500


def test_a_torn_tail_that_stays_costs_the_whole_database(server: StorageServer, profile: Path) -> None:
    """Why it is trimmed. If this fails, Chromium has learnt to do it itself."""
    log = newest_log(profile)
    log.write_bytes(log.read_bytes()[:-3])
    assert read_back(server, profile, records=500) > 2800
    assert not verify(indexed_db(profile)).ok
    assert read_back(server, profile) == 0
