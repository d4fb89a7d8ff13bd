"""The project's sessions in memory: each one's identity and state. For the event loop, which waits for no disk.

An identity is assigned once, when a profile is first seen, by the one registry that knows the configuration: were it
worked out from the state file each time, two profiles with one name, seen before either was written down, would become
one session. A state is what the file held at the start and all that has been noted since; the file follows, on another
thread (`StateWriter`).
"""

import asyncio
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Self

from supervisor.session.profiles.profile import Profile, discover, free_id
from supervisor.session.snapshot.catalog import Snapshot
from supervisor.session.state_file import SessionState, StateChanges, changed
from supervisor.session.store import SessionStore
from supervisor.supervise.state_writer import StateWriter


class SessionRegistry:
    """The sessions of one project, by id and by profile folder."""

    def __init__(
        self,
        project: Path,
        configured: Iterable[Path],
        states: Mapping[str, SessionState],
        known: Mapping[Path, str],
        newest: Mapping[str, datetime],
        writer: StateWriter,
    ) -> None:
        """`configured` are the paths of `session.profiles`, `states` what the state file holds, by session.

        `known` are the ids of the profiles that the state file names, by their real paths; `newest` the
        times of the newest good snapshots, by session.
        """
        self._project = project
        self._configured = tuple(project / path for path in configured)
        self._states = dict(states)
        self._ids = dict(known)
        self._newest = dict(newest)
        self._writer = writer
        #: Profiles by the path by which they were first named.
        self._profiles: dict[Path, Profile] = {}

    @classmethod
    def load(cls, store: SessionStore, configured: Iterable[Path], writer: StateWriter) -> Self:
        """Read the state file and the list of snapshots. Blocks; raises `SessionError`."""
        states = store.state.load()
        known = {
            Path(os.path.realpath(store.project / state.profile)): session
            for session, state in states.items()
            if state.profile is not None
        }
        newest = {
            session: max(good)
            for session, snapshots in store.all_snapshots().items()
            if (good := [snapshot.created_at for snapshot in snapshots if snapshot.good])
        }
        return cls(store.project, configured, states, known, newest, writer)

    async def profiles(self) -> list[Profile]:
        """The project's profiles: the configured ones, else those known and those found in the usual places."""
        paths = self._configured
        if not paths:
            named = [self._project / state.profile for state in self._states.values() if state.profile is not None]
            paths = (*named, *await asyncio.to_thread(lambda: list(discover(self._project))))
        found = [await self.identify(path) for path in paths]
        return list({profile.id: profile for profile in reversed(found)}.values())[::-1]

    async def identify(self, path: Path) -> Profile:
        """The profile in a folder, under the id that it has or is given now."""
        path = self._project / path
        if path in self._profiles:
            return self._profiles[path]
        return self.assign(path, Path(await asyncio.to_thread(os.path.realpath, path)))

    def assign(self, path: Path, real: Path) -> Profile:
        """The profile in a folder whose `real` path is known, under the id that it has or is given now."""
        if path not in self._profiles:
            if real not in self._ids:
                self._ids[real] = free_id(path, set(self._ids.values()), self._project)
            self._profiles[path] = Profile(self._ids[real], path)
        return self._profiles[path]

    def knows(self, real: Path) -> bool:
        """Whether the folder with this `real` path is the profile of a session."""
        return real in self._ids

    def state(self, session: str) -> SessionState:
        """The state of a session; for one that is not known, an empty one."""
        return self._states.get(session, SessionState())

    def states(self) -> Mapping[str, SessionState]:
        """The states of all known sessions."""
        return dict(self._states)

    def newest_snapshot(self, session: str) -> datetime | None:
        """The time of a session's newest good snapshot."""
        return self._newest.get(session)

    def note_snapshot(self, snapshot: Snapshot) -> None:
        """Note a snapshot that was published."""
        if snapshot.good:
            self._newest[snapshot.session_id] = snapshot.created_at

    def note(self, session: str, changes: StateChanges) -> None:
        """Change a session's state, and have that written down soon."""
        self.learn(session, changes)
        self._writer.note(session, changes)

    def learn(self, session: str, changes: StateChanges) -> None:
        """Change a session's state in memory: the file has it already."""
        self._states[session] = changed(self.state(session), changes)

    async def persist(self, session: str, changes: StateChanges) -> None:
        """Write changes of a session's state down before anything else is done.

        Raises `SessionError`; then it is as if they had not been requested.
        """
        await self._writer.write(session, changes)
        self.learn(session, changes)
