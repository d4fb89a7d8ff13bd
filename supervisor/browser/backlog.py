"""Whether the program that drives a browser still reads what the browser tells it.

A program that hangs, in an endless loop, in a lock or stopped, can be told from one that has nothing to do by its
sockets: what the browser sends stays in them. That needs nothing of the program's, and says nothing about one that
speaks to its browser through a pipe.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from supervisor.process.procfs import sockets

#: `tcp_states.h` of Linux.
_ESTABLISHED = "01"


def unread_bytes(port: int, pids: Iterable[int]) -> int:
    """Bytes that wait unread in these processes' connections to `port` on this machine; 0 where the system hides it.

    Source: `/proc/net/tcp` (proc_pid_net(5)), whose reading costs some milliseconds, as the kernel walks all
    connections. DevTools listens on IPv4 only.
    """
    try:
        lines = Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]
    except OSError:  # another system, or a sandbox
        return 0
    waiting = dict(found for line in lines if (found := _waiting(line.split(), port)) is not None)
    if not waiting:
        return 0
    return sum(size for inode, size in waiting.items() if inode in _sockets(pids))


def _waiting(fields: list[str], port: int) -> tuple[str, int] | None:
    """The inode of a connection to `port`, and what waits in it, if anything does."""
    remote, state, queues, inode = fields[2], fields[3], fields[4], fields[9]
    size = int(queues.partition(":")[2], 16)
    if size and state == _ESTABLISHED and int(remote.partition(":")[2], 16) == port:
        return inode, size
    return None


def _sockets(pids: Iterable[int]) -> set[str]:
    """The inodes of the sockets that these processes have open."""
    inodes: set[str] = set()
    for pid in pids:
        with contextlib.suppress(OSError):  # it is gone, or another user's
            inodes.update(sockets(pid))
    return inodes
