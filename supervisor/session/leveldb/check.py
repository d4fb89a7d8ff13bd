"""Checking a whole database folder. See the package for what it means."""

from __future__ import annotations

import os
import re
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

from supervisor.session.leveldb.damage import Damage, LevelDbReport, ProblemKind, Tail
from supervisor.session.leveldb.encoding import LARGEST_SEQUENCE, DamageError
from supervisor.session.leveldb.log_cache import PREFIXES
from supervisor.session.leveldb.log_format import RecordReader
from supervisor.session.leveldb.sorted_table import check_table
from supervisor.session.leveldb.version_edits import manifest_reader, read_version
from supervisor.system.reading import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from supervisor.session.leveldb.log_format import LevelDbRecord
    from supervisor.session.leveldb.version_edits import Version

_FOLDER = "."
_CURRENT = "CURRENT"
_CORRUPTION_NOTE = "corruption_info.json"
_POINTER = re.compile(rb"MANIFEST-[0-9]{6,20}\n")
_LOG = re.compile(r"([0-9]{1,20})\.log")
_DATA = re.compile(r"[0-9]{1,20}\.(?:log|ldb|sst)")
_BATCH_HEADER = struct.Struct("<QI")  # first sequence number, number of writes
_POINTER_LIMIT = 64  # bytes; more than a CURRENT can have
_NOTE_LIMIT = 4096  # bytes; Chromium ignores a longer note


def verify(
    folder: Path,
    *,
    deep: bool = False,
    trusted: Collection[str] = (),
    checked: Callable[[int], None] | None = None,
) -> LevelDbReport:
    """Check the LevelDB database in `folder`, which no process may be writing to. Nothing is changed.

    CURRENT, the MANIFEST, the live logs and each live table's footer and index are always checked. The rest of a
    table's blocks are checked too, unless its name is in `trusted`: it is as it was when last checked, and a table
    never changes once written. Of a log, what has been parsed before is compared with what it was then, and only the
    rest is parsed. With `deep` no table is trusted, and all is parsed. `checked` is called with the number of bytes of
    each file once they are checked.

    Whatever is wrong with the files, unreadable ones included, is in the report; no exception is raised for it.
    """
    check = _Verification(folder, trusted, checked, deep=deep)
    check.run()
    return check.report()


