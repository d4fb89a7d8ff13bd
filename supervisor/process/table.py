"""Who is there: our descendants, and what an earlier supervisor of this project left behind.

On Linux the supervisor is a subreaper (`reap.py`), so every process that a bot ever started is among its descendants,
however often it forked away. Elsewhere an orphan leaves the tree; there the mark in the environment finds it again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

from supervisor.process.handle import Handle, open_handle

#: Environment variable that every process of a bot inherits. Its value starts with the project's key, so that a later
#: supervisor of the same project, and no other, recognises what was left behind.
ENVIRONMENT_MARK = "SCANONCE_RUN_ID"

_GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """One living process as it was when seen. `handle` stays true when the pid is given to another."""

    handle: Handle = field(compare=False)
    pid: int
    parent: int
    started: float
    """Seconds since the epoch."""
    argv: tuple[str, ...]
    stopped: bool = field(default=False, compare=False)
    """Somebody has stopped it (SIGSTOP, job control). Not so one that a debugger holds."""

    @property
    def command_line(self) -> str:
        """The arguments as one string: Chromium's children overwrite the separators, so only this is reliable."""
        return " ".join(self.argv)

    @property
    def name(self) -> str:
        """The program's base name, without its folder and arguments."""
        return self.argv[0].split(" ", 1)[0].rpartition(os.sep)[2] if self.argv else "?"


def working_directory(pid: int) -> str | None:
    """A process's current folder, or None if it is gone or may not be asked."""
    try:
        return psutil.Process(pid).cwd()
    except _GONE:
        return None


def parent_program(pid: int) -> str | None:
    """The name of the program that a process's living parent runs, or None if there is none or it may not be asked."""
    try:
        # psutil compares start times: where orphans keep their parent's number, that may be another's by now.
        parent = psutil.Process(pid).parent()
        return None if parent is None else parent.name()
    except _GONE:
        return None


def descendants(root: int | None = None) -> list[ProcessEntry]:
    """Every living descendant of `root` (this process when omitted), parents before children; zombies left out."""
    try:
        found = psutil.Process(root).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [entry for process in found if (entry := entry_of(process)) is not None]


def find_process(pid: int) -> ProcessEntry | None:
    """The living process that has this pid now, or None if there is none."""
    try:
        return entry_of(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return None


def find_by_argument(prefix: str) -> list[ProcessEntry]:
    """Every process of the machine that was given an argument which begins so. Costs what `find_by_mark` does."""
    return _find(lambda process: any(word.startswith(prefix) for word in process.cmdline()[1:]))


def find_by_mark(prefix: str) -> list[ProcessEntry]:
    """Every process of the machine whose `ENVIRONMENT_MARK` begins so, as far as this user may look.

    Costs some tens of microseconds for each process of the machine.
    """
    return _find(lambda process: process.environ().get(ENVIRONMENT_MARK, "").startswith(prefix))


def _find(wanted: Callable[[psutil.Process], bool]) -> list[ProcessEntry]:
    """Every process of the machine that is wanted, this one excepted."""
    entries = []
    # Not by psutil.process_iter, which keeps some 900 bytes for each process of the machine until it is next asked.
    for pid in psutil.pids():
        if pid == os.getpid():
            continue
        try:
            process = psutil.Process(pid)
            entry = entry_of(process) if wanted(process) else None
        except (*_GONE, OSError):
            continue
        if entry is not None:
            entries.append(entry)
    return entries


def entry_of(process: psutil.Process) -> ProcessEntry | None:
    """The process that psutil has found, if it lives still."""
    # The handle is opened first and psutil's start time compared after it: had the pid been given to another process
    # between psutil's look and ours, the times would differ, and the stranger is not entered.
    handle = open_handle(process.pid)
    if handle is None:
        return None
    try:
        with process.oneshot():
            status = process.status()
            if not process.is_running() or status == psutil.STATUS_ZOMBIE:
                return None
            stopped = status == psutil.STATUS_STOPPED
            return ProcessEntry(
                handle, process.pid, process.ppid(), process.create_time(), tuple(process.cmdline()), stopped
            )
    except _GONE:
        return None
