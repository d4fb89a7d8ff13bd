"""The JSON of what the reading commands print, field by field as docs/cli.md lists them. Changes only by additions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from supervisor.system import clock

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from supervisor.admin.inspect import Inspection
    from supervisor.admin.inventory import Overview
    from supervisor.admin.occupants import Occupant
    from supervisor.admin.operations import Outcome, Plan
    from supervisor.session.snapshot.retention import Pruned, Quarantined
    from supervisor.session.snapshot.snapshot import Snapshot
    from supervisor.setup.doctor.finding import Finding
    from supervisor.setup.doctor.fix import FixResult
    from supervisor.supervise.snapshot_queue import TakenSnapshot

Object = dict[str, Any]
_LATEST_MS = 253_402_300_799_000  # the last second that a datetime can hold


def time(moment: datetime | None) -> str | None:
    """A moment as ISO 8601 in UTC."""
    return clock.iso(moment) if moment is not None else None


def session(seen: Overview) -> Object:
    """One session, as in a list."""
    state = seen.state
    return {
        "id": seen.profile.id,
        "profile": str(seen.profile.path),
        "exists": seen.exists,
        "linked": state.is_linked,
        "last_state": state.last_state,
        "last_seen": time(state.last_seen),
        "bytes": seen.size,
        "snapshots": len(seen.snapshots),
        "last_snapshot": seen.snapshots[0].name if seen.snapshots else None,
        "last_snapshot_at": time(seen.snapshots[0].created_at) if seen.snapshots else None,
        "in_use": in_use(seen.occupant),
    }


def session_in_full(seen: Overview, *, can_restore: bool) -> Object:
    """One session, with all there is to know; its snapshots are a list here."""
    state, recovery = seen.state, seen.state.recovery
    return session(seen) | {
        "can_restore": can_restore,
        "auth_method": state.auth_method,
        "created_at": time(seen.created_at),
        "linked_at": time(state.linked_at),
        "snapshots": [snapshot(one) for one in seen.snapshots],
        "recovery": {
            "attempts": recovery.attempts,
            "tried": list(recovery.tried),
            "last_attempt": time(recovery.last_attempt),
            "cooldown_until": time(recovery.cooldown_until),
            "cooling_down": seen.cooling,
        },
        "quarantine": [quarantined(one) for one in seen.quarantined],
    }


def in_use(occupant: Occupant | None) -> Object | None:
    """Who has a profile open."""
    if occupant is None:
        return None
    return {"browser_pid": occupant.pid, "bot_pid": occupant.bot, "supervisor_pid": occupant.supervisor}


def quarantined(one: Quarantined) -> Object:
    """A profile in quarantine."""
    return {"path": str(one.path), "since": time(quarantined_at(one))}


def quarantined_at(one: Quarantined) -> datetime:
    """When a profile was moved to quarantine, as its folder's name says."""
    return datetime.fromtimestamp(min(one.stamp, _LATEST_MS) / 1000, UTC)


def snapshot(one: Snapshot) -> Object:
    """A snapshot."""
    return {
        "session": one.session_id,
        "name": one.name,
        "path": str(one.path),
        "created_at": time(one.created_at),
        "linked": one.linked,
        "live": one.live,
        "verified": one.verified,
        "problems": list(one.problems),
        "browser_version": one.browser_version,
        "bytes": one.bytes,
        "own_bytes": one.own_bytes,
        "base": one.base,
    }


def verified(one: Snapshot, problems: list[str] | None) -> Object:
    """A snapshot that was read again; the verdict is this reading's, not the one that it carried until now."""
    found = {"gone": problems is None, "verified": problems == [], "problems": problems or []}
    return snapshot(one) | found


def check(found: Inspection, *, deep: bool) -> Object:
    """What a check found."""
    report = found.report
    return {
        "session": report.profile.id,
        "profile": str(report.profile.path),
        "may_start": report.may_start,
        "damaged": bool(report.damage),
        "in_use": in_use(found.holder),
        "deep": deep,
        "unchanged": report.unchanged,
        "checks": [
            {"name": one.name, "outcome": str(one.outcome), "seen": one.seen, "remedy": one.remedy}
            for one in report.checks
        ],
    }


def taken(result: TakenSnapshot) -> Object:
    """A snapshot that was taken."""
    return {
        "snapshot": snapshot(result.snapshot),
        "new": result.new,
        "pause_ms": round(result.pause * 1000, 1) if result.pause is not None else None,
        "remarks": list(result.remarks),
    }


def plan(found: Plan) -> Object:
    """A restore that could be done."""
    return {
        "session": found.profile.id,
        "profile": str(found.profile.path),
        "replaces": found.replaces,
        "would_try": [snapshot(one) for one in found.snapshots],
        "remarks": list(found.remarks),
    }


def restored(result: Outcome) -> Object:
    """A restore that was done."""
    return {
        "snapshot": snapshot(result.restored.snapshot),
        "moved_to": str(result.restored.quarantine) if result.restored.quarantine else None,
        "remarks": list(result.remarks),
    }


def pruned(result: Pruned, *, dry_run: bool) -> Object:
    """What was removed, or would be."""
    return {
        "dry_run": dry_run,
        "snapshots": [snapshot(one) for one in result.snapshots],
        "quarantine": [str(path) for path in result.quarantined],
        "bytes_freed": result.bytes,
        "problems": list(result.problems),
    }


def diagnosis(project: Path, findings: Iterable[Finding], fixed: Iterable[FixResult], *, healthy: bool) -> Object:
    """What the doctor found, and what it has done."""
    return {
        "project": str(project),
        "healthy": healthy,
        "findings": [
            {
                "name": one.name,
                "subject": one.subject,
                "verdict": str(one.verdict),
                "seen": one.seen,
                "remedy": one.remedy,
                "fixable": one.fix is not None,
            }
            for one in findings
        ],
        "fixes": [{"name": one.name, "subject": one.subject, "done": one.done, "what": one.what} for one in fixed],
    }
