"""The `SessionManager` that bots' authors know, for Python: one object, sessions by their number.

Usable with no supervisor running. What changes something takes the project's lock first, and is refused while a
supervisor holds it or a browser holds the profile: it never touches a live profile. Nothing is ever deleted but old
snapshots.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from supervisor.session import recovery
from supervisor.session.locks import held_project
from supervisor.session.profiles.scan import scan
from supervisor.session.recovery import RecoveryPolicy
from supervisor.session.state_file import Recovery
from supervisor.session.store import SessionStore
from supervisor.system import clock, files
from supervisor.system.errors import SessionError, explained
from supervisor.system.escape import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Unpack

    from supervisor.session.profiles.check_report import CheckReport
    from supervisor.session.profiles.profile import Profile
    from supervisor.session.snapshot.catalog import Snapshot
    from supervisor.session.snapshot.restore import Restored
    from supervisor.session.snapshot.retention import Pruned
    from supervisor.session.state_file import SessionState, StateChanges


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What there is to know about one session. Times are aware, UTC; sizes are bytes."""

    session_id: str
    path: Path
    exists: bool
    """Whether there is a profile with something in it."""
    can_restore: bool
    """Whether a bot started now would find its session: the profile is sound and was linked, or a good snapshot is
    there to take its place."""
    is_linked: bool | None
    auth_method: str | None
    last_state: str | None
    created_at: datetime | None
    last_seen: datetime | None
    last_snapshot: str | None
    snapshots: int
    recovery: Recovery


@dataclass(frozen=True, slots=True)
class SessionDetails:
    """All of `SessionInfo`, and what takes longer to find out."""

    info: SessionInfo
    report: CheckReport
    size: int
    """The bytes of the profile, its caches left out."""
    backups: tuple[Snapshot, ...]
    """Newest first."""


