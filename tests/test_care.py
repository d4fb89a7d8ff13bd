"""What is done with profiles while nobody holds them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from supervisor.care import Care, Quiet
from supervisor.config import Config, Mode, load
from supervisor.logs import subscribe
from supervisor.session import CheckReport, Profile, SessionStore
from supervisor.timing import PhaseClock
from tests.session import build


def a_profile(project: Path) -> Path:
    profile = project / "sessions" / "session-1"
    (profile / "Default" / "Cache").mkdir(parents=True)
    (profile / "Default" / "Cache" / "data_0").write_bytes(bytes(5000))
    (profile / "Default" / "Preferences").write_text("{}")
    return profile


def configured(project: Path, **options: object) -> Config:
    return load(project, mode=Mode.DEV, overrides={key.replace("__", "."): value for key, value in options.items()})


async def prepare(project: Path, config: Config, quiet: dict[Path, Quiet]) -> bool:
    care = Care(config, SessionStore(project))
    try:
        ready = await care.prepare(quiet, {}, PhaseClock())
        await care.finished()
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
    assert await prepare(tmp_path, configured(tmp_path), {path: Quiet(clean=clean, linked=True, version="1")})
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
            assert await care.prepare({}, {}, PhaseClock())
    finally:
        care.close()
        unsubscribe()
    assert [fields["check"] for fields in told] == ["indexed-db", "browser-version", "preferences", "indexed-db"]
    assert "Chromium 156.0.7000.1, and 100.0.4896.60 is older" in told[1]["seen"]
    assert "Use the newer browser again" in told[1]["remedy"]
    assert "it was cut off" in told[0]["seen"]


async def test_what_takes_long_tells_its_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supervisor.care._PROGRESS_INTERVAL", 0.0)
    told: list[tuple[str, Mapping[str, Any]]] = []
    unsubscribe = subscribe(lambda name, fields: told.append((name, fields)) if name.endswith(".progress") else None)
    path = tmp_path / "sessions" / "session-1"
    build.profile(path)
    config = configured(tmp_path)
    try:
        assert await prepare(tmp_path, config, {path: Quiet(clean=True, linked=True, version="1")})
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
    ("quiet", "taken"),
    [
        (Quiet(clean=True, linked=True, version="1"), True),
        (Quiet(clean=True, linked=None, version=None), True),  # a page that can never be read
        (Quiet(clean=True, linked=False, version="1"), False),
        (Quiet(clean=False, linked=True, version="1"), False),
    ],
)
async def test_only_a_clean_profile_that_may_be_linked_is_copied(tmp_path: Path, quiet: Quiet, taken: bool) -> None:
    profile = a_profile(tmp_path)
    assert await prepare(tmp_path, configured(tmp_path), {profile: quiet})
    assert bool(list((tmp_path / ".session-cache").glob("backup-1-*"))) is taken


async def test_a_linked_session_whose_page_was_not_seen_in_a_run_is_not_copied(tmp_path: Path) -> None:
    profile = a_profile(tmp_path)
    SessionStore(tmp_path).state.update("1", is_linked=True, profile="sessions/session-1")
    assert await prepare(tmp_path, configured(tmp_path), {profile: Quiet(clean=True, linked=None, version=None)})
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
            await care.report_exposed()
            profile.chmod(0o700)
            await care.report_exposed()
        finally:
            unsubscribe()
            care.close()
    assert told == [("session.exposed", {"path": str(profile), "mode": "0755", "remedy": f"chmod 700 {profile}"})]
