"""One supervisor per project, and one per profile.

Both locks are the kernel's: they end with the process that holds them, however that ends. The note beside a lock names
the holder for messages, and proves nothing.

A project is locked in its cache, which moves with it, and in the supervisor's runtime folder, which stays when the
cache is removed under it (`git clean -fdx`).
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from supervisor.session import names
from supervisor.system import clock, files
from supervisor.system.errors import ProfileInUseError, ScanonceError, explained
from supervisor.system.escape import printable
from supervisor.system.held_lock import HeldLock, is_held
from supervisor.system.reading import parse_object, read_file
from supervisor.system.runtime_dir import RuntimeFolderError, places, project_key

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTE: Final = "supervisor.json"
RUNTIME_LOCK: Final = "project.lock"
PROFILE_LOCK_PREFIX: Final = ".scanonce-lock-"
PROFILE_NOTE_PREFIX: Final = ".scanonce-holder-"
_LONGEST_NOTE: Final = 64 << 10  # bytes; a note holds a process id and a path or two
_CLOCK_SLACK: Final = 2.0  # seconds; a process's start time is rounded, and not taken from the clock of the note


class ProjectBusyError(ScanonceError):
    """Another supervisor holds this project; the message names it."""


class ProfileBusyError(ProjectBusyError):
    """Another supervisor holds this profile; the message names it."""


HOW_TO_STOP: Final = "Stop it first: scanonce stop in its folder, or Ctrl+C in its terminal."


class ProjectLock:
    """What a supervisor holds of its project: a lock and a note in its cache, and both again in its runtime folder.

    The note tells commands where the runtime folder is. `runtime` makes that folder, if need be, and returns it.
    """

    def __init__(self, cache: Path, runtime: Callable[[], Path] | None = None) -> None:
        self.folder = cache
        self._runtime = runtime
        # In this order: who is refused by the one that is not lost so easily does not get in the way at the other.
        self._locks = [HeldLock(runtime() / RUNTIME_LOCK)] if runtime is not None else []
        self._locks.append(HeldLock(cache / names.LOCK_FILE))
        self._taken = False
        self._since = time.time()

    def take(self) -> None:
        """Take what is not held. Raises `ProjectBusyError` if another process holds it, else `OSError`."""
        if self.folder.parent.is_dir():  # a project that was moved is not made anew in its old place
            files.ensure_private_folder(self.folder)
        runtime = self._runtime() if self._runtime is not None else None
        for lock in self._locks:
            if not lock.intact and not lock.take():
                raise ProjectBusyError(
                    f"another scanonce runs in this project: {_noted_holder(lock.path.with_name(NOTE))}"
                )
        self._taken = True
        for lock in self._locks:
            with contextlib.suppress(OSError):  # a full disk: the lock holds without the note
                files.rewrite(lock.path.with_name(NOTE), _note(self._since, runtime=str(runtime) if runtime else None))

    @property
    def lost(self) -> list[Path]:
        """The files of its locks that were removed or replaced, in folders that are there."""
        return [lock.path for lock in self._locks if not lock.intact and lock.path.parent.parent.is_dir()]

    def release(self) -> None:
        """Release it."""
        for lock in self._locks:
            if self._taken and lock.intact:
                with contextlib.suppress(OSError):
                    files.unlink(lock.path.with_name(NOTE))
            lock.release()


@contextlib.contextmanager
def project_lock(cache: Path, runtime: Callable[[], Path] | None = None) -> Iterator[ProjectLock]:
    """Hold a project as its supervisor does.

    Raises `ProjectBusyError` at once if another process holds it, `OSError` if the folder cannot be written to.
    """
    lock = ProjectLock(cache, runtime)
    try:
        lock.take()
        yield lock
    finally:
        lock.release()


@contextlib.contextmanager
def held_project(project: Path, cache: Path, *, instead: str = "") -> Iterator[None]:
    """Hold a project for a command, so that no supervisor starts meanwhile.

    There is no note: on a full disk, where there is something to prune, not even that can be written. Raises
    `ProfileInUseError` if a supervisor or another command holds the project, `SessionError` if it cannot be locked;
    `instead` is what to do if a supervisor holds it, by default to stop it.
    """
    lock = HeldLock(cache / names.LOCK_FILE)
    try:
        with explained("lock the project in", cache):
            files.ensure_private_folder(cache)
            # In a cache that was removed under a supervisor, the lock is free until that looks again.
            if not lock.take() or any(is_held(place / RUNTIME_LOCK) for place in _runtime_folders(project)):
                raise ProfileInUseError(busy(project, cache, instead))
        yield
    finally:
        lock.release()


def busy(project: Path, cache: Path, instead: str = "") -> str:
    """Sentences on who holds the project, and what to do about it."""
    there = [(place / NOTE, place / RUNTIME_LOCK) for place in _runtime_folders(project)]
    found = (running_supervisor(cache), *(_running(*files) for files in there))
    supervisor = next((pid for pid in found if pid is not None), None)
    if supervisor is None:
        return f"Another scanonce command is at work in {printable(project)}. Try again when it is over."
    return f"scanonce runs in {printable(project)} (process {supervisor}). {instead or HOW_TO_STOP}"


def running_supervisor(cache: Path) -> int | None:
    """The process that, by its note, holds the project.

    The lock itself is not tried: that would hold it for a moment, and turn away a supervisor that is just starting.
    """
    return _running(cache / NOTE, cache / names.LOCK_FILE)


def _running(note_file: Path, lock: Path) -> int | None:
    note = _read_note(note_file)
    if note is None:
        return None
    import psutil

    try:
        if not note:  # the disk was full
            return _lock_holder(lock)
        pid, since = int(note["pid"]), float(note["started"])
        # A later process may have been given the same number.
        return pid if psutil.Process(pid).create_time() <= since + _CLOCK_SLACK else None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, psutil.Error):
        return None


def noted_runtime(cache: Path) -> Path | None:
    """The runtime folder of the project's supervisor, by its note: its environment may differ from the caller's."""
    try:
        return Path((_read_note(cache / NOTE) or {})["runtime"])
    except (KeyError, TypeError):
        return None


class ProfileLocks:
    """The profiles that this supervisor holds, by their real paths, until `close`.

    A link or a configured path may lead from several projects to one profile. The lock lies beside the profile, the one
    place on which all who could open it agree; inside, a restore would replace it.
    """

    def __init__(self) -> None:
        self._held: dict[Path, HeldLock] = {}
        self._since = time.time()
        self._threads = threading.Lock()  # a second descriptor of ours on one file would be refused as another's

    def take(self, profile: Path, project: Path) -> None:
        """Hold a profile for `project`, if it is not held already. Raises `ProfileBusyError` if another process does.

        A profile that cannot be locked, in a folder that may not be written to, is reported and used all the same.
        """
        with self._threads:
            self._take(profile, project)

    def _take(self, profile: Path, project: Path) -> None:
        # Without the folder there is no profile that a browser could open; it is locked once a browser has made it.
        lock_file, note = profile_lock_files(profile)
        lock = self._held.get(profile) or HeldLock(lock_file)
        if lock.intact or not profile.parent.is_dir():
            return
        try:
            if not lock.take():
                project_of = (_read_note(note) or {}).get("project")
                where = f", in {project_of}" if project_of else ""
                raise ProfileBusyError(f"another scanonce runs on the profile {profile}: {_noted_holder(note)}{where}")
        except OSError as error:
            from supervisor.log.logger import emit  # loads structlog, which a command that only asks does without

            emit("session.not_locked", profile=str(profile), problem=error.strerror or str(error))
            return
        self._held[profile] = lock
        with contextlib.suppress(OSError):  # a full disk: the lock holds without the note
            files.rewrite(note, _note(self._since, project=str(project)))

    def renew(self, project: Path) -> None:
        """Take those again whose files were removed or replaced. Raises as `take` does."""
        for profile in [*self._held]:
            self.take(profile, project)

    def close(self) -> None:
        """Release all of them."""
        while self._held:
            profile, lock = self._held.popitem()
            if lock.intact:
                with contextlib.suppress(OSError):
                    files.unlink(profile_lock_files(profile)[1])
            lock.release()


@lru_cache(maxsize=64)  # or pathlib would intern both names anew at each start of a browser (see system.malloc)
def profile_lock_files(profile: Path) -> tuple[Path, Path]:
    """The lock beside a profile, and the note that names its holder."""
    name = names.safe_name(profile.name)
    return profile.with_name(f"{PROFILE_LOCK_PREFIX}{name}"), profile.with_name(f"{PROFILE_NOTE_PREFIX}{name}")


def _runtime_folders(project: Path) -> list[Path]:
    with contextlib.suppress(RuntimeFolderError, OSError, RuntimeError):  # no home folder
        return places(project_key(project))
    return []


def _note(since: float, **more: str | None) -> bytes:
    return json.dumps({"pid": os.getpid(), "started": since, **more}).encode("ascii")


def _read_note(note: Path) -> dict[str, Any] | None:
    """The contents of a note, empty if it is; `None` if there is none or it makes no sense."""
    try:
        written = read_file(note, _LONGEST_NOTE)
        return parse_object(written) if written else {}
    except (OSError, ValueError):
        return None


def _noted_holder(note: Path) -> str:
    """The process that wrote a note, and how long ago it was started."""
    try:
        known = _read_note(note) or {}
        age = max(0.0, time.time() - float(known["started"]))
        return f"process {int(known['pid'])}, started {clock.span(age)} ago"
    except (ValueError, KeyError, TypeError, OverflowError):
        return "it has just started"


def _lock_holder(lock: Path) -> int | None:
    """The process that holds a file's lock, as Linux tells (proc_locks(5)); elsewhere, and without one, `None`."""
    status = lock.stat()
    wanted = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in Path("/proc/locks").read_text().splitlines():
        match line.split():
            case [_, "FLOCK", _, _, pid, file, *_] if file == wanted:
                return int(pid)
    return None
