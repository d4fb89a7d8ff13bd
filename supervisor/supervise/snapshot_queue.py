"""Snapshots from when a profile is read until they are published.

Reading must happen while no process writes to the profile, and is all that a restart waits for; making the copy
durable and verifying it can wait until the bot is on its way up again. A decision about a session cannot: it is made on
every copy there is, so `settle` publishes first what has been read, however slow the disk is.
"""

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from supervisor.bot.live_snapshot import INCOGNITO, LONGEST_PAUSE, Still, read_still
from supervisor.bot.released import Released
from supervisor.bot.spec import BotSpec
from supervisor.browser.processes import Browser
from supervisor.log.logger import emit
from supervisor.process.suspend import ResumeGuard
from supervisor.session.profiles.profile import Profile
from supervisor.session.snapshot.capture import Capture
from supervisor.session.snapshot.catalog import Snapshot
from supervisor.session.store import SessionStore
from supervisor.supervise.file_worker import FileWorker
from supervisor.supervise.session_registry import SessionRegistry
from supervisor.system.errors import NoRoomError, NothingToKeepError, SessionError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class TakenSnapshot:
    """A snapshot that was asked for."""

    snapshot: Snapshot
    new: bool
    """Whether it was made now: where nothing has changed, the one before stands for it."""
    pause: float | None
    """Seconds that the bot stood still; `None` if none was running."""
    remarks: tuple[str, ...] = ()


