"""The sessions of one project as a person asks for them: which there are, which one is meant, how each stands.

Reading only; needs no lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from supervisor.admin.inspection import inspect, walk
from supervisor.admin.occupants import Occupant, occupant, open_browsers
from supervisor.session.manager import SessionManager, creation_time, exists
from supervisor.session.open import open_store
from supervisor.session.recovery import cooling
from supervisor.session.store import SessionRecord, SessionStore
from supervisor.system import clock
from supervisor.system.errors import SessionError
from supervisor.system.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from supervisor.config.schema import Config
    from supervisor.session.profiles.profile import Profile
    from supervisor.session.snapshot.catalog import Snapshot
    from supervisor.session.snapshot.retention import Quarantined
    from supervisor.session.state_file import SessionState


class SelectionError(SessionError):
    """It is not clear which session or snapshot is meant; the message lists what there is."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What there is to know about one session without reading its databases. Sizes are bytes."""

    profile: Profile
    exists: bool
    """Whether there is a profile with something in it."""
    state: SessionState
    created_at: datetime | None
    size: int
    """Of the profile, its caches left out."""
    snapshots: tuple[Snapshot, ...]
    """Newest first."""
    quarantined: tuple[Quarantined, ...]
    """Newest first."""
    occupant: Occupant | None
    cooling: bool
    """Whether recovery rests, after attempts that failed."""


class Inventory:
    """The sessions of a project. Every method raises `SessionError` when files cannot be read."""

    def __init__(self, project: Path, config: Config) -> None:
        self.config = config
        self.store: SessionStore = _ConfiguredStore(open_store(project, config), config.session.profiles)
        self._manager = SessionManager(project, store=self.store)

    def select(self, part: str | None) -> Profile:
        """The session whose id is `part` or, alone among all, contains it; for `None` the only one there is.

        Raises `SelectionError`.
        """
        if part is not None:
            found = self._manager.find_session_by_partial_match(part)
            return self.store.profile_of(found or pick(part, self._manager.list_sessions(), "session"))
        ids = self._manager.list_sessions()
        if not ids:
            project = printable(self.store.project)
            raise SelectionError(
                f"There is no session in {project}. Start the bot once, or name its folder: --project."
            )
        if len(ids) > 1:
            raise SelectionError(f"There are {len(ids)} sessions; say which one: {_listed(ids)}.")
        return self.store.profile_of(ids[0])

    def overviews(self) -> list[Overview]:
        """Every session, sorted by id."""
        return self._overviews(self.store.sessions())

    def overview(self, profile: Profile) -> Overview:
        """One session."""
        state = self.store.with_files(profile, self.store.state.get(profile.id))
        snapshots = self.store.snapshots(profile.id)
        [seen] = self._overviews([SessionRecord(profile, state, tuple(snapshots))])
        return seen

    def _overviews(self, sessions: Iterable[SessionRecord]) -> list[Overview]:
        # Looked up once for all of them: what is looked up for each grows with the square of their number.
        browsers = open_browsers()
        quarantined: dict[str, list[Quarantined]] = {}
        for one in self.store.quarantined():
            quarantined.setdefault(one.session_id, []).append(one)
        return [
            Overview(
                profile=known.profile,
                exists=exists(known.profile),
                state=known.state,
                created_at=known.state.created_at or creation_time(known.profile),
                size=walk(known.profile).size if known.profile.folder.is_dir() else 0,
                snapshots=known.snapshots,
                # The name of a folder that was cut tells its session's key only.
                quarantined=tuple(quarantined.get(known.profile.id) or quarantined.get(known.profile.key) or ()),
                occupant=occupant(known.profile, self.store, browsers),
                cooling=cooling(known.state.recovery, clock.now()),
            )
            for known in sessions
        ]

    def can_restore(self, seen: Overview) -> bool:
        """Whether the next start would find its session: by its profile, also one in use now, or by a snapshot."""
        if seen.state.is_linked is False:
            return False
        if seen.exists and not inspect(self.store, seen.profile, holder=seen.occupant).report.damage:
            return True
        return any(snapshot.good for snapshot in seen.snapshots)

    def snapshots(self, part: str | None, name: str | None = None) -> list[Snapshot]:
        """The snapshots of the session that `part` names, by default of all, newest first; of them only that one whose
        name is `name` or, alone, contains it. Raises `SelectionError`."""
        if part is None:
            sessions = self.store.all_snapshots()
            found = [snapshot for session_id in sorted(sessions) for snapshot in sessions[session_id]]
        else:
            found = self.store.snapshots(self.select(part).id)
        if name is None:
            return found
        chosen = pick(name, [snapshot.name for snapshot in found], "snapshot")
        return [snapshot for snapshot in found if snapshot.name == chosen]

    def shown(self, profile: Profile) -> str:
        """A profile's path, relative to the project if it lies inside."""
        path, project = profile.path, self.store.project
        return str(path.relative_to(project) if path.is_relative_to(project) else path)

    def remarks(self) -> list[str]:
        """Sentences on what was found wrong with the state file meanwhile, and what was done about it."""
        said = list(self.store.state.problems)
        self.store.state.problems.clear()
        foreign = self.store.state.foreign()
        return [*said, *([foreign] if foreign is not None and foreign not in said else [])]


class _ConfiguredStore(SessionStore):
    """A store that counts the configured profiles among the project's, also before a bot has ever run on them."""

    def __init__(self, like: SessionStore, configured: Sequence[Path]) -> None:
        super().__init__(like.project, cache=like.cache, state_file=like.state.public, policy=like.policy)
        self._configured = tuple(configured)

    def profiles(self, configured: Sequence[Path] = ()) -> list[Profile]:
        """The configured profiles, then all that are known or found."""
        paths = [*(configured or self._configured), *(profile.path for profile in super().profiles())]
        return super().profiles(paths)


def pick(part: str, names: Iterable[str], what: str) -> str:
    """The one of `names` that is `part` or, alone, contains it, as it is or as it is shown. Raises `SelectionError`."""
    known = list(names)
    if part in known:
        return part
    matches = [name for name in known if part and (part in name or part in printable(name))]
    if len(matches) == 1:
        return matches[0]
    wanted = printable(part)
    if matches:
        raise SelectionError(f"'{wanted}' fits more than one {what}: {_listed(matches)}. Say more of it.")
    there = f"There {'is' if len(known) == 1 else 'are'}: {_listed(known)}." if known else "There is none at all."
    raise SelectionError(f"There is no {what} '{wanted}'. {there}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(printable, names))
