"""Checks for leftovers of earlier runs: processes, locks, interrupted work, sockets. The next start settles most."""

import asyncio
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from supervisor.admin.occupants import refuse_in_use
from supervisor.bot.ownership import Territory
from supervisor.bot.stop import Look, Stop, Stopped
from supervisor.process.helper import HelperRunner
from supervisor.process.suspend import ResumeGuard, Suspension
from supervisor.process.table import ProcessEntry
from supervisor.process.terminate import Urgency
from supervisor.session.profiles import singleton
from supervisor.session.profiles.profile import Profile, refuse_foreign_files
from supervisor.setup.doctor.finding import Finding, Fix, first_of, ok, problem, warning
from supervisor.setup.doctor.project import CheckedProject
from supervisor.system import runtime_dir
from supervisor.system.errors import SessionError
from supervisor.system.escape import printable


def leftovers(project: CheckedProject) -> Iterator[Finding]:
    """`processes`, `profile-lock` for each profile, `unfinished`, `runtime-folder`."""
    yield from _processes(project)
    for profile in project.profiles:
        yield _profile_lock(profile, project)
    yield _unfinished(project)
    yield _runtime_folder(project)


def _processes(project: CheckedProject) -> Iterator[Finding]:
    if project.supervisor is not None:
        yield ok("processes", f"scanonce is running here (process {project.supervisor}), with its bot's processes.")
        return
    profiles = [profile.path for profile in project.profiles]
    ours, others = Territory(project.root, contained=False).left_behind(profiles)
    for browser in others:
        seen = f"A browser that scanonce did not start has a profile of this project open (process {browser.pid})."
        yield warning("processes", seen, "Stop its bot before you start scanonce, which would wait for that.")
    if ours:
        pids = first_of([str(entry.pid) for entry in ours], 8)
        seen = f"{_count(len(ours))} still running: {pids}."
        remedy = "The next start closes them cleanly; so does --fix."
        yield problem("processes", seen, remedy, fix=Fix(partial(_close, project)))
    elif not others:
        yield ok("processes", "No process of an earlier run is left.")


def _close(project: CheckedProject) -> str:
    """Stop the processes of an earlier run, browsers first and cleanly, so that no data is lost."""
    territory = Territory(project.root, contained=False)
    seen: set[int] = set()

    def left() -> list[ProcessEntry]:
        # The project is locked meanwhile: none of these belongs to a running bot.
        ours, _ = territory.left_behind(profile.path for profile in project.profiles)
        seen.update(entry.pid for entry in ours)
        return ours

    guard = ResumeGuard(HelperRunner(None, territory.helper_pids))
    stopped = asyncio.run(_stop(project, left, Suspension(guard)))
    if stopped.survivors:
        pids = ", ".join(map(str, stopped.survivors))
        raise SessionError(f"These processes cannot be killed: {pids}. End them, then try again.")
    return f"Closed {_count(len(seen))}.{'' if stopped.clean else ' A browser did not close cleanly.'}"


async def _stop(project: CheckedProject, look: Look, suspension: Suspension) -> Stopped:
    with suspension:
        stop = Stop(project.config.stop, Urgency(), suspension, look=look, proven=lambda: True)
        stop.suspend()
        async with stop.closing_browsers():
            await stop.end_bot()
    return await stop.prove()


def _count(number: int) -> str:
    return f"{number} {'process' if number == 1 else 'processes'} of an earlier run"


def _profile_lock(profile: Profile, project: CheckedProject) -> Finding:
    marks = singleton.remaining(profile.folder)
    name = printable(project.shown(profile.path))
    if not marks:
        return ok("profile-lock", f"{name} is not locked.", subject=profile.id)
    held = singleton.holder(profile.folder)
    if project.occupant(profile) is not None or (held is not None and held.alive):
        return ok("profile-lock", f"{name} is locked by the browser that has it open.", subject=profile.id)
    fix = Fix(partial(_unlock, profile, project))
    if held is not None and held.foreign:
        seen = f"{name} is locked by process {held.pid} on {printable(held.host)}, which is not this machine's name."
        remedy = (
            "If that machine or container is gone, --fix removes the lock, as does the next start under scanonce. "
            "Without scanonce the browser refuses to start."
        )
        return problem("profile-lock", seen, remedy, subject=profile.id, fix=fix)
    seen = f"{name} has the lock of a browser that is gone ({', '.join(marks)})."
    return warning("profile-lock", seen, "The next start removes it; so does --fix.", subject=profile.id, fix=fix)


def _unlock(profile: Profile, project: CheckedProject) -> str:
    # The check was made before the project was locked: a browser may have been started since.
    refuse_in_use(profile, project.store)
    refuse_foreign_files(profile)
    removed = singleton.clear(profile.folder)
    return f"Removed {', '.join(removed) or 'nothing: it is already gone'}."


def _unfinished(project: CheckedProject) -> Finding:
    if project.supervisor is not None:
        return ok("unfinished", "scanonce is running here and finishes what it has begun.")
    found = project.store.unfinished()
    if not found:
        return ok("unfinished", "No restore or copy was interrupted.")
    names = first_of([printable(path.name) for path in found], 3)
    remedy = "The next start completes or undoes it; so does --fix."
    # Locking the project settles this (`SessionStore.held`), and reports what was done.
    fix = Fix(lambda: "Completed or undid what was interrupted.")
    return problem("unfinished", f"A restore or copy was interrupted: {names}.", remedy, fix=fix)


def _runtime_folder(project: CheckedProject) -> Finding:
    places = list(runtime_dir.places(Territory(project.root, contained=False).key))
    for folder in places:
        if os.path.lexists(folder):
            return _existing_runtime(folder, project)
    for folder in places:
        nearest = next(parent for parent in folder.parents if parent.exists())
        if os.access(nearest, os.W_OK | os.X_OK):
            return ok("runtime-folder", f"The folder for sockets can be created: {printable(folder)}.")
    remedy = "Set XDG_RUNTIME_DIR to a folder that only you may enter."
    return problem("runtime-folder", "There is no place for a private folder for sockets.", remedy)


def _existing_runtime(folder: Path, project: CheckedProject) -> Finding:
    status = folder.lstat()
    name = printable(folder)
    if not stat.S_ISDIR(status.st_mode) or (os.name != "nt" and status.st_uid != os.geteuid()):
        seen = f"{name}, the folder for sockets, is not a folder of yours."
        return problem("runtime-folder", seen, "Remove it, or set XDG_RUNTIME_DIR to another folder.")
    if project.supervisor is not None:
        return ok("runtime-folder", f"{name} is in use by scanonce (process {project.supervisor}).")
    # Other files stay: removing a lock file while it is held would let a second process lock a new one.
    left = [path for path in folder.iterdir() if stat.S_ISSOCK(path.lstat().st_mode)]
    if left:
        names = ", ".join(printable(path.name) for path in left[:3])
        seen = f"{name} holds sockets of a scanonce that was killed ({names})."
        remedy = "The next start replaces them; --fix removes them."
        return warning("runtime-folder", seen, remedy, fix=Fix(partial(_remove_sockets, left)))
    return ok("runtime-folder", f"{name} is yours, and holds no stale socket.")


def _remove_sockets(left: list[Path]) -> str:
    for path in left:
        with suppress(FileNotFoundError):
            path.unlink()
    return f"Removed {', '.join(printable(path.name) for path in left)} from the folder for sockets."
