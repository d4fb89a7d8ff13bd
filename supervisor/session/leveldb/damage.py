"""What a check of a LevelDB folder found."""

from dataclasses import dataclass
from enum import StrEnum


class ProblemKind(StrEnum):
    """What sort of damage it is; the values are stable and may be stored."""

    ABSENT = "absent"
    """There is no such folder."""

    EMPTY = "empty"
    """The folder holds no database: never created, or removed with everything that could be lost."""

    UNREADABLE = "unreadable"
    """The system refused to let us read it (permissions, I/O error), or it is no regular file or folder."""

    MISSING = "missing"
    """A file without which the database is not whole is not there."""

    BAD_POINTER = "bad-pointer"
    """CURRENT does not hold the name of a MANIFEST."""

    WRONG_SIZE = "wrong-size"
    """A table's length is not the one that was recorded when it was written."""

    CHECKSUM = "checksum"
    """Bytes are not the ones that were written: their CRC32C differs."""

    MALFORMED = "malformed"
    """Bytes that cannot be what LevelDB writes."""

    GAP = "gap"
    """The log goes on past records that are nowhere to be found."""

    CONDEMNED = "condemned"
    """The browser left a note that it will delete this database at its next start."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing wrong with one file. A file is judged by the first problem met in it."""

    file: str
    """The file's name inside the folder; ``"."`` for the folder itself."""

    offset: int | None
    """Where in the file, in bytes, if at one place."""

    kind: ProblemKind

    message: str
    """One sentence: what was seen and what was expected."""

    def __str__(self) -> str:
        place = self.file if self.offset is None else f"{self.file} at byte {self.offset}"
        return f"{place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Tail:
    """How far a file of records (a log or a MANIFEST) can be read."""

    file: str

    end: int
    """Bytes up to the end of the last whole record."""

    torn: bool
    """Whether something after `end` looks like a record that was being written when the writer died."""


@dataclass(frozen=True, slots=True)
class LevelDbReport:
    """What `verify` found in one database folder."""

    problems: tuple[Damage, ...] = ()

    last_sequence: int = 0
    """The highest sequence number that can be read back. LevelDB numbers every write, so a lower number than the one
    seen at the last clean stop means that writes were lost."""

    tables: int = 0
    """Live tables, the missing ones included."""

    bytes_checked: int = 0
    """Bytes compared with their checksum or parsed."""

    manifest: Tail | None = None
    """The MANIFEST in use; `None` if it could not be read."""

    logs: tuple[Tail, ...] = ()
    """The live logs that could be read, oldest first; new writes go to the last."""

    @property
    def ok(self) -> bool:
        """Whether the database is whole, as far as it was looked at. A torn tail alone is no damage."""
        return not self.problems

    @property
    def log_end(self) -> int:
        """Bytes of the newest log up to the end of its last whole record; 0 without a log."""
        return self.logs[-1].end if self.logs else 0

    @property
    def torn_tail(self) -> bool:
        """Whether a live log ends in a record that was being written when the writer died."""
        return any(log.torn for log in self.logs)

    @property
    def to_trim(self) -> tuple[Tail, ...]:
        """The torn tails that the browser would append to; none if there are problems, which trimming cannot mend.

        New writes go to the newest log. An older one can be torn too (a power cut), but nothing is appended to it.
        """
        tails = (self.manifest, *self.logs[-1:])
        return tuple(tail for tail in tails if tail is not None and tail.torn) if self.ok else ()
