"""The checks of a profile before it is launched.

They come before the launch because Chromium silently deletes a database that it cannot read: launching on a damaged
profile destroys the evidence and the link with it.

A profile that is as it was at its last clean stop is not read again: a walk tells. Otherwise the structure of both
databases is checked, the contents of what is new or changed, and whether their sequence numbers went back.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from supervisor.session.profiles import databases, optional_data, singleton
from supervisor.session.profiles.check_report import Check, CheckContext, CheckOutcome, CheckReport
from supervisor.session.profiles.profile import FOREIGN_REMEDY, foreign_files, last_version
from supervisor.session.profiles.scan import ProfileTree, holds_files, scan
from supervisor.session.snapshot import manifest as manifests
from supervisor.system import files as fsio
from supervisor.system import parallel
from supervisor.system.errors import explained
from supervisor.system.escape import printable
from supervisor.system.sparse_files import allocated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from supervisor.session.profiles.baseline import Baseline
    from supervisor.session.profiles.databases import DatabaseVerdict
    from supervisor.session.profiles.kinds import SessionKind
    from supervisor.session.profiles.profile import Profile
    from supervisor.session.snapshot.catalog import Snapshot
    from supervisor.system.parallel import Progress

_RESTORE = "Restore the last good snapshot: scanonce snapshot restore."
_OWNER = "Make the user that runs the bot its owner (chown -R); if it is, check the disk."


@dataclass(frozen=True, slots=True)
class Reference:
    """What earlier times tell about a profile."""

    baseline: Baseline | None
    snapshots: Callable[[], Sequence[Snapshot]]
    """Lists them, newest first; not asked if nothing has changed."""
    began_at: datetime | None
    """When the present link or its profile began. What is older belongs to another one and tells nothing."""
    recorded: bool = True
    """Whether the project's state file has the session. In a folder that was copied it does not: what its snapshots
    hold may be in use elsewhere."""

    def kept(self) -> str | None:
        """What could be restored of the present link: a good snapshot, else a plain copy, which is checked first."""
        fresh = [one for one in self.snapshots() if not self._stale(one.created_at)] if self.recorded else []
        if any(one.good for one in fresh):
            return "a good snapshot"
        return "a plain copy" if any(one.plain for one in fresh) else None

    def expected(self) -> Mapping[str, int]:
        """The sequence numbers to expect: those of the baseline or the newest good snapshot, whichever is later."""
        newest = next((snapshot for snapshot in self.snapshots() if snapshot.good), None)
        if self.baseline is not None and (newest is None or self.baseline.at > newest.created_at):
            return {} if self._stale(self.baseline.at) else self.baseline.sequences
        return {} if newest is None or self._stale(newest.created_at) else newest.sequences

    def _stale(self, moment: datetime) -> bool:
        return self.began_at is not None and moment < self.began_at


def run(
    profile: Profile, known: Reference, context: CheckContext, *, deep: bool, progress: Progress = parallel.silent
) -> CheckReport:
    """Check one profile. Raises `SessionError` if its folders cannot be read."""
    folder = profile.folder
    with explained("check the profile", profile.path):
        first = _presence(profile, known, context)
        if first.outcome is not CheckOutcome.OK or not folder.is_dir():
            return CheckReport(profile, (first,))
        held = _held(profile, context)
        if held.outcome is CheckOutcome.BLOCKED:
            return CheckReport(profile, (first, held))
        tree = scan(folder)
        kind = profile.kind
        then = known.baseline if not deep else None
        around = [_linked(context), _room(folder, tree)]
        if kind.has_browser:
            around.insert(1, _version(folder, context))
            around += optional_data.check(folder, tree, then.files if then is not None else {})
        if then is not None and then.files == tree.files:
            return CheckReport(profile, (first, held, *_as_before(kind), *around), True, tree.files, then.sequences)
        contents = _Contents(folder, kind, tree, known, context, deep=deep)
        checks = (first, held, *contents.checks(progress), *around)
        if contents.mended:
            tree = scan(folder)
    return CheckReport(profile, checks, False, tree.files, databases.sequences(contents.verdicts))


def _presence(profile: Profile, known: Reference, context: CheckContext) -> Check:
    folder, name = profile.folder, printable(profile.path)
    foreign = None if folder.is_dir() and _is_closed(folder) else foreign_files(profile)
    if foreign is not None:
        # Among a bot's own files a browser may make a profile; but not behind a link, which may have come out wrong,
        # nor in the place of a profile that was linked.
        allowed = folder.is_dir() and not context.linked and not profile.is_linked_to
        outcome = CheckOutcome.WARNING if allowed else CheckOutcome.BLOCKED
        return Check("profile", outcome, foreign, FOREIGN_REMEDY)
    if not os.path.lexists(folder):
        if (whose := _missed(known, context)) is not None:
            return Check("profile", CheckOutcome.DAMAGED, f"The profile {name}{whose} is gone.", _RESTORE)
        return Check("profile", CheckOutcome.OK, f"There is no profile {name} yet; the bot will make one.")
    if not folder.is_dir():
        return Check("profile", CheckOutcome.DAMAGED, f"The profile {name} is not a folder.", _RESTORE)
    if os.path.lexists(folder / "Default") and not (folder / "Default").is_dir():
        return Check("profile", CheckOutcome.DAMAGED, f"{name}: Default is not a folder.", _RESTORE)
    for place in (folder, folder / "Default"):
        if _is_closed(place):
            return Check(
                "profile", CheckOutcome.BLOCKED, f"{printable(place)} may not be read and written by us.", _OWNER
            )
    if not holds_files(folder) and (whose := _missed(known, context)) is not None:
        return Check("profile", CheckOutcome.DAMAGED, f"The profile {name}{whose} is empty.", _RESTORE)
    return Check("profile", CheckOutcome.OK, f"The profile {name} is there.")


def _missed(known: Reference, context: CheckContext) -> str | None:
    """Whose a profile that is gone or empty was, if it is a loss, as a part of a sentence."""
    if context.linked:
        return " of a linked session"
    # Of most pages it is never known whether they are linked; but there are no snapshots of nothing.
    kept = known.kept() if context.linked is None else None
    return f", of which there is {kept}," if kept is not None else None


def _is_closed(place: Path) -> bool:
    return os.path.lexists(place) and not os.access(place, os.R_OK | os.W_OK | os.X_OK)


def _held(profile: Profile, context: CheckContext) -> Check:
    name, folder = printable(profile.path), profile.folder
    wait = "Close that browser, then start again."
    if context.holders:
        pids = ", ".join(map(str, context.holders))
        return Check("holder", CheckOutcome.BLOCKED, f"{name} is held by process {pids}.", wait)
    holder = singleton.holder(folder)
    if holder is None:
        return Check("holder", CheckOutcome.OK, "No process holds it.")
    if holder.alive and not context.free:
        return Check("holder", CheckOutcome.BLOCKED, f"{name} is held by process {holder.pid}.", wait)
    named = f"a lock of process {holder.pid}{f' on {printable(holder.host)}' if holder.foreign else ''}"
    if context.free:
        singleton.clear(folder)
        return Check("holder", CheckOutcome.MENDED, f"{name} carried {named}, which is gone; the lock was removed.")
    if holder.foreign:
        remedy = (
            "A start under scanonce clears it; for a start without, and if that browser is gone, remove "
            f"{printable(folder / 'SingletonLock')}."
        )
        return Check("holder", CheckOutcome.BLOCKED, f"{name} carries {named}: the browser will not start.", remedy)
    return Check("holder", CheckOutcome.OK, f"No process holds it; {named} is left over.")


def _linked(context: CheckContext) -> Check:
    if context.linked:
        return Check("linked", CheckOutcome.OK, "The session was linked when last seen.")
    if context.linked is None:
        return Check("linked", CheckOutcome.OK, "Nothing is known yet about the session's link.")
    return Check("linked", CheckOutcome.WARNING, "The session was not linked when last seen: expect a QR code.")


def _version(folder: Path, context: CheckContext) -> Check:
    wrote = last_version(folder)
    if wrote is None or not _numbers(wrote):
        return Check("browser-version", CheckOutcome.OK, "It does not say which version wrote it last.")
    now = _numbers(context.browser_version or "")
    if now and now[0] < _numbers(wrote)[0]:
        return Check(
            "browser-version",
            CheckOutcome.WARNING,
            f"The profile was last written by Chromium {wrote}, and {context.browser_version} is older: "
            "it may refuse databases that the newer one wrote.",
            "Use the newer browser again, or expect to link anew.",
        )
    return Check("browser-version", CheckOutcome.OK, f"Last written by {wrote}.")


def _numbers(version: str) -> list[int]:
    """The numbers of a version; anything before them (``Chrome/156.0.1``) is passed over.

    >>> _numbers("HeadlessChrome/156.0.7000.1")
    [156, 0, 7000, 1]
    """
    parts = version.rpartition("/")[2].split(".")
    return [int(part) for part in parts] if all(part.isascii() and part.isdigit() for part in parts) else []


def _room(folder: Path, tree: ProfileTree) -> Check:
    free, needed = shutil.disk_usage(folder).free, tree.size + fsio.ROOM_TO_WORK
    if free < needed and tree.size:  # holes take no room
        needed = sum(allocated((folder / path).lstat()) for path in tree.files) + fsio.ROOM_TO_WORK
    if free < needed:
        return Check(
            "disk",
            CheckOutcome.WARNING,
            f"Only {free >> 20} MB are free on the disk of the profile; a restore needs {needed >> 20} MB.",
            "Free some space: a browser that cannot write loses data.",
        )
    return Check("disk", CheckOutcome.OK, f"{free >> 20} MB are free.")


def _as_before(kind: SessionKind) -> list[Check]:
    seen = "As it was at the last clean stop."
    return [Check(name, CheckOutcome.OK, seen) for name in (*kind.checks.values(), "time")]


class _Contents:
    """The checks of what the link needs: two kinds of database, and that time did not go back."""

    def __init__(
        self,
        folder: Path,
        kind: SessionKind,
        tree: ProfileTree,
        known: Reference,
        context: CheckContext,
        *,
        deep: bool,
    ) -> None:
        self._names = kind.checks
        self._folder, self._tree, self._known, self._context, self._deep = folder, tree, known, context, deep
        self._then = known.baseline.files if known.baseline else {}
        self._expected = known.expected() if context.linked is not False else {}
        self.verdicts: list[DatabaseVerdict] = []
        self.mended = False

    def checks(self, progress: Progress) -> list[Check]:
        """Read the databases, and judge what was read."""
        baseline = self._known.baseline
        trusted = baseline.trusted(self._tree) if baseline is not None else frozenset[str]()
        found = databases.needed(self._folder, self._tree, self._expected)
        self.verdicts = databases.verify(self._folder, found, deep=self._deep, trusted=trusted, progress=progress)
        # The clock first: what a mend cuts off is what a clean stop would have kept.
        clock = self._clock()
        return [*(self._soundness(kind) for kind in self._names), clock]

    def _soundness(self, kind: str) -> Check:
        name = self._names[kind]
        verdicts = [verdict for verdict in self.verdicts if verdict.database.kind == kind]
        problems = [problem for verdict in verdicts for problem in verdict.problems]
        gone = databases.lost(self._expected, self.verdicts).get(kind)
        if gone is not None:
            problems.append(gone)
        if any(verdict.unreadable for verdict in verdicts):
            # Perhaps all is well but for a file that another user owns: nothing is replaced on a suspicion.
            seen = f"{kind} cannot be judged: {printable('; '.join(problems))}."
            return Check(name, CheckOutcome.BLOCKED, seen, _OWNER)
        if problems:
            seen = f"{kind} {_is(kind)} damaged: {printable('; '.join(problems))}."
            if self._context.linked is False:
                return Check(name, CheckOutcome.WARNING, f"{seen} The session is not linked, so nothing is lost.")
            return Check(name, CheckOutcome.DAMAGED, seen, _RESTORE)
        return self._mended(name, kind, verdicts)

    def _mended(self, name: str, kind: str, verdicts: list[DatabaseVerdict]) -> Check:
        if not any(verdict.torn for verdict in verdicts):
            count = sum(verdict.made for verdict in verdicts)
            sound = f"{kind} {_is(kind)} sound."
            return Check(name, CheckOutcome.OK, sound if count else f"There is no {kind} yet.")
        torn = printable(", ".join(path for verdict in verdicts for path in verdict.torn_files))
        if not self._context.free:
            seen = f"{kind} ends in a half-written record, as after a crash; the next start will cut it off."
            if torn:
                seen = f"half-written, as after a kill: {torn}; the next start will set them aside."
            return Check(name, CheckOutcome.WARNING, seen)
        cut = databases.mend(self._folder, verdicts)
        self.mended = True
        if torn:
            seen = f"half-written, as after a kill: {torn}; set aside, and the bot makes or asks for them anew."
            return Check(name, CheckOutcome.MENDED, seen)
        seen = f"{kind} ended in a half-written record, as after a crash; it was cut off ({printable(', '.join(cut))})."
        return Check(name, CheckOutcome.MENDED, seen)

    def _clock(self) -> Check:
        """Whether everything that was there is still there: a file cut short can look like one never longer."""
        now = databases.sequences(self.verdicts)
        behind = [
            f"{printable(path)} ends at record {now[path]}, and {least} were there before"
            for path, least in self._expected.items()
            if path in now and now[path] < least
        ]
        behind += [f"{printable(path)} is shorter than it was" for path in self._shrunk()]
        if not behind:
            return Check("time", CheckOutcome.OK, "Nothing that was there is missing.")
        same = self._put_back_by_hand(now)
        if same is not None:
            return Check("time", CheckOutcome.WARNING, f"The profile is the snapshot {same.name}, put back by hand.")
        return Check("time", CheckOutcome.DAMAGED, f"Records are missing: {'; '.join(behind)}.", _RESTORE)

    def _shrunk(self) -> list[str]:
        """Logs and MANIFESTs that are shorter than at the clean stop: LevelDB only ever appends to them."""
        folders = tuple(path for path in self._expected if self._known.baseline)
        return [
            path
            for path, file in self._tree.files.items()
            if path in self._then and file.size < self._then[path].size and _only_grows(path, folders)
        ]

    def _put_back_by_hand(self, now: Mapping[str, int]) -> Snapshot | None:
        """The snapshot that the profile is a copy of, file by file, if any: then going back was meant."""
        for snapshot in self._known.snapshots():
            if snapshot.good and dict(snapshot.sequences) == dict(now) and self._is_copy_of(snapshot):
                return snapshot
        return None

    def _is_copy_of(self, snapshot: Snapshot) -> bool:
        try:
            wanted = manifests.read(snapshot.path).files
        except (manifests.ManifestError, OSError):
            return False
        files = self._tree.files
        return (
            wanted.keys() == files.keys()
            and all(record.source.size == files[path].size for path, record in wanted.items())
            and all(fsio.checksum(self._folder / path) == record.crc32c for path, record in wanted.items())
        )


def _is(kind: str) -> str:
    return "are" if kind == databases.AUTH_FILES else "is"


def _only_grows(path: str, folders: tuple[str, ...]) -> bool:
    folder, _, name = path.rpartition("/")
    return folder in folders and (name.endswith(".log") or name.startswith("MANIFEST-"))