class SessionManager:
    """The sessions of one project.

    Every method raises `SessionError` when files cannot be read or written, and methods that change something raise
    `ProfileInUseError` when a supervisor or a browser has the project or the profile in use.
    """

    def __init__(self, project: Path, *, store: SessionStore | None = None) -> None:
        self.store = store or SessionStore(project)

    def session_exists(self, session_id: str) -> bool:
        """Whether there is a profile with something in it."""
        return exists(self._profile(session_id))

    def has_session_artifacts(self, session_id: str) -> bool:
        """Whether anything is left of the session: a profile, a snapshot, or a note in the state file."""
        known = session_id in self.store.state.load() or bool(self.store.snapshots(session_id))
        return known or self.session_exists(session_id)

    def validate(self, session_id: str, *, deep: bool = False) -> CheckReport:
        """Every check of the session's profile, each with its verdict and remedy. Changes nothing."""
        return self.store.check(self._profile(session_id), deep=deep)

    def validate_session(self, session_id: str, *, deep: bool = False) -> CheckReport:
        """The same as `validate`, under the original's name."""
        return self.validate(session_id, deep=deep)

    def can_restore_session(self, session_id: str) -> bool:
        """Whether a bot started now would find its session, by its profile or by a good snapshot."""
        state, snapshots = self.store.state.get(session_id), self.store.snapshots(session_id)
        return self._can_restore(self._profile(session_id), state, snapshots)

    def get_session_info(self, session_id: str) -> SessionInfo:
        """What there is to know about a session, also one that does not exist."""
        profile = self._profile(session_id)
        state = self.store.with_files(profile, self.store.state.get(session_id))
        return self._info(profile, state, self.store.snapshots(session_id))

    def _info(self, profile: Profile, state: SessionState, snapshots: Sequence[Snapshot]) -> SessionInfo:
        return SessionInfo(
            session_id=profile.id,
            path=profile.path,
            exists=exists(profile),
            can_restore=self._can_restore(profile, state, snapshots),
            is_linked=state.is_linked,
            auth_method=state.auth_method,
            last_state=state.last_state,
            created_at=state.created_at or creation_time(profile),
            last_seen=state.last_seen,
            last_snapshot=state.last_snapshot,
            snapshots=len(snapshots),
            recovery=state.recovery,
        )

    def get_detailed_session_status(self, session_id: str) -> SessionDetails:
        """What there is to know, with every check, the size and the snapshots."""
        return SessionDetails(
            info=self.get_session_info(session_id),
            report=self.validate(session_id),
            size=self.get_session_size(session_id),
            backups=tuple(self.store.snapshots(session_id)),
        )

    def get_session_creation_time(self, session_id: str) -> datetime | None:
        """When the session was first seen, else when its folder was made as far as the file system tells."""
        return self.store.state.get(session_id).created_at or creation_time(self._profile(session_id))

    def get_session_size(self, session_id: str) -> int:
        """The bytes of the profile, its caches left out; 0 if there is none."""
        profile = self._profile(session_id)
        with explained("measure the profile", profile.path):
            return scan(profile.folder).size if profile.folder.is_dir() else 0

    def list_sessions(self) -> list[str]:
        """The ids of all sessions, sorted: those with a profile, a snapshot, or a note in the state file."""
        return [known.profile.id for known in self.store.sessions()]

    def get_all_sessions(self) -> list[str]:
        """The ids of the sessions that have a profile, sorted."""
        return sorted(profile.id for profile in self.store.profiles() if exists(profile))

    def get_all_saved_sessions(self) -> dict[str, SessionState]:
        """What the state file says of each session."""
        return self.store.state.load()

    def get_all_sessions_detailed(self) -> list[SessionInfo]:
        """What there is to know about every session, sorted by id."""
        return [self._info(known.profile, known.state, known.snapshots) for known in self.store.sessions()]

    def find_session_by_partial_match(self, part: str) -> str | None:
        """The one session whose id contains `part`, or is it; `None` if there is none or more than one."""
        sessions = self.list_sessions()
        if part in sessions:
            return part
        matches = [session_id for session_id in sessions if part and part in session_id]
        return matches[0] if len(matches) == 1 else None

    def load_session_state(self, session_id: str) -> SessionState | None:
        """What the state file says of a session; `None` if nothing."""
        return self.store.state.load().get(session_id)

    def save_session_state(self, session_id: str, **changes: Unpack[StateChanges]) -> SessionState:
        """Note something about a session in the state file."""
        with self._locked():
            return self.store.state.update(session_id, **changes)

    def ensure_session_directory(self, session_id: str) -> Path:
        """The session's profile folder, made if it is not there."""
        profile = self._profile(session_id)
        with self._locked(), explained("make the profile folder", profile.path):
            files.ensure_private_folder(profile.folder)
        return profile.path

    def backup_session(self, session_id: str) -> Snapshot:
        """Take a snapshot of a session's profile, which no browser may have open."""
        profile = self._profile(session_id)
        with self._locked():
            self.store.refuse_held(profile)
            linked = self.store.with_files(profile, self.store.state.get(session_id)).is_linked
            return self.store.capture(profile, linked=linked, browser_version=None).publish()

    def restore_from_backup(self, session_id: str, name: str | None = None) -> Restored:
        """Restore a snapshot, by default the best; what cannot be restored is passed over for the next best.

        The profile that was there goes to quarantine, and a session that was cleared counts as linked again.
        """
        profile = self._profile(session_id)
        with self._locked():
            snapshots = self.store.snapshots(session_id)
            if name is not None:
                chosen = [snapshot for snapshot in snapshots if snapshot.name == name]
            else:
                chosen = recovery.candidates(snapshots, linked_at=self.store.state.get(session_id).began_at)
            if not chosen:
                wanted = f"a snapshot {printable(name)}" if name is not None else "a snapshot"
                raise SessionError(f"There is no {wanted.removeprefix('a ')} of session {printable(session_id)}.")
            attempts = self.store.restore_first(profile, chosen)
            if attempts.restored is None:
                raise attempts.failures[0][1]
            self.store.note_restored(profile, attempts.restored.snapshot)
            return attempts.restored

    def clear_session(self, session_id: str) -> Path | None:
        """Make the next start ask for a new link. Returns where the profile was moved to, `None` if there was none."""
        with self._locked():
            return self.store.clear(self._profile(session_id))

    def cleanup_session(self, session_id: str) -> Path | None:
        """The same as `clear_session`: the original deleted the folder here."""
        return self.clear_session(session_id)

    def cleanup_all_sessions(self) -> dict[str, Path | None]:
        """Clear every session that has a profile; where each was moved to, by id."""
        return {session_id: self.clear_session(session_id) for session_id in self.get_all_sessions()}

    def create_fresh_session(self, session_id: str) -> Path:
        """Clear a session and make an empty profile folder for the next link."""
        self.clear_session(session_id)
        return self.ensure_session_directory(session_id)

    def cleanup_old_backups(self, days_old: float = 7, *, dry_run: bool = False) -> Pruned:
        """Remove snapshots older than so many days; the last good one of each session stays."""
        with self._locked():
            policy = replace(self.store.policy, max_age=timedelta(days=days_old))
            return self.store.prune(dry_run=dry_run, policy=policy)

    def should_attempt_recovery(self, session_id: str, max_attempts: int = 3, cooldown_minutes: float = 30) -> bool:
        """Whether there is a snapshot worth trying now: not tried before, and no cool-down is on."""
        state = self.store.state.get(session_id)
        policy = RecoveryPolicy(max_attempts, timedelta(minutes=cooldown_minutes))
        snapshots = self.store.snapshots(session_id)
        decision = recovery.decide(snapshots, state.recovery, clock.now(), policy, linked_at=state.began_at)
        return isinstance(decision, recovery.Try)

    def record_recovery_attempt(
        self, session_id: str, snapshot: str, max_attempts: int = 3, cooldown_minutes: float = 30
    ) -> Recovery:
        """Note that a snapshot (its folder's name) is being tried."""
        policy = RecoveryPolicy(max_attempts, timedelta(minutes=cooldown_minutes))
        with self._locked():
            before = self.store.state.get(session_id).recovery
            after = recovery.attempted(before, snapshot, clock.now(), policy)
            return self.store.state.update(session_id, recovery=after).recovery

    def clear_recovery_state(self, session_id: str) -> None:
        """Forget the attempts, as after a successful link."""
        with self._locked():
            if session_id in self.store.state.load():
                self.store.state.update(session_id, recovery=Recovery())

    def _locked(self) -> AbstractContextManager[None]:
        instead = "Ask it (scanonce snapshot, scanonce session), or stop it first (Ctrl+C, or SIGTERM to it)."
        return held_project(self.store.project, self.store.cache, instead=instead)

    def _profile(self, session_id: str) -> Profile:
        """The profile of a session; for one that is not known, where the libraries would put it."""
        return self.store.profile_of(session_id)

    def _can_restore(self, profile: Profile, state: SessionState, snapshots: Sequence[Snapshot]) -> bool:
        if state.is_linked is False:
            return False
        if exists(profile) and self.store.check(profile, snapshots=snapshots).may_start:
            return True
        return any(snapshot.good for snapshot in snapshots)


def exists(profile: Profile) -> bool:
    """Whether there is a profile with something in it. Raises `SessionError`."""
    folder = profile.folder
    with explained("look at the profile", profile.path):
        return folder.is_dir() and any(folder.iterdir())


def creation_time(profile: Profile) -> datetime | None:
    """When a profile's folder was made, as far as the file system tells; `None` without one. Raises `SessionError`."""
    folder = profile.folder
    with explained("look at the profile", profile.path):
        if not folder.exists():
            return None
        status = folder.stat()
    return datetime.fromtimestamp(getattr(status, "st_birthtime", status.st_mtime), UTC)
