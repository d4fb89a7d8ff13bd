"""What a person does to sessions from outside the supervisor: snapshot, verify, restore, clear, prune.

What changes a profile holds the project's lock, and is refused while anybody has the profile open. Only a snapshot of
a running bot does without the lock: the supervisor that runs it has it.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from supervisor.browser.presets import WHATSAPP, PagePreset, SessionStatus, custom_preset
from supervisor.inventory import pick
from supervisor.live import Seen, ask, guarded, read_still
from supervisor.occupancy import held_project, occupant, refuse_in_use
from supervisor.session import ProfileInUseError, SessionError, candidates, clock
from supervisor.session.errors import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from supervisor.browser.discovery import Browser
    from supervisor.config import Config
    from supervisor.config.models import ReadyPageConfig
    from supervisor.session import Capture, Profile, Pruned, Restored, SessionState, SessionStore, Snapshot
    from supervisor.session.parallel import Progress

_LINKED = {SessionStatus.LINKED, SessionStatus.READY}
_IN_VAIN = "The phone has logged this session out: a snapshot does not bring the link back, only a new scan does."
_UNLINKED = {SessionStatus.NEEDS_LINK, SessionStatus.LINKING, SessionStatus.LOGGED_OUT}


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot that was asked for."""

    snapshot: Snapshot
    new: bool
    """Whether it was made now: where nothing has changed, the one before stands for it."""
    pause: float | None
    """Seconds that the bot stood still; `None` if none was running."""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A restore that could be done."""

    profile: Profile
    snapshots: tuple[Snapshot, ...]
    """What would be tried, in this order, until one proves sound."""
    replaces: bool
    """Whether there is a profile now that would go to quarantine."""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """A restore that was done."""

    restored: Restored
    remarks: tuple[str, ...]
    """Sentences on the snapshots that were tried before and are not sound, and on what else went otherwise."""


def take(store: SessionStore, profile: Profile, config: Config, progress: Progress) -> Taken:
    """Take a snapshot: of the running bot, if one has the profile open, else of the quiet profile.

    Raises `SessionError`, also for a session that is not linked: its snapshot could only be in the way of a good one.
    """
    holder = occupant(profile, store)
    if holder is not None:
        return _take_live(store, profile, holder.browser, config, progress)
    with held_project(store, instead="Try again when its bot is up.") as settled:
        refuse_in_use(profile, store)
        state = store.state.get(profile.id)
        linked = _linked_when_last_seen(profile, state)
        capture = store.capture(profile, linked=linked, browser_version=None, progress=progress)
        return _taken(capture, capture.publish(progress=progress), pause=None, remarks=settled)


def _take_live(store: SessionStore, profile: Profile, browser: Browser, config: Config, progress: Progress) -> Taken:
    state = store.state.get(profile.id)
    seen = ask(browser, _preset(config.ready.page))
    linked = _linked_now(profile, seen, state)
    with contextlib.ExitStack() as stack:
        alone = _try_to_hold(stack, store)
        with guarded(browser.main):
            still = read_still(store, profile, browser, linked=linked, version=seen.version)
        if not alone:
            # The state file is its supervisor's: a write of ours could undo one of its own. The folder tells enough.
            still.capture.on_publish = lambda _snapshot: None
        snapshot = still.capture.publish(progress=progress)
    return _taken(still.capture, snapshot, pause=still.pause, remarks=_too_fresh(state, config))


def _try_to_hold(stack: contextlib.ExitStack, store: SessionStore) -> bool:
    """Hold the project if nobody does, as with a bot that was started without a supervisor."""
    try:
        stack.enter_context(held_project(store))
    except ProfileInUseError:
        return False
    return True


def _taken(capture: Capture, snapshot: Snapshot, *, pause: float | None, remarks: Sequence[str]) -> Taken:
    return Taken(snapshot, capture.staging is not None, pause, tuple(remarks))


def _linked_when_last_seen(profile: Profile, state: SessionState) -> bool | None:
    if state.is_linked is False or state.last_state in {SessionStatus.NEEDS_LINK, SessionStatus.LOGGED_OUT}:
        raise SessionError(
            f"Session {printable(profile.id)} was not linked when last seen: there is nothing worth keeping. "
            "Link it first, then try again."
        )
    return state.is_linked


def _linked_now(profile: Profile, seen: Seen, state: SessionState) -> bool | None:
    """Whether the page of a running bot is linked; where the page does not tell, what was known before."""
    if seen.status in _LINKED:
        return True
    if seen.status in _UNLINKED:
        raise SessionError(
            f"Session {printable(profile.id)} is not linked (its page says: {seen.status}): there is nothing worth "
            "keeping. Link it first, then try again."
        )
    return _linked_when_last_seen(profile, state)


def _too_fresh(state: SessionState, config: Config) -> list[str]:
    needed = timedelta(seconds=config.snapshot.live_after)
    age = clock.now() - state.linked_at if state.linked_at is not None else needed
    if age >= needed:
        return []
    return [
        f"The session was linked only {age.total_seconds():.0f} s ago, and its browser may not have written all of the "
        "link yet. Take another snapshot in a minute."
    ]


def _preset(page: ReadyPageConfig) -> PagePreset:
    if page.ready is None:
        return WHATSAPP
    return custom_preset(page.url or "*", ready=page.ready, needs_login=page.needs_login)


def verify(store: SessionStore, snapshot: Snapshot, progress: Progress) -> list[str] | None:
    """What is wrong with a snapshot, each in a sentence; `None` if it was pruned meanwhile. Raises `SessionError`."""
    try:
        problems = store.verify(snapshot, progress=progress)
    except SessionError:
        if os.path.lexists(snapshot.path):
            raise
        return None
    return problems if os.path.lexists(snapshot.path) else None


def plan_restore(store: SessionStore, profile: Profile, wanted: str | None) -> Plan:
    """What a restore would do: of the snapshot `wanted` (its name or a part of it), by default of the best sound one.

    Raises `SessionError` if there is none such, `ProfileInUseError` if the profile is open.
    """
    refuse_in_use(profile, store)
    snapshots = {snapshot.name: snapshot for snapshot in store.snapshots(profile.id)}
    if wanted is not None:
        chosen = [snapshots[pick(wanted, snapshots, "snapshot")]]
    else:
        linked_at = store.state.get(profile.id).linked_at
        best = candidates(list(snapshots.values()), linked_at=linked_at)
        # One without a manifest is verified by the restore itself; one that is known to be damaged must be asked for.
        chosen = [snapshot for snapshot in best if snapshot.verified or not snapshot.has_manifest]
    if not chosen:
        raise SessionError(f"There is no sound snapshot of session {printable(profile.id)} to restore.")
    remarks = [_IN_VAIN] if store.state.get(profile.id).logged_out else []
    return Plan(profile, tuple(chosen), os.path.lexists(profile.folder), tuple(remarks))


def restore(store: SessionStore, plan: Plan, progress: Progress) -> Outcome:
    """Put the first snapshot of the plan that proves sound in the place of the profile, which goes to quarantine.

    Raises `SessionError`, the last snapshot's, if none is sound; then the profile is as before.
    """
    remarks: list[str] = []
    with held_project(store):
        refuse_in_use(plan.profile, store)
        restored = _restore_first(store, plan, progress, remarks)
        try:
            store.note_restored(plan.profile, restored.snapshot)
        except SessionError as error:  # the profile is in place all the same
            remarks.append(str(error))
    return Outcome(restored, tuple(remarks))


def _restore_first(store: SessionStore, plan: Plan, progress: Progress, remarks: list[str]) -> Restored:
    *first, last = plan.snapshots
    for snapshot in first:
        try:
            return store.restore(plan.profile, snapshot, progress=progress)
        except ProfileInUseError:
            raise
        except SessionError as error:
            remarks.append(str(error))
    return store.restore(plan.profile, last, progress=progress)


def clear(store: SessionStore, profile: Profile) -> Path | None:
    """Move a profile to quarantine and mark its session unlinked; where it lies now, `None` if there was none.

    Raises `SessionError`.
    """
    with held_project(store):
        refuse_in_use(profile, store)
        return store.clear(profile)


def prune(store: SessionStore, *, dry_run: bool) -> Pruned:
    """Remove what the configuration does not keep, or tell what that would be. Raises `SessionError`."""
    if dry_run:
        return store.prune(dry_run=True)
    with held_project(store):
        return store.prune()
