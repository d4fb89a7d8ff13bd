"""What earlier runs have left: processes, locks, half-done work, sockets. The next start deals with most of it."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from supervisor.admin.occupants import refuse_in_use
from supervisor.bot.ownership import Territory
from supervisor.bot.stop import Stop
from supervisor.process.table import ProcessEntry
from supervisor.process.terminate import Urgency
from supervisor.session.profiles import holders, singleton
from supervisor.session.profiles.profile import Profile
from supervisor.setup.doctor.finding import Finding, Fix, ok, problem, warning
from supervisor.setup.doctor.project import Place
from supervisor.system import runtime_dir
from supervisor.system.errors import SessionError
from supervisor.system.escape import printable
from supervisor.timing.phases import PhaseClock

NAMES = ("processes", "profile-lock", "unfinished", "runtime-folder")


def look(place: Place) -> Iterator[Finding]:
    """Processes, the locks of profiles, restores and copies that were cut off, the runtime folder."""
    yield from _processes(place)
    for profile in place.profiles:
        yield _profile_lock(profile, place)
    yield _unfinished(place)
    yield _runtime_folder(place)


def _processes(place: Place) -> Iterator[Finding]:
    if place.supervisor is not None:
        yield ok("processes", f"scanonce runs here (process {place.supervisor}); its bot's processes are no leftovers.")
        return
    ours, strangers = Territory(place.project, contained=False).left_behind(profile.path for profile in place.profiles)
    for browser in strangers:
        seen = f"A browser that scanonce did not start has a profile of this project open (process {browser.pid})."
        yield warning("processes", seen, "Stop its bot before you start scanonce: it would wait for that.")
    if ours:
        pids = _first([str(entry.pid) for entry in ours], 8)
        seen = f"{_processes_of_a_run(len(ours))} still there: {pids}."
        remedy = "The next start closes them cleanly; so does --fix."
        yield problem("processes", seen, remedy, fix=Fix(partial(_close, place)))
    elif not strangers:
        yield ok("processes", "Nothing of an earlier run is left running.")


def _first(names: list[str], number: int) -> str:
    """The first of many, and how many more there are."""
    rest = len(names) - number
    return ", ".join(names[:number]) + (f" and {rest} more" if rest > 0 else "")


def _close(place: Place) -> str:
    """Bring down what an earlier run has left, browsers first and so that they write everything down."""
    territory = Territory(place.project, contained=False)
    seen: set[int] = set()

    def left() -> list[ProcessEntry]:
        ours, _ = territory.left_behind(profile.path for profile in place.profiles)  # under the lock: no live bot's
        seen.update(entry.pid for entry in ours)
        return ours

    stop = Stop(
        look=left,
        proven=lambda: True,
        config=place.config.stop,
        urgency=Urgency(),
        clock=PhaseClock(),
    )
    descent = asyncio.run(stop.bring_down())
    if descent.survivors:
        pids = ", ".join(map(str, descent.survivors))
        raise SessionError(f"These processes do not die: {pids}. End them, then try again.")
    unclean = "" if descent.clean else " A browser did not close cleanly."
    return f"Closed {_processes_of_a_run(len(seen))}.{unclean}"


def _processes_of_a_run(number: int) -> str:
    return f"{number} {'process' if number == 1 else 'processes'} of an earlier run"


def _profile_lock(profile: Profile, place: Place) -> Finding:
    marks = singleton.remaining(profile.folder)
    name = printable(place.shown(profile.path))
    if not marks:
        return ok("profile-lock", f"{name} carries no lock.", subject=profile.id)
    if place.occupant(profile) is not None or _held(profile):
        return ok("profile-lock", f"{name} is locked by the browser that has it open.", subject=profile.id)
    fix = Fix(partial(_unlock, profile, place))
    named = singleton.holder(profile.folder)
    if named is not None and singleton.foreign(profile.folder):
        seen = f"{name} is locked by process {named.pid} on {printable(named.host)}, which is not this machine's name."
        remedy = (
            "If that machine or container is gone, --fix removes the lock, as does the next start under scanonce. "
            "Without scanonce the browser refuses to start."
        )
        return problem("profile-lock", seen, remedy, subject=profile.id, fix=fix)
    seen = f"{name} carries the lock of a browser that is gone ({', '.join(marks)})."
    return warning("profile-lock", seen, "The next start removes it; so does --fix.", subject=profile.id, fix=fix)


def _held(profile: Profile) -> bool:
    holder = holders.holder(profile.folder)
    return holder is not None and holder.alive


def _unlock(profile: Profile, place: Place) -> str:
    # The look was taken before the project was held: a browser may have been started since.
    refuse_in_use(profile, place.store)
    removed = singleton.clear(profile.folder)
    return f"Removed {', '.join(removed) or 'nothing: it is gone already'}."


def _unfinished(place: Place) -> Finding:
    if place.supervisor is not None:
        return ok("unfinished", "scanonce runs here and sees to what it has begun.")
    found = place.store.unfinished()
    if not found:
        return ok("unfinished", "Nothing was cut off in the midst of being done.")
    names = _first([printable(path.name) for path in found], 3)
    seen = f"A restore or a copy was cut off: {names}."
    return problem("unfinished", seen, "The next start completes or undoes it; so does --fix.", fix=Fix(_recovered))


def _recovered() -> str:
    """Whoever takes hold of the project settles this first (`held_project`), and tells what was done."""
    return "What was cut off has been completed or undone."


def _runtime_folder(place: Place) -> Finding:
    key = Territory(place.project, contained=False).key
    for folder in runtime_dir.places(key):
        if os.path.lexists(folder):
            return _existing_runtime(folder, place)
    for folder in runtime_dir.places(key):
        nearest = next(parent for parent in folder.parents if parent.exists())
        if os.access(nearest, os.W_OK | os.X_OK):
            return ok("runtime-folder", f"The folder for sockets can be made: {printable(folder)}.")
    remedy = "Set XDG_RUNTIME_DIR to a folder that only you may enter."
    return problem("runtime-folder", "There is no place for a private folder for sockets.", remedy)


def _existing_runtime(folder: Path, place: Place) -> Finding:
    status = folder.lstat()
    name = printable(folder)
    if not stat.S_ISDIR(status.st_mode) or (os.name != "nt" and status.st_uid != os.geteuid()):
        seen = f"{name}, the folder for sockets, is not a folder of ours."
        return problem("runtime-folder", seen, "Remove it, or set XDG_RUNTIME_DIR to another folder.")
    if place.supervisor is not None:
        return ok("runtime-folder", f"{name} is in use by scanonce (process {place.supervisor}).")
    # What else there is stays there by design: a lock's file that is removed while it is held locks nobody out.
    left = [path for path in folder.iterdir() if stat.S_ISSOCK(path.lstat().st_mode)]
    if left:
        names = ", ".join(printable(path.name) for path in left[:3])
        seen = f"{name} holds sockets that nobody listens on any more ({names}): scanonce was killed."
        remedy = "The next start replaces them; --fix removes them."
        return warning("runtime-folder", seen, remedy, fix=Fix(partial(_empty, left)))
    return ok("runtime-folder", f"{name} is ours, and nobody's socket is left there.")


def _empty(left: list[Path]) -> str:
    for path in left:
        with suppress(FileNotFoundError):
            path.unlink()
    return f"Removed {', '.join(printable(path.name) for path in left)} from the folder for sockets."
