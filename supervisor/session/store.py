"""One project's sessions on disk: the face of this room.

One thread at a time may change things (`capture`, `restore`, `clear`, `prune`, `recover`); `Capture.publish` and
everything that only reads may run beside it. The caller holds the project's lock.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.session import checks, locks, rebuild
from supervisor.session import names as layout
from supervisor.session.checks import Reference
from supervisor.session.names import safe_name
from supervisor.session.profiles import baseline, caches, databases, exposure, singleton
from supervisor.session.profiles.baseline import Baseline
from supervisor.session.profiles.check_report import Check, CheckContext, CheckOutcome, CheckReport
from supervisor.session.profiles.exposure import Exposed
from supervisor.session.profiles.kinds import BROWSER_PROFILE, kind_of
from supervisor.session.profiles.profile import (
    Profile,
    discover,
    holds_foreign_files,
    last_version,
    with_distinct_ids,
)
from supervisor.session.profiles.scan import holds_files, scan
from supervisor.session.recovery import linked_snapshot_at
from supervisor.session.snapshot import capture, catalog, manifest, restore, retention, verify
from supervisor.session.snapshot.capture import BaseSnapshot, Capture, CaptureFacts
from supervisor.session.snapshot.retention import Pruned, Quarantined, Retention
from supervisor.session.state_file import REMOVED, Recovery, SessionState, StateChanges, StateFile
from supervisor.system import clock, files, parallel
from supervisor.system.errors import ProfileInUseError, SessionError, SnapshotDamagedError, explained
from supervisor.system.escape import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from supervisor.session.snapshot.catalog import Snapshot
    from supervisor.session.snapshot.restore import Restored
    from supervisor.system.parallel import Progress

_KEEP_A_WEEK = Retention()
_NOTHING_KNOWN = CheckContext()


@dataclass(frozen=True, slots=True)
class RestoreAttempts:
    """The outcome of `SessionStore.restore_first`."""

    restored: Restored | None
    """`None` if no snapshot could be restored; the profile is then as before."""
    failures: tuple[tuple[Snapshot, SessionError], ...]
    """The snapshots that were tried before and could not be restored, each with the reason, in order."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One session of a project, as its files tell."""

    profile: Profile
    state: SessionState
    snapshots: tuple[Snapshot, ...]
    """Newest first."""


