"""Reading of the history while a supervisor may be writing it.

Nothing is changed: there are no locks that a writer would notice, no new files, no migration. Columns that an older
version did not record are None; those that a later one adds are ignored.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from supervisor.system.reading import open_regular
from supervisor.timing.readonly import read_beside
from supervisor.timing.record import COLUMNS, KIND_COLUMNS, SETUP_COLUMNS, HistoryError, Restart, Setup

_BUSY_TIMEOUT_S: Final = 2.0  # in WAL a reader waits only for a writer that recovers from a crash
_LATEST_S: Final = 253_402_300_799  # the end of the year 9999, the last one of `datetime`


@dataclass(frozen=True, slots=True)
class Recorded:
    """The content of a history."""

    restarts: Sequence[Restart]
    """The oldest first, in the order of recording."""
    unreadable: int
    """The number of invalid records that were left out."""
    settings: Mapping[str, Mapping[str, Any]]
    """The recorded configurations by fingerprint."""


def read(path: Path, since: float | None = None) -> Recorded:
    """Read the history at `path`, with restarts from `since` (seconds since the epoch) on; empty if there is none.

    Raises `HistoryError` for a damaged database or one that is no history, `OSError` for a file that cannot be opened.
    """
    try:
        open_regular(path, follow=True).close()  # SQLite does not report why it cannot open a file
    except FileNotFoundError:
        return Recorded([], 0, {})
    try:
        rows, described = _rows(path, since)
    except sqlite3.Error as error:
        raise HistoryError(_explained(path, error)) from error
    restarts = _restarts(rows)
    settings = {name: found for name, text in described if (found := _object(text)) is not None}
    return Recorded(restarts, len(rows) - len(restarts), settings)


def _rows(path: Path, since: float | None) -> tuple[list[Any], list[Any]]:
    """The rows of both tables."""

    def ask(text: Callable[[bytes], str]) -> tuple[list[Any], list[Any]]:
        return read_beside(path, lambda db: _ask(db, path, since, text), timeout=_BUSY_TIMEOUT_S)

    try:
        return ask(str)
    except sqlite3.OperationalError as error:
        if "decode" not in str(error):  # text that is not UTF-8, by damage or another program
            raise
    # Only then, since it takes twice as long.
    return ask(lambda data: data.decode("utf-8", "backslashreplace"))


def _ask(
    db: sqlite3.Connection, path: Path, since: float | None, text: Callable[[bytes], str]
) -> tuple[list[Any], list[Any]]:
    db.text_factory = text
    db.execute("BEGIN")  # a consistent view of both tables
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return [], []  # a supervisor has created it just now
    columns = {row[1] for row in db.execute("PRAGMA table_info(restarts)")}
    if missing := [name for name in COLUMNS if name not in columns]:
        what = f"its table restarts has no column {missing[0]}" if columns else "it has no table restarts"
        raise HistoryError(f"{path} is not a history of scanonce: {what}. It was left as it is.")
    wanted = [*COLUMNS, *(name if name in columns else "NULL" for name in (*KIND_COLUMNS, *SETUP_COLUMNS))]
    restarts = db.execute(
        # Constant names only. In SQLite text compares greater than any number, and is then counted as unreadable.
        f"SELECT {', '.join(wanted)} FROM restarts WHERE ?1 IS NULL OR started_at >= ?1 ORDER BY id",  # noqa: S608
        (since,),
    ).fetchall()
    has_settings = "configurations" in tables
    settings = db.execute("SELECT fingerprint, settings FROM configurations").fetchall() if has_settings else []
    return restarts, settings


def _explained(path: Path, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return (
            f"The history {path} is damaged ({error}). It was left as it is; "
            "the next start of scanonce moves it aside and begins a new one."
        )
    if code == sqlite3.SQLITE_BUSY:
        return f"The history {path} is locked by another program ({error}). Try again."
    return f"The history {path} cannot be read ({error}). It was left as it is."


def _restarts(rows: Sequence[Any]) -> list[Restart]:
    """The restarts in valid rows."""
    at = COLUMNS.index("phases_ms")
    setups: dict[Any, Setup] = {}
    found = []
    for row, phases in zip(rows, _all_phases([row[at] for row in rows]), strict=True):
        started_at, run_id, reason, detail, outcome, _, total, target, clean, kind, why, *versions = row
        named = type(run_id) is type(reason) is type(detail) is type(outcome) is str
        if phases is None or not named or not _valid(started_at, total):
            continue
        key = tuple(versions)
        if key not in setups:
            known = [version if isinstance(version, str) else None for version in versions]
            setups[key] = Setup(scanonce=known[0], config=known[1], node=known[2], browser=known[3])
        found.append(
            Restart(
                started_at=started_at,
                run_id=run_id,
                reason=reason,
                kind="warm" if kind == "warm" else "cold",
                why=why if isinstance(why, str) else "",
                detail=detail,
                outcome=outcome,
                phases_ms=phases,
                total_ms=total,
                target=target,
                clean=bool(clean),
                setup=setups[key],
            )
        )
    return found


def _valid(started_at: object, total_ms: object) -> bool:
    return type(started_at) is float and 0 <= started_at <= _LATEST_S and type(total_ms) is int and total_ms >= 0


def _all_phases(texts: Sequence[object]) -> list[dict[str, int] | None]:
    """The phases of each record, None where they are invalid."""
    try:
        # Parsing one document takes a third of the time of parsing a hundred thousand small ones.
        parsed = json.loads(f"[{','.join(texts)}]")  # type: ignore[arg-type]  # other values than text raise TypeError
    except (ValueError, TypeError, RecursionError):
        parsed = ()
    if len(parsed) != len(texts):  # one of them is damaged
        parsed = [_object(text) for text in texts]
    return [phases if _are_phases(phases) else None for phases in parsed]


def _are_phases(phases: object) -> bool:
    if type(phases) is not dict:
        return False
    amounts = phases.values()
    return not amounts or ({int}.issuperset(map(type, amounts)) and min(amounts) >= 0)


def _object(text: object) -> Any:
    """The object in a JSON text; None if there is none."""
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
