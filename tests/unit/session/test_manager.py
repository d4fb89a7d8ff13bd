"""The calls that bots' authors know."""

from __future__ import annotations

import os
import re
import socket
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from supervisor.browser.presets import SessionStatus
from supervisor.session.locks import project_lock
from supervisor.session.manager import SessionManager
from supervisor.session.profiles.profile import Profile
from supervisor.session.state_file import Recovery
from supervisor.session.store import SessionStore
from supervisor.system import clock
from supervisor.system.errors import ProfileInUseError, SessionError
from tests import ROOT
from tests.helpers import build
from tests.helpers.build import change, take

if TYPE_CHECKING:
    from collections.abc import Callable

SEED_PAGE = ROOT / "docs" / "seed-api.md"
ORIGINAL = """
    getSessionInfo saveSessionState backupSession restoreFromBackup clearSession canRestoreSession
    sessionExists getAllSessions getAllSavedSessions getAllSessionsDetailed cleanupSession cleanupAllSessions
    createFreshSession ensureSessionDirectory getSessionCreationTime getSessionSize listSessions validateSession
    loadSessionState hasSessionArtifacts getDetailedSessionStatus cleanupOldBackups shouldAttemptRecovery
    recordRecoveryAttempt clearRecoveryState findSessionByPartialMatch
"""


@pytest.fixture
def manager(project: Path, profile: Profile) -> SessionManager:
    assert profile.path.exists()
    return SessionManager(project)


def test_a_session_from_its_link_to_its_recovery(manager: SessionManager, profile: Profile) -> None:
    """The seed's quick reference, call by call."""
    number = profile.id
    manager.save_session_state(number, is_linked=True, auth_method="qr")
    info = manager.get_session_info(number)
    assert info.exists
    assert info.can_restore
    assert (info.is_linked, info.auth_method, info.path) == (True, "qr", profile.path)
    assert info.created_at is not None

    snapshot = manager.backup_session(number)
    assert snapshot.good
    wanted = build.kept(profile.path)
    build.flip(profile.path / build.INDEXED_DB / "CURRENT", 0)
    assert not manager.validate_session(number).may_start
    assert manager.can_restore_session(number), "by its snapshot"
    restored = manager.restore_from_backup(number)
    assert restored.snapshot == snapshot
    assert build.kept(profile.path) == wanted

    moved = manager.clear_session(number)
    assert moved is not None
    assert build.kept(moved) == wanted
    assert not manager.session_exists(number)
    assert not manager.can_restore_session(number), "the next start shows a QR code"
    assert manager.has_session_artifacts(number)

    assert manager.restore_from_backup(number).quarantine is None
    assert manager.can_restore_session(number), "what was cleared is back"


def test_what_the_phone_has_ended_no_restore_begins_again(manager: SessionManager, profile: Profile) -> None:
    manager.backup_session(profile.id)
    manager.save_session_state(profile.id, is_linked=False, last_state=SessionStatus.LOGGED_OUT)
    manager.restore_from_backup(profile.id)
    assert not manager.can_restore_session(profile.id)


