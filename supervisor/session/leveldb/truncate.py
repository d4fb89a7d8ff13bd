"""The one change to a database that is always right: cutting off what LevelDB would not have read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from supervisor.system.reading import open_regular

if TYPE_CHECKING:
    from pathlib import Path

    from supervisor.session.leveldb.damage import LevelDbReport


def trim_torn_tails(folder: Path, report: LevelDbReport) -> tuple[str, ...]:
    """Cut the unfinished record off the newest log and the MANIFEST of `folder`, durably; return the names of the
    files that were cut.

    `report` is what `verify` just said of the folder, which no process may be writing to. A database with problems is
    left as it is. No record is lost: what was cut off is what LevelDB would not have read. `OSError` if a file cannot
    be written.
    """
    for tail in report.to_trim:
        with open_regular(folder / tail.file, "r+b") as file:
            file.truncate(tail.end)
            os.fsync(file.fileno())
    return tuple(tail.file for tail in report.to_trim)
