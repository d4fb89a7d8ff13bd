"""How the last supervisor of a project ended, read from its history while none runs."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from supervisor.timing.readonly import read_beside

_LOOK_BACK: Final = 50  # events; `bot.given_up` is a few before `supervisor.stopped`
_BUSY_TIMEOUT_S: Final = 0.5
_NEWEST: Final = "SELECT at, name, fields FROM events ORDER BY id DESC LIMIT ?"


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
        rows = read_beside(path, lambda db: db.execute(_NEWEST, (_LOOK_BACK,)).fetchall(), timeout=_BUSY_TIMEOUT_S)
        return _ending([(datetime.fromtimestamp(at, UTC), name, json.loads(fields)) for at, name, fields in rows])
    except (sqlite3.Error, ValueError, TypeError, OverflowError, OSError):
        return None


def _ending(events: list[tuple[datetime, str, Any]]) -> Ending | None:
    """The ending that events tell, the newest first."""
    if not events:
        return None
    at, name, fields = events[0]
    if name != "supervisor.stopped":
        return Ending(at, None, None)
    given_up = None
    for _, earlier, its_fields in events[1:]:
        if earlier == "supervisor.stopped":
            break
        if earlier == "bot.given_up":
            given_up = its_fields
            break
    return Ending(at, int(fields["exit_code"]), given_up)