def test_the_page_maps_every_call_of_the_original_to_one_of_ours() -> None:
    rows = re.findall(r"^\| `(\w+)\(.*$", SEED_PAGE.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(ORIGINAL.split())
    assert len(set(rows)) == len(rows)
    named = set(re.findall(r"`manager\.(\w+)\(", SEED_PAGE.read_text()))
    ours = {name for name in vars(SessionManager) if not name.startswith("_")}
    assert named | {"validate_session"} == ours


def test_an_unknown_session(manager: SessionManager) -> None:
    info = manager.get_session_info("555")
    assert (info.exists, info.can_restore, info.is_linked, info.snapshots) == (False, False, None, 0)
    assert info.recovery == Recovery()
    assert manager.load_session_state("555") is None
    assert not manager.has_session_artifacts("555")
    assert manager.get_session_size("555") == 0
    assert manager.get_session_creation_time("555") is None
    assert manager.clear_session("555") is None
    assert manager.should_attempt_recovery("555") is False
    with pytest.raises(SessionError, match="no snapshot of session 555"):
        manager.restore_from_backup("555")
    with pytest.raises(SessionError):
        manager.backup_session("555")


def test_lists(manager: SessionManager, project: Path) -> None:
    (project / "tokens/empty").mkdir(parents=True)
    manager.save_session_state("noted", is_linked=False)
    take(manager.store, manager.store.profiles()[0])
    assert manager.get_all_sessions() == ["97150"]
    assert manager.list_sessions() == ["97150", "noted"]
    assert set(manager.get_all_saved_sessions()) == {"97150", "noted"}
    assert [info.session_id for info in manager.get_all_sessions_detailed()] == ["97150", "noted"]
    status = manager.get_detailed_session_status("97150")
    assert status.size == sum(len(data) for data in build.kept(status.info.path).values())
    assert len(status.backups) == 1
    assert status.report.may_start


def test_partial_matches(manager: SessionManager) -> None:
    for session_id in ("97150-1", "555", "5556"):
        manager.save_session_state(session_id, is_linked=True)
    assert manager.find_session_by_partial_match("97150") == "97150"
    assert manager.find_session_by_partial_match("50-1") == "97150-1"
    assert manager.find_session_by_partial_match("56") == "5556"
    assert manager.find_session_by_partial_match("55") is None
    assert manager.find_session_by_partial_match("") is None
    assert manager.find_session_by_partial_match("x") is None


def test_a_damaged_snapshot_is_passed_over_for_the_next_best(manager: SessionManager, profile: Profile) -> None:
    first = manager.backup_session(profile.id)
    change(profile)
    second = manager.backup_session(profile.id)
    build.flip(second.path / "Default/Preferences", 0)
    assert manager.restore_from_backup(profile.id).snapshot == first
    with pytest.raises(SessionError, match="Preferences is not what was written"):
        manager.restore_from_backup(profile.id, second.name)
    with pytest.raises(SessionError, match="no snapshot backup-97150-1 of"):
        manager.restore_from_backup(profile.id, "backup-97150-1")


def test_fresh_sessions(manager: SessionManager, profile: Profile) -> None:
    before = build.contents(profile.path)
    path = manager.create_fresh_session(profile.id)
    assert path == profile.path
    assert list(path.iterdir()) == []
    assert [build.contents(one.path) for one in manager.store.quarantined()] == [before]
    assert manager.ensure_session_directory("555").is_dir()
    (path / "Local State").write_text("{}")
    (moved,) = manager.cleanup_all_sessions().items()
    assert moved[0] == profile.id
    assert manager.get_all_sessions() == []


def test_ids_are_never_paths(manager: SessionManager, project: Path) -> None:
    path = manager.ensure_session_directory("../../evil")
    assert path.parent == project / "sessions"
    assert manager.clear_session("/etc") is None
    with pytest.raises(SessionError, match="no snapshot"):
        manager.restore_from_backup("..", "../../etc")


def test_old_backups(manager: SessionManager, profile: Profile) -> None:
    for _ in range(3):
        manager.backup_session(profile.id)
        change(profile)
    assert manager.cleanup_old_backups().snapshots == ()
    dry = manager.cleanup_old_backups(days_old=0, dry_run=True)
    assert len(dry.snapshots) == 2
    assert dry.bytes > 0
    assert len(manager.store.snapshots(profile.id)) == 3
    assert manager.cleanup_old_backups(days_old=0).snapshots == dry.snapshots
    assert len(manager.store.snapshots(profile.id)) == 1


def test_quarantine_is_pruned_by_age(manager: SessionManager, profile: Profile, store: SessionStore) -> None:
    moved = manager.clear_session(profile.id)
    assert moved is not None
    fifteen_days_ago = int((clock.now() - timedelta(days=15)).timestamp() * 1000)
    old = moved.with_name(f"quarantine-97150-{fifteen_days_ago}")
    moved.rename(old)
    build.profile(profile.path)
    young = manager.clear_session(profile.id)
    assert store.prune(dry_run=True).quarantined == (old,)
    assert old.exists()
    assert store.prune().quarantined == (old,)
    assert [one.path for one in store.quarantined()] == [young]


def test_recovery_is_counted_across_processes(manager: SessionManager, profile: Profile, project: Path) -> None:
    names = []
    for _ in range(4):
        names.append(manager.backup_session(profile.id).name)
        change(profile)
    for name in names[:3]:
        assert SessionManager(project).should_attempt_recovery(profile.id)
        SessionManager(project).record_recovery_attempt(profile.id, name)
    assert not SessionManager(project).should_attempt_recovery(profile.id)
    assert manager.get_session_info(profile.id).recovery.attempts == 3
    manager.clear_recovery_state(profile.id)
    assert manager.should_attempt_recovery(profile.id)
    manager.clear_recovery_state("555")
    assert manager.load_session_state("555") is None


CHANGES: dict[str, Callable[[SessionManager], object]] = {
    "save": lambda manager: manager.save_session_state("97150", is_linked=True),
    "backup": lambda manager: manager.backup_session("97150"),
    "restore": lambda manager: manager.restore_from_backup("97150"),
    "clear": lambda manager: manager.clear_session("97150"),
    "ensure": lambda manager: manager.ensure_session_directory("97150"),
    "clean up": lambda manager: manager.cleanup_old_backups(0),
    "record": lambda manager: manager.record_recovery_attempt("97150", "x"),
    "forget": lambda manager: manager.clear_recovery_state("97150"),
}


@pytest.mark.parametrize("change_made", CHANGES)
def test_nothing_is_changed_while_a_supervisor_runs(
    manager: SessionManager, profile: Profile, change_made: str
) -> None:
    take(manager.store, profile)
    before = build.contents(manager.store.project)
    with (
        project_lock(manager.store.cache),
        pytest.raises(ProfileInUseError, match=r"scanonce runs in .* Ask it"),
    ):
        CHANGES[change_made](manager)
    after = build.contents(manager.store.project)
    after.pop(".session-cache/supervisor.lock", None)
    assert after == before
    assert manager.get_session_info(profile.id).exists, "reading goes on"


@pytest.mark.parametrize("change_made", ["backup", "restore", "clear"])
def test_a_profile_in_use_is_not_touched(manager: SessionManager, profile: Profile, change_made: str) -> None:
    take(manager.store, profile)
    (profile.path / "SingletonLock").symlink_to(f"{socket.gethostname()}-{os.getpid()}")
    before = build.contents(profile.path)
    with pytest.raises(ProfileInUseError, match=f"in use by process {os.getpid()}"):
        CHANGES[change_made](manager)
    assert build.contents(profile.path) == before