class _Verification:
    def __init__(
        self,
        folder: Path,
        trusted: Collection[str],
        checked: Callable[[int], None] | None,
        *,
        deep: bool,
    ) -> None:
        self._folder = folder
        self._deep = deep
        self._trusted = trusted
        self._report_checked = checked
        self._problems: list[Damage] = []
        self._names: frozenset[str] = frozenset()
        self._last_sequence = 0
        self._tables = 0
        self._bytes_checked = 0
        self._manifest: Tail | None = None
        self._logs: list[Tail] = []

    def _open(self, name: str) -> BinaryIO:
        # No Path: tables and logs have new names all the time, and pathlib interns each one (see supervisor.allocator).
        return open_regular(f"{self._folder}{os.sep}{name}")

    def report(self) -> LevelDbReport:
        return LevelDbReport(
            problems=tuple(self._problems),
            last_sequence=self._last_sequence,
            tables=self._tables,
            bytes_checked=self._bytes_checked,
            manifest=self._manifest,
            logs=tuple(self._logs),
        )

    def run(self) -> None:
        if not self._list():
            return
        self._look_for_note()
        with self._judging(_CURRENT):
            manifest = self._read_current()
            with self._judging(manifest):
                version = self._read_manifest(manifest)
                self._check_tables(version)
                self._check_logs(version)

    @contextmanager
    def _judging(self, name: str) -> Iterator[None]:
        """Turn what is met inside the block into a problem of the file `name`."""
        try:
            yield
        except DamageError as damage:
            self._problem(name, damage.kind, damage.message, damage.offset)
        except FileNotFoundError:
            self._problem(name, ProblemKind.MISSING, "the file is missing")
        except OSError as error:
            self._problem(name, ProblemKind.UNREADABLE, f"the file cannot be read: {_reason(error)}")

    def _problem(self, name: str, kind: ProblemKind, message: str, offset: int | None = None) -> None:
        self._problems.append(Damage(name, offset, kind, message))

    def _count(self, checked: int) -> None:
        self._bytes_checked += checked
        if self._report_checked is not None:
            self._report_checked(checked)

    def _list(self) -> bool:
        """Learn the names in the folder; whether there is anything to check."""
        try:
            self._names = frozenset(entry.name for entry in self._folder.iterdir())
        except FileNotFoundError:
            self._problem(_FOLDER, ProblemKind.ABSENT, "there is no such folder")
        except OSError as error:
            self._problem(_FOLDER, ProblemKind.UNREADABLE, f"the folder cannot be read: {_reason(error)}")
        else:
            if _CURRENT in self._names or any(map(_DATA.fullmatch, self._names)):
                return True
            self._problem(_FOLDER, ProblemKind.EMPTY, "the folder holds no database")
        return False

    def _look_for_note(self) -> None:
        """Chromium that met damage in an IndexedDB leaves a note, and deletes the database when it next opens it."""
        if _CORRUPTION_NOTE not in self._names:
            return
        with self._judging(_CORRUPTION_NOTE):
            if 0 < (self._folder / _CORRUPTION_NOTE).lstat().st_size <= _NOTE_LIMIT:
                raise DamageError(
                    ProblemKind.CONDEMNED, None, "the browser marked the database as corrupt and will delete it"
                )

    def _read_current(self) -> str:
        with self._open(_CURRENT) as file:
            pointer = file.read(_POINTER_LIMIT)
        if not _POINTER.fullmatch(pointer):
            seen = f"it holds {pointer!r}" if pointer else "it is empty"
            raise DamageError(ProblemKind.BAD_POINTER, None, f"{seen} instead of the name of a MANIFEST and a newline")
        return pointer[:-1].decode("ascii")

    def _read_manifest(self, name: str) -> Version:
        with self._open(name) as file:
            reader = manifest_reader(file, name)
            try:
                return read_version(reader)
            finally:
                self._manifest = reader.tail
                self._count(reader.bytes_read)

    def _check_tables(self, version: Version) -> None:
        for number, size in version.tables.items():
            name = f"{number:06d}.ldb"
            if name not in self._names and f"{number:06d}.sst" in self._names:
                name = f"{number:06d}.sst"  # the suffix that LevelDB used up to 1.13
            self._tables += 1
            with self._judging(name):
                self._check_table(name, size)

    def _check_table(self, name: str, size: int) -> None:
        with self._open(name) as file:
            found = os.fstat(file.fileno()).st_size
            if found != size:
                raise DamageError(ProblemKind.WRONG_SIZE, None, f"it has {found} bytes where {size} were written")
            self._count(check_table(file, size, every_block=self._deep or name not in self._trusted))

    def _check_logs(self, version: Version) -> None:
        self._last_sequence = version.last_sequence
        numbers = {int(match[1]) for match in map(_LOG.fullmatch, self._names) if match}
        live = {number for number in numbers if number >= version.log_number or number == version.previous_log_number}
        if version.log_number:  # 0: no log has been named yet
            live.add(version.log_number)
        for number in sorted(live):
            name = f"{number:06d}.log"
            with self._judging(name):
                self._check_log(name)

    def _check_log(self, name: str) -> None:
        above = self._last_sequence
        with self._open(name) as file:
            known = None if self._deep else PREFIXES.find(file, above)
            if known is not None:
                self._last_sequence = max(above, known.last)
            reader = RecordReader(file, name, keep=_BATCH_HEADER.size, start=known.end if known is not None else 0)
            try:
                for record in reader:
                    self._follow(record)
            finally:
                self._count(reader.bytes_read)
            PREFIXES.note(file, known, end=reader.tail.end, above=above, last=self._last_sequence)
        self._logs.append(reader.tail)

    def _follow(self, record: LevelDbRecord) -> None:
        """Each batch of writes goes on where the one before ended; the first may be older than the MANIFEST."""
        if record.length < _BATCH_HEADER.size:
            raise DamageError(ProblemKind.MALFORMED, record.offset, f"a batch of {record.length} bytes is too short")
        first, count = _BATCH_HEADER.unpack(record.payload)
        expected = self._last_sequence + 1
        if first > expected:
            raise DamageError(ProblemKind.GAP, record.offset, f"write {first} follows write {expected - 1}")
        if first + count - 1 > LARGEST_SEQUENCE:
            raise DamageError(ProblemKind.MALFORMED, record.offset, f"{count} writes from {first} are too many")
        self._last_sequence = max(self._last_sequence, first + count - 1)


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
