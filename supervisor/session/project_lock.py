"""One supervisor per project."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout


class ProjectBusyError(Exception):
    """Another supervisor holds this project; the message names it."""


@contextlib.contextmanager
def project_lock(cache: Path, runtime: Path | None = None) -> Iterator[None]:
    """Hold the project for as long as the context is open.

    The lock is the kernel's and goes with its holder, however that dies; the note beside it serves the message, and
    tells commands of another environment where the holder's runtime folder is.
    Raises ProjectBusyError at once if another holds it, OSError if the folder cannot be written to.
    """
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    note = cache / "supervisor.json"
    lock = FileLock(cache / "supervisor.lock", timeout=0, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        raise ProjectBusyError(f"another scanonce runs in this project: {holder(note)}") from None
    try:
        with contextlib.suppress(OSError):  # a full disk: the lock holds without the note
            note.write_text(
                json.dumps({"pid": os.getpid(), "started": time.time(), "runtime": str(runtime) if runtime else None})
            )
        yield
    finally:
        with contextlib.suppress(OSError):
            note.unlink()
        lock.release()


def holder(note: Path) -> str:
    """Who wrote a note, and how long ago that was started."""
    try:
        known = json.loads(note.read_text())
        return f"process {int(known['pid'])}, started {time.time() - float(known['started']):.0f} s ago"
    except (OSError, ValueError, KeyError, TypeError):
        return "it has just started"
