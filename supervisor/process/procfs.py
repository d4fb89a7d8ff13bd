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


def sockets(pid: int) -> Iterator[str]:
    """Yield the inodes of the sockets that a process has open (proc_pid_fd(5))."""
    folder = f"/proc/{pid}/fd"
    for descriptor in os.listdir(folder):  # noqa: PTH208 - names
        with contextlib.suppress(OSError):  # closed meanwhile
            target = os.readlink(f"{folder}/{descriptor}")  # noqa: PTH115 - not a path
            if target.startswith(_SOCKET):
                yield target.removeprefix(_SOCKET).removesuffix("]")
