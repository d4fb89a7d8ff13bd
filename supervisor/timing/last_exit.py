"""How the last supervisor of a project ended, read from its history while none runs."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from supervisor.timing.readonly import read_beside

_BUSY_TIMEOUT_S: Final = 0.5
#: The last event of a supervisor need not be its end: what could not be delivered is reported after that.
_EVENTS: Final = """
    SELECT at, name, fields FROM events
    WHERE id >= coalesce((SELECT max(id) FROM events WHERE name = 'supervisor.starting'), 0)
    AND (name IN ('supervisor.stopped', 'bot.given_up') OR id = (SELECT max(id) FROM events))
    ORDER BY id DESC
"""


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a supervisor. `exit_code` is None if it was killed, or the power went."""

    at: datetime
    """The time of its last event."""
    exit_code: int | None
    given_up: Mapping[str, Any] | None
    """The fields of `bot.given_up`, if that was the reason."""


def last_ending(path: Path) -> Ending | None:
    """The last ending in the history at `path`; None if there is none, or the history cannot be read."""
    try:
        rows = read_beside(path, lambda db: db.execute(_EVENTS).fetchall(), timeout=_BUSY_TIMEOUT_S)
        return _ending([(datetime.fromtimestamp(at, UTC), name, json.loads(fields)) for at, name, fields in rows])
    except (sqlite3.Error, ValueError, TypeError, OverflowError, OSError):
        return None


def _ending(events: list[tuple[datetime, str, Any]]) -> Ending | None:
    """The ending that the events of a supervisor tell, the newest first."""
    if not events:
        return None
    ends = [(at, fields) for at, name, fields in events if name == "supervisor.stopped"]
    if not ends:
        return Ending(events[0][0], None, None)
    at, fields = ends[0]
    given_up = next((its_fields for _, name, its_fields in events if name == "bot.given_up"), None)
    return Ending(at, int(fields["exit_code"]), given_up)
