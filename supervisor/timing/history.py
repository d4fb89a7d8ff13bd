"""The record of restarts and events, in SQLite. It informs; it never stands in the way.

A damaged database is moved aside and a new one begun. A database that cannot be written (read-only or full disk, no
permission, locked) is tried again later; what it is given until then waits in memory, as far as there is room. Both are
reported by one call of `warn`.
"""

import json
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from supervisor.timing.record import Restart, Setup

_MIGRATIONS: Final[Sequence[Sequence[str]]] = (
    (
        """CREATE TABLE restarts (
            id INTEGER PRIMARY KEY, started_at REAL NOT NULL, run_id TEXT NOT NULL, reason TEXT NOT NULL,
            detail TEXT NOT NULL, outcome TEXT NOT NULL, phases_ms TEXT NOT NULL, total_ms INTEGER NOT NULL,
            target TEXT, clean INTEGER NOT NULL)""",
        "CREATE INDEX restarts_started_at ON restarts (started_at)",
        "CREATE TABLE events (id INTEGER PRIMARY KEY, at REAL NOT NULL, name TEXT NOT NULL, fields TEXT NOT NULL)",
        "CREATE INDEX events_at ON events (at)",
    ),
    (  # what each restart ran with; unknown of those before
        "ALTER TABLE restarts ADD COLUMN scanonce_version TEXT",
        "ALTER TABLE restarts ADD COLUMN config TEXT",
        "ALTER TABLE restarts ADD COLUMN node_version TEXT",
        "ALTER TABLE restarts ADD COLUMN browser_version TEXT",
        "CREATE TABLE configurations (fingerprint TEXT PRIMARY KEY, settings TEXT NOT NULL)",
    ),
)
"""The statements that lead from each schema version (`PRAGMA user_version`) to the next. Append, never change."""

