"""Reading of a database that another process may be writing, without locks or files that it would notice."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

_TRIES: Final = 3

_T = TypeVar("_T")


def read_beside(path: Path, ask: Callable[[sqlite3.Connection], _T], *, timeout: float) -> _T:
    """The result of `ask` on the database at `path`. Raises `sqlite3.Error` or `OSError` if it cannot be read.

    `timeout`: seconds to wait for a writer, which in WAL mode blocks readers only while it recovers from a crash.
    """
    # A database in WAL mode that no process has open is one file. Opening it, even read-only, creates two more, which a
    # reader cannot remove. So it is read as immutable, and again if it has changed meanwhile.

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
            continue  # race: a writer changed it meanwhile, and two states were mixed
        if _stamp(path) == before:
            return found
    return read("mode=ro")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Changes whenever the database does; None while a process has it open, or crashed with it open."""
    if path.with_name(f"{path.name}-wal").exists():
        return None
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size
