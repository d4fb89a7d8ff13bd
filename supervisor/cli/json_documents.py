"""The JSON documents of the commands about sessions, snapshots and the doctor, as docs/cli.md lists their fields.

`console.print_json` converts the values. Fields may be added; none is removed or changes its meaning.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from supervisor.admin.inspection import Inspection
    from supervisor.admin.inventory import Overview
    from supervisor.admin.occupants import Occupant
    from supervisor.admin.operations import Plan, RestoreResult
    from supervisor.session.snapshot.catalog import Snapshot
    from supervisor.session.snapshot.retention import Pruned, Quarantined
    from supervisor.setup.doctor.finding import Finding
    from supervisor.setup.doctor.runner import FixResult
    from supervisor.supervise.snapshot_queue import TakenSnapshot

Document = dict[str, Any]
_LATEST_MS = 253_402_300_799_000  # the last second that a datetime can hold


def fields(value: object, *names: str) -> Document:
    """The attributes of a value that a document has under the same names."""
    return {name: getattr(value, name) for name in names}


def session(seen: Overview) -> Document:
    """A session, as in a list."""
    newest = seen.snapshots[0] if seen.snapshots else None
    return {
        "id": seen.profile.id,
        "profile": seen.profile.path,
        "kind": seen.profile.kind.name,
        "exists": seen.exists,
        "linked": seen.state.is_linked,
        **fields(seen.state, "last_state", "last_seen"),
        "bytes": seen.size,
        "snapshots": len(seen.snapshots),
        "last_snapshot": newest and newest.name,
        "last_snapshot_at": newest and newest.created_at,
        "in_use": _in_use(seen.occupant),
    }


def session_in_full(seen: Overview, *, can_restore: bool) -> Document:
    """A session with everything that is known of it; `snapshots` is a list here."""
    recovery = fields(seen.state.recovery, "attempts", "tried", "last_attempt", "cooldown_until")
    return session(seen) | {
        "can_restore": can_restore,
        "auth_method": seen.state.auth_method,
        "created_at": seen.created_at,
        "linked_at": seen.state.linked_at,
        "snapshots": snapshots(seen.snapshots),
        "recovery": recovery | {"cooling_down": seen.cooling},
        "quarantine": [{"path": one.path, "since": quarantined_at(one)} for one in seen.quarantined],
    }


def _in_use(occupant: Occupant | None) -> Document | None:
    if occupant is None:
        return None
    return {"browser_pid": occupant.pid, "bot_pid": occupant.bot, "supervisor_pid": occupant.supervisor}


def quarantined_at(one: Quarantined) -> datetime:
    """When a profile was moved to quarantine, as its folder's name says."""
    return datetime.fromtimestamp(min(one.stamp, _LATEST_MS) / 1000, UTC)


def snapshot(one: Snapshot) -> Document:
    """A snapshot."""
    names = ("name", "path", "created_at", "linked", "live", "verified", "problems", "browser_version", "bytes")
    return {"session": one.session_id, **fields(one, *names, "own_bytes", "base")}


def snapshots(found: Iterable[Snapshot]) -> list[Document]:
    """Snapshots."""
    return [snapshot(one) for one in found]


def verified(one: Snapshot, problems: list[str] | None) -> Document:
    """A snapshot that was read again, with the verdict of this reading; `problems` is None if it is gone."""
    return snapshot(one) | {"gone": problems is None, "verified": problems == [], "problems": problems or []}


def check(found: Inspection, *, deep: bool) -> Document:
    """The result of a check of a profile."""
    report = found.report
    return {
        "session": report.profile.id,
        "profile": report.profile.path,
        "may_start": report.may_start,
        "damaged": bool(report.damage),
        "in_use": _in_use(found.holder),
        "deep": deep,
        "unchanged": report.unchanged,
        "checks": [fields(one, "name", "outcome", "seen", "remedy") for one in report.checks],
    }


def taken(result: TakenSnapshot) -> Document:
    """A snapshot that was taken."""
    pause_ms = None if result.pause is None else round(result.pause * 1000, 1)
    return {"snapshot": snapshot(result.snapshot), "new": result.new, "pause_ms": pause_ms, "remarks": result.remarks}


def plan(found: Plan) -> Document:
    """A restore that is possible."""
    head = {"session": found.profile.id, "profile": found.profile.path, "replaces": found.replaces}
    return head | {"would_try": snapshots(found.snapshots), "remarks": found.remarks}


def restored(result: RestoreResult) -> Document:
    """A restore that was done."""
    done = result.restored
    return {"snapshot": snapshot(done.snapshot), "moved_to": done.quarantine, "remarks": result.remarks}


def pruned(result: Pruned, *, dry_run: bool) -> Document:
    """The snapshots and quarantined profiles that were removed, or would be."""
    return {
        "dry_run": dry_run,
        "snapshots": snapshots(result.snapshots),
        "quarantine": result.quarantined,
        "bytes_freed": result.bytes,
        "problems": result.problems,
    }


def diagnosis(project: Path, findings: Iterable[Finding], fixed: Iterable[FixResult], *, healthy: bool) -> Document:
    """The doctor's findings and fixes."""
    names = ("name", "subject", "verdict", "seen", "remedy")
    return {
        "project": project,
        "healthy": healthy,
        "findings": [fields(one, *names) | {"fixable": one.fix is not None} for one in findings],
        "fixes": [fields(one, "name", "subject", "done", "what") for one in fixed],
    }
