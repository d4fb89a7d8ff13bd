"""What the snapshots alone tell of the sessions: where the state file, or all else, is gone."""

from collections.abc import Container
from pathlib import Path

from supervisor.session.snapshot import catalog
from supervisor.session.state_file import SessionState


def states(cache: Path) -> dict[str, SessionState]:
    """What can be known of each session, for a state file that was damaged. Raises `OSError`."""
    return {
        session_id: SessionState(
            is_linked=snapshots[0].linked,
            created_at=snapshots[-1].created_at,
            last_snapshot=snapshots[0].name,
            profile=snapshots[0].home,
        )
        for session_id, snapshots in catalog.of_all(cache).items()
    }


def unknown(cache: Path, known: Container[str]) -> dict[str, str | None]:
    """The sessions that are not `known` and have a sound snapshot: where the profile lay, by id. Raises `OSError`."""
    return {
        session_id: snapshots[0].home
        for session_id, snapshots in sorted(catalog.of_all(cache).items())
        if session_id not in known and any(one.good for one in snapshots)
    }
