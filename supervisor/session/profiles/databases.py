"""Which databases of a profile the link needs, and whether they are sound.

The only module that knows the format readers. WhatsApp Web's link lives in IndexedDB and localStorage. Measured: those
two folders alone, copied to a fresh profile, kept the link.

Chromium keeps both in LevelDB, and is about to move them to SQLite: with its feature `IdbSqliteBackingStore`
(measured, Chromium 156) the folder `IndexedDB/<origin>.indexeddb.leveldb` gives way to a file
`IndexedDB/<origin>/<name>`. That is no loss, so both are known here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from supervisor.session.leveldb import check
from supervisor.session.leveldb.damage import LevelDbReport, ProblemKind
from supervisor.session.leveldb.truncate import trim_torn_tails
from supervisor.session.profiles import auth_files, sqlite
from supervisor.system import parallel
from supervisor.system.reading import read_start

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path

    from supervisor.session.profiles.scan import ProfileTree
    from supervisor.system.parallel import Progress

INDEXED_DB = "IndexedDB"
LOCAL_STORAGE = "Local Storage"
AUTH_FILES = "auth files"
KINDS = (INDEXED_DB, LOCAL_STORAGE)
_NOT_MADE_YET = frozenset({ProblemKind.ABSENT, ProblemKind.EMPTY})
_SQLITE_MAGIC = b"SQLite format 3\0"  # sqlite.org/fileformat.html
_READ_WHOLE = (".ldb", ".sst", ".log")
#: What pages store as files (`navigator.storage.getDirectory`).
_FILE_SYSTEMS = frozenset({"File System"})
_SIDECARS = ("-journal", "-wal", "-shm")


class Format(StrEnum):
    """How a database is stored."""

    LEVELDB = "LevelDB"
    SQLITE = "SQLite"
    JSON = "JSON"


class Database(NamedTuple):
    """A database that the link needs: its kind, its LevelDB folder or file relative to the profile."""

    kind: str
    path: str
    format: Format = Format.LEVELDB


@dataclass(frozen=True, slots=True)
class DatabaseVerdict:
    """What verifying one database told."""

    database: Database
    problems: tuple[str, ...] = ()
    """One sentence per damage."""
    made: bool = True
    """Whether there is a database at all: a folder may be there before anything was ever written to it."""
    unreadable: bool = False
    """Whether it could not be judged, because the system would not let us read some of it."""
    last_sequence: int = 0
    """LevelDB: the number of the newest record. It only grows: a smaller one means that time went backwards.
    SQLite: 0, there is no such number (a page may delete a database and make it anew)."""
    report: LevelDbReport | None = None
    torn_files: tuple[str, ...] = ()
    """Of an account that is a folder of files: those that are half-written, and that it can do without."""

    @property
    def torn(self) -> bool:
        """Whether something half-written must be cut off, or set aside, before a bot is started."""
        return bool(self.torn_files) or (self.report is not None and bool(self.report.to_trim))


def needed(root: Path, tree: ProfileTree, expected: Iterable[str] = ()) -> list[Database]:
    """The databases of the profile at `root` that the link needs, by what is there.

    `expected` are the paths of databases that were there before: such a file is one even if its first bytes no longer
    say so. Raises `OSError`.
    """
    if any(map(auth_files.is_key_file, tree.files)) and auth_files.is_auth_folder(root):
        return [Database(AUTH_FILES, auth_files.CREDS, Format.JSON)]
    found = []
    for folder in sorted(tree.folders):
        parent, _, name = folder.rpartition("/")
        home = parent.rpartition("/")[2]
        if (home == INDEXED_DB and name.endswith(".leveldb")) or (home == LOCAL_STORAGE and name == "leveldb"):
            found.append(Database(home, folder))
    before = frozenset(expected)
    for path in sorted(tree.files):
        kind = _kind_of_file(path)
        if kind is not None and (path in before or _is_sqlite(root / path)):
            found.append(Database(kind, path, Format.SQLITE))
    return found


def holds_web_data(root: Path, tree: ProfileTree) -> bool:
    """Whether a quiet profile holds anything that a page of the web has stored.

    That of a browser whose only page was incognito does not (measured, Chromium 156: no database in IndexedDB, one
    record, its version, in Local Storage, and no cookie). What is no whole profile is not judged. Raises `OSError`.
    """
    found = needed(root, tree)
    cookies = [path for path in tree.files if path.endswith("/Cookies")]
    if not cookies or all(database.kind != LOCAL_STORAGE for database in found):
        return True
    folders = {folder.rpartition("/")[2] for folder in tree.folders}
    if any(database.kind == INDEXED_DB for database in found) or not _FILE_SYSTEMS.isdisjoint(folders):
        return True
    verdicts = verify(root, found, trusted=tree.files)
    if any(one.problems or one.last_sequence > 1 or one.database.format is Format.SQLITE for one in verdicts):
        return True
    return any(sqlite.has_rows(root / path, "cookies") for path in cookies)


def kind_of(path: str) -> str | None:
    """The kind of database that lies at a path.

    >>> kind_of("Default/Local Storage/leveldb"), kind_of("Default/Preferences")
    ('Local Storage', None)
    """
    return next((part for part in reversed(path.split("/")[:-1]) if part in KINDS), None)


def lost(before: Iterable[str], verdicts: Iterable[DatabaseVerdict]) -> dict[str, str]:
    """The kinds of database that were there `before` (their paths) and of which none is left, each with a sentence."""
    left = {verdict.database.kind for verdict in verdicts if verdict.made}
    gone = set(map(kind_of, before)) - left
    return {kind: f"there is no {kind} any more, and there was one" for kind in KINDS if kind in gone}


def sequences(verdicts: Iterable[DatabaseVerdict]) -> dict[str, int]:
    """The last sequence number of each database that is there and sound, by its path."""
    return {v.database.path: v.last_sequence for v in verdicts if v.made and not v.problems}


def verify(
    root: Path,
    databases: Iterable[Database],
    *,
    deep: bool = False,
    trusted: Collection[str] = (),
    progress: Progress = parallel.silent,
) -> list[DatabaseVerdict]:
    """Verify databases under `root`.

    `trusted` are the files (relative to `root`) whose contents were verified before and have not changed: their blocks
    are not read again. With `deep` nothing is trusted.
    """
    databases = list(databases)
    trusted = () if deep else trusted
    total, done = size_to_read(root, databases, trusted), 0

    def checked(count: int) -> None:
        nonlocal done
        done = min(total, done + count)  # of a trusted file, too, a little is read
        progress(done, total)

    verdicts = []
    for database in databases:
        if database.format is Format.LEVELDB:
            verdicts.append(_verify_leveldb(root, database, deep, trusted, checked))
        elif database.format is Format.JSON:
            verdicts.append(_verify_auth_files(root, database, trusted))
        elif database.path in trusted:
            verdicts.append(DatabaseVerdict(database))
        else:
            verdicts.append(_verify_sqlite(root / database.path, database))
            checked(_to_read(root, database.path, trusted))
    progress(total, total)
    return verdicts


def size_to_read(root: Path, databases: Iterable[Database], trusted: Collection[str] = ()) -> int:
    """The bytes that `verify` reads, without the files that are trusted: what its progress counts up to."""
    return sum(_to_read(root, database.path, trusted) for database in databases)


def mend(root: Path, verdicts: Iterable[DatabaseVerdict]) -> list[str]:
    """Cut off half-written records, durably; returns the paths of the files that were cut. Raises `OSError`.

    Of a folder of files those that are half-written are set aside.

    Chromium appends after such a record, cannot read back what it appended, and deletes the whole database at the
    start after that.
    """
    cut: list[str] = []
    for verdict in verdicts:
        auth_files.set_aside(root, verdict.torn_files)
        cut += verdict.torn_files
        if verdict.report is not None and verdict.torn:
            path = verdict.database.path
            cut += [f"{path}/{name}" for name in trim_torn_tails(root / path, verdict.report)]
    return cut


def _kind_of_file(path: str) -> str | None:
    """The kind of the SQLite database that a file may be: one beside the LevelDB folders, or one folder deeper."""
    parts = path.split("/")
    for home in (len(parts) - 2, len(parts) - 3):
        if home >= 0 and parts[home] in KINDS and not path.endswith(_SIDECARS):
            folder = parts[home + 1] if home + 2 < len(parts) else ""
            return None if folder.endswith(("leveldb", ".blob")) else parts[home]
    return None


def _is_sqlite(path: Path) -> bool:
    return read_start(path, len(_SQLITE_MAGIC)) == _SQLITE_MAGIC


def _to_read(root: Path, path: str, trusted: Collection[str]) -> int:
    """The bytes in a database, without the files that are trusted; 0 for one that cannot be looked at."""
    place = f"{root}{os.sep}{path}"
    try:
        if not os.path.isdir(place):  # noqa: PTH112
            return os.stat(place).st_size  # noqa: PTH116
        with os.scandir(place) as entries:
            return sum(
                entry.stat(follow_symlinks=False).st_size
                for entry in entries
                if entry.name.endswith(_READ_WHOLE) and f"{path}/{entry.name}" not in trusted
            )
    except OSError:
        return 0


def _verify_leveldb(
    root: Path,
    database: Database,
    deep: bool,
    trusted: Collection[str],
    checked: Callable[[int], None],
) -> DatabaseVerdict:
    folder = f"{database.path}/"
    names = {path.removeprefix(folder) for path in trusted if path.startswith(folder)}
    report = check.verify(root / database.path, deep=deep, trusted=names, checked=checked)
    kinds = {problem.kind for problem in report.problems}
    verdict = partial(DatabaseVerdict, database, last_sequence=report.last_sequence, report=report)
    if kinds & _NOT_MADE_YET:
        return verdict(made=False)
    problems = tuple(f"{database.path}/{problem}" for problem in report.problems)
    return verdict(problems=problems, unreadable=ProblemKind.UNREADABLE in kinds)


def _verify_auth_files(root: Path, database: Database, trusted: Collection[str]) -> DatabaseVerdict:
    try:
        files = [name for name in os.listdir(root) if auth_files.is_key_file(name)]  # noqa: PTH208
        problems = auth_files.problems(root, files, trusted)
        torn = auth_files.torn(root, files, trusted)
    except OSError as error:
        return DatabaseVerdict(database, (f"{error.filename}: {error.strerror}",), unreadable=True)
    return DatabaseVerdict(database, tuple(problems), torn_files=tuple(torn))


def _verify_sqlite(path: Path, database: Database) -> DatabaseVerdict:
    if path.stat().st_size == 0:
        return DatabaseVerdict(database, made=False)
    if not os.access(path, os.R_OK):
        return DatabaseVerdict(database, (f"{database.path}: it may not be read",), unreadable=True)
    if _is_unfinished(path):
        return DatabaseVerdict(database)
    return DatabaseVerdict(database, tuple(f"{database.path}: {problem}" for problem in sqlite.quick_check(path)))


def _is_unfinished(path: Path) -> bool:
    """Whether the writer died and left something beside the file.

    SQLite itself sets that right at the next open; until then the file alone tells nothing.
    """
    sidecars = (path.with_name(f"{path.name}{suffix}") for suffix in _SIDECARS[:2])
    return any(sidecar.is_file() and sidecar.stat().st_size for sidecar in sidecars)
