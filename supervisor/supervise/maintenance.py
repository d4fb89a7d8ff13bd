"""The work on profiles while no process holds them: check, restore, clean up.

The check comes first, because a browser silently deletes what it cannot read and because damage must not be copied into
a snapshot. It may be begun (`look_ahead`) while the bot still uses its grace period: what is found unchanged when
nothing lives any more need not be read again. The order of the steps is in `restart.py`.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from supervisor.bot.released import Released
from supervisor.browser.processes import version_if_replaced
from supervisor.config.schema import Config
from supervisor.log.logger import emit, report_fault
from supervisor.session.profiles import singleton
from supervisor.session.profiles.check_report import Check, CheckContext, CheckOutcome, CheckReport
from supervisor.session.profiles.profile import Profile, holds_foreign_files
from supervisor.session.recovery import candidates, linked_snapshot_at
from supervisor.session.snapshot.catalog import Snapshot
from supervisor.session.state_file import Recovery, SessionState, StateChanges
from supervisor.session.store import SessionStore
from supervisor.supervise.file_worker import FileWorker
from supervisor.supervise.session_registry import SessionRegistry
from supervisor.supervise.snapshot_queue import SnapshotQueue
from supervisor.system import files as fsio
from supervisor.system.errors import SessionError


class Maintenance:
    """Looks after the profiles of one project. Files are touched on the file worker's thread."""

    def __init__(
        self, config: Config, store: SessionStore, files: FileWorker, registry: SessionRegistry, queue: SnapshotQueue
    ) -> None:
        self._config = config
        self._store = store
        self._files = files
        self._registry = registry
        self._queue = queue
        self._looking: asyncio.Task[None] | None = None
        self._not_ours: set[str] = set()
        self._reported: set[tuple[Path, str]] = set()
        #: The sessions without a browser that the bot has been started with.
        self._given: set[str] = set()

    def leave_alone(self, profile: Profile) -> None:
        """Another supervisor has this profile: neither check nor copy nor restore it."""
        self._not_ours.add(profile.id)

    # -- while the bot still uses its grace period -------------------------------------------------------------------

    def look_ahead(self, released: Mapping[Path, Released]) -> None:
        """Begin to check and copy profiles whose browsers have closed cleanly, while their bot may still open others.

        Nothing is reported of it, and nothing comes of it but that the preparation, which waits for it, has less to do.
        """
        self._looking = asyncio.create_task(self._look_ahead(released), name="look-ahead")

    async def _look_ahead(self, released: Mapping[Path, Released]) -> None:
        if not self._config.session.check:
            return
        for profile in await self._known_and(released):
            seen = released.get(profile.path)
            if seen is None or not seen.clean:
                continue
            with contextlib.suppress(SessionError):  # the preparation meets it again
                context = CheckContext(closed=True, browser_version=seen.version)
                progress = self._files.progress("session.progress", profile.id, "checking")
                report = await self._files.do(self._store.check, profile, context=context, progress=progress)
                if report.spotless:
                    await self._queue.read_ahead(profile, seen)

    async def _end_looking(self) -> None:
        looking, self._looking = self._looking, None
        if looking is not None:
            await asyncio.wait({looking})
            report_fault(looking)

    # -- the steps of a preparation, while nothing of the bot lives --------------------------------------------------

    async def profiles_to_prepare(self, released: Iterable[Path]) -> list[Profile]:
        """The profiles that are to be put in order before a start, once looking ahead is over."""
        await self._end_looking()
        return await self._known_and(released)

    async def _known_and(self, released: Iterable[Path]) -> list[Profile]:
        found = await self._registry.profiles()
        known = {profile.path for profile in found}
        found += [await self._registry.identify(path) for path in released if path not in known]
        return [profile for profile in found if profile.id not in self._not_ours]

    async def free(self, profile: Profile) -> bool:
        """Whether no process holds a profile; then what the last browser left there is removed."""
        holder, unlocked = await self._files.do(_free, profile)
        if unlocked is not None:
            emit("session.unlocked", session=profile.id, host=unlocked.host, pid=unlocked.pid)
        if holder is None:
            return True
        # Ours are proven gone: another program has opened it since our bot was started. Its browser keeps ours off.
        emit(
            "error",
            problem=f"{profile.path} is held by process {holder}, which scanonce did not start",
            remedy="it is left as it is; end that process if the bot is to use this profile",
        )
        return False

    async def check(self, profile: Profile, released: Released | None) -> CheckReport | None:
        """Check a profile, and report what is worth knowing; None if checks are turned off. Raises `SessionError`."""
        missing = await self._files.do(self._store.is_missing, profile)
        if missing:
            # Its only good copy may be one that is not published yet.
            await self._queue.settle(profile)
            if profile.id in self._given:
                # It was there when the bot was started: the bot itself has removed it, as most do at a logout.
                self._given.discard(profile.id)
                await self._registry.persist(profile.id, StateChanges(is_linked=False, last_state=None))
                emit("session.remark", session=profile.id, check="profile", seen=_REMOVED, remedy=_PUT_BACK)
        report = await self._check(profile, released) if self._config.session.check else None
        if missing and (report is None or report.may_start):
            await self._note_new_profile(profile)
        elif report is None and released is not None and released.clean:
            await self._record_clean_stop(profile)
        return report

    async def quiet(self, profile: Profile) -> Released | None:
        """How a session is left that no browser opens: by its files, now that nothing of the bot lives.

        None for one that a browser opens. Also notes what the files say of its link.
        """
        state = self._registry.state(profile.id)
        kind, seen = await self._files.do(lambda: (profile.kind, self._store.with_files(profile, state)))
        if kind.has_browser:
            return None
        self._given.add(profile.id)
        changes = StateChanges(is_linked=seen.is_linked, last_state=seen.last_state, last_seen=datetime.now(UTC))
        changes["profile"] = self._store.relative(profile.path)
        if seen.is_linked is not None:
            self._registry.note(profile.id, changes)
        return Released(clean=True, linked=seen.is_linked, version=None)

    async def _note_new_profile(self, profile: Profile) -> None:
        changes = await self._files.do(self._store.note_new_profile, profile)
        self._registry.learn(profile.id, changes)

    async def _check(self, profile: Profile, released: Released | None) -> CheckReport:
        if released is not None:
            version = released.version
        else:
            version = await self._files.do(_next_version, self._registry.state(profile.id))
        report = await self._files.do(
            self._store.check,
            profile,
            deep=released is not None and not released.clean,
            context=CheckContext(free=True, browser_version=version),
            progress=self._files.progress("session.progress", profile.id, "checking"),
        )
        self._report_remarks(report)
        for sentence in report.blocked:
            emit("error", problem=sentence)
        return report

    async def recover(self, profile: Profile, damage: str) -> None:
        """Put the newest sound snapshot in the place of a damaged profile.

        Where there is none, or the session was not linked anyway, the damaged profile is moved aside, never deleted,
        and the bot starts for a new link. Raises `SessionError`.
        """
        state = self._registry.state(profile.id)
        await self._queue.settle(profile)
        snapshots = await self._files.do(self._store.snapshots, profile.id)
        linked = state.link(linked_snapshot_at(snapshots))
        best = candidates(snapshots, linked_at=state.began_at) if linked is not False else []
        if await self.restore(profile, best, damage):
            return
        moved = await self._files.do(self._store.clear, profile, free=True)
        cleared = StateChanges(is_linked=False, recovery=Recovery(), new_profile_at=datetime.now(UTC))
        if not state.logged_out:
            cleared["last_state"] = None
        self._registry.learn(profile.id, cleared)
        emit(
            "session.damaged",
            session=profile.id,
            profile=str(profile.path),
            problem=damage,
            moved_to=str(moved) if moved else None,
        )

    async def restore(self, profile: Profile, snapshots: Iterable[Snapshot], why: str) -> bool:
        """Restore the first snapshot that proves sound; False, and the profile as it was, if none does."""
        progress = self._files.progress("session.progress", profile.id, "restoring")
        attempts = await self._files.do(
            self._store.restore_first, profile, snapshots, free=True, keep_newer=True, progress=progress
        )
        for snapshot, error in attempts.failures:
            emit("session.restore_failed", session=profile.id, snapshot=snapshot.name, problem=str(error))
        restored = attempts.restored
        if restored is None:
            return False
        age = datetime.now(UTC) - restored.snapshot.created_at
        emit(
            "session.restored",
            session=profile.id,
            profile=str(profile.path),
            problem=why,
            snapshot=restored.snapshot.name,
            age_s=round(age.total_seconds()),
            moved_to=str(restored.quarantine) if restored.quarantine else None,
        )
        if restored.note:
            self._given.add(profile.id)
            self._remark(profile, Check("restored", CheckOutcome.MENDED, restored.note))
        return True

    async def trim(self, profile: Profile) -> None:
        """Empty a profile's caches if they are larger than configured."""
        above = self._config.session.trim_caches
        if above is None:
            return
        try:
            freed = await self._files.do(self._store.trim_caches, profile, above=above)
        except SessionError as error:  # the bot runs as well on large caches
            self._remark(profile, Check("caches", CheckOutcome.WARNING, str(error)))
        else:
            if freed:
                emit("session.trimmed", session=profile.id, bytes=freed)

    def _report_remarks(self, report: CheckReport) -> None:
        """Report what was put right, and what is worth knowing; the latter once, for most of it stays as it is."""
        for check in report.checks:
            # That a session is not linked, its page will show.
            if check.outcome is CheckOutcome.MENDED or (
                check.outcome is CheckOutcome.WARNING and check.name != "linked"
            ):
                self._remark(report.profile, check)

    def _remark(self, profile: Profile, check: Check) -> None:
        remark = (profile.path, check.name)
        if check.outcome is CheckOutcome.MENDED or remark not in self._reported:
            emit("session.remark", session=profile.id, check=check.name, seen=check.seen, remedy=check.remedy or None)
            self._reported.add(remark)

    async def _record_clean_stop(self, profile: Profile) -> None:
        try:
            await self._files.do(self._store.record_clean_stop, profile)
        except SessionError as error:  # it spares a later check some work, no more
            self._remark(profile, Check("noted", CheckOutcome.WARNING, str(error)))

    async def finished(self) -> None:
        """Wait until every snapshot that was begun is published, and nothing is left of any other."""
        await self._end_looking()
        self._queue.drop_ahead()
        await self._queue.finished()


