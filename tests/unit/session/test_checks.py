"""Damage is found before the launch; what is no damage never is called so."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from supervisor.session.profiles.check_report import Check, CheckContext, CheckOutcome, CheckReport
from supervisor.session.profiles.profile import Profile
from supervisor.session.store import SessionStore
from tests.helpers import build
from tests.helpers import leveldb_writer as writer
from tests.helpers.build import take

IDB, STORAGE = build.INDEXED_DB, build.LOCAL_STORAGE
FREE = CheckContext(linked=True, free=True)


def check_named(report: CheckReport, name: str) -> Check:
    return next(check for check in report.checks if check.name == name)


def outcomes(report: CheckReport) -> dict[str, CheckOutcome]:
    return {check.name: check.outcome for check in report.checks if check.outcome is not CheckOutcome.OK}


def empty(path: Path) -> None:
    build.cut(path, 0)


def halve(path: Path) -> None:
    build.cut(path, path.stat().st_size // 2)


def rollback(path: Path) -> None:
    """Put last week's database in the place of today's."""
    build.remove(path)
    build.database(path, records=build.RECORDS - 10)


def hollow_out(path: Path) -> None:
    for entry in path.iterdir():
        build.remove(entry)


def a_file_instead(path: Path) -> None:
    build.remove(path)
    path.write_bytes(b"")


# name: (what is damaged, how, which checks may find it)
DAMAGE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "IndexedDB: CURRENT removed": (f"{IDB}/CURRENT", build.remove, "indexed-db"),
    "IndexedDB: CURRENT emptied": (f"{IDB}/CURRENT", empty, "indexed-db"),
    "IndexedDB: CURRENT names a missing MANIFEST": (
        f"{IDB}/CURRENT",
        lambda path: path.write_bytes(b"MANIFEST-000099\n"),
        "indexed-db",
    ),
    "IndexedDB: MANIFEST cut in half": (f"{IDB}/MANIFEST-000001", halve, "indexed-db"),
    "IndexedDB: MANIFEST removed": (f"{IDB}/MANIFEST-000001", build.remove, "indexed-db"),
    "IndexedDB: MANIFEST flipped": (f"{IDB}/MANIFEST-000001", build.flip, "indexed-db"),
    "IndexedDB: table removed": (f"{IDB}/000004.ldb", build.remove, "indexed-db"),
    "IndexedDB: table cut": (f"{IDB}/000004.ldb", halve, "indexed-db"),
    "IndexedDB: data block flipped": (f"{IDB}/000004.ldb", lambda path: build.flip(path, 10), "indexed-db"),
    "IndexedDB: table footer flipped": (f"{IDB}/000005.ldb", lambda path: build.flip(path, -1), "indexed-db"),
    "IndexedDB: log flipped": (f"{IDB}/000006.log", lambda path: build.flip(path, 100), "indexed-db"),
    "IndexedDB: log cut in a record": (f"{IDB}/000006.log", halve, "time"),
    "IndexedDB: log cut between records": (
        f"{IDB}/000006.log",
        lambda path: build.cut(path, 10 * (len(build.TEXT) + 19)),
        "time",
    ),
    "IndexedDB: log emptied": (f"{IDB}/000006.log", empty, "time"),
    "IndexedDB: zero-filled tail": (
        f"{IDB}/000006.log",
        lambda path: path.write_bytes(path.read_bytes()[:-638] + bytes(638)),
        "time",
    ),
    "IndexedDB: database folder removed": (IDB, build.remove, "indexed-db"),
    "IndexedDB: folder removed": ("Default/IndexedDB", build.remove, "indexed-db"),
    "IndexedDB: folder emptied": (IDB, hollow_out, "indexed-db"),
    "IndexedDB: rolled back to last week's": (IDB, rollback, "time"),
    "IndexedDB: a file": ("Default/IndexedDB", a_file_instead, "indexed-db"),
    "IndexedDB: condemned by the browser": (
        IDB,
        lambda path: (path / "corruption_info.json").write_bytes(b'{"message": "x"}'),
        "indexed-db",
    ),
    "Local Storage: folder removed": ("Default/Local Storage", build.remove, "local-storage"),
    "Local Storage: MANIFEST cut": (f"{STORAGE}/MANIFEST-000001", halve, "local-storage"),
    "Local Storage: log emptied": (f"{STORAGE}/000006.log", empty, "time"),
    "Local Storage: CURRENT removed": (f"{STORAGE}/CURRENT", build.remove, "local-storage"),
    "Default removed": ("Default", build.remove, "indexed-db"),
    "Default a file": ("Default", a_file_instead, "profile"),
    "profile emptied": ("", hollow_out, "profile"),
    "profile gone": ("", build.remove, "profile"),
    "profile a file": ("", a_file_instead, "profile"),
}


@pytest.mark.parametrize("known_by", ["clean stop", "snapshot", "both"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_every_damage_is_found_and_a_restore_mends_it(
    store: SessionStore, profile: Profile, damage: str, known_by: str
) -> None:
    store.state.update(profile.id, is_linked=True)
    snapshot = take(store, profile)
    if known_by != "snapshot":
        store.record_clean_stop(profile)
    if known_by == "clean stop":
        build.remove(snapshot.path)
    wanted = build.kept(profile.path)
    place, harm, found_by = DAMAGE[damage]
    harm(profile.path / place)

    report = store.check(profile, context=CheckContext(free=True))

    assert not report.may_start
    assert found_by in {check.name for check in report.checks if check.outcome is CheckOutcome.DAMAGED}
    assert all(check.remedy for check in report.checks if check.outcome is CheckOutcome.DAMAGED)
    if known_by != "clean stop":
        store.restore(profile, snapshot)
        assert build.kept(profile.path) == wanted
        assert outcomes(store.check(profile, context=CheckContext(free=True))) == {}


@pytest.mark.parametrize(
    ("place", "harm", "named"),
    [
        ("Local State", lambda path: build.cut(path, 3), "local-state"),
        ("Default/Preferences", lambda path: build.cut(path, 3), "preferences"),
        ("Default/Preferences", lambda path: path.write_bytes(b"[" * 100_000), "preferences"),
        ("Default/Cookies", lambda path: build.cut(path, 100), "cookies"),
        ("Default/Sessions", build.remove, "sessions"),
    ],
)
def test_what_the_link_does_not_need_is_reported_and_does_not_block(
    store: SessionStore, profile: Profile, place: str, harm: Callable[[Path], None], named: str
) -> None:
    store.record_clean_stop(profile)
    harm(profile.path / place)
    report = store.check(profile, context=FREE)
    assert report.may_start
    assert outcomes(report) == {named: CheckOutcome.WARNING}


@pytest.mark.parametrize("linked", [None, True, False])
def test_a_sound_profile_passes_whatever_is_known(store: SessionStore, profile: Profile, linked: bool | None) -> None:
    report = store.check(profile, context=CheckContext(linked=linked))
    assert report.may_start
    assert report.sequences == {IDB: build.RECORDS, STORAGE: build.RECORDS}
    names = [check.name for check in report.checks]
    assert names[:8] == [
        "profile", "holder", "indexed-db", "local-storage", "time", "linked", "browser-version", "disk",
    ]  # fmt: skip
    assert names[8:] == ["local-state", "preferences", "cookies", "sessions"]


@pytest.mark.parametrize("made", ["nothing", "folder", "folders of databases", "a database half made"])
def test_a_profile_that_was_never_used_is_no_damage(store: SessionStore, profile: Profile, made: str) -> None:
    build.remove(profile.path)
    if made != "nothing":
        profile.path.mkdir()
    if made == "folders of databases":
        (profile.path / IDB).mkdir(parents=True)
    if made == "a database half made":
        (profile.path / STORAGE).mkdir(parents=True)
        (profile.path / STORAGE / "MANIFEST-000001").write_bytes(writer.log([writer.edit()]))
        (profile.path / STORAGE / "LOCK").touch()
    assert store.check(profile, context=CheckContext(free=True)).may_start


def test_a_profile_as_it_was_at_its_clean_stop_is_not_read_again(store: SessionStore, profile: Profile) -> None:
    store.record_clean_stop(profile)
    report = store.check(profile, context=FREE)
    assert report.unchanged
    assert report.may_start
    assert not store.check(profile, deep=True, context=FREE).unchanged
    (profile.path / "Default/Preferences").write_text("{}")
    assert not store.check(profile, context=FREE).unchanged


def test_a_bit_flipped_with_the_times_put_back_is_still_found(store: SessionStore, profile: Profile) -> None:
    store.record_clean_stop(profile)
    table = profile.path / IDB / "000004.ldb"
    before = table.stat()
    build.flip(table, 10)
    os.utime(table, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not store.check(profile, context=FREE).may_start


def test_a_damaged_profile_is_never_remembered_as_good(store: SessionStore, profile: Profile) -> None:
    build.cut(profile.path / IDB / "000005.ldb", 20)
    store.record_clean_stop(profile)
    assert not store.check(profile, context=FREE).may_start


def test_blocks_that_nobody_read_are_read_before_a_snapshot_counts_as_good(
    store: SessionStore, profile: Profile
) -> None:
    build.flip(profile.path / IDB / "000004.ldb", 10)
    store.record_clean_stop(profile)
    assert not take(store, profile).good


def test_what_the_check_verified_is_not_verified_again_for_the_snapshot(
    store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def verify(_root: Path, _found: object, *, trusted: Collection[str], progress: object) -> list[object]:
        assert progress
        asked.append(f"{IDB}/000004.ldb" in trusted)
        return []

    store.check(profile, context=FREE)
    monkeypatch.setattr("supervisor.session.profiles.databases.verify", verify)
    take(store, profile)
    assert asked == [True]


class TestTornTails:
    """A half-written record is no damage, but must go before the browser appends to it."""

    def tear(self, profile: Profile) -> bytes:
        log = profile.path / IDB / "000006.log"
        whole = log.read_bytes()
        with log.open("ab") as file:
            file.write(writer.log([writer.batch(build.RECORDS + 1, 1, build.TEXT)], at=len(whole))[:-30])
        return whole

    def test_it_is_cut_off_when_nobody_holds_the_profile(self, store: SessionStore, profile: Profile) -> None:
        store.record_clean_stop(profile)
        whole = self.tear(profile)
        report = store.check(profile, context=FREE)
        assert report.may_start
        assert outcomes(report) == {"indexed-db": CheckOutcome.MENDED}
        assert "000006.log" in report.remarks[0]
        assert (profile.path / IDB / "000006.log").read_bytes() == whole
        assert store.check(profile, context=FREE).unchanged

    def test_it_is_left_alone_otherwise(self, store: SessionStore, profile: Profile) -> None:
        self.tear(profile)
        before = build.contents(profile.path)
        report = store.check(profile, context=CheckContext(linked=True))
        assert report.may_start
        assert outcomes(report) == {"indexed-db": CheckOutcome.WARNING}
        assert build.contents(profile.path) == before

    def test_a_restore_cuts_it_off(self, store: SessionStore, profile: Profile) -> None:
        whole = self.tear(profile)
        snapshot = take(store, profile, live=True)
        assert snapshot.good
        store.restore(profile, snapshot)
        assert (profile.path / IDB / "000006.log").read_bytes() == whole

    def test_a_clean_stop_does_not_hide_it(self, store: SessionStore, profile: Profile) -> None:
        self.tear(profile)
        store.record_clean_stop(profile)
        assert outcomes(store.check(profile, context=FREE)) == {"indexed-db": CheckOutcome.MENDED}


class TestTime:
    """Records that were there must be there, unless going back was meant."""

    def test_more_records_than_before_are_fine(self, store: SessionStore, profile: Profile) -> None:
        take(store, profile)
        store.record_clean_stop(profile)
        build.append(profile.path / IDB, range(build.RECORDS + 1, build.RECORDS + 9))
        assert outcomes(store.check(profile, context=FREE)) == {}

    def test_a_manifest_that_lost_its_last_edit_is_damage_though_no_number_went_back(
        self, store: SessionStore, profile: Profile
    ) -> None:
        manifest = profile.path / IDB / "MANIFEST-000001"
        before = manifest.read_bytes()
        later = writer.log([writer.edit(log_number=6, next_file=12, sequence=build.RECORDS // 2)], at=len(before))
        manifest.write_bytes(before + later)
        store.record_clean_stop(profile)
        build.cut(manifest, len(before))
        report = store.check(profile, context=FREE)
        assert report.damage == [f"Records are missing: {IDB}/MANIFEST-000001 is shorter than it was."]

    def test_an_older_snapshot_restored_on_purpose_is_not_damage(self, store: SessionStore, profile: Profile) -> None:
        old = take(store, profile)
        build.append(profile.path / IDB, range(build.RECORDS + 1, build.RECORDS + 9))
        take(store, profile)
        store.record_clean_stop(profile)
        store.restore(profile, old)
        assert outcomes(store.check(profile, context=FREE)) == {}
        assert outcomes(store.check(profile, deep=True, context=FREE)) == {}

    @pytest.mark.parametrize("preserving", [True, False])
    def test_a_snapshot_put_back_by_hand_is_not_damage(
        self, store: SessionStore, profile: Profile, preserving: bool
    ) -> None:
        old = take(store, profile)
        build.append(profile.path / IDB, range(build.RECORDS + 1, build.RECORDS + 9))
        take(store, profile)
        store.record_clean_stop(profile)
        build.remove(profile.path)
        build.copy(old.path, profile.path, preserving=preserving)
        report = store.check(profile, context=FREE)
        assert report.may_start
        assert outcomes(report) == {"time": CheckOutcome.WARNING}
        assert old.name in check_named(report, "time").seen

    def test_what_is_older_than_the_link_tells_nothing(self, store: SessionStore, profile: Profile) -> None:
        store.state.update(profile.id, is_linked=True)
        take(store, profile)
        store.record_clean_stop(profile)
        store.state.update(profile.id, is_linked=False)
        build.remove(profile.path)
        build.profile(profile.path, records=10)
        store.state.update(profile.id, is_linked=True)
        assert outcomes(store.check(profile, context=CheckContext(free=True))) == {}

    def test_an_unlinked_session_may_lose_what_it_had(self, store: SessionStore, profile: Profile) -> None:
        store.record_clean_stop(profile)
        rollback(profile.path / IDB)
        build.flip(profile.path / STORAGE / "CURRENT", 0)
        report = store.check(profile, context=replace(FREE, linked=False))
        assert report.may_start
        assert outcomes(report) == {"linked": CheckOutcome.WARNING, "local-storage": CheckOutcome.WARNING}


class TestSqlite:
    """Chromium is moving its stores from LevelDB to SQLite."""

    STORE = "Default/IndexedDB/https_web.whatsapp.com_0/252AGOW5QBPAPYMMORGI7GOASCBVUWFVTOLUO4IXTMW4CGBZ6NCA"

    def migrate(self, profile: Profile) -> None:
        """What Chromium 156 does with --enable-features=IdbSqliteBackingStore."""
        build.remove(profile.path / IDB)
        build.sqlite(profile.path / self.STORE)

    def test_a_move_is_no_loss(self, store: SessionStore, profile: Profile) -> None:
        take(store, profile)
        store.record_clean_stop(profile)
        self.migrate(profile)
        assert outcomes(store.check(profile, context=FREE)) == {}
        snapshot = take(store, profile)
        assert snapshot.good
        assert self.STORE in snapshot.sequences
        store.restore(profile, snapshot)
        assert outcomes(store.check(profile, deep=True, context=FREE)) == {}

    def test_nor_is_one_of_local_storage(self, store: SessionStore, profile: Profile) -> None:
        take(store, profile)
        build.remove(profile.path / STORAGE)
        build.sqlite(profile.path / "Default/Local Storage/store")
        assert outcomes(store.check(profile, context=FREE)) == {}

    @pytest.mark.parametrize("known_by", ["clean stop", "snapshot"])
    @pytest.mark.parametrize(
        "harm",
        [
            build.remove,
            empty,
            halve,
            lambda path: build.flip(path, 0),
            lambda path: path.write_bytes(path.read_bytes()[:4096] + bytes(path.stat().st_size - 4096)),
            lambda path: build.remove(path.parent),
        ],
        ids=["removed", "emptied", "cut", "header", "zeros", "folder"],
    )
    def test_damage(self, store: SessionStore, profile: Profile, harm: Callable[[Path], object], known_by: str) -> None:
        self.migrate(profile)
        if known_by == "snapshot":
            take(store, profile)
        else:
            store.record_clean_stop(profile)
        harm(profile.path / self.STORE)
        assert list(outcomes(store.check(profile, context=FREE))) == ["indexed-db"]
        assert not take(store, profile).good or known_by == "clean stop"

    def test_what_a_crash_left_beside_it_is_for_sqlite_to_set_right(
        self, store: SessionStore, profile: Profile
    ) -> None:
        self.migrate(profile)
        store.record_clean_stop(profile)
        with closing(sqlite3.connect(profile.path / self.STORE)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA wal_autocheckpoint = 0")
            database.execute("DELETE FROM cookies")
            database.commit()
            crashed = profile.path.with_name("session-crashed")
            build.copy(profile.path, crashed, preserving=True)
        assert (crashed / f"{self.STORE}-wal").stat().st_size > 0
        assert outcomes(store.check(Profile.at(crashed), context=FREE)) == {}

    def test_a_blob_is_no_database(self, store: SessionStore, profile: Profile) -> None:
        self.migrate(profile)
        take(store, profile)
        for place in ("https_web.whatsapp.com_0/blob", "https_web.whatsapp.com_0/1/2", "x.indexeddb.blob/1"):
            file = profile.path / "Default/IndexedDB" / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"SQLite format 4\0 or anything else")
        assert outcomes(store.check(profile, context=FREE)) == {}

    def test_one_that_may_not_be_read_is_not_replaced(
        self, store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.migrate(profile)
        monkeypatch.setattr(os, "access", lambda path, mode: mode & os.X_OK or Path(path) != profile.path / self.STORE)
        report = store.check(profile, context=FREE)
        assert report.damage == []
        assert "may not be read" in report.blocked[0]


class TestHolder:
    """Who holds the profile, by its lock and by what the caller knows."""

    def lock(self, profile: Profile, host: str, pid: int) -> None:
        (profile.path / "SingletonLock").symlink_to(f"{host}-{pid}")

    @pytest.fixture
    def dead(self) -> int:
        return next(pid for pid in range(4_000_000, 4_194_304) if not psutil.pid_exists(pid))

    def test_a_living_process_of_this_host(self, store: SessionStore, profile: Profile) -> None:
        self.lock(profile, socket.gethostname(), os.getpid())
        report = store.check(profile)
        assert not report.may_start
        assert report.damage == [], "a restore would not help"
        assert str(os.getpid()) in report.blocked[0]

    def test_a_process_that_was_given_the_number_later(self, store: SessionStore, profile: Profile) -> None:
        self.lock(profile, socket.gethostname(), os.getpid())
        before = (psutil.Process().create_time() - 60) * 1e9
        os.utime(profile.path / "SingletonLock", ns=(int(before), int(before)), follow_symlinks=False)
        assert store.check(profile).may_start

    def test_a_dead_process_of_this_host(self, store: SessionStore, profile: Profile, dead: int) -> None:
        self.lock(profile, socket.gethostname(), dead)
        assert outcomes(store.check(profile)) == {}
        assert outcomes(store.check(profile, context=CheckContext(free=True))) == {"holder": CheckOutcome.MENDED}
        assert not os.path.lexists(profile.path / "SingletonLock")

    def test_a_zombie_that_nobody_has_reaped_yet(self, store: SessionStore, profile: Profile) -> None:
        with subprocess.Popen(["true"]) as child:
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            self.lock(profile, socket.gethostname(), child.pid)
            assert store.check(profile).may_start

    def test_another_host(self, store: SessionStore, profile: Profile) -> None:
        self.lock(profile, "other-host-with-dashes", 1)
        report = store.check(profile)
        assert not report.may_start
        assert "other-host-with-dashes" in report.blocked[0]
        assert outcomes(store.check(profile, context=CheckContext(free=True))) == {"holder": CheckOutcome.MENDED}

    def test_what_the_caller_knows(self, store: SessionStore, profile: Profile) -> None:
        report = store.check(profile, context=CheckContext(holders=(12, 34)))
        assert report.blocked == [f"{profile.path} is held by process 12, 34. Close that browser, then start again."]


def test_an_older_browser_than_the_one_that_wrote_it_is_reported(store: SessionStore, profile: Profile) -> None:
    for version, outcome in (
        ("155.0.9999.9", CheckOutcome.WARNING),
        ("156.0.1.1", CheckOutcome.OK),
        ("HeadlessChrome/157.0.0.0", CheckOutcome.OK),
        ("unknown", CheckOutcome.OK),
    ):
        report = store.check(profile, context=CheckContext(browser_version=version))
        assert check_named(report, "browser-version").outcome is outcome, version
        assert report.may_start


def test_a_full_disk_is_reported(store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=1 << 20))
    report = store.check(profile)
    assert report.may_start
    assert outcomes(report) == {"disk": CheckOutcome.WARNING}


def test_a_profile_that_we_may_not_touch_is_left_alone(
    store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path).name != "Default")
    report = store.check(profile, context=FREE)
    assert not report.may_start
    assert report.damage == []
    assert "chown" in report.blocked[0]


def test_a_database_that_may_not_be_read_is_not_replaced_on_a_suspicion(
    store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_open = os.open

    def refuse(path: str | Path, flags: int, *more: int) -> int:
        if str(path).endswith("000004.ldb"):
            raise PermissionError(13, "Permission denied")
        return really_open(path, flags, *more)

    monkeypatch.setattr(os, "open", refuse)
    report = store.check(profile, context=FREE)
    assert not report.may_start
    assert report.damage == []
    assert "000004.ldb" in report.blocked[0]
    assert "chown" in report.blocked[0]


def test_a_later_snapshot_raises_what_is_expected(store: SessionStore, profile: Profile) -> None:
    store.record_clean_stop(profile)
    build.append(profile.path / IDB, range(build.RECORDS + 1, build.RECORDS + 9))
    take(store, profile)
    log = profile.path / IDB / "000006.log"
    build.cut(log, log.stat().st_size - 4 * (len(build.TEXT) + 19))
    assert list(outcomes(store.check(profile, context=FREE))) == ["time"]
