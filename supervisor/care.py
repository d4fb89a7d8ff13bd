"""What is done with the profiles while nobody holds them: check, snapshot, restore.

The check comes first, because a browser silently deletes what it cannot read and because damage must not be copied into
a snapshot. A snapshot's files are read here; making it durable and verifying it (`finish`) can wait until the bot is on
its way up again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

from supervisor.browser import locks
from supervisor.browser.discovery import Browser
from supervisor.browser.version import version_if_replaced
from supervisor.config import Config
from supervisor.faults import report_fault
from supervisor.live import read_still
from supervisor.logs import emit
from supervisor.session import (
    Capture,
    CheckContext,
    CheckReport,
    Outcome,
    Profile,
    SessionError,
    SessionStore,
    Snapshot,
    candidates,
    holders,
)
from supervisor.session.parallel import Progress
from supervisor.timing import PhaseClock

#: Seconds before something is told to be under way, and between two such lines.
_PROGRESS_INTERVAL = 1.0

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Quiet:
    """What is known of a profile that has just become quiet."""

    clean: bool
    linked: bool | None
    version: str | None


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot that was asked for."""

    snapshot: Snapshot
    new: bool
    """Whether it was made now: where nothing has changed, the one before stands for it."""
    pause: float | None
    """Seconds that the bot stood still; `None` if none was running."""
    remarks: tuple[str, ...] = ()