class SessionStore:
    """A project's profiles, their snapshots and their state."""

    def __init__(
        self,
        project: Path,
        *,
        cache: Path | None = None,
        state_file: Path | None = None,
        policy: Retention = _KEEP_A_WEEK,
    ) -> None:
        self.project = project.resolve()  # as the bot sees its folder and passes it to its browser
        self.cache = cache or self.project / layout.CACHE
        self.policy = policy
        self.state = StateFile(
            state_file or self.project / layout.STATE_FILE,
            lock=self.cache / layout.STATE_LOCK,
            copy=self.cache / layout.STATE_COPY,
            elsewhere=self.cache / layout.STATE_ELSEWHERE,
            rebuild=partial(rebuild.states, self.cache),
        )

    def profiles(self, configured: Sequence[Path] = ()) -> list[Profile]:
        """The project's profiles: the configured ones, else those known and those found in the usual places."""
        known = {
            session_id: self._absolute(state.profile)
            for session_id, state in self.state.load().items()
            if state.profile is not None
        }
        paths = [self.project / path for path in configured]
        return with_distinct_ids(paths or [*known.values(), *discover(self.project)], known, self.project)

    def profile_at(self, path: Path) -> Profile:
        """The profile in a folder, under the id by which it is known or would be found."""
        given = Profile.at(self.project / path)
        for profile in self.profiles():
            if profile.folder == given.folder:
                return Profile(profile.id, given.path)
        return self.profiles([given.path])[0]

    def profile_of(self, session_id: str) -> Profile:
        """The profile of a session; for one that is not known, where the libraries would put it."""
        known = (profile for profile in self.profiles() if profile.id == session_id)
        return next(known, Profile(session_id, self.default_path(session_id)))

    def with_files(self, profile: Profile, state: SessionState) -> SessionState:
        """What is known of a session, and what its files say of its link, if they do."""
        linked = profile.kind.is_linked(profile.folder)
        if linked is None or linked is state.is_linked:
            return state
        return replace(state, is_linked=linked, last_state="linked" if linked else "needs_link")

    def is_of_browser(self, profile: Profile) -> bool:
        """Whether a browser opens a profile; one that is gone is judged by its snapshot. Raises `SessionError`."""
        places = [profile.folder, *(snapshot.path for snapshot in self.snapshots(profile.id)[:1])]
        return next((kind for kind in map(kind_of, places) if not kind.has_browser), BROWSER_PROFILE).has_browser

    def sessions(self) -> list[SessionRecord]:
        """Every session that has a profile, a snapshot, or a note in the state file, sorted by id.

        Each file is read once, however many sessions there are. Raises `SessionError`.
        """
        profiles = {profile.id: profile for profile in self.profiles()}
        states, snapshots = self.state.load(), self.all_snapshots()
        found = []
        for session_id in sorted({*profiles, *states, *snapshots}):
            profile = profiles.get(session_id) or Profile(session_id, self.default_path(session_id))
            state = self.with_files(profile, states.get(session_id, SessionState()))
            found.append(SessionRecord(profile, state, tuple(snapshots.get(session_id, ()))))
        return found

    def default_path(self, session_id: str) -> Path:
        """Where the profile of a session lies that was never seen: where `LocalAuth` puts it with `./sessions`."""
        return self.project / "sessions" / f"session-{safe_name(session_id)}"

    @contextmanager
    def held(self, *, instead: str = "") -> Iterator[list[str]]:
        """Hold the project for a command; yields what `recover` did first. Raises as `locks.held_project` does."""
        with locks.held_project(self.project, self.cache, instead=instead):
            yield self.recover()

    def recover(self) -> list[str]:
        """Complete or undo what an earlier run was killed in the midst of, and remove what it left behind.

        For the start of a supervisor, under the project's lock. Returns what was done. Raises `SessionError`.
        """
        done = restore.recover(self.cache)
        with explained("clean up in", self.cache):
            for path in [*files.temporaries(self.cache), *files.temporaries(self.state.path.parent)]:
                files.unlink(path)
        for folder in self._leftovers():
            capture.remove_leftover(folder)
            done.append(f"Removed {printable(folder.name)}, left behind by a run that was killed.")
        self.state.bring_back()
        self.state.load()
        done += self.state.problems
        self.state.problems.clear()
        return done

    def lost(self) -> list[str]:
        """The sessions of which sound snapshots are all that there is: no profile, and nothing in the state file.

        So it is in a folder that lost both, and in a copy of another one that never had them. Raises `SessionError`.
        """
        with explained("list the snapshots in", self.cache):
            left = rebuild.unknown(self.cache, self.state.load())
        return [one for one, home in left.items() if not (self.project / (home or self.default_path(one))).exists()]

    def unfinished(self) -> list[Path]:
        """What an earlier run was killed in the midst of, and `recover` would settle. While a supervisor runs, that is
        also what it is doing just then. Raises `SessionError`.
        """
        with explained("look for what was cut off in", self.cache):
            journals = restore.journals(self.cache)
            return [*journals, *self._leftovers(), *files.temporaries(self.cache)]

    def exposed(self, profiles: Iterable[Profile]) -> list[Exposed]:
        """What others on this machine can read of these profiles, the cache and the state file. Costs a few looks."""
        found = [exposure.exposed_profile(profile.folder) for profile in profiles]
        found += [exposure.exposed_folder(self.cache), exposure.exposed_file(self.state.path)]
        return [one for one in found if one is not None]

    def check(
        self,
        profile: Profile,
        *,
        deep: bool = False,
        context: CheckContext = _NOTHING_KNOWN,
        snapshots: Sequence[Snapshot] | None = None,
        progress: Progress = parallel.silent,
    ) -> CheckReport:
        """Whether a bot may be started on a profile. Reads every block of its databases if `deep`.

        `snapshots` are the session's, newest first, if the caller has listed them already.

        With `context.free`, what can be mended is mended, and a profile that passes is remembered as good, so that the
        next check looks only at what has changed by then; with `context.closed` one that is `spotless`. If that cannot
        be written down, the report says so. Raises `SessionError` if the profile cannot be read at all.
        """
        state = self.state.get(profile.id)
        listed: Callable[[], Sequence[Snapshot]]
        listed = partial(self.snapshots, profile.id) if snapshots is None else lambda: snapshots
        if context.linked is None:
            context = replace(context, linked=profile.kind.is_linked(profile.folder))
        if context.linked is None:
            # To list the snapshots takes a while; it is done only where they may outvote the state.
            newest = linked_snapshot_at(listed()) if state.is_linked is False else None
            context = replace(context, linked=state.link(newest))
        known = Reference(baseline.read(self.cache, profile), listed, state.began_at, recorded=state != SessionState())
        report = checks.run(profile, known, context, deep=deep, progress=progress)
        good = (context.free and report.may_start) or (context.closed and report.spotless)
        if good and report.files and not report.unchanged:
            try:
                self._remember(profile, Baseline(clock.now(), dict(report.files), dict(report.sequences)))
            except SessionError as error:
                # No reason not to start: what is remembered of earlier serves, and the next check reads more for it.
                report = replace(report, checks=(*report.checks, Check("noted", CheckOutcome.WARNING, str(error))))
        return report

    def is_missing(self, profile: Profile) -> bool:
        """Whether a profile is gone or empty, so that a browser would make a new one."""
        try:
            return not holds_files(profile.folder)
        except FileNotFoundError:
            return True
        except OSError:  # the check says why it cannot be read
            return False

    def note_new_profile(self, profile: Profile) -> StateChanges:
        """Note that the bot is about to make a new profile: what is older is not held against that.

        Returns what has changed: nothing if nothing older is known. Raises `SessionError`.
        """
        self.forget_clean_stop(profile)
        if self.state.get(profile.id) == SessionState() and not self.snapshots(profile.id):
            return StateChanges()
        changes = StateChanges(new_profile_at=clock.now(), profile=self.relative(profile.path))
        self.state.update(profile.id, **changes)
        return changes

    def forget_clean_stop(self, profile: Profile) -> None:
        """Forget what the profile looked like: it is another one now. Raises `SessionError`."""
        with explained("forget the state of the profile in", self.cache):
            baseline.forget(self.cache, profile)

    def record_clean_stop(self, profile: Profile) -> None:
        """Remember what the profile looks like now, after a clean stop, for later checks to compare with.

        Not if it is damaged: then what is remembered stays. Raises `SessionError`.
        """
        with explained("record the clean stop of", profile.path):
            tree = scan(profile.folder)
            known = baseline.read(self.cache, profile)
            if known is not None and known.files == tree.files:
                self._remember(profile, replace(known, at=clock.now()))
                return
            # A walk and the logs: blocks are verified by the next check that is not just a walk, or for a snapshot.
            verdicts = databases.verify(
                profile.folder,
                databases.needed(profile.folder, tree, known.sequences if known is not None else ()),
                trusted=tree.files,
            )
            if any(verdict.problems or verdict.torn for verdict in verdicts):
                return
            trusted = known.trusted(tree) if known is not None else frozenset[str]()
            sequences = databases.sequences(verdicts)
            unverified = frozenset(
                path for path in tree.files if path not in trusted and path.startswith((*sequences,))
            )
        self._remember(profile, Baseline(clock.now(), tree.files, sequences, unverified))

    def capture(
        self,
        profile: Profile,
        *,
        linked: bool | None,
        browser_version: str | None,
        live: bool = False,
        ahead: Capture | None = None,
        progress: Progress = parallel.silent,
    ) -> Capture:
        """Copy the quiet profile; when this returns the bot may start again. `Capture.publish` does the rest.

        `ahead` is an earlier copy: it is returned if it says the same, else discarded. Raises `SessionError`, also if
        the profile changes while it is read, and if the session is not linked: a copy of a QR page is of no use, and
        would in time push out the ones that do.
        """
        if linked is False:
            raise SessionError(f"No snapshot of session {printable(profile.id)} was taken: it is not linked.")
        facts = CaptureFacts(linked, browser_version or last_version(profile.folder), live)
        if ahead is not None:
            if ahead.still_current(facts):
                return ahead
            ahead.discard()
        return Capture(
            profile,
            facts,
            self.cache,
            self.relative(profile.path),
            base=self._base(profile),
            baseline=baseline.read(self.cache, profile),
            on_publish=self._note_published,
            progress=progress,
        )

    def snapshots(self, session_id: str) -> list[Snapshot]:
        """A session's published snapshots, newest first. Raises `SessionError`."""
        with explained("list the snapshots in", self.cache):
            return list(catalog.of_session(self.cache, session_id))

    def all_snapshots(self) -> dict[str, list[Snapshot]]:
        """Every session's published snapshots, by id, newest first. Raises `SessionError`."""
        with explained("list the snapshots in", self.cache):
            return catalog.of_all(self.cache)

    def verify(self, chosen: Snapshot, *, progress: Progress = parallel.silent) -> list[str]:
        """Read every byte of a snapshot again; one sentence per thing that is wrong with it.

        One that was good and is no longer is marked so in its manifest, and with it those that share what is damaged.
        Raises `SessionError`.
        """
        others = [other for other in self.snapshots(chosen.session_id) if other.path != chosen.path]
        with explained("verify the snapshot", chosen.path):
            return verify.verify(chosen, others, progress)

    def restore(
        self,
        profile: Profile,
        chosen: Snapshot,
        *,
        progress: Progress = parallel.silent,
        free: bool = False,
        keep_newer: bool = False,
    ) -> Restored:
        """Put a snapshot in the place of a profile; the profile there goes to quarantine.

        `keep_newer`: not what is sound there and must not go back (`SessionKind.keep_newer`).

        Raises `ProfileInUseError` if a browser of this host may hold the profile, unless the caller has proven it
        `free`, `SnapshotDamagedError` if the snapshot is not what was written (it is then marked so), and
        `SessionError` if anything else prevents it. The profile is then as before.
        """
        if not free:
            self.refuse_held(profile)
        restore.recover(self.cache)

        def remember(new: Path) -> None:
            # Before the swap, whose renames change nothing of this: were it not written, the next check would compare
            # an older snapshot, restored on purpose, with newer records, and call it damaged.
            self._remember(profile, Baseline(clock.now(), scan(new).files, chosen.sequences))

        try:
            return restore.restore(
                profile, chosen, self.cache, keep_newer=keep_newer, before_swap=remember, progress=progress
            )
        except SnapshotDamagedError:
            with suppress(SessionError):  # it is the damage that must be told; it is found again the next time
                self.verify(chosen)
            raise

    def restore_first(
        self,
        profile: Profile,
        snapshots: Iterable[Snapshot],
        *,
        progress: Progress = parallel.silent,
        free: bool = False,
        keep_newer: bool = False,
    ) -> RestoreAttempts:
        """Restore the first of some snapshots that can be. Raises `ProfileInUseError`, as `restore` does."""
        failures: list[tuple[Snapshot, SessionError]] = []
        for snapshot in snapshots:
            try:
                restored = self.restore(profile, snapshot, progress=progress, free=free, keep_newer=keep_newer)
            except ProfileInUseError:
                raise
            except SessionError as error:
                failures.append((snapshot, error))
            else:
                return RestoreAttempts(restored, tuple(failures))
        return RestoreAttempts(None, tuple(failures))

    def note_restored(self, profile: Profile, chosen: Snapshot) -> None:
        """Take back that the session is not linked, as `clear` has noted; what the phone has ended stays ended.

        For a restore that a person asked for. Raises `SessionError`.
        """
        state = self.state.get(profile.id)
        if state.is_linked is False and not state.logged_out:
            self.state.update(profile.id, is_linked=chosen.linked)
        if state.new_profile_at is not None and chosen.created_at < state.new_profile_at:
            self.state.update(profile.id, new_profile_at=None)

    def clear(self, profile: Profile, *, free: bool = False) -> Path | None:
        """Move a profile to quarantine and mark its session unlinked, so that the next start asks for a new link.

        Returns where the profile lies now; `None` if there was none. Its snapshots stay. Raises as `restore` does.
        """
        if not free:
            self.refuse_held(profile)
        restore.recover(self.cache)
        # First the mark: killed in between, the profile is still there, unlinked only in name.
        path, ended = self.relative(profile.path), self.state.get(profile.id).logged_out
        self.state.update(profile.id, is_linked=False, unlinked_at=clock.now(), recovery=Recovery(), profile=path)
        if not ended:  # what the phone has ended stays known
            self.state.update(profile.id, last_state=None)
        moved = restore.move_to_quarantine(profile, self.cache)
        self.note_new_profile(profile)
        return moved

    def prune(self, *, dry_run: bool = False, policy: Retention | None = None) -> Pruned:
        """Remove the snapshots and quarantined profiles that the policy does not keep. Raises `SessionError`.

        What cannot be removed is listed in the result, and tried again the next time.
        """
        with explained("prune the snapshots in", self.cache):
            policy = policy or self.policy
            # Whatever came to lie there: what has no manifest, another program has made, and counts for nothing here.
            sessions = {
                session_id: [one for one in snapshots if catalog.has_manifest_file(one.path)]
                for session_id, snapshots in catalog.of_all(self.cache).items()
            }
            now = clock.now()
            surplus = retention.surplus(sessions, policy, now, self._given_up(policy, now))
            gone = [s for s in surplus if s.has_manifest or _is_ours(s.path)]
            everything = [one for snapshots in sessions.values() for one in snapshots]
            removed = {one.path for one in gone}
            kept = [one for one in everything if one.path not in removed]
            expired = [q for q in self.quarantined() if retention.expired(q.stamp, policy.quarantine_age, now)]
            old = [q for q in expired if _is_ours(q.path)]
            problems = [] if dry_run else self._remove([one.path for one in gone] + [q.path for q in old])
        freed = retention.disk_usage(everything) - retention.disk_usage(kept)
        return Pruned(tuple(gone), tuple(q.path for q in old), freed, tuple(problems))

    def _given_up(self, policy: Retention, now: datetime) -> frozenset[str]:
        """The sessions that their bot has removed longer ago than a profile stays in quarantine."""
        return frozenset(
            session_id
            for session_id, state in self.state.load().items()
            if state.last_state == REMOVED
            and state.last_seen is not None
            and now - state.last_seen > policy.quarantine_age
        )

    def quarantined(self) -> list[Quarantined]:
        """The profiles in quarantine, newest first, in the cache and beside the known profiles."""
        places = {self.cache, *(profile.folder.parent for profile in self.profiles())}
        found = [
            Quarantined(layout.id_of(parsed.name), path, parsed.stamp)
            for place in places
            for path in _entries(place, (layout.QUARANTINE_PREFIX, layout.HIDDEN_QUARANTINE_PREFIX))
            if (parsed := layout.parse_stamped(path.name)) is not None
        ]
        return sorted(found, key=lambda one: one.stamp, reverse=True)

    def trim_caches(self, profile: Profile, *, above: int) -> int:
        """Empty the caches of a quiet profile if they hold more than `above` bytes; returns the bytes freed.

        Chromium fills them again; until then pages load more slowly. Raises `SessionError`.
        """
        with explained("trim the caches of", profile.path):
            return caches.trim(profile.folder, above)

    def _remember(self, profile: Profile, state: Baseline) -> None:
        with explained("remember the state of the profile in", self.cache):
            files.ensure_private_folder(self.cache)
            baseline.write(self.cache, profile, state)

    def refuse_held(self, profile: Profile) -> None:
        """Raise `ProfileInUseError` if a browser of this host may hold the profile."""
        holder = singleton.holder(profile.folder)
        if holder is not None and holder.alive:
            raise ProfileInUseError(
                f"{printable(profile.path)} is in use by process {holder.pid}. Stop the bot first, then try again."
            )

    def _base(self, profile: Profile) -> BaseSnapshot | None:
        with explained("list the snapshots in", self.cache):
            for candidate in catalog.of_session(self.cache, profile.id):
                if not candidate.verified:  # what it holds may be damaged, and would be shared
                    continue
                with suppress(manifest.ManifestError, OSError):  # damaged since, or pruned just now: try the one before
                    return BaseSnapshot(candidate, manifest.read(candidate.path))
        return None

    def _note_published(self, published: Snapshot) -> None:
        with suppress(SessionError):  # the folders are the truth; the note is made again with the next one
            self.state.update(published.session_id, last_snapshot=published.name, profile=published.home)

    def _remove(self, folders: Iterable[Path]) -> list[str]:
        """Remove folders; sentences on those that could not be. A kill leaves none of them half there."""
        problems = []
        for folder in folders:
            try:
                trash = folder.with_name(f"{layout.TRASH_PREFIX}{folder.name}")
                files.rename(folder, trash)
                files.remove_tree(trash)
            except OSError as error:
                problems.append(f"{printable(folder)} could not be removed: {(error.strerror or str(error)).lower()}.")
        return problems

    def _leftovers(self) -> list[Path]:
        places = {profile.folder.parent for profile in self.profiles()}
        beside = [path for place in places for path in _entries(place, (_HIDDEN_TRASH,))]
        staging = [path for path in _entries(self.cache, (layout.STAGING_PREFIX,)) if not capture.has_maker(path)]
        return staging + _entries(self.cache, (layout.TRASH_PREFIX,)) + beside

    def _absolute(self, path: str) -> Path:
        return Path(os.path.abspath(self.project / path))  # noqa: PTH100 - lexical, as in Profile.at

    def relative(self, path: Path) -> str:
        """A path as it is written down: relative to the project if it lies inside, so that the project can be moved."""
        return path.relative_to(self.project).as_posix() if path.is_relative_to(self.project) else str(path)


def _is_ours(folder: Path) -> bool:
    return not holds_foreign_files(folder)


_HIDDEN_TRASH = f"{layout.TRASH_PREFIX}{layout.HIDDEN_QUARANTINE_PREFIX}"


def _entries(folder: Path, prefixes: tuple[str, ...]) -> list[Path]:
    """The folders in a folder whose names begin so, by name; none if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.name.startswith(prefixes) and e.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [folder / name for name in sorted(names)]
