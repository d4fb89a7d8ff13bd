"""What is done with profiles while nobody holds them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from supervisor.bot.released import Released
from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.config.schema import Config
from supervisor.log.logger import subscribe
from supervisor.session import names
from supervisor.session.profiles.check_report import CheckReport
from supervisor.session.profiles.profile import Profile
from supervisor.session.snapshot.capture import Capture
from supervisor.session.store import SessionStore
from supervisor.supervise.file_worker import FileWorker
from supervisor.supervise.maintenance import Maintenance, report_findings
from supervisor.supervise.preflight_gate import PreflightGate
from supervisor.supervise.restart import RestartSequence
from supervisor.supervise.session_registry import SessionRegistry
from supervisor.supervise.snapshot_queue import SnapshotQueue
from supervisor.supervise.state_writer import StateWriter
from supervisor.system.errors import SessionError
from supervisor.timing.phases import PhaseClock
from tests.helpers import build


def a_profile(project: Path) -> Path:
    profile = project / "sessions" / "session-1"
    (profile / "Default" / "Cache").mkdir(parents=True)
    (profile / "Default" / "Cache" / "data_0").write_bytes(bytes(5000))
    (profile / "Default" / "Preferences").write_text("{}")
    return profile


def configured(project: Path, **options: object) -> Config:
    return load(project, mode=Mode.DEV, overrides={key.replace("__", "."): value for key, value in options.items()})


class Care:
    """The parts of a supervisor that look after the profiles of one project."""

    def __init__(self, config: Config, store: SessionStore) -> None:
        self.store = store
        self.files = FileWorker()
        self.registry = SessionRegistry.load(store, config.session.profiles, StateWriter(store.state, self.files))
        spec: Any = SimpleNamespace(config=config)  # no bot is stopped or started here
        self.queue = SnapshotQueue(spec, store, self.files, self.registry)
        self.maintenance = Maintenance(config, store, self.files, self.registry, self.queue)
        self.sequence = RestartSequence(spec, PreflightGate(spec), self.maintenance, self.queue)

    async def prepare(self, released: Mapping[Path, Released]) -> bool:
        """What a restart does while nothing of the bot lives."""
        return await self.sequence.prepare(PhaseClock(), released, {}, ())

    async def look_ahead(self, released: Mapping[Path, Released]) -> None:
        """What it does while the bot uses its grace period, to its end."""
        self.maintenance.look_ahead(released)
        await self.maintenance.profiles_to_prepare(())

    def close(self) -> None:
        self.files.close()


async def prepare(project: Path, config: Config, released: dict[Path, Released]) -> bool:
    care = Care(config, SessionStore(project))
    try:
        ready = await care.prepare(released)
        await care.maintenance.finished()
    finally:
        care.close()
    return ready


@pytest.mark.parametrize(("limit", "kept"), [("off", True), ("1MB", True), ("1KB", False)])
async def test_caches_are_emptied_past_a_size_only_if_asked_for(tmp_path: Path, limit: str, kept: bool) -> None:
    profile = a_profile(tmp_path)
    assert await prepare(tmp_path, configured(tmp_path, session__trim_caches=limit), {})
    assert (profile / "Default" / "Cache" / "data_0").exists() is kept
    assert (profile / "Default" / "Preferences").exists()


@pytest.mark.parametrize(("clean", "deep"), [(True, False), (False, True)])
async def test_after_a_browser_that_did_not_close_cleanly_every_block_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean: bool, deep: bool
) -> None:
    path = a_profile(tmp_path)
    asked: list[bool] = []
    check = SessionStore.check

    def noted(store: SessionStore, profile: Profile, **how: Any) -> CheckReport:
        asked.append(how["deep"])
        return check(store, profile, **how)

    monkeypatch.setattr(SessionStore, "check", noted)
    assert await prepare(tmp_path, configured(tmp_path), {path: Released(clean=clean, linked=True, version="1")})
    assert asked == [deep]


async def test_what_a_check_remarks_is_told_what_is_lasting_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Mapping[str, Any]] = []
    unsubscribe = subscribe(lambda name, fields: told.append(fields) if name == "session.remark" else None)
    path = tmp_path / "sessions" / "session-1"
    build.profile(path)
    log = path / build.INDEXED_DB / "000006.log"
    older = tmp_path / "chromium"
    older.write_text("#!/bin/sh\necho Chromium 100.0.4896.60 snap\n")
    older.chmod(0o755)
    store = SessionStore(tmp_path)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    store.state.update("1", is_linked=True, profile="sessions/session-1", browser=str(older), last_seen=long_ago)
    (path / "Default/Preferences").write_text("{")
    care = Care(configured(tmp_path, snapshot__enabled=False), store)
    try:
        for _ in range(2):
            log.write_bytes(log.read_bytes() + bytes.fromhex("11223344002001"))
            assert await care.prepare({})
    finally:
        care.close()
        unsubscribe()
    assert [fields["check"] for fields in told] == ["indexed-db", "browser-version", "preferences", "indexed-db"]
    assert "Chromium 156.0.7000.1, and 100.0.4896.60 is older" in told[1]["seen"]
    assert "Use the newer browser again" in told[1]["remedy"]
    assert "it was cut off" in told[0]["seen"]


async def test_what_takes_long_tells_its_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supervisor.supervise.file_worker._PROGRESS_INTERVAL", 0.0)
    told: list[tuple[str, Mapping[str, Any]]] = []
    unsubscribe = subscribe(lambda name, fields: told.append((name, fields)) if name.endswith(".progress") else None)
    path = tmp_path / "sessions" / "session-1"
    build.profile(path)
    config = configured(tmp_path)
    try:
        assert await prepare(tmp_path, config, {path: Released(clean=True, linked=True, version="1")})
        assert {(name, fields["doing"]) for name, fields in told} == {
            ("session.progress", "checking"),
            ("session.progress", "copying"),
            ("snapshot.progress", "verifying"),
        }
        told.clear()
        build.remove(path / build.INDEXED_DB / "CURRENT")
        assert await prepare(tmp_path, config, {})
    finally:
        unsubscribe()
    assert {fields["doing"] for _, fields in told} == {"checking", "restoring"}
    assert told[-1][1]["bytes_done"] == told[-1][1]["bytes_total"] > 0
    assert {fields["session"] for _, fields in told} == {"1"}


@pytest.mark.parametrize(
    ("released", "taken"),
    [
        (Released(clean=True, linked=True, version="1"), True),
        (Released(clean=True, linked=None, version=None), True),  # a page that can never be read
        (Released(clean=True, linked=False, version="1"), False),
        (Released(clean=False, linked=True, version="1"), False),
    ],
)
async def test_only_a_clean_profile_that_may_be_linked_is_copied(
    tmp_path: Path, released: Released, taken: bool
) -> None:
    profile = a_profile(tmp_path)
    assert await prepare(tmp_path, configured(tmp_path), {profile: released})
    assert bool(list((tmp_path / ".session-cache").glob("backup-1-*"))) is taken


async def test_a_linked_session_whose_page_was_not_seen_in_a_run_is_not_copied(tmp_path: Path) -> None:
    profile = a_profile(tmp_path)
    SessionStore(tmp_path).state.update("1", is_linked=True, profile="sessions/session-1")
    assert await prepare(tmp_path, configured(tmp_path), {profile: Released(clean=True, linked=None, version=None)})
    assert not list((tmp_path / ".session-cache").glob("backup-1-*"))


async def test_what_the_last_browser_left_in_a_profile_is_cleared(tmp_path: Path) -> None:
    profile = a_profile(tmp_path)
    (profile / "SingletonLock").symlink_to("another-host-4711")
    (profile / "DevToolsActivePort").write_text("1\n/devtools/browser/x")
    assert await prepare(tmp_path, configured(tmp_path), {})
    assert {path.name for path in profile.iterdir()} == {"Default"}


async def test_a_profile_that_others_can_read_is_told_at_the_start(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="scanonce-", dir="/tmp") as place:  # pytest's own is closed to others
        project = Path(place)
        profile = a_profile(project)
        for folder in (project, profile.parent, profile, profile / "Default"):
            folder.chmod(0o755)
        told: list[tuple[str, Mapping[str, Any]]] = []
        care = Care(configured(project), SessionStore(project))
        unsubscribe = subscribe(lambda name, fields: told.append((name, fields)))
        try:
            profiles = await care.registry.profiles()
            await report_findings(care.store, care.files, profiles)
            profile.chmod(0o700)
            await report_findings(care.store, care.files, profiles)
        finally:
            unsubscribe()
            care.close()
    assert told == [("session.exposed", {"path": str(profile), "mode": "0755", "remedy": f"chmod 700 {profile}"})]


def note_results(monkeypatch: pytest.MonkeyPatch, method: str) -> list[Any]:
    """From now on, what this method of a store's returns."""
    results: list[Any] = []
    real = getattr(SessionStore, method)

    def noted(store: SessionStore, profile: Profile, **how: Any) -> Any:
        results.append(real(store, profile, **how))
        return results[-1]

    monkeypatch.setattr(SessionStore, method, noted)
    return results


