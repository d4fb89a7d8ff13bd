"""Each session's health, as `scanonce session check` would tell it, and whether there is a copy to go back to."""

from __future__ import annotations

from collections.abc import Iterator

from supervisor.admin.inspect import inspect
from supervisor.admin.occupants import Occupant
from supervisor.session.profiles import holders
from supervisor.session.profiles.profile import Profile
from supervisor.session.profiles.report import Check, Outcome
from supervisor.setup.doctor.finding import Finding, ok, problem, warning
from supervisor.setup.doctor.project import Place
from supervisor.system.escape import printable

NAMES = ("session", "snapshots")

_IN_USE = "holder"  # the check that tells that somebody has the profile open


def look(place: Place) -> Iterator[Finding]:
    """Every session that is configured, known or found."""
    if not place.profiles:
        yield ok("session", "There is no session yet.")
    for profile in place.profiles:
        yield from _profile(profile, place)
        yield _snapshots(profile, place)


def _profile(profile: Profile, place: Place) -> Iterator[Finding]:
    holder = place.occupant(profile)
    report = inspect(place.store, profile, holder=holder).report
    found = [check for check in report.checks if check.outcome is not Outcome.OK and check.name != "disk"]
    named = holders.holder(profile.folder)
    if holder is not None or named is None or not named.alive:  # a lock that nobody holds is told of as `profile-lock`
        found = [check for check in found if check.name != _IN_USE]
    for check in found:
        yield _finding(check, profile)
    if not found:
        seen = f"The profile {printable(place.shown(profile.path))} is sound{_use(holder)}."
        yield ok("session", seen, subject=profile.id)


def _finding(check: Check, profile: Profile) -> Finding:
    seen = f"{check.name}: {check.seen}"
    if check.outcome is Outcome.WARNING:
        return warning("session", seen, check.remedy or "Nothing.", subject=profile.id)
    return problem("session", seen, check.remedy, subject=profile.id)


def _use(holder: Occupant | None) -> str:
    if holder is None:
        return ""
    if holder.supervisor is not None:
        return f", as far as can be told while the bot runs (scanonce, process {holder.supervisor})"
    return f", as far as can be told while a browser has it open (process {holder.pid})"


def _snapshots(profile: Profile, place: Place) -> Finding:
    snapshots = place.store.snapshots(profile.id)
    good = next((one for one in snapshots if one.good), None)
    if good is not None:
        others = len(snapshots) - 1
        seen = f"The newest good snapshot is {good.name}{f', and there are {others} more' if others else ''}."
        return ok("snapshots", seen, subject=profile.id)
    if snapshots:
        seen = f"There are {len(snapshots)} snapshots, and none of them is known to be sound."
        return problem("snapshots", seen, "scanonce snapshot verify, then scanonce snapshot take.", subject=profile.id)
    if not place.config.snapshot.enabled:
        return ok("snapshots", "Snapshots are turned off (snapshot.enabled).", subject=profile.id)
    if place.store.state.get(profile.id).is_linked:
        seen = "There is no snapshot of this linked session yet."
        return warning("snapshots", seen, "scanonce snapshot take; or wait for the next stop.", subject=profile.id)
    return ok(
        "snapshots", "There is no snapshot yet; the first is taken once the session is linked.", subject=profile.id
    )
