"""LevelDB itself, through plyvel: writes databases for the reader to read, and reads what the reader judged."""

from __future__ import annotations

import importlib
import random
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

plyvel: Any = importlib.import_module("plyvel")  # it has no type information

_UNCOMPACTED = 24  # batches, of about 1.7 KB each: few enough to stay in the log, enough for it to have two blocks
SMALL_BUFFER = 64 << 10  # bytes; the least that LevelDB takes, so that tables and compactions come early


@dataclass
class Database:
    """A database as LevelDB wrote it, and what it should hold."""

    folder: Path
    sequence: int = 0
    """How many writes there were: LevelDB numbers them from 1."""
    records: dict[bytes, bytes] = field(default_factory=dict)

    def write(self, *, seed: int, batches: int, compact: bool = True, **options: Any) -> Database:
        """Open it, write batches of puts and deletes, and close it.

        With `compact`, all but the last few of them are compacted before; without, LevelDB does as it likes.
        """
        chance = random.Random(seed)
        with plyvel.DB(str(self.folder), create_if_missing=True, write_buffer_size=SMALL_BUFFER, **options) as opened:
            for number in range(batches):
                if compact and number == batches - _UNCOMPACTED:
                    opened.compact_range()
                self._write_batch(opened, chance)
        return self

    def _write_batch(self, opened: Any, chance: random.Random) -> None:
        with opened.write_batch() as batch:
            for _ in range(chance.randrange(1, 9)):
                key = b"key-%04d" % chance.randrange(700)
                if chance.random() < 0.2:
                    batch.delete(key)
                    self.records.pop(key, None)
                else:
                    size = chance.randrange(900)
                    value = chance.randbytes(size) if chance.random() < 0.5 else bytes(size)
                    batch.put(key, value)
                    self.records[key] = value
                self.sequence += 1


def read_all(folder: Path, *, without: Collection[str] = ()) -> dict[bytes, bytes] | None:
    """Every record as LevelDB reads it with all its checks on, from a copy `without` some files.

    `None` if LevelDB finds damage.
    """
    with tempfile.TemporaryDirectory(prefix="leveldb-") as temporary:
        copy = shutil.copytree(folder, Path(temporary) / "copy", ignore=lambda _folder, _names: without)
        try:
            with plyvel.DB(str(copy), paranoid_checks=True) as opened:
                return dict(opened.iterator(verify_checksums=True))
        except plyvel.Error:
            return None