class TestLookingAhead:
    """What is checked and read while the bot still uses its grace."""

    CLEAN = Released(clean=True, linked=True, version="156.0.7000.1")

    @pytest.fixture
    def checked(self, monkeypatch: pytest.MonkeyPatch) -> list[CheckReport]:
        return note_results(monkeypatch, "check")

    @pytest.fixture
    def read(self, monkeypatch: pytest.MonkeyPatch) -> list[Capture]:
        return note_results(monkeypatch, "capture")

    async def stop(
        self, path: Path, meanwhile: Callable[[], object] = lambda: None, released: Released = CLEAN
    ) -> bool:
        """Look ahead, let something happen, and prepare."""
        project = path.parent.parent
        care = Care(configured(project), SessionStore(project))
        try:
            await care.look_ahead({path: released})
            meanwhile()
            ready = await care.prepare({path: released})
            await care.maintenance.finished()
        finally:
            care.close()
        # Whatever came of it, no copy is left that nobody has published.
        assert not list((project / ".session-cache").glob(f"{names.STAGING_PREFIX}*"))
        return ready

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "sessions" / "session-1"
        build.profile(path)
        return path

    def published(self, path: Path) -> dict[str, bytes]:
        [snapshot] = SessionStore(path.parent.parent).snapshots("1")
        assert snapshot.good
        return build.kept(snapshot.path)

    async def test_what_is_found_unchanged_is_not_read_again(
        self, path: Path, checked: list[CheckReport], read: list[Capture]
    ) -> None:
        assert await self.stop(path)
        assert [report.unchanged for report in checked] == [False, True]
        assert [capture is read[0] for capture in read] == [True, True]
        assert self.published(path) == build.kept(path)

    async def test_what_changes_afterwards_is_read_again(
        self, path: Path, checked: list[CheckReport], read: list[Capture]
    ) -> None:
        assert await self.stop(path, lambda: build.append(path / build.INDEXED_DB, range(build.RECORDS, 60)))
        assert [report.unchanged for report in checked] == [False, False]
        assert [capture is read[0] for capture in read] == [True, False]
        assert self.published(path) == build.kept(path)

    async def test_a_profile_that_the_bot_deletes_is_restored(self, path: Path) -> None:
        SessionStore(path.parent.parent).state.update("1", is_linked=True, profile="sessions/session-1")
        before = build.kept(path)
        assert await self.stop(path)
        assert await self.stop(path, lambda: shutil.rmtree(path))
        assert build.kept(path) == before

    async def test_damage_done_afterwards_is_found(self, path: Path) -> None:
        before = build.kept(path)
        assert await self.stop(path)
        assert await self.stop(path, lambda: build.remove(path / build.INDEXED_DB / "CURRENT"))
        assert build.kept(path) == before

    async def test_what_needs_mending_is_left_until_nothing_lives(
        self, path: Path, checked: list[CheckReport], read: list[Capture]
    ) -> None:
        log = path / build.INDEXED_DB / "000006.log"
        whole = log.read_bytes()
        log.write_bytes(whole + bytes.fromhex("11223344002001"))
        torn: list[bytes] = []
        assert await self.stop(path, lambda: torn.append(log.read_bytes()))
        assert torn != [whole]
        assert log.read_bytes() == whole
        assert "it was cut off" in " ".join(checked[1].remarks)
        assert len(read) == 1

    async def test_a_browser_that_did_not_close_cleanly_is_not_looked_at(
        self, path: Path, checked: list[CheckReport], read: list[Capture]
    ) -> None:
        assert await self.stop(path, released=replace(self.CLEAN, clean=False))
        assert (len(checked), read) == (1, [])

    async def test_what_is_learnt_later_counts(self, path: Path, read: list[Capture]) -> None:
        care = Care(configured(path.parent.parent), SessionStore(path.parent.parent))
        try:
            await care.look_ahead({path: self.CLEAN})
            [early] = read
            assert await care.prepare({path: replace(self.CLEAN, linked=False)})
            await care.maintenance.finished()
        finally:
            care.close()
        assert early.staging is not None
        assert not early.staging.exists()
        assert not SessionStore(path.parent.parent).snapshots("1")

    async def test_a_profile_that_changes_under_the_look_is_read_when_quiet(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        capture = SessionStore.capture
        tries: list[Path] = []

        def busy(store: SessionStore, profile: Profile, **how: Any) -> Capture:
            tries.append(profile.path)
            if len(tries) == 1:
                raise SessionError("The profile changed while it was copied.")
            return capture(store, profile, **how)

        monkeypatch.setattr(SessionStore, "capture", busy)
        assert await self.stop(path)
        assert len(tries) == 2
        assert self.published(path) == build.kept(path)
