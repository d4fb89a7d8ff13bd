"""What Linux tells of a process in /proc and psutil does not, or tells for more than it is worth here.

Names are strings: of a path that it takes apart pathlib interns each number (see supervisor.allocator). Where there is
no /proc each function raises `OSError`, as it does for a process that is gone or hidden.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

_SOCKET = "socket:["


def thread_stats(pid: int) -> Iterator[list[bytes]]:
    """The fields of each thread's `stat` (proc_pid_stat(5)) from its state, the third, on; of ended threads nothing."""
    for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - names
        # It has ended before its file was opened, or before that was read.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{pid}/task/{thread}/stat", "rb") as file:  # noqa: PTH123 - see above
                stat = file.read()
            yield stat.rpartition(b")")[2].split()  # the name, in brackets, may hold whatever it likes


def sockets(pid: int) -> Iterator[str]:
    """The inodes of the sockets that a process has open (proc_pid_fd(5))."""
    folder = f"/proc/{pid}/fd"
    for descriptor in os.listdir(folder):  # noqa: PTH208 - names
        with contextlib.suppress(OSError):  # closed meanwhile
            target = os.readlink(f"{folder}/{descriptor}")  # noqa: PTH115 - a socket's name is no path
            if target.startswith(_SOCKET):
                yield target.removeprefix(_SOCKET).removesuffix("]")