class Care:
    """Looks after the profiles of one project, one file operation at a time, in a thread of its own."""

    def __init__(self, config: Config, store: SessionStore) -> None:
        self._config = config
        self._store = store
        self._files = ThreadPoolExecutor(max_workers=1, thread_name_prefix="files")
        self._captures: dict[Path, Capture] = {}
        self._not_ours: set[Path] = set()
        self._finishing: set[asyncio.Task[None]] = set()
        self._told: set[tuple[Path, str]] = set()

    async def in_files(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Do something with files without holding up the event loop, after whatever is being done already."""
        return await asyncio.get_running_loop().run_in_executor(self._files, lambda: work(*args, **kwargs))

    def _unworthy(self, profile: Profile, quiet: Quiet) -> str | None:
        """Why this profile must not become the newest good snapshot, if there is a reason."""
        if quiet.linked is False:
            return "it is not linked"
        # A page that can be read, but was not in this short run, may have cleared its storage before we would have
        # seen why. Where a page never could be read, nothing better than the profile's soundness is to be had.
        if quiet.linked is None and self._store.state.get(profile.id).is_linked is not None:
            return "its page was not seen in this run"
        return None

    def in_background(self, work: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Do something with files some time soon, in the order in which it was asked for."""
        doing = asyncio.get_running_loop().run_in_executor(self._files, lambda: work(*args, **kwargs))
        doing.add_done_callback(report_fault)

    def _telling(self, event: Literal["session.progress", "snapshot.progress"], session: str, doing: str) -> Progress:
        """Tell how far something is that turns out to take long; it is called on the thread that does the work."""
        loop = asyncio.get_running_loop()
        told = time.monotonic()

        def progress(done: int, total: int) -> None:
            nonlocal told
            if (now := time.monotonic()) - told >= _PROGRESS_INTERVAL:
                told = now
                fields = {"session": session, "doing": doing, "bytes_done": done, "bytes_total": total}
                loop.call_soon_threadsafe(partial(emit, event, **fields))

        return progress

    async def profiles(self) -> list[Profile]:
        """The profiles that are known, or found where bots usually keep them."""
        return await self.in_files(self._store.profiles, self._config.session.profiles)

    async def report_exposed(self) -> None:
        """Tell, once, what others on this machine can read: it is left as it is, since the folder is the bot's."""
        for found in await self.in_files(self._store.exposed, await self.profiles()):
            emit("session.exposed", path=str(found.path), mode=f"{found.mode:04o}", remedy=found.remedy)

    async def prepare(self, quiet: Mapping[Path, Quiet], wanted: Mapping[str, Snapshot], clock: PhaseClock) -> bool:
        """Put every profile in order before a start; False if one could not be, and was left as it is.

        `quiet` tells what was seen of profiles that a browser has just let go of; `wanted` names snapshots that are to
        be restored whatever the check says, by session.
        """
        clock.enter("check")
        ready = True
        for profile in await self._known_and(quiet):
            try:
                ready &= await self._prepare(profile, quiet.get(profile.path), wanted.get(profile.id), clock)
            except SessionError as error:
                emit("error", problem=str(error))
                ready = False
        return ready

    async def _known_and(self, quiet: Iterable[Path]) -> list[Profile]:
        profiles = await self.profiles()
        known = {profile.path for profile in profiles}
        found = profiles + [await self.in_files(self._store.profile_at, path) for path in quiet if path not in known]
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
            version = quiet.version if quiet else await self.in_files(self._next_version, profile)
            context = CheckContext(free=True, browser_version=version)
            unclean = quiet is not None and not quiet.clean
            progress = self._telling("session.progress", profile.id, "checking")
            report = await self.in_files(self._store.check, profile, deep=unclean, context=context, progress=progress)
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
            await self.in_files(self._store.record_clean_stop, profile)
        if quiet is not None and clean:
            clock.enter("snapshot")
            await self._capture(profile, quiet)
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
            remark = (report.profile.path, check.name)
            mended = check.outcome is Outcome.MENDED
            # That a session is not linked, its page will show.
            if mended or (check.outcome is Outcome.WARNING and check.name != "linked" and remark not in self._told):
                emit(
                    "session.remark",
                    session=report.profile.id,
                    check=check.name,
                    seen=check.seen,
                    remedy=check.remedy or None,
                )
                self._told.add(remark)

    async def _trim(self, profile: Profile) -> None:
        above = self._config.session.trim_caches
        if above is not None and (freed := await self.in_files(self._store.trim_caches, profile, above=above)):
            emit("session.trimmed", session=profile.id, bytes=freed)

    def _clear_stale_marks(self, profile: Profile) -> None:
        """Remove what the last browser left: nobody holds the profile, that has been proven.

        A lock that names another host makes Chromium refuse to start, and the port file of a browser that is gone
        would be taken for the next one's.
        """
        with contextlib.suppress(OSError):  # a profile that may not be written to is found out by the check
            named = locks.holder(profile.path)
            if locks.clear(profile.path) and named is not None:
                emit("session.unlocked", session=profile.id, host=named.host, pid=named.pid)
            (profile.path / "DevToolsActivePort").unlink(missing_ok=True)

    async def _recover(self, profile: Profile, damage: str) -> None:
        """Put the newest sound snapshot in the place of a damaged profile.

        Where there is none, or the session was not linked anyway, the damaged profile is moved aside, never deleted,
        and the bot starts for a new link.
        """
        state = self._store.state.get(profile.id)
        if state.is_linked is not False:
            snapshots = await self.in_files(self._store.snapshots, profile.id)
            if await self._restore(profile, candidates(snapshots, linked_at=state.linked_at), damage):
                return
        moved = await self.in_files(self._store.clear, profile, free=True)
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
                progress = self._telling("session.progress", profile.id, "restoring")
                restored = await self.in_files(self._store.restore, profile, snapshot, free=True, progress=progress)
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

    async def _capture(self, profile: Profile, quiet: Quiet) -> None:
        if not self._config.snapshot.enabled:
            return
        if (reason := self._unworthy(profile, quiet)) is not None:
            emit("snapshot.skipped", session=profile.id, reason=reason)
            return
        try:
            capture = await self.in_files(
                self._store.capture,
                profile,
                linked=quiet.linked,
                browser_version=quiet.version,
                progress=self._telling("session.progress", profile.id, "copying"),
            )
        except SessionError as error:
            emit("snapshot.failed", session=profile.id, reason=str(error))
            return
        superseded, self._captures[profile.path] = self._captures.get(profile.path), capture
        if superseded is not None:
            await self.in_files(superseded.discard)

    async def capture_live(
        self, profile: Profile, browser: Browser, *, linked: bool | None, version: str | None
    ) -> Snapshot | None:
        """Take a snapshot of a profile whose browser runs: it stands still while its files are read.

        None if that failed, which has been said then, or if snapshots are turned off.
        """
        if not self._config.snapshot.enabled:
            return None
        try:
            still = await self.in_files(read_still, self._store, profile, browser, linked=linked, version=version)
        except SessionError as error:
            emit("snapshot.failed", session=profile.id, reason=str(error))
            return None
        return next(iter(await self._finish([still.capture])), None)

    async def take(
        self, profile: Profile, browser: Browser | None, *, linked: bool | None, version: str | None
    ) -> Taken:
        """Take a snapshot that somebody asks for: of the running browser, or without one of the quiet profile.

        The caller sees to it that nobody opens a quiet one meanwhile: no bot runs, and what is next done for a start
        waits its turn behind this. Raises `SessionError`.
        """
        pause = None
        if browser is None:
            await self.in_files(self._store.refuse_held, profile)
            capture = await self.in_files(self._store.capture, profile, linked=linked, browser_version=version)
        else:
            still = await self.in_files(read_still, self._store, profile, browser, linked=linked, version=version)
            capture, pause = still.capture, still.pause
        snapshot = await self._publish(capture)
        await self._prune()
        return Taken(snapshot, capture.staging is not None, pause)

    def finish_in_background(self) -> None:
        """Make the snapshots that have been read durable, verify and publish them, while the bot comes up."""
        captures, self._captures = self._captures, {}
        if captures:
            task = asyncio.create_task(self._finish_all(list(captures.values())), name="finish-snapshots")
            self._finishing.add(task)
            task.add_done_callback(self._finishing.discard)

    async def _finish_all(self, captures: list[Capture]) -> None:
        await self._finish(captures)

    async def _finish(self, captures: list[Capture]) -> list[Snapshot]:
        published = []
        for capture in captures:
            try:
                published.append(await self._publish(capture))
            except SessionError as error:
                emit("snapshot.failed", session=capture.profile.id, reason=str(error))
        await self._prune()
        return published

    async def _prune(self) -> None:
        with contextlib.suppress(SessionError):  # what could not be removed now is tried again after the next one
            await self.in_files(self._store.prune)

    async def _publish(self, capture: Capture) -> Snapshot:
        began = time.monotonic()
        progress = self._telling("snapshot.progress", capture.profile.id, "verifying")
        snapshot = await self.in_files(capture.publish, progress=progress)
        emit(
            "snapshot.taken",
            session=snapshot.session_id,
            snapshot=snapshot.name,
            live=snapshot.live,
            bytes=snapshot.bytes,
            took_ms=round((time.monotonic() - began) * 1000),
        )
        return snapshot

    def discard(self, profile: Profile) -> None:
        """Drop a snapshot that has been read but not published: the start from what it holds has gone wrong."""
        if (capture := self._captures.pop(profile.path, None)) is not None:
            self.in_background(capture.discard)
            emit("snapshot.skipped", session=profile.id, reason="the start that followed showed a QR code")

    async def finished(self) -> None:
        """Wait until every snapshot that was begun is published."""
        self.finish_in_background()
        if self._finishing:
            await asyncio.wait(set(self._finishing))

    def close(self) -> None:
        """End the thread once it has done what it was given."""
        self._files.shutdown()