_REMOVED = "The bot has removed its files, so it is not linked any more."
_PUT_BACK = "If that was not meant, stop the bot: scanonce snapshot restore puts them back."


def _next_version(state: SessionState) -> str | None:
    """The version of the browser that is about to be started, if that is another than the last time."""
    if state.browser is None or state.last_seen is None:
        return None
    return version_if_replaced(state.browser, state.last_seen)


def _free(profile: Profile) -> tuple[int | None, singleton.ProfileHolder | None]:
    """Remove what the last browser left in a profile, unless a process holds it.

    Returns that process' pid, and what the lock that was removed has named. A lock that names another host makes
    Chromium refuse to start, and the port file of a browser that is gone would be taken for the next one's.
    """
    holder = singleton.holder(profile.folder)
    if holder is not None and holder.alive:
        return holder.pid, None
    if holds_foreign_files(profile.folder):  # the check says so
        return None, None
    unlocked = None
    with contextlib.suppress(OSError):  # a profile that may not be written to is found out by the check
        unlocked = holder if singleton.clear(profile.path) else None
        fsio.unlink(profile.path / "DevToolsActivePort")
    return None, unlocked


async def report_findings(store: SessionStore, files: FileWorker, profiles: Sequence[Profile]) -> None:
    """Report, once at the start, sessions of which only snapshots are left, and what other users can read.

    Nothing is known that would allow to restore the former, and the latter is left as it is: the folder is the bot's.
    """
    for session in await files.do(store.lost):
        emit("session.lost", session=session)
    for found in await files.do(store.exposed, profiles):
        emit("session.exposed", path=str(found.path), mode=f"{found.mode:04o}", remedy=found.remedy)
