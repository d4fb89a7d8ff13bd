"""What the fake processes of one test have done, in one file that all of them append to.

Each line is `<nanoseconds> <who> <pid> <what> [<more>]`; a short write with O_APPEND is never mixed with another's.
"""

# pathlib takes longer to import than all the rest:
# ruff: noqa: PTH110, PTH123

from __future__ import annotations

import os
import time

VARIABLE = "FAKE_JOURNAL"


def note(who: str, what: str, more: str = "") -> None:
    """Write one line, if there is a journal."""
    path = os.environ.get(VARIABLE)
    if path is None:
        return
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(file, f"{time.monotonic_ns()} {who} {os.getpid()} {what} {more}".rstrip().encode() + b"\n")
    finally:
        os.close(file)


def lives(pid: int) -> bool:
    """Whether a process with this pid lives; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def others(who: str) -> list[int]:
    """The living processes of this kind that have noted a start, this one excepted."""
    return [pid for pid in sorted((_started(who) or set()) - {os.getpid()}) if lives(pid)]


def has_started(who: str, pid: int) -> bool:
    """Whether this process has noted its start; where there is no journal, nobody knows and the answer is yes."""
    started = _started(who)
    return started is None or pid in started


def _started(who: str) -> set[int] | None:
    """The processes of this kind that have noted a start; None without a journal."""
    path = os.environ.get(VARIABLE)
    if path is None:
        return None
    if not os.path.exists(path):
        return set()
    with open(path, encoding="utf-8") as file:
        return {int(pid) for _, name, pid, what, *_ in map(str.split, file) if (name, what) == (who, "start")}
