"""The MANIFEST: a file of version edits which, applied in order, name the live tables and logs.

The encoding is that of LevelDB's db/version_edit.cc, the rules those of ``VersionSet::Recover``.
"""

from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from supervisor.session.leveldb.damage import ProblemKind
from supervisor.session.leveldb.encoding import LARGEST_SEQUENCE, Cursor, DamageError, DecodeError
from supervisor.session.leveldb.log_format import RecordReader

_LEVELS = 7  # LevelDB's config::kNumLevels
_LONGEST_EDIT = 64 << 20  # bytes; the first edit of a MANIFEST lists every table, at about 100 bytes each


class Version(NamedTuple):
    """The state of a database as a MANIFEST tells it."""

    log_number: int
    """The oldest live log; 0 if there never was one."""

    previous_log_number: int
    """One more live log, in databases of long ago."""

    last_sequence: int
    """The highest sequence number when the last edit was written."""

    tables: dict[int, int]
    """Size in bytes of each live table, by number."""


@dataclass(slots=True)
class _State:
    """What the edits so far have said."""

    comparator_named: bool = False
    log_number: int | None = None
    previous_log_number: int = 0
    next_file_number: int | None = None
    last_sequence: int | None = None
    tables: dict[tuple[int, int], int] = field(default_factory=dict)  # sizes by level and number

    def apply(self, edit: bytes) -> None:
        """Change the state as the edit says; `DecodeError` if it cannot be understood."""
        cursor = Cursor(edit)
        deleted: list[tuple[int, int]] = []
        added: dict[tuple[int, int], int] = {}
        while not cursor.at_end:
            match cursor.varint():
                case 1:
                    cursor.string()
                    self.comparator_named = True
                case 2:
                    self.log_number = cursor.varint()
                case 3:
                    self.next_file_number = cursor.varint()
                case 4:
                    self.last_sequence = _sequence(cursor)
                case 5:  # where the next compaction of a level begins: the level and a key
                    _level(cursor)
                    cursor.string()
                case 6:
                    deleted.append((_level(cursor), cursor.varint()))
                case 7:
                    table = (_level(cursor), cursor.varint())
                    added[table] = cursor.varint()
                    cursor.string()  # the smallest key
                    cursor.string()  # the largest key
                case 9:
                    self.previous_log_number = cursor.varint()
                case tag:
                    raise DecodeError(f"its tag {tag} is unknown")
        for table in deleted:
            self.tables.pop(table, None)
        self.tables |= added  # last: where one edit deletes and adds the same table, it is there


def manifest_reader(file: BinaryIO, name: str) -> RecordReader:
    """A reader of records that keeps whole edits."""
    return RecordReader(file, name, keep=_LONGEST_EDIT)


def read_version(reader: RecordReader) -> Version:
    """The state after all edits. `DamageError` if one cannot be decoded, or if they do not say enough."""
    state = _State()
    for record in reader:
        if record.length > _LONGEST_EDIT:
            raise DamageError(ProblemKind.MALFORMED, record.offset, f"an edit is {record.length} bytes long")
        try:
            state.apply(record.payload)
        except DecodeError as error:
            raise DamageError(ProblemKind.MALFORMED, record.offset, f"an edit cannot be decoded: {error}") from error
        if not state.comparator_named:  # LevelDB's first edit does, and lists the tables that there are
            raise DamageError(ProblemKind.MALFORMED, record.offset, "the first edits are missing")
    if state.log_number is None or state.last_sequence is None or state.next_file_number is None:
        raise DamageError(ProblemKind.MALFORMED, None, "no whole edit in it describes the database")
    tables = {number: size for (_, number), size in sorted(state.tables.items())}
    return Version(state.log_number, state.previous_log_number, state.last_sequence, tables)


def _level(cursor: Cursor) -> int:
    level = cursor.varint()
    if level >= _LEVELS:
        raise DecodeError(f"there is no level {level}")
    return level


def _sequence(cursor: Cursor) -> int:
    sequence = cursor.varint()
    if sequence > LARGEST_SEQUENCE:
        raise DecodeError(f"{sequence} is no sequence number")
    return sequence
