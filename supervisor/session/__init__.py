"""Sessions as files: profiles, their checks, snapshots, restores, quarantine, and `session-state.json`.

This room knows files only: no processes and no browsers. What files cannot tell (is the profile held, was the page
linked, which browser wrote it) is told by the caller.
"""

from __future__ import annotations

from supervisor.session.capture import Capture
from supervisor.session.errors import ProfileInUseError, SessionError, SnapshotDamagedError
from supervisor.session.manager import SessionInfo, SessionManager, SessionStatus
from supervisor.session.profile import Profile
from supervisor.session.recovery import CoolDown, Exhausted, RecoveryPolicy, Try, attempted, candidates, decide
from supervisor.session.report import Check, CheckContext, CheckReport, Outcome
from supervisor.session.restore import Restored
from supervisor.session.retention import Pruned, Quarantined, Retention
from supervisor.session.snapshot import Snapshot
from supervisor.session.state import Recovery, SessionState, StateFile
from supervisor.session.store import SessionStore

__all__ = [
    "Capture",
    "Check",
    "CheckContext",
    "CheckReport",
    "CoolDown",
    "Exhausted",
    "Outcome",
    "Profile",
    "ProfileInUseError",
    "Pruned",
    "Quarantined",
    "Recovery",
    "RecoveryPolicy",
    "Restored",
    "Retention",
    "SessionError",
    "SessionInfo",
    "SessionManager",
    "SessionState",
    "SessionStatus",
    "SessionStore",
    "Snapshot",
    "SnapshotDamagedError",
    "StateFile",
    "Try",
    "attempted",
    "candidates",
    "decide",
]
