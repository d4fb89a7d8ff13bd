"""Whether the clock can be trusted: snapshots are named and sorted by it, and kept by their age."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from supervisor.setup.doctor.finding import Finding, ok, problem
from supervisor.setup.doctor.project import Place
from supervisor.system import clock
from supervisor.system.escape import printable
from supervisor.timing.readonly import read_beside

NAMES = ("clock",)

_SLACK = timedelta(minutes=1)  # what a correction over the network may take back
_FAR = timedelta(days=2)  # no time zone that was set wrongly explains more
_SNAPSHOT = "The snapshot"
_NOT_BEFORE = datetime(2025, 1, 1, tzinfo=UTC)  # older than this program: a clock that was never set


def look(place: Place) -> Iterator[Finding]:
    """The present time against the newest that was noted here."""
    now = clock.now()
    if now < _NOT_BEFORE:
        yield problem(
            "clock", f"The clock says {clock.iso(now)}, which is long ago.", "Set it (timedatectl set-ntp true)."
        )
        return
    noted = list(_noted(place))
    when, what = max(noted, default=(now, ""))
    if when <= now + _SLACK:
        yield ok("clock", "The clock is not behind anything that was noted here.")
        return
    seen = f"{what} is from {clock.iso(when)}, which is in the future: now it is {clock.iso(now)}."
    if when - now > _FAR and what.startswith(_SNAPSHOT):
        remedy = (
            "If the clock is right now, it was wrong then, and that copy counts as the newest until that day: move it "
            "out of the cache folder once there is a newer one. Else set the clock."
        )
    elif when - now > _FAR:
        remedy = "If the clock is right now, it was wrong then; what is noted next is right again. Else set the clock."
    else:
        remedy = "Set the clock (timedatectl set-ntp true). Until it has caught up, ages and the order are not right."
    yield problem("clock", seen, remedy)


def _noted(place: Place) -> Iterator[tuple[datetime, str]]:
    """Moments that were written down, and by what."""
    for snapshots in place.store.all_snapshots().values():
        for snapshot in snapshots:
            yield snapshot.created_at, f"{_SNAPSHOT} {printable(snapshot.name)}"
    for session_id, state in place.store.state.load().items():
        if state.last_seen is not None:
            yield state.last_seen, f"The last sight of session {printable(session_id)}"
    last = _last_restart(place)
    if last is not None:
        yield last, "The last restart in the history"


def _last_restart(place: Place) -> datetime | None:
    path = place.project / place.config.session.cache / "history.db"
    if not path.is_file():
        return None
    # Read only, and without a lock on it: `History` would make, mend and move what it finds.
    with contextlib.suppress(sqlite3.Error, OverflowError, OSError, ValueError, TypeError):
        newest = "SELECT max(started_at) FROM restarts"
        (seconds,) = read_beside(path, lambda db: db.execute(newest).fetchone(), timeout=0.25)
        return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
    return None
