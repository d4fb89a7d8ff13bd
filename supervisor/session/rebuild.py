"""What the snapshots alone tell of the sessions: where the state file, or all else, is gone."""

from collections.abc import Container, Sequence
from pathlib import Path

from supervisor.session.snapshot import catalog
from supervisor.session.snapshot.catalog import Snapshot
from supervisor.session.state_file import SessionState


def states(cache: Path) -> dict[str, SessionState]:
    """What can be known of each session, for a state file that was damaged. Raises `OSError`."""
    return {
        session_id: SessionState(
            is_linked=newest.linked,
            created_at=snapshots[-1].created_at,
            last_snapshot=newest.name,
            profile=newest.home,
        )
        for session_id, snapshots in catalog.of_all(cache).items()
        for newest in [_newest(snapshots)]
    }


def unknown(cache: Path, known: Container[str]) -> dict[str, str | None]:
    """The sessions that are not `known` and have a sound snapshot or a plain copy: where the profile lay, by id.

    Raises `OSError`.
    """
    return {
        session_id: _newest(snapshots).home
        for session_id, snapshots in sorted(catalog.of_all(cache).items())
        if session_id not in known and any(one.good or one.plain for one in snapshots)
    }


def _newest(snapshots: Sequence[Snapshot]) -> Snapshot:
    """The newest that says something of its session, if any does."""
    return next((one for one in snapshots if one.has_manifest), snapshots[0])
