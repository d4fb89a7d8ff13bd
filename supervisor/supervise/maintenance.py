"""What is done with the profiles while nobody holds them: check, snapshot, restore.

The check comes first, because a browser silently deletes what it cannot read and because damage must not be copied into
a snapshot. A snapshot's files are read here; making it durable and verifying it (`finish`) can wait until the bot is on
its way up again. Both may be begun (`look_ahead`) while the bot still uses its grace: what is found unchanged when
nothing lives any more need not be read again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from supervisor.browser.version import version_if_replaced
from supervisor.config.schema import Config
from supervisor.log.logger import emit, report_fault
from supervisor.session.profiles import holders, singleton
from supervisor.session.profiles.profile import Profile
from supervisor.session.profiles.report import Check, CheckContext, CheckReport, Outcome
from supervisor.session.recovery import candidates
from supervisor.session.snapshot.snapshot import Snapshot
from supervisor.session.store import SessionStore
from supervisor.supervise.file_worker import FileWork
from supervisor.supervise.snapshot_queue import Copies, Quiet
from supervisor.system.errors import SessionError
from supervisor.timing.phases import PhaseClock


class Care:
    """Looks after the profiles of one project, one file operation at a time, in a thread of its own."""

    def __init__(self, config: Config, store: SessionStore) -> None:
        #: Where whatever is done with files is done.
        self.files = FileWork()
        #: The snapshots that are being taken.
        self.copies = Copies(config, store, self.files)
        self._config = config
        self._store = store
        self._looking: asyncio.Task[None] | None = None
        self._not_ours: set[Path] = set()
        self._told: set[tuple[Path, str]] = set()

    async def profiles(self) -> list[Profile]:
        """The profiles that are known, or found where bots usually keep them."""
        return await self.files.do(self._store.profiles, self._config.session.profiles)

    async def report_lost(self) -> None:
        """Tell of sessions of which only snapshots are left, and nothing is known that would allow to restore one."""
        for session in await self.files.do(self._store.lost):
            emit("session.lost", session=session)

    async def report_exposed(self) -> None:
        """Tell, once, what others on this machine can read: it is left as it is, since the folder is the bot's."""
        for found in await self.files.do(self._store.exposed, await self.profiles()):
            emit("session.exposed", path=str(found.path), mode=f"{found.mode:04o}", remedy=found.remedy)

    def look_ahead(self, quiet: Mapping[Path, Quiet]) -> asyncio.Task[None]:
        """Begin to check and copy profiles whose browsers have closed cleanly, while their bot may still open others.

        Nothing is told of it, and nothing comes of it but that `prepare`, which waits for it, has less to do.
        """
        self._looking = asyncio.create_task(self._look_ahead(quiet), name="look-ahead")
        return self._looking

    async def _look_ahead(self, quiet: Mapping[Path, Quiet]) -> None:
        if not self._config.session.check:
            return
        for profile in await self._known_and(quiet):
            seen = quiet.get(profile.path)
            if seen is None or not seen.clean:
                continue
            with contextlib.suppress(SessionError):  # `prepare` meets it again
                context = CheckContext(closed=True, browser_version=seen.version)
                progress = self.files.telling("session.progress", profile.id, "checking")
                report = await self.files.do(self._store.check, profile, context=context, progress=progress)
                if report.spotless:
                    await self.copies.read_ahead(profile, seen)

    async def prepare(self, quiet: Mapping[Path, Quiet], wanted: Mapping[str, Snapshot], clock: PhaseClock) -> bool:
        """Put every profile in order before a start; False if one could not be, and was left as it is.

        `quiet` tells what was seen of profiles that a browser has just let go of; `wanted` names snapshots that are to
        be restored whatever the check says, by session.
        """
        clock.enter("check")
        await self._end_looking()
        ready = True
        for profile in await self._known_and(quiet):
            try:
                ready &= await self._prepare(profile, quiet.get(profile.path), wanted.get(profile.id), clock)
            except SessionError as error:
                emit("error", problem=str(error))
                ready = False
        self.copies.drop_ahead()
        return ready

    async def _end_looking(self) -> None:
        looking, self._looking = self._looking, None
        if looking is not None:
            await asyncio.wait({looking})
            report_fault(looking)

    async def _known_and(self, quiet: Iterable[Path]) -> list[Profile]:
        profiles = await self.profiles()
        known = {profile.path for profile in profiles}
        found = profiles + [await self.files.do(self._store.profile_at, path) for path in quiet if path not in known]
        return [profile for profile in found if profile.folder not in self._not_ours]

    def leave_alone(self, profile: Path) -> None:
        """Another supervisor has this profile: neither check nor copy nor restore it."""
        self._not_ours.add(profile)

    async def _prepare(self, profile: Profile, quiet: Quiet | None, wanted: Snapshot | None, clock: PhaseClock) -> bool:
        clock.enter("check")
        holder = holders.holder(profile.folder)
        if holder is not None and holder.alive:
            # Ours are proven gone: somebody else has opened it since our bot was started. Its browser keeps ours off.
            emit(
                "error",
                problem=f"{profile.path} is held by process {holder.pid}, which scanonce did not start",
                remedy="it is left as it is; end that process if the bot is to use this profile",
            )
            return True
        self._clear_stale_marks(profile)
        if wanted is not None:
            clock.enter("restore")
            await self._restore(profile, [wanted], "a QR code appeared although the session was linked")
            return True
        clean = quiet is not None and quiet.clean
        if self._config.session.check:
            version = quiet.version if quiet else await self.files.do(self._next_version, profile)
            context = CheckContext(free=True, browser_version=version)
            unclean = quiet is not None and not quiet.clean
            progress = self.files.telling("session.progress", profile.id, "checking")
            report = await self.files.do(self._store.check, profile, deep=unclean, context=context, progress=progress)
            self._tell_remarks(report)
            for sentence in report.blocked:
                emit("error", problem=sentence)
            if report.blocked:
                return False
            if report.damage:
                clock.enter("restore")
                await self._recover(profile, " ".join(report.damage))
                return True
        elif clean:
            await self._record_clean_stop(profile)
        if quiet is not None and clean:
            clock.enter("snapshot")
            await self.copies.read(profile, quiet)
        await self._trim(profile)
        return True

    def _next_version(self, profile: Profile) -> str | None:
        """The version of the browser that is about to be started, if that is another than the last time."""
        state = self._store.state.get(profile.id)
        if state.browser is None or state.last_seen is None:
            return None
        return version_if_replaced(state.browser, state.last_seen)

    def _tell_remarks(self, report: CheckReport) -> None:
        """What was put right, and what is worth knowing; the latter once, for most of it stays as it is."""
        for check in report.checks:
            # That a session is not linked, its page will show.
            if check.outcome is Outcome.MENDED or (check.outcome is Outcome.WARNING and check.name != "linked"):
                self._remark(report.profile, check)

    def _remark(self, profile: Profile, check: Check) -> None:
        remark = (profile.path, check.name)
        if check.outcome is Outcome.MENDED or remark not in self._told:
            emit(
                "session.remark",
                session=profile.id,
                check=check.name,
                seen=check.seen,
                remedy=check.remedy or None,
            )
            self._told.add(remark)

    async def _record_clean_stop(self, profile: Profile) -> None:
        try:
            await self.files.do(self._store.record_clean_stop, profile)
        except SessionError as error:  # it spares a later check some work, no more
            self._remark(profile, Check("noted", Outcome.WARNING, str(error)))

    async def _trim(self, profile: Profile) -> None:
        above = self._config.session.trim_caches
        if above is None:
            return
        try:
            freed = await self.files.do(self._store.trim_caches, profile, above=above)
        except SessionError as error:  # the bot runs as well on large caches
            self._remark(profile, Check("caches", Outcome.WARNING, str(error)))
        else:
            if freed:
                emit("session.trimmed", session=profile.id, bytes=freed)

    def _clear_stale_marks(self, profile: Profile) -> None:
        """Remove what the last browser left: nobody holds the profile, that has been proven.

        A lock that names another host makes Chromium refuse to start, and the port file of a browser that is gone
        would be taken for the next one's.
        """
        with contextlib.suppress(OSError):  # a profile that may not be written to is found out by the check
            named = singleton.holder(profile.path)
            if singleton.clear(profile.path) and named is not None:
                emit("session.unlocked", session=profile.id, host=named.host, pid=named.pid)
            (profile.path / "DevToolsActivePort").unlink(missing_ok=True)

    async def _recover(self, profile: Profile, damage: str) -> None:
        """Put the newest sound snapshot in the place of a damaged profile.

        Where there is none, or the session was not linked anyway, the damaged profile is moved aside, never deleted,
        and the bot starts for a new link.
        """
        state = self._store.state.get(profile.id)
        if state.is_linked is not False:
            snapshots = await self.files.do(self._store.snapshots, profile.id)
            if await self._restore(profile, candidates(snapshots, linked_at=state.linked_at), damage):
                return
        moved = await self.files.do(self._store.clear, profile, free=True)
        emit(
            "session.damaged",
            session=profile.id,
            profile=str(profile.path),
            problem=damage,
            moved_to=str(moved) if moved else None,
        )

    async def _restore(self, profile: Profile, snapshots: Iterable[Snapshot], why: str) -> bool:
        """Restore the first snapshot that proves sound; False, and the profile as it was, if none does."""
        for snapshot in snapshots:
            try:
                progress = self.files.telling("session.progress", profile.id, "restoring")
                restored = await self.files.do(self._store.restore, profile, snapshot, free=True, progress=progress)
            except SessionError as error:
                emit("session.restore_failed", session=profile.id, snapshot=snapshot.name, problem=str(error))
                continue
            age = datetime.now(UTC) - snapshot.created_at
            emit(
                "session.restored",
                session=profile.id,
                profile=str(profile.path),
                problem=why,
                snapshot=snapshot.name,
                age_s=round(age.total_seconds()),
                moved_to=str(restored.quarantine) if restored.quarantine else None,
            )
            return True
        return False

    async def finished(self) -> None:
        """Wait until every snapshot that was begun is published, and nothing is left of any other."""
        await self._end_looking()
        self.copies.drop_ahead()
        await self.copies.finished()

    def close(self) -> None:
        """End the work on files once what it was given is done."""
        self.files.close()