_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_CACHE_KIB: Final = 64  # SQLite would come to hold 2 MB in the end; what is written is appended, and rarely read
_BUSY_TIMEOUT_S: Final = 0.25  # readers do not block a writer in WAL; only a second writer could
_RETRY_AFTER_S: Final = 60.0
_HELD: Final = 2000  # records that wait for a database that cannot be written; then the oldest go
_UNFIT: Final = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError)  # it is the record that is at fault
_PRUNE_EVERY_S: Final = 86400.0
_COLUMNS: Final = (
    "started_at, run_id, reason, detail, outcome, phases_ms, total_ms, target, clean, "
    "scanonce_version, config, node_version, browser_version"
)


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event as it was recorded."""

    at: float  # seconds since the epoch
    name: str
    fields: Mapping[str, Any]


class _NewerSchemaError(Exception):
    """The database was written by a later version; it must be neither changed nor moved."""


def _ignore(_problem: str) -> None:
    pass


class History:
    """The history of one project. Opened on first use, by one thread, which must be the only one to use it.

    `keep` is the age in seconds past which records are removed (None: never). `warn` is given one sentence when
    something is wrong. No method raises for a database that cannot be used.
    """

    def __init__(
        self,
        path: Path,
        *,
        keep: float | None = None,
        warn: Callable[[str], None] = _ignore,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._keep = keep
        self._warn = warn
        self._now = now
        self._db: sqlite3.Connection | None = None
        self._off_until = 0.0
        self._warned = False
        self._prune_at = 0.0
        self._waiting: deque[tuple[str, Sequence[object]]] = deque(maxlen=_HELD)
        self._described: str | None = None

    def record(self, restart: Restart, settings: Mapping[str, Any] | None = None) -> None:
        """Keep one restart; `settings` is what the fingerprint of its configuration stands for."""
        setup = restart.setup
        row = (
            restart.started_at,
            restart.run_id,
            restart.reason,
            _text(restart.detail),
            restart.outcome,
            json.dumps(dict(restart.phases_ms)),
            restart.total_ms,
            restart.target,
            restart.clean,
            setup.scanonce,
            setup.config,
            setup.node,
            setup.browser,
        )
        marks = ", ".join("?" * len(row))
        self._write(f"INSERT INTO restarts ({_COLUMNS}) VALUES ({marks})", row)  # noqa: S608  constants only
        if setup.config is not None and settings is not None and setup.config != self._described:
            # After the restart that refers to it: what no restart refers to is removed.
            described = (setup.config, json.dumps(dict(settings)))
            self._write("INSERT OR IGNORE INTO configurations (fingerprint, settings) VALUES (?, ?)", described)
            self._described = setup.config if self._db is not None else None

    def event(self, name: str, fields: Mapping[str, Any]) -> None:
        """Keep one event. Values that JSON does not know are kept as text."""
        row = (self._now(), name, json.dumps(dict(fields), default=str))
        self._write("INSERT INTO events (at, name, fields) VALUES (?, ?, ?)", row)

    def restarts(self, limit: int) -> list[Restart]:
        """The last restarts, newest first."""
        query = f"SELECT {_COLUMNS} FROM restarts ORDER BY id DESC LIMIT ?"  # noqa: S608
        return [
            Restart(
                started_at=row[0],
                run_id=row[1],
                reason=row[2],
                detail=row[3],
                outcome=row[4],
                phases_ms=json.loads(row[5]),
                total_ms=row[6],
                target=row[7],
                clean=bool(row[8]),
                setup=Setup(scanonce=row[9], config=row[10], node=row[11], browser=row[12]),
            )
            for row in self._read(query, (limit,))
        ]

    def events(self, limit: int, name: str | None = None) -> list[EventRecord]:
        """The last events, newest first; only those called `name` if given."""
        query = "SELECT at, name, fields FROM events WHERE ?1 IS NULL OR name = ?1 ORDER BY id DESC LIMIT ?2"
        return [EventRecord(at, kind, json.loads(fields)) for at, kind, fields in self._read(query, (name, limit))]

    def close(self) -> None:
        """Close the database, after a last try to write what waits. It is opened again if it is used again."""
        self._off_until = 0.0
        self._catch_up()
        if self._db is not None:
            with self._guard():
                self._db.close()
            self._db = None

    def _write(self, statement: str, row: Sequence[object]) -> None:
        self._waiting.append((statement, row))
        self._catch_up()

    def _catch_up(self) -> None:
        """Write what waits, in its order, as long as that can be done."""
        tries = 2  # the second time on the new database, if the old one was damaged
        while self._waiting and tries:
            tries -= 1
            with self._guard():
                db = self._connect()
                if db is None:
                    return
                self._write_all(db)
                self._warned = False

    def _write_all(self, db: sqlite3.Connection) -> None:
        while self._waiting:
            try:
                db.execute(*self._waiting[0])
            except _UNFIT:
                self._waiting.popleft()  # or nothing after it would ever be written
                raise
            self._waiting.popleft()
            self._prune(db)

    def _read(self, query: str, row: Sequence[object]) -> list[Any]:
        if self._db is None and not self._path.exists():
            return []
        with self._guard():
            db = self._connect()
            if db is not None:
                return db.execute(query, row).fetchall()
        return []

    def _prune(self, db: sqlite3.Connection) -> None:
        """Remove what is too old; once a day, for a supervisor that runs for months."""
        now = self._now()
        if self._keep is None or now < self._prune_at:
            return
        db.execute("DELETE FROM restarts WHERE started_at < ?", (now - self._keep,))
        db.execute("DELETE FROM events WHERE at < ?", (now - self._keep,))
        unused = "fingerprint NOT IN (SELECT config FROM restarts WHERE config IS NOT NULL)"
        db.execute(f"DELETE FROM configurations WHERE {unused}")  # noqa: S608  constants only
        self._prune_at = now + _PRUNE_EVERY_S

    def _connect(self) -> sqlite3.Connection | None:
        if self._db is None and time.monotonic() >= self._off_until:
            self._db = _open(self._path)
        return self._db

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Turn whatever SQLite or the system reports into a warning."""
        try:
            yield
        except sqlite3.ProgrammingError:  # used from a second thread: ours to mend, not the user's
            raise
        except (sqlite3.Error, OSError, _NewerSchemaError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
                self._set_aside(error)
            else:
                self._switch_off(error)

    def _set_aside(self, error: BaseException) -> None:
        """Move a damaged database, with its journal, out of the way."""
        self._drop_connection()
        aside = self._path.with_name(f"{self._path.name}.damaged-{round(self._now() * 1000)}")
        try:
            for suffix in ("-wal", "-shm", ""):
                part = Path(f"{self._path}{suffix}")
                if part.exists():
                    part.replace(f"{aside}{suffix}")
        except OSError as cannot_move:
            self._switch_off(cannot_move)
            return
        self._warn(f"the history {self._path} is damaged ({error}); it was moved to {aside.name} and a new one begun")

    def _switch_off(self, error: BaseException) -> None:
        """Stop using the database for a while; warn once, until it has worked again."""
        self._drop_connection()
        self._off_until = time.monotonic() + _RETRY_AFTER_S
        if not self._warned:
            self._warned = True
            self._warn(f"restarts are not being recorded: {self._path}: {error}")

    def _drop_connection(self) -> None:
        self._described = None  # the next database may be a new one
        if self._db is not None:
            self._db.close()
            self._db = None


def _text(text: str) -> str:
    """Text that SQLite can store: bytes of a file's name that are not UTF-8 are written out."""
    return text.encode("utf-8", "backslashreplace").decode()


def _open(path: Path) -> sqlite3.Connection:
    """Open or create the database, private to its owner, and bring its schema up to date."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Created here because SQLite would use the umask; its journals then take the mode of the database.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)
    db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        # A power cut may cost the last records, never the database; in return a record costs no fsync.
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        _migrate(db)
    except BaseException:
        db.close()
        raise
    return db


def _migrate(db: sqlite3.Connection) -> None:
    """Run the migrations that are missing, all or none."""
    if _version(db) == len(_MIGRATIONS):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        version = _version(db)  # again, under the lock: another process may have been first
        if version > len(_MIGRATIONS):
            raise _NewerSchemaError(f"written by a later version of scanonce (schema {version})")
        for migration in _MIGRATIONS[version:]:
            for statement in migration:
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _version(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)
