"""Is an SQLite database sound? Looked at without a lock, a journal, or anything else that would change a file."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from supervisor.system.reading import read_start

_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")  # sqlite.org/fileformat.html, "The Rollback Journal"
_MOST_PROBLEMS = 20


def quick_check(path: Path) -> list[str]:
    """What is wrong with the database at `path`, which no process may be writing to; an empty list if nothing is.

    Each entry is one sentence. A file of no bytes is a sound, empty database. Where a journal beside the file says that
    a transaction was under way, the file is in the middle of it and cannot be judged without it: that is the one entry
    then, and SQLite itself sets it right when the browser next opens the file. Nothing is created or changed, and
    whatever is wrong with the file, no exception is raised for it.
    """
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            return ["it is not a regular file"]
        unfinished = _unfinished(path)
    except OSError as error:
        return [f"it cannot be read: {(error.strerror or type(error).__name__).lower()}"]
    if unfinished:
        return [unfinished]
    return _ask_sqlite(path) if status.st_size else []


def _unfinished(path: Path) -> str | None:
    """What a journal beside the file says of a transaction that was under way when the writer died."""
    journal = path.with_name(f"{path.name}-journal")
    if _is_file(journal) and read_start(journal, len(_JOURNAL_MAGIC)) == _JOURNAL_MAGIC:
        return "a hot journal stands beside it: a transaction was cut short and will be rolled back"
    wal = path.with_name(f"{path.name}-wal")
    if _is_file(wal) and wal.stat().st_size:
        return "a write-ahead log stands beside it: it will be taken in when the database is next opened"
    return None


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def has_rows(path: Path, table: str) -> bool:
    """Whether a table of a database that no process may be writing to has any row; yes if that cannot be read."""
    try:
        if _unfinished(path):
            return True
        with closing(_connect(path)) as database:
            return database.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone() is not None  # noqa: S608 - ours
    except (OSError, sqlite3.Error, UnicodeDecodeError):
        return True


def _connect(path: Path) -> sqlite3.Connection:
    # immutable: no locks, no look for journals, no -shm; as_uri quotes "?", "#", "%" and bytes that are not UTF-8.
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def _ask_sqlite(path: Path) -> list[str]:
    try:
        with closing(_connect(path)) as database:
            database.text_factory = _text
            database.execute("PRAGMA trusted_schema = OFF")
            rows = database.execute(f"PRAGMA quick_check({_MOST_PROBLEMS})").fetchall()
    except sqlite3.Error as error:
        return [f"SQLite cannot read it: {error}"]
    except UnicodeDecodeError as error:  # the module decodes SQLite's message strictly, and that quotes the damage
        return [f"SQLite cannot read it: {_text(error.object)}"]
    found = [str(row[0]) for row in rows]
    return [] if found == ["ok"] else found


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
