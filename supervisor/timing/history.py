"""The history of restarts and events, written to SQLite. Its failures never affect the bot.

A damaged database is moved aside and a new one begun. One that cannot be written (read-only or full disk, no
permission, locked) is tried again later; until then records are queued in memory, up to a limit. Both are reported by
one call of `warn`.
"""

import json
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from supervisor.timing.record import COLUMNS, KIND_COLUMNS, SETUP_COLUMNS, Restart

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
    (  # the versions that each restart ran with; NULL in earlier rows
        "ALTER TABLE restarts ADD COLUMN scanonce_version TEXT",
        "ALTER TABLE restarts ADD COLUMN config TEXT",
        "ALTER TABLE restarts ADD COLUMN node_version TEXT",
        "ALTER TABLE restarts ADD COLUMN browser_version TEXT",
        "CREATE TABLE configurations (fingerprint TEXT PRIMARY KEY, settings TEXT NOT NULL)",
    ),
    (  # whether it kept the page, and why not; NULL in earlier rows, when none did
        "ALTER TABLE restarts ADD COLUMN kind TEXT",
        "ALTER TABLE restarts ADD COLUMN why TEXT",
    ),
)
"""The statements from each schema version (`PRAGMA user_version`) to the next. Append, never change."""

_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_CACHE_KIB: Final = 64  # the default grows to 2 MB; records are appended, and rarely read
_BUSY_TIMEOUT_S: Final = 0.25  # in WAL readers do not block a writer; only a second writer could
_RETRY_AFTER_S: Final = 60.0
_HELD: Final = 2000  # records that are queued while the database cannot be written; the oldest are dropped
_UNFIT: Final = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
)  # the record is to blame
_PRUNE_EVERY_S: Final = 86400.0


class _NewerSchemaError(Exception):
    """The database was written by a later version, and must be neither changed nor moved."""


class History:
    """The history of one project, opened on first use. Only one thread may use it.

    `keep`: the age in seconds after which records are removed (None: never). `warn` is called with one sentence when
    the database cannot be used; no method raises then.
    """

    def __init__(
        self,
        path: Path,
        *,
        warn: Callable[[str], None],
        keep: float | None = None,
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
        """Record a restart; `settings`: the configuration that the fingerprint in its setup stands for."""
        setup = restart.setup
        fields = {name: getattr(restart, name) for name in (*COLUMNS, *KIND_COLUMNS)}
        fields |= {
            "detail": _text(restart.detail),
            "why": _text(restart.why),
            "phases_ms": json.dumps(dict(restart.phases_ms)),
        }
        row = (*fields.values(), setup.scanonce, setup.config, setup.node, setup.browser)
        names, marks = ", ".join((*COLUMNS, *KIND_COLUMNS, *SETUP_COLUMNS)), ", ".join("?" * len(row))
        self._write(f"INSERT INTO restarts ({names}) VALUES ({marks})", row)  # noqa: S608  constants only
        if setup.config is not None and settings is not None and setup.config != self._described:
            # After the restart that refers to it: configurations without a restart are removed.
            described = (setup.config, json.dumps(dict(settings)))
            self._write("INSERT OR IGNORE INTO configurations (fingerprint, settings) VALUES (?, ?)", described)
            self._described = setup.config if self._db is not None else None

    def event(self, name: str, fields: Mapping[str, Any]) -> None:
        """Record an event. Values that JSON has no type for become text."""
        row = (self._now(), name, json.dumps(dict(fields), default=str))
        self._write("INSERT INTO events (at, name, fields) VALUES (?, ?, ?)", row)

    def close(self) -> None:
        """Close the database, after a last try to write the queue. Another record opens it again."""
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
        """Write the queue in its order, until it is empty or writing fails."""
        tries = 2  # the second one on the new database, if the old one was damaged
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
                self._waiting.popleft()  # else no later one would ever be written
                raise
            self._waiting.popleft()
            self._prune(db)

    def _prune(self, db: sqlite3.Connection) -> None:
        """Remove old records, once a day: a supervisor may run for months."""
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
        """Turn errors of SQLite and the system into warnings."""
        try:
            yield
        except sqlite3.ProgrammingError:  # used from a second thread: a programming error
            raise
        except (sqlite3.Error, OSError, _NewerSchemaError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
                self._set_aside(error)
            else:
                self._switch_off(error)

    def _set_aside(self, error: BaseException) -> None:
        """Move a damaged database aside, with its journal."""
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
        """Stop using the database for a while; warn only once until it works again."""
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
    """Text that SQLite can store, with bytes of a file's name that are not UTF-8 escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def _open(path: Path) -> sqlite3.Connection:
    """Open or create the database, readable by its owner only, and migrate its schema."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # SQLite would create it by the umask; its journals get the mode of the database.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        if hasattr(os, "fchmod"):
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        # A power cut may lose the last records, but not damage the database; and a record needs no fsync.
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