class SnapshotQueue:
    """The snapshots of one project that are being taken."""

    def __init__(self, spec: BotSpec, store: SessionStore, files: FileWorker, registry: SessionRegistry) -> None:
        self._spec = spec
        self._config = spec.config
        self._store = store
        self._files = files
        self._registry = registry
        #: What has been read and waits to be published, oldest first.
        self._captures: list[Capture] = []
        #: What has been read of profiles that were not proven quiet yet.
        self._ahead: dict[Path, Capture] = {}
        #: Of each session whose snapshot is being published, when that was taken.
        self._publishing: dict[str, datetime] = {}
        self._finishing: set[asyncio.Task[Any]] = set()

    # -- at a stop ---------------------------------------------------------------------------------------------------

    async def read_ahead(self, profile: Profile, released: Released) -> None:
        """Read a profile that may not stay as it is: `read` uses that if it has. Raises SessionError."""
        if self._config.snapshot.enabled and self._unworthy(profile, released) is None:
            self._ahead[profile.path] = await self._read(profile, released)

    def drop_ahead(self) -> None:
        """Let go of what was read ahead and has not been used."""
        while self._ahead:
            self._files.do_later(self._ahead.popitem()[1].discard)

    async def read(self, profile: Profile, released: Released) -> None:
        """Read a quiet profile, if it is worth it, to be published later. Obstacles are reported."""
        if not self._config.snapshot.enabled:
            return
        if (reason := self._unworthy(profile, released)) is not None:
            emit("snapshot.skipped", session=profile.id, reason=reason)
            return
        if await self._files.do(self._store.is_missing, profile):  # the bot has removed it itself
            return
        try:
            capture = await self._read(profile, released)
        except NothingToKeepError as error:
            emit("snapshot.skipped", session=profile.id, reason=str(error))
            return
        except SessionError as error:
            _report_failure(profile, error)
            return
        # Beside an earlier one that still waits: the bot may have lost its session in between without our noticing.
        self._captures.append(capture)

    async def settle(self, profile: Profile) -> None:
        """Publish all that has been read of a profile, and wait for that, before a decision about its session."""
        if (ahead := self._ahead.pop(profile.path, None)) is not None:
            self._captures.append(ahead)
        await self.finished()

    def finish_in_background(self) -> None:
        """Make the snapshots that have been read durable, verify and publish them, while the bot comes up."""
        captures, self._captures = self._captures, []
        if captures:
            self._begin(self._finish(captures))

    async def finished(self) -> None:
        """Wait until every snapshot that was begun is published."""
        self.finish_in_background()
        if self._finishing:
            await asyncio.wait(set(self._finishing))

    def _unworthy(self, profile: Profile, released: Released) -> str | None:
        """Why this profile must not become the newest good snapshot, if there is a reason."""
        if released.incognito:
            return INCOGNITO
        if released.linked is False:
            return "it is not linked"
        # A page that can be read, but was not in this short run, may have cleared its storage before we would have
        # seen why. Where a page never could be read, nothing better than the profile's soundness is to be had.
        if released.linked is None and self._registry.state(profile.id).is_linked is not None:
            return "its page was not seen in this run"
        return None

    async def _read(self, profile: Profile, released: Released) -> Capture:
        return await self._files.do(
            self._store.capture,
            profile,
            linked=released.linked,
            browser_version=released.version,
            ahead=self._ahead.pop(profile.path, None),
            progress=self._files.progress("session.progress", profile.id, "copying"),
        )

    # -- on demand ---------------------------------------------------------------------------------------------------

    async def take_live(
        self, profile: Profile, browser: Browser, *, linked: bool | None, version: str | None
    ) -> Snapshot | None:
        """Take a snapshot of a profile whose browser runs: it stands still while its files are read.

        None if that failed, which has been said then, or if snapshots are turned off.
        """
        if not self._config.snapshot.enabled:
            return None
        return await self._begin(self._take_live(profile, browser, linked=linked, version=version))

    async def _take_live(
        self, profile: Profile, browser: Browser, *, linked: bool | None, version: str | None
    ) -> Snapshot | None:
        try:
            still = await self._read_still(profile, browser, linked=linked, version=version)
        except SessionError as error:
            _report_failure(profile, error)
            return None
        return next(iter(await self._finish([still.capture])), None)

    async def take(
        self, profile: Profile, browser: Browser | None, *, linked: bool | None, version: str | None
    ) -> TakenSnapshot:
        """Take a snapshot on request: of the running browser, or without one of the quiet profile.

        The caller makes sure that a quiet one is not opened meanwhile: no bot runs, and what is next done for a start
        waits its turn behind this. Raises `SessionError`.
        """
        return await self._begin(self._take(profile, browser, linked=linked, version=version))

    async def _take(
        self, profile: Profile, browser: Browser | None, *, linked: bool | None, version: str | None
    ) -> TakenSnapshot:
        pause = None
        if browser is None:
            await self._files.do(self._store.refuse_held, profile)
            capture = await self._files.do(self._store.capture, profile, linked=linked, browser_version=version)
        else:
            still = await self._read_still(profile, browser, linked=linked, version=version)
            capture, pause = still.capture, still.pause
        snapshot = await self._publish(capture)
        await self._prune()
        return TakenSnapshot(snapshot, capture.staging is not None, pause)

    async def _read_still(
        self, profile: Profile, browser: Browser, *, linked: bool | None, version: str | None
    ) -> Still:
        # The guard is started and ended here and not on the worker's thread: reaping happens on this one only.
        end = asyncio.get_running_loop().call_soon_threadsafe
        guard = ResumeGuard(self._spec.helpers, limit=LONGEST_PAUSE, call=end)
        guard.start()
        return await self._files.do(read_still, self._store, profile, browser, guard, linked=linked, version=version)

    # -- publishing --------------------------------------------------------------------------------------------------

    def _begin(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Begin work that reads or publishes, so that `finished` waits for it."""
        task = asyncio.create_task(work, name="snapshot")
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)
        return task

    async def _finish(self, captures: Sequence[Capture]) -> list[Snapshot]:
        published = []
        for capture in captures:
            try:
                published.append(await self._publish(capture))
            except SessionError as error:
                _report_failure(capture.profile, error)
        await self._prune()
        return published

    async def _prune(self) -> None:
        with contextlib.suppress(SessionError):  # what could not be removed now is tried again after the next one
            await self._files.do(self._store.prune)

    def published(self, session: str, snapshots: Iterable[Snapshot]) -> list[Snapshot]:
        """Those of a session's snapshots that are published: without the one whose folder is there, and no more yet."""
        unpublished = self._publishing.get(session)
        return [snapshot for snapshot in snapshots if snapshot.created_at != unpublished]

    async def _publish(self, capture: Capture) -> Snapshot:
        began, session = time.monotonic(), capture.profile.id
        progress = self._files.progress("snapshot.progress", session, "verifying")
        if capture.staging is not None:
            self._publishing[session] = capture.taken_at
        try:
            snapshot = await self._files.do(capture.publish, progress=progress)
        finally:
            self._publishing.pop(session, None)
        self._registry.note_snapshot(snapshot)
        emit(
            "snapshot.taken",
            session=snapshot.session_id,
            snapshot=snapshot.name,
            live=snapshot.live,
            bytes=snapshot.bytes,
            took_ms=round((time.monotonic() - began) * 1000),
        )
        return snapshot


def _report_failure(profile: Profile, error: SessionError) -> None:
    no_room = True if isinstance(error, NoRoomError) else None
    emit("snapshot.failed", session=profile.id, reason=str(error), no_room=no_room)
