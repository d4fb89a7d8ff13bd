"""Which snapshot to try next when a linked session shows a QR code, as a pure decision.

Each snapshot is tried once, at most a few in a row; then a cool-down, in which the user is asked to scan. What was
tried is kept in the state file, so that neither a restart nor a crash starts the count again; a successful link does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from supervisor.session.state_file import Recovery

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from supervisor.session.snapshot.catalog import Snapshot


@dataclass(frozen=True, slots=True)
class RecoveryPolicy:
    """How far recovery may go."""

    max_attempts: int = 3
    cooldown: timedelta = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Try:
    """Restore this snapshot, and note it with `attempted` before that."""

    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class CoolDown:
    """Too many attempts failed; none is made before `until`."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Every snapshot there is has been tried."""

    tried: int


Decision = Try | CoolDown | Exhausted


def linked_snapshot_at(snapshots: Iterable[Snapshot]) -> datetime | None:
    """When the newest sound snapshot of a linked session was taken."""
    return max((one.created_at for one in snapshots if one.good and one.linked), default=None)


def candidates(snapshots: Sequence[Snapshot], *, linked_at: datetime | None = None) -> list[Snapshot]:
    """The snapshots worth restoring, the best first: `snapshots` lists them newest first.

    Those of the present link come before those of an earlier one, verified ones before those that are not, clean ones
    before live ones, whose localStorage may be minutes old; then the newest first. Those of a session that was known
    to be unlinked are left out.
    """

    def rank(snapshot: Snapshot) -> tuple[bool, bool, bool]:
        other_link = linked_at is not None and snapshot.created_at < linked_at
        return not snapshot.verified, other_link, snapshot.live

    return sorted((snapshot for snapshot in snapshots if snapshot.linked is not False), key=rank)


def decide(
    snapshots: Sequence[Snapshot],
    recovery: Recovery,
    now: datetime,
    policy: RecoveryPolicy,
    *,
    linked_at: datetime | None = None,
) -> Decision:
    """What to do about a QR code on a linked session. `snapshots` lists the session's newest first."""
    if policy.max_attempts <= 0:
        return Exhausted(len(recovery.tried))
    if recovery.cooldown_until is not None and cooling(recovery, now):
        return CoolDown(recovery.cooldown_until)
    for snapshot in candidates(snapshots, linked_at=linked_at):
        if snapshot.name not in recovery.tried:
            return Try(snapshot)
    return Exhausted(len(recovery.tried))


def attempted(recovery: Recovery, snapshot: str, now: datetime, policy: RecoveryPolicy) -> Recovery:
    """The record after one more attempt. The last one allowed begins the cool-down."""
    attempts = 1 if recovery.cooldown_until is not None and not cooling(recovery, now) else recovery.attempts + 1
    return replace(
        recovery,
        attempts=attempts,
        tried=(*recovery.tried, snapshot) if snapshot not in recovery.tried else recovery.tried,
        last_attempt=now,
        cooldown_until=now + policy.cooldown if attempts >= policy.max_attempts else None,
    )


def cooling(recovery: Recovery, now: datetime) -> bool:
    """Whether a cool-down is on. It is over as well if the clock was put back to before it began."""
    until, since = recovery.cooldown_until, recovery.last_attempt
    return until is not None and now < until and (since is None or since <= now)
