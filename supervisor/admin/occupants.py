"""Who has a profile or a project in use, said so that a person knows what to end."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from filelock import FileLock, Timeout

from supervisor.browser.discovery import Browser, find_browsers
from supervisor.process.table import find_by_argument
from supervisor.session import names
from supervisor.session.store import SessionStore
from supervisor.system import files
from supervisor.system.errors import ProfileInUseError, explained
from supervisor.system.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from supervisor.session.profiles.profile import Profile

_SWITCH = "--user-data-dir="
_CLOCK_SLACK = 2.0  # seconds; a process's start time is rounded, and not by the clock of the note


@dataclass(frozen=True, slots=True)
class Occupant:
    """A browser that has a profile open, and who runs it."""

    browser: Browser
    bot: int | None
    """The process that started the browser; `None` if that is gone."""
    supervisor: int | None
    """The scanonce that runs the bot; `None` if it was started some other way."""

    @property
    def pid(self) -> int:
        """The browser's main process."""
        return self.browser.main.pid

    def __str__(self) -> str:
        """Who it is, and what to do about it, in two sentences."""
        if self.supervisor is not None:
            remedy = _how_to_stop(self.supervisor)
        elif self.bot is not None:
            remedy = "Stop that bot first."
        else:
            remedy = f"End it first: SIGINT to process {self.pid} lets it write everything down."
        return f"{printable(self.browser.profile)} is in use by {self.who}. {remedy}"

    @property
    def who(self) -> str:
        """Who it is, in a few words."""
        if self.supervisor is not None:
            return f"the bot that scanonce runs (process {self.supervisor})"
        if self.bot is not None:
            return f"a browser (process {self.pid}, started by process {self.bot})"
        return f"a browser whose bot is gone (process {self.pid})"


def open_browsers() -> dict[Path, Browser]:
    """Every browser of this machine, by the real path of its profile. Costs a look at each process."""
    return {browser.profile: browser for browser in find_browsers(find_by_argument(_SWITCH))}


def occupant(profile: Profile, store: SessionStore, browsers: Mapping[Path, Browser] | None = None) -> Occupant | None:
    """Who has a profile open; `browsers` spares a look at the machine that was taken just now."""
    browser = (open_browsers() if browsers is None else browsers).get(profile.folder)
    if browser is None:
        return None
    try:
        ancestors = [process.pid for process in psutil.Process(browser.main.pid).parents()]
    except psutil.NoSuchProcess:
        return None
    supervisor = running_supervisor(store.cache)
    parent = browser.main.parent
    return Occupant(browser, parent if parent > 1 else None, supervisor if supervisor in ancestors else None)


def refuse_in_use(profile: Profile, store: SessionStore) -> None:
    """Raise `ProfileInUseError` if anybody uses the profile, as far as processes, notes and its own lock tell."""
    holder = occupant(profile, store)
    if holder is not None:
        raise ProfileInUseError(str(holder))
    if running_supervisor(store.cache) is not None:
        raise ProfileInUseError(_busy(store))
    store.refuse_held(profile)


def running_supervisor(cache: Path) -> int | None:
    """The process that says it holds the project; it proves nothing, and serves a message only.

    The lock itself is not tried: whoever tries it holds it for a moment, and would turn a supervisor away that starts.
    """
    try:
        written = (cache / "supervisor.json").read_bytes()
        if not written:  # the disk was full
            return _lock_holder(cache / names.LOCK_FILE)
        note = json.loads(written)
        pid, since = int(note["pid"]), float(note["started"])
        # A later process may have been given the same number.
        return pid if psutil.Process(pid).create_time() <= since + _CLOCK_SLACK else None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, psutil.Error):
        return None


def _lock_holder(lock: Path) -> int | None:
    """Who holds a file's lock, as Linux tells (proc_locks(5)); `None` where nobody does, or no system tells."""
    status = lock.stat()
    wanted = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in Path("/proc/locks").read_text().splitlines():
        match line.split():
            case [_, "FLOCK", _, _, pid, file, *_] if file == wanted:
                return int(pid)
    return None


@contextmanager
def held_project(store: SessionStore, *, instead: str = "") -> Iterator[list[str]]:
    """Hold the project, so that no supervisor starts meanwhile; first settle what an earlier run was killed in.

    Yields sentences on what was settled. Raises `ProfileInUseError` if a supervisor or another command holds it;
    `instead` is what to do then, if not stop it.
    """
    with ExitStack() as stack:
        with explained("lock the project in", store.cache):
            files.ensure_private_folder(store.cache)
            # The supervisor's own lock, without its note: on a full disk, where there is something to prune, not even
            # that can be written.
            lock = FileLock(store.cache / names.LOCK_FILE, timeout=0, mode=files.FILE_MODE)
            try:
                stack.enter_context(lock)
            except Timeout:
                raise ProfileInUseError(_busy(store, instead)) from None
        yield store.recover()


def _busy(store: SessionStore, instead: str = "") -> str:
    project, supervisor = printable(store.project), running_supervisor(store.cache)
    if supervisor is None:
        return f"Another scanonce command is at work in {project}. Try again when it is over."
    return f"scanonce runs in {project} (process {supervisor}). {instead or _how_to_stop(supervisor)}"


def _how_to_stop(supervisor: int) -> str:
    return f"Stop it first: Ctrl+C in its terminal, or SIGTERM to process {supervisor}."
