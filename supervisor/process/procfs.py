"""Facts that Linux has in /proc, and psutil does not have or reads at a higher cost.

Paths are strings: pathlib interns each pid in a path that it takes apart (see `supervisor.system.malloc`). Each
function raises OSError where there is no /proc, and for a process that is gone or hidden.
"""

import contextlib
import os
from collections.abc import Iterator

_SOCKET = "socket:["


def thread_stats(pid: int) -> Iterator[list[bytes]]:
    """Yield the fields of each thread's `stat` (proc_pid_stat(5)) from the third, its state; ended threads left out."""
    for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - names
        # A thread may end before its file is opened, or before it is read.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{pid}/task/{thread}/stat", "rb") as file:  # noqa: PTH123 - see above
                stat = file.read()
            yield stat.rpartition(b")")[2].split()  # the name may contain blanks and brackets


def zombie_status(pid: int) -> int | None:
    """Return the wait status of a process that has exited and not been reaped; None for any other."""
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - see above
        fields = file.read().rpartition(b")")[2].split()
    return int(fields[-1]) if fields[0] == b"Z" else None


def dies_of(pid: int, number: int) -> bool:
    """Return whether a process neither handles nor ignores a signal (proc_pid_status(5))."""
    with open(f"/proc/{pid}/status", "rb") as file:  # noqa: PTH123 - see above
        fields = dict(line.split(b":\t", 1) for line in file.read().splitlines() if line.startswith(b"Sig"))
    return not (int(fields[b"SigCgt"], 16) | int(fields[b"SigIgn"], 16)) & 1 << (number - 1)


def sockets(pid: int) -> Iterator[str]:
    """Yield the inodes of the sockets that a process has open (proc_pid_fd(5))."""
    folder = f"/proc/{pid}/fd"
    for descriptor in os.listdir(folder):  # noqa: PTH208 - names
        with contextlib.suppress(OSError):  # closed meanwhile
            target = os.readlink(f"{folder}/{descriptor}")  # noqa: PTH115 - not a path
            if target.startswith(_SOCKET):
                yield target.removeprefix(_SOCKET).removesuffix("]")
