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
    """The living processes of this kind that have noted a start, this one excepted.

    Not a stranger that was given the number of one later: some thousand restarts use up all numbers that there are.
    """
    noted = _started(who) or {}
    return [pid for pid, at in sorted(noted.items()) if pid != os.getpid() and lives(pid) and _began(pid) <= at]


def _began(pid: int) -> int:
    """When a process began, by the clock of the journal and never too late; now, if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])  # since the boot: proc_pid_stat(5)
    except OSError:
        return time.monotonic_ns()
    asleep = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
    return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK") - asleep


def has_started(who: str, pid: int) -> bool:
    """Whether this process has noted its start; where there is no journal, nobody knows and the answer is yes."""
    started = _started(who)
    return started is None or pid in started


def _started(who: str) -> dict[int, int] | None:
    """The processes of this kind that have noted a start, and when; None without a journal."""
    path = os.environ.get(VARIABLE)
    if path is None:
        return None
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return {int(pid): int(at) for at, name, pid, what, *_ in map(str.split, file) if (name, what) == (who, "start")}
