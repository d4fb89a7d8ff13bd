"""Checking a profile from outside the supervisor, also one that a browser has open: only reading.

While a browser runs, its databases change under the reader: logs grow, tables come and go. What LevelDB promises holds
all the same: a table is whole before the MANIFEST names it, and goes only after that. So a database is judged by a
reading during which no file of it came or went.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from supervisor.session.profiles import databases
from supervisor.session.profiles.check_report import Check, CheckContext, CheckOutcome
from supervisor.session.profiles.scan import ProfileTree, scan
from supervisor.system import parallel
from supervisor.system.errors import explained
from supervisor.system.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.admin.occupants import Occupant
    from supervisor.session.profiles.check_report import CheckReport
    from supervisor.session.profiles.profile import Profile
    from supervisor.session.store import SessionStore
    from supervisor.system.parallel import Progress

_READINGS = 5
_NAMES = {databases.INDEXED_DB: "indexed-db", databases.LOCAL_STORAGE: "local-storage"}


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a check found, and who had the profile open meanwhile."""

    report: CheckReport
    holder: Occupant | None


def inspect(
    store: SessionStore,
    profile: Profile,
    *,
    holder: Occupant | None,
    deep: bool = False,
    progress: Progress = parallel.silent,
) -> Inspection:
    """Check a profile; `holder` is who has it open, as `occupant` found. Raises `SessionError`."""
    if holder is None:
        return Inspection(store.check(profile, deep=deep, progress=progress), None)
    report = store.check(profile, context=CheckContext(holders=(holder.pid,)))
    checks = [
        replace(check, seen=str(holder), remedy="") if check.name == "holder" else check for check in report.checks
    ]
    with explained("check the profile", profile.path):
        checks += _databases(profile, deep=deep, progress=progress)
    return Inspection(replace(report, checks=tuple(checks)), holder)


def walk(profile: Profile) -> ProfileTree:
    """What is in a profile. Files that go in the midst of the walk, as a running browser's do, are no failure."""
    with explained("look at the profile", profile.path):
        for _ in range(_READINGS - 1):
            with contextlib.suppress(FileNotFoundError):
                return scan(profile.folder)
        return scan(profile.folder)


def _databases(profile: Profile, *, deep: bool, progress: Progress) -> Iterator[Check]:
    found, settled = _read(profile, deep=deep, progress=progress)
    for kind in databases.KINDS:
        name = _NAMES[kind]
        verdicts = [verdict for verdict in found if verdict.database.kind == kind]
        problems = [problem for verdict in verdicts for problem in verdict.problems]
        if problems and settled:
            seen = f"{kind} is damaged: {printable('; '.join(problems))}."
            yield Check(
                name, CheckOutcome.DAMAGED, seen, "Stop the bot; scanonce restores a snapshot before the next start."
            )
        elif problems or not (settled or verdicts):
            seen = f"{kind} cannot be judged: the browser is rewriting it just now."
            yield Check(name, CheckOutcome.WARNING, seen, "Check again in a moment.")
        elif any(verdict.database.format is not databases.Format.LEVELDB for verdict in verdicts):
            yield Check(
                name, CheckOutcome.OK, f"{kind} is there; as SQLite it can be checked only while no process uses it."
            )
        else:
            sound = any(verdict.made for verdict in verdicts)
            yield Check(name, CheckOutcome.OK, f"{kind} is sound." if sound else f"There is no {kind} yet.")


def _read(profile: Profile, *, deep: bool, progress: Progress) -> tuple[list[databases.DatabaseVerdict], bool]:
    """Verify the databases of a profile in use; says whether no file of them came or went meanwhile.

    SQLite writes into its files in place: those are passed over, as if sound.
    """
    verdicts: list[databases.DatabaseVerdict] = []
    for _ in range(_READINGS):
        with contextlib.suppress(FileNotFoundError):
            before = walk(profile)
            wanted = databases.needed(profile.folder, before)
            kept = [database for database in wanted if database.format is databases.Format.LEVELDB]
            verdicts = databases.verify(profile.folder, kept, deep=deep, progress=progress)
            verdicts += [databases.DatabaseVerdict(database) for database in wanted if database not in kept]
            came_or_went = before.files.keys() ^ walk(profile).files.keys()
            places = tuple(f"{database.path}/" for database in kept)
            settled = not any(path.startswith(places) for path in came_or_went)
            if settled or not any(verdict.problems for verdict in verdicts):
                return verdicts, True
    return verdicts, False
