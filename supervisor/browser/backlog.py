"""Whether the program that drives a browser still reads what the browser sends.

What the browser sends stays in the sockets of a program that hangs, in an endless loop, in a lock or stopped, but not
of one that is idle. That needs nothing from the program, and does not work for one with a pipe to its browser.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from supervisor.process.procfs import sockets

#: `tcp_states.h` of Linux.
_ESTABLISHED = "01"


def unread_bytes(port: int, pids: Iterable[int]) -> int:
    """Return the bytes unread in these processes' connections to `port` on this machine, 0 where that is hidden.

    Source: `/proc/net/tcp` (proc_pid_net(5)). To read it takes some milliseconds, since the kernel walks all
    connections. DevTools listens on IPv4 only.
    """
    try:
        lines = Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]
    except OSError:  # another system, or a sandbox
        return 0
    waiting = dict(found for line in lines if (found := _waiting(line.split(), port)) is not None)
    ours: set[str] = set()
    for pid in pids if waiting else ():
        with contextlib.suppress(OSError):  # the process is gone, or another user's
            ours.update(sockets(pid))
    return sum(size for inode, size in waiting.items() if inode in ours)


def _waiting(fields: list[str], port: int) -> tuple[str, int] | None:
    """The inode of a connection to `port` and its unread bytes, None if there are none."""
    remote, state, queues, inode = fields[2], fields[3], fields[4], fields[9]
    size = int(queues.partition(":")[2], 16)
    if size and state == _ESTABLISHED and int(remote.partition(":")[2], 16) == port:
        return inode, size
    return None
