"""The processes that descend from this one, in repeated looks.

A process that does not descend from us never will, since a subreaper adopts only its own. On Linux a look therefore
lists the pids in use, reads only those that were not known as strangers, and keeps the entries of those that it knows:
several times as cheap as a walk through the whole process table.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import psutil

from supervisor.process.table import ProcessEntry, descendants, entry_of

#: Seconds after which every process is read anew, in case this /proc is not the Linux kernel's own.
_FORGET: Final = 60.0

_STAT_SIZE: Final = 4096


class _Stat(NamedTuple):
    """State and parent, which change during the life of a process."""

    state: str
    parent: int


class _Held(NamedTuple):
    """A descendant that has been seen before."""

    inode: int
    process: psutil.Process
    entry: ProcessEntry


class Descendants:
    """Lists the living descendants of this process, again and again."""

    def __init__(self) -> None:
        #: By pid, the inode of a process's folder in /proc. It tells apart two processes that had the same pid in turn.
        self._strangers: dict[int, int] = {}
        self._held: dict[int, _Held] = {}
        self._forget_at = float("-inf")

    def look(self) -> list[ProcessEntry]:
        """Return the present ones, parents before children; zombies left out."""
        if sys.platform != "linux":
            return descendants()
        if (now := time.monotonic()) >= self._forget_at:
            self._strangers.clear()
            self._held.clear()
            self._forget_at = now + _FORGET
        running = _running()
        self._strangers = {pid: inode for pid, inode in self._strangers.items() if running.get(pid) == inode}
        self._held = {pid: held for pid, held in self._held.items() if running.get(pid) == held.inode}
        stats = {pid: stat for pid in running if pid not in self._strangers and (stat := _stat(pid)) is not None}
        known = {os.getpid()}
        entries = []
        for pid in self._descend(stats, running):
            known.add(pid)
            entry = self._entry(pid, running[pid], stats[pid])
            # Closes a race: the pid may have been reused since `_stat`, so the parent is compared again, now by handle.
            if entry is not None and entry.parent in known:
                entries.append(entry)
        return entries

    def _descend(self, stats: Mapping[int, _Stat], running: Mapping[int, int]) -> Iterator[int]:
        """Yield the pids of our descendants, parents before children, and note those of others' as strangers.

        A process whose parent exited before it could be read is neither: it has been adopted, perhaps by us.
        """
        children: dict[int, list[int]] = {}
        for pid, stat in stats.items():
            children.setdefault(stat.parent, []).append(pid)
        ours = list(children.pop(os.getpid(), ()))
        for pid in ours:  # grows during the loop
            ours += children.pop(pid, ())
        # As PID 1 of a container we adopt every orphan, so no process is sure to stay a stranger.
        theirs = [0, *self._strangers] if os.getpid() != 1 else []
        for pid in theirs:  # so does this one
            others = [child for child in children.get(pid, ()) if child != os.getpid()]
            self._strangers |= {child: running[child] for child in others}
            theirs += others
        yield from ours

    def _entry(self, pid: int, inode: int, stat: _Stat) -> ProcessEntry | None:
        held = self._held.get(pid)
        if held is None:
            try:
                process = psutil.Process(pid)
            except psutil.NoSuchProcess:
                return None
            entry = entry_of(process)
            if entry is not None:
                self._held[pid] = _Held(inode, process, entry)
            return entry
        if stat.state == "Z":
            return None
        try:
            argv = tuple(held.process.cmdline())  # a shell may have executed its program since
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return None
        before = held.entry
        entry = ProcessEntry(before.handle, pid, stat.parent, before.started, argv, stat.state == "T")
        return entry if before.handle.alive else None


def _running() -> dict[int, int]:
    """The inode of every process's folder in /proc."""
    with os.scandir("/proc") as folders:
        return {int(folder.name): folder.inode() for folder in folders if folder.name.isdigit()}


def _stat(pid: int) -> _Stat | None:
    """Read /proc/PID/stat (proc_pid_stat(5)); None if the process is gone or hidden."""
    try:
        # Not with a file object, which costs more than the reading itself.
        file = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # The name, in brackets, may contain blanks and brackets.
        state, parent = os.read(file, _STAT_SIZE).rpartition(b")")[2].split(maxsplit=2)[:2]
    except OSError:
        return None
    finally:
        os.close(file)
    return _Stat(state.decode(), int(parent))
