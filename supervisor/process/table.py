"""Entries of the system's process table: our descendants, and what an earlier supervisor of this project left behind.

On Linux the supervisor is a subreaper (`reaper.py`), so every process that a bot ever started is among its descendants,
however often it forked. Elsewhere an orphan leaves the tree; there the mark in the environment finds it.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

from supervisor.process.handle import Handle, open_handle

#: Environment variable that every process of a bot inherits. Its value starts with the project's key, by which a later
#: supervisor of the same project recognises what was left behind.
ENVIRONMENT_MARK = "SCANONCE_RUN_ID"

_CLOCK_SLACK = 2.0  # seconds; a process's start time is rounded, and not taken from the clock of files
_GONE = (psutil.NoSuchProcess, psutil.AccessDenied)


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """One living process as it was when seen. `handle` stays valid when the pid is reused."""

    handle: Handle = field(compare=False)
    pid: int
    parent: int
    started: float
    """Seconds since the epoch."""
    argv: tuple[str, ...]
    stopped: bool = field(default=False, compare=False)
    """Stopped by SIGSTOP or job control, not by a debugger."""

    @property
    def command_line(self) -> str:
        """The arguments as one string: only this is reliable, since Chromium's children overwrite the separators."""
        return " ".join(self.argv)

    @property
    def name(self) -> str:
        """The program's base name, without its folder and arguments."""
        return self.argv[0].split(" ", 1)[0].rpartition(os.sep)[2] if self.argv else "?"


def parent_program(pid: int) -> str | None:
    """Return the name of the program that a process's parent runs, None if there is none or it may not be asked."""
    try:
        # psutil compares start times: where orphans keep the pid of their parent, it may have been reused.
        parent = psutil.Process(pid).parent()
        return None if parent is None else parent.name()
    except _GONE:
        return None


def descendants(root: int | None = None) -> list[ProcessEntry]:
    """Return the living descendants of `root` (default: this process), parents before children; zombies left out."""
    try:
        found = psutil.Process(root).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [entry for process in found if (entry := entry_of(process)) is not None]


def find_process(pid: int) -> ProcessEntry | None:
    """Return the living process that has this pid now, None if there is none."""
    try:
        return entry_of(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return None


def environment_of(pid: int) -> dict[str, str] | None:
    """Return the environment that a process was started with, None if it is gone or may not be asked."""
    try:
        return psutil.Process(pid).environ()
    except (*_GONE, OSError):
        return None


def find_by_argument(prefix: str) -> list[ProcessEntry]:
    """Return every process of the machine with an argument that begins so. Costs what `find_by_mark` does."""
    return _find(lambda process: any(word.startswith(prefix) for word in process.cmdline()[1:]))


def was_alive_at(pid: int, moment: float) -> bool:
    """Whether the process with this pid lives, and did at a moment (seconds since the epoch)."""
    try:
        process = psutil.Process(pid)
        return process.create_time() <= moment + _CLOCK_SLACK and process.status() != psutil.STATUS_ZOMBIE
    except (*_GONE, ValueError, OverflowError):
        return False


def find_by_mark(prefix: str, *, passed_over: Callable[[str], bool] = lambda _mark: False) -> list[ProcessEntry]:
    """Return every process of the machine whose `ENVIRONMENT_MARK` begins so and is readable for this user.

    Those whose mark is to be `passed_over` are left out. Costs some tens of microseconds for each process.
    """

    def is_wanted(process: psutil.Process) -> bool:
        mark = process.environ().get(ENVIRONMENT_MARK, "")
        return mark.startswith(prefix) and not passed_over(mark)

    return _find(is_wanted)


def _find(wanted: Callable[[psutil.Process], bool]) -> list[ProcessEntry]:
    entries = []
    # Not with psutil.process_iter, which keeps some 900 bytes for each process of the machine until its next call.
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
    """Return the entry of a process that psutil has found, None if it has exited."""
    # Closes a race: `is_running` compares start times after the handle is open, so a process that got the pid
    # in between is left out.
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
