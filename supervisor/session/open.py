"""Opening a project's sessions as its configuration says: for the supervisor and for the commands."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.session.snapshot.retention import Retention
from supervisor.session.store import SessionStore

if TYPE_CHECKING:
    from supervisor.config.schema import Config


def open_store(project: Path, config: Config) -> SessionStore:
    """Open the project's sessions on disk, as configured."""
    snapshot = config.snapshot
    return SessionStore(
        project,
        cache=project / config.session.cache,
        state_file=project / config.session.state_file,
        policy=Retention(
            max_age=timedelta(seconds=snapshot.max_age),
            max_count=snapshot.max_count,
            max_bytes=snapshot.max_bytes,
            quarantine_age=timedelta(seconds=snapshot.max_age),
        ),
    )
