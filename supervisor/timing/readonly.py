"""Reading a database beside whoever may be writing it: no lock that a writer would notice, no file made or left."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

_TRIES: Final = 3

_T = TypeVar("_T")


def read_beside(path: Path, ask: Callable[[sqlite3.Connection], _T], *, timeout: float) -> _T:
    """What `ask` finds in the database at `path`; raises sqlite3.Error or OSError if it cannot be read.

    A database in WAL mode that nobody has open is one file; opening it, even read-only, makes two more, which a reader
    may not remove. So it is read as one that does not change, and once more if it turns out to have changed meanwhile.
    `timeout`: seconds that are waited for a writer, which in WAL mode is only one that mends it after a crash.
    """

    def read(mode: str) -> _T:
        uri = f"{path.absolute().as_uri()}?{mode}"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None)) as db:
            return ask(db)

    for _ in range(_TRIES):
        before = _stamp(path)
        if before is None:
            break
        try:
            found = read("mode=ro&immutable=1")
        except sqlite3.Error:
            if _stamp(path) == before:
                raise
            continue  # a writer came in between: what was seen was half of one state and half of another
        if _stamp(path) == before:
            return found
    return read("mode=ro")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes whenever the database does; None while somebody has it open, or has died over it."""
    if path.with_name(f"{path.name}-wal").exists():
        return None
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size
