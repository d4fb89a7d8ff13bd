"""Checks each session, its snapshots, the disk space for them, and the clock that orders them."""

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from supervisor.admin.inspection import inspect, walk
from supervisor.admin.occupants import Occupant
from supervisor.session.profiles import singleton
from supervisor.session.profiles.check_report import CheckOutcome
from supervisor.session.profiles.profile import Profile
from supervisor.setup.doctor.finding import Finding, ok, problem, warning
from supervisor.setup.doctor.project import CheckedProject
from supervisor.system import clock as system_clock
from supervisor.system import files
from supervisor.system.escape import printable
from supervisor.timing.readonly import read_beside

_IN_USE = "holder"  # the profile check that reports that a profile is open
_SLACK = timedelta(minutes=1)  # a correction by network time may set the clock back this far
_FAR = timedelta(days=2)  # more than any wrongly set time zone explains
_NOT_BEFORE = datetime(2025, 1, 1, tzinfo=UTC)  # older than this program: a clock that was never set
_SNAPSHOT = "The snapshot"


def sessions(project: CheckedProject) -> Iterator[Finding]:
    """`session` and `snapshots`, for every session that is configured, known or found."""
    if not project.profiles:
        yield ok("session", "There is no session yet.")
    for profile in project.profiles:
        yield from _profile(profile, project)
        yield _snapshots(profile, project)


def disk(project: CheckedProject) -> Iterator[Finding]:
    """`disk`, for the disk of the snapshots and those of the profiles."""
    needed = files.ROOM_TO_WORK + sum(walk(profile).size for profile in project.profiles if profile.folder.is_dir())
    seen: set[int] = set()
    for folder in (project.cache, *(profile.folder for profile in project.profiles)):
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        if (device := existing.stat().st_dev) not in seen:
            seen.add(device)
            yield _space(folder, shutil.disk_usage(existing).free, needed)


def clock(project: CheckedProject) -> Iterator[Finding]:
    """`clock`: the present time against the newest recorded one; snapshots are named, sorted and kept by time."""
    now = system_clock.now()
    if now < _NOT_BEFORE:
        seen = f"The clock says {system_clock.iso(now)}, which is long ago."
        yield problem("clock", seen, "Set it (timedatectl set-ntp true).")
        return
    when, record = max(_recorded(project), default=(now, ""))
    if when <= now + _SLACK:
        yield ok("clock", "The clock is not behind anything that was recorded here.")
        return
    if when - now > _FAR:
        remedy = "If the clock is right now, it was wrong then; later records will be right. Otherwise set the clock."
        if record.startswith(_SNAPSHOT):
            remedy = (
                "If the clock is right now, it was wrong then, and that snapshot counts as the newest until that day: "
                "move it out of the cache folder once there is a newer one. Otherwise set the clock."
            )
    else:
        remedy = "Set the clock (timedatectl set-ntp true). Ages and the order are wrong until it has caught up."
    seen = f"{record} is from {system_clock.iso(when)}, which is in the future: now it is {system_clock.iso(now)}."
    yield problem("clock", seen, remedy)


def _profile(profile: Profile, project: CheckedProject) -> Iterator[Finding]:
    occupant = project.occupant(profile)
    report = inspect(project.store, profile, holder=occupant).report
    found = [check for check in report.checks if check.outcome is not CheckOutcome.OK and check.name != "disk"]
    lock = singleton.holder(profile.folder)
    if occupant is not None or lock is None or not lock.alive:  # a stale lock is reported as `profile-lock`
        found = [check for check in found if check.name != _IN_USE]
    for check in found:
        seen = f"{check.name}: {check.seen}"
        if check.outcome is CheckOutcome.WARNING:
            yield warning("session", seen, check.remedy or "Nothing.", subject=profile.id)
        else:
            yield problem("session", seen, check.remedy, subject=profile.id)
    if not found:
        seen = f"The profile {printable(project.shown(profile.path))} is intact{_limits(occupant)}."
        yield ok("session", seen, subject=profile.id)


def _limits(occupant: Occupant | None) -> str:
    if occupant is None:
        return ""
    if occupant.supervisor is not None:
        return f", as far as can be told while the bot runs (scanonce, process {occupant.supervisor})"
    return f", as far as can be told while a browser has it open (process {occupant.pid})"


def _snapshots(profile: Profile, project: CheckedProject) -> Finding:
    snapshots = project.store.snapshots(profile.id)
    good = next((one for one in snapshots if one.good), None)
    if good is not None:
        more = f", and there are {len(snapshots) - 1} more" if len(snapshots) > 1 else ""
        return ok("snapshots", f"The newest good snapshot is {good.name}{more}.", subject=profile.id)
    if snapshots:
        seen = f"There are {len(snapshots)} snapshots, but none of them is known to be good."
        remedy = "Run scanonce snapshot verify, then scanonce snapshot take."
        return problem("snapshots", seen, remedy, subject=profile.id)
    if not project.config.snapshot.enabled:
        return ok("snapshots", "Snapshots are turned off (snapshot.enabled).", subject=profile.id)
    if project.store.state.get(profile.id).is_linked:
        seen = "There is no snapshot of this linked session yet."
        return warning("snapshots", seen, "Run scanonce snapshot take, or wait for the next stop.", subject=profile.id)
    seen = "There is no snapshot yet; the first is taken once the session is linked."
    return ok("snapshots", seen, subject=profile.id)


def _space(folder: Path, free: int, needed: int) -> Finding:
    seen = (
        f"{free >> 20} MB are free on the disk of {printable(folder)}; a snapshot or restore needs {needed >> 20} MB."
    )
    if free >= needed:
        return ok("disk", seen, subject=str(folder))
    remedy = "Free some space: a browser that cannot write loses data. scanonce snapshot prune removes old snapshots."
    return problem("disk", f"Only {seen}", remedy, subject=str(folder))


def _recorded(project: CheckedProject) -> Iterator[tuple[datetime, str]]:
    """The recorded times, each with its record."""
    for snapshots in project.store.all_snapshots().values():
        for snapshot in snapshots:
            yield snapshot.created_at, f"{_SNAPSHOT} {printable(snapshot.name)}"
    for session_id, state in project.store.state.load().items():
        if state.last_seen is not None:
            yield state.last_seen, f"The last activity of session {printable(session_id)}"
    last = _last_restart(project.cache / "history.db")
    if last is not None:
        yield last, "The last restart in the history"


def _last_restart(history: Path) -> datetime | None:
    if not history.is_file():
        return None
    # Read-only, without locking: `History` would create, repair and move what it finds.
    with contextlib.suppress(sqlite3.Error, OverflowError, OSError, ValueError, TypeError):
        newest = "SELECT max(started_at) FROM restarts"
        (seconds,) = read_beside(history, lambda db: db.execute(newest).fetchone(), timeout=0.25)
        return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
    return None
