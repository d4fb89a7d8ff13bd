"""Profiles that a living bot removes, empties or replaces: that is its own doing, and no loss to be made good.

A bot may remove an account for good, by hand or by `client.logout()`; RemoteAuth removes its profile at each start. The
folder that lies at a profile's path is noted before the bot is started, and again when a browser has left it in good
order. If it is another one later, while the bot lives and no browser holds it, the bot has changed it. A profile whose
browser has crashed is not watched, nor is one while no bot runs: what is missing then is a loss.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime
from typing import Any

from supervisor.log.logger import emit, report_fault
from supervisor.session.profiles.folder_identity import ProfileIdentity, identify
from supervisor.session.profiles.profile import Profile
from supervisor.session.state_file import REMOVED, Recovery, StateChanges
from supervisor.session.store import SessionStore
from supervisor.supervise.file_worker import FileWorker
from supervisor.supervise.session_registry import SessionRegistry

#: Seconds between two looks at the profiles that no browser holds: a kill of this process loses no more than that.
_INTERVAL = 5.0

#: With this begin the names of RemoteAuth's profiles (whatsapp-web.js, `src/authStrategies/RemoteAuth.js`).
_REMOTE_AUTH = "RemoteAuth"


class ProfileChanges:
    """Watches the profiles of one project for changes by its bot. For the event loop; looks at the disk on threads."""

    def __init__(self, store: SessionStore, files: FileWorker, registry: SessionRegistry) -> None:
        self._store = store
        self._files = files
        self._registry = registry
        #: What was noted of the profiles that no browser holds.
        self._noted: dict[Profile, ProfileIdentity] = {}
        #: What was found of those that a browser has open; None until it is found.
        self._open: dict[Profile, ProfileIdentity | None] = {}
        #: Profiles that a browser has had open in this run, or may not open any more since the start is over.
        self._started: set[Profile] = set()
        #: How many starts in a row the bot has begun by emptying a profile.
        self._emptied: Counter[Profile] = Counter()
        #: Those that were empty when their browser came up in this run.
        self._made_anew: set[Profile] = set()
        self._warned: set[Profile] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._watching: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Note what lies at each profile's path, just before a bot is started."""
        self._noted = await _identities(await self._registry.profiles())

    def note_start(self) -> None:
        """Look from time to time from now on: the bot's start is over, and what it removes now it removes for good."""
        self._started |= self._noted.keys()
        while self._made_anew:  # what is new has proven to be of use
            self._note_replaced(self._made_anew.pop(), StateChanges())
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch(), name="profile-changes")
            self._watching.add_done_callback(report_fault)

    def browser_up(self, profile: Profile) -> None:
        """Note that a browser holds a profile, which the bot may have emptied before it opened that."""
        self._open[profile] = None
        first, before = profile not in self._started, self._noted.pop(profile, None)
        self._started.add(profile)
        self._begin(self._compare(profile, before, first=first))

    def browser_gone(self, profile: Profile, *, closed: bool) -> None:
        """Note that a browser is gone; `closed`: the bot has closed it in good order."""
        opened = self._open.pop(profile, None)
        if closed:
            if opened is not None:  # at once: it may be opened again before the disk has been looked at
                self._noted[profile] = opened
            self._begin(self._note_closed(profile, opened))

    async def end(self) -> None:
        """Look once more, at the end of the bot: what is changed from now on, others have changed."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
            self._watching = None
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        await self._look()
        self._noted.clear()
        self._open.clear()
        self._started.clear()
        self._made_anew.clear()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL)
            await self._look()

    async def _look(self) -> None:
        before = dict(self._noted)
        for profile, now in (await _identities(before)).items():
            if self._noted.get(profile) is not before[profile] or not before[profile].replaced_by(now):
                continue  # a browser has it open again, or all is as it was
            if profile not in self._started:
                continue  # its browser, or the next start, shows what to make of it
            if now.default is None:
                del self._noted[profile]
                self._note_removed(profile)
            else:
                self._noted[profile] = now
                self._note_replaced(profile, StateChanges(is_linked=None))

    async def _compare(self, profile: Profile, before: ProfileIdentity | None, *, first: bool) -> None:
        """Compare what a browser has opened with what was there before; `first`: it is the first one in this run."""
        now = (await _identities([profile]))[profile]
        if profile in self._open:
            self._open[profile] = now
        if before is not None and before.replaced_by(now):
            if first:
                self._note_emptied(profile)
            else:
                self._note_replaced(profile, StateChanges(is_linked=None))
            return
        del self._emptied[profile]
        if self._registry.state(profile.id).last_state == REMOVED:
            # It is made anew: nothing is known of it.
            self._registry.note(profile.id, StateChanges(is_linked=None, last_state=None))

    async def _note_closed(self, profile: Profile, opened: ProfileIdentity | None) -> None:
        now = (await _identities([profile]))[profile]
        if profile in self._open or self._noted.get(profile) is not opened:
            return  # it has been opened again, which has been compared with what was noted
        if now.default is None:
            self._noted.pop(profile, None)
            self._note_removed(profile)
            return
        self._noted[profile] = now
        if opened is not None and opened.replaced_by(now):
            self._note_replaced(profile, StateChanges(is_linked=None))

    def _note_removed(self, profile: Profile) -> None:
        """Nothing is restored any more; the snapshots are kept as long as what is in quarantine."""
        now = datetime.now(UTC)
        changes = StateChanges(is_linked=False, unlinked_at=now, recovery=Recovery(), last_seen=now, new_profile_at=now)
        changes["profile"] = self._store.relative(profile.path)
        if not self._registry.state(profile.id).logged_out:
            changes["last_state"] = REMOVED
        self._registry.note(profile.id, changes)
        self._files.do_later(self._store.forget_clean_stop, profile)
        emit("session.removed", session=profile.id, profile=str(profile.path))

    def _note_emptied(self, profile: Profile) -> None:
        """The bot has emptied a profile before it opened its browser; if it always does, no snapshot can help."""
        self._emptied[profile] += 1
        self._made_anew.add(profile)
        if self._emptied[profile] == 1 and not profile.path.name.startswith(_REMOTE_AUTH):
            return
        self._note_replaced(profile, StateChanges(is_linked=None, recovery=Recovery()))
        if profile not in self._warned:
            emit("session.emptied", session=profile.id, profile=str(profile.path))
            self._warned.add(profile)

    def _note_replaced(self, profile: Profile, changes: StateChanges) -> None:
        """Hold nothing that is older against what has come in a profile's place."""
        changes["new_profile_at"] = datetime.now(UTC)
        self._registry.note(profile.id, changes)
        self._files.do_later(self._store.forget_clean_stop, profile)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(report_fault)


async def _identities(profiles: Iterable[Profile]) -> dict[Profile, ProfileIdentity]:
    found = list(profiles)
    if not found:
        return {}
    return await asyncio.to_thread(lambda: {profile: identify(profile.folder) for profile in found})
