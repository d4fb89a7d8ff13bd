"""Which snapshots and quarantined profiles are kept, as a pure decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from supervisor.session.snapshot.catalog import Snapshot


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept. The last good snapshot of each session is kept whatever these say."""

    max_age: timedelta = timedelta(days=7)
    max_count: int = 10
    """Snapshots of one session."""
    max_bytes: int | None = None
    """On the disk, for all snapshots of all sessions; what they share counts once."""
    quarantine_age: timedelta = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A profile that was replaced or cleared, kept until its age says otherwise."""

    session_id: str
    path: Path
    stamp: int
    """When it was moved there: milliseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, or would be by a dry run."""

    snapshots: tuple[Snapshot, ...] = ()
    quarantined: tuple[Path, ...] = ()
    bytes: int = 0
    """Freed by the snapshots; what they shared with those that stay is not counted."""
    problems: tuple[str, ...] = ()
    """Sentences on what could not be removed."""


def surplus(
    sessions: Mapping[str, Sequence[Snapshot]],
    policy: Retention,
    now: datetime,
    given_up: Collection[str] = (),
) -> list[Snapshot]:
    """The snapshots that the policy does not keep, oldest first; `sessions` lists each session's newest first.

    Nothing is kept of the sessions that are `given_up`.
    """
    safe = {
        last.path
        for session_id, snapshots in sessions.items()
        if session_id not in given_up and (last := last_good(snapshots)) is not None
    }
    kept: list[Snapshot] = []
    gone: list[Snapshot] = []
    for session_id, snapshots in sessions.items():
        for place, snapshot in enumerate(snapshots):
            old = now - snapshot.created_at > policy.max_age
            stale = place >= policy.max_count or old or session_id in given_up
            (gone if stale and snapshot.path not in safe else kept).append(snapshot)
    kept.sort(key=lambda snapshot: snapshot.stamp)
    for snapshot in [s for s in kept if s.path not in safe]:
        if policy.max_bytes is None or disk_usage(kept) <= policy.max_bytes:
            break
        kept.remove(snapshot)
        gone.append(snapshot)
    return sorted(gone, key=lambda snapshot: snapshot.stamp)


def disk_usage(snapshots: Iterable[Snapshot]) -> int:
    """The bytes that some snapshots need together, by what their manifests say; what they share counts once.

    A snapshot whose base is not among them counts in full: it may be the last to hold what the base held.
    """
    among = {(snapshot.session_id, snapshot.name): snapshot for snapshot in snapshots}
    return sum(
        snapshot.own_bytes if (snapshot.session_id, snapshot.base) in among else snapshot.bytes
        for snapshot in among.values()
    )


def last_good(snapshots: Sequence[Snapshot]) -> Snapshot | None:
    """The snapshot that must never go: the newest verified one of a linked session, clean before live.

    If none is verified, the newest that is not known to be unlinked: it is all there is.
    """
    order: list[Callable[[Snapshot], bool]] = [
        lambda s: s.verified and s.linked is True and not s.live,
        lambda s: s.verified and s.linked is True,
        lambda s: s.good,
        lambda s: s.linked is not False,
    ]
    for wanted in order:
        for snapshot in snapshots:
            if wanted(snapshot):
                return snapshot
    return None


def expired(stamp: int, age: timedelta, now: datetime) -> bool:
    """Whether a folder stamped so (milliseconds since the epoch) is older than `age`."""
    return now.timestamp() * 1000 - stamp > age.total_seconds() * 1000
