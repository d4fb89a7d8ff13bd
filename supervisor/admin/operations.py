"""What a person does to sessions from outside the supervisor: snapshot, verify, restore, clear, prune.

What changes a profile holds the project's lock, and is refused while anybody has the profile open. Only a snapshot of
a running bot does without the lock: the supervisor that runs it has it.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.admin.inventory import pick
from supervisor.admin.occupants import occupant, refuse_in_use
from supervisor.bot import live_snapshot
from supervisor.bot.live_snapshot import LONGEST_PAUSE, ask, read_still
from supervisor.browser.presets import WHATSAPP, PagePreset, custom_preset
from supervisor.process.helper import HelperRunner
from supervisor.process.suspend import ResumeGuard
from supervisor.session.recovery import candidates
from supervisor.session.snapshot import catalog
from supervisor.supervise.snapshot_queue import TakenSnapshot
from supervisor.system.errors import ProfileInUseError, SessionError
from supervisor.system.escape import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from supervisor.admin.inventory import Inventory
    from supervisor.browser.processes import Browser
    from supervisor.config.schema import Config
    from supervisor.config.sections.ready import ReadyPageConfig
    from supervisor.session.profiles.profile import Profile
    from supervisor.session.snapshot.capture import Capture
    from supervisor.session.snapshot.catalog import Snapshot
    from supervisor.session.snapshot.restore import Restored
    from supervisor.session.snapshot.retention import Pruned
    from supervisor.session.store import SessionStore
    from supervisor.system.parallel import Progress

_RESTART_PATIENCE = 60.0  # seconds for a restart that is under way
_COPY_PATIENCE = 600.0  # seconds for copying and verifying; a profile of gigabytes on a slow disk takes minutes
_IN_VAIN = "The phone has logged this session out: a snapshot does not bring the link back, only a new scan does."


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
class RestoreResult:
    """A restore that was done."""

    restored: Restored
    remarks: tuple[str, ...]
    """Sentences on the snapshots that were tried before and are not sound, and on what else went otherwise."""


def take_through(inventory: Inventory, profile: Profile) -> TakenSnapshot | None:
    """Have the supervisor that runs in the project take a snapshot; None if none runs.

    Only it knows that no restart is about to close the browser that would be frozen. Raises `SessionError`.
    """
    from supervisor.control.client import NoAnswerError, RefusedError
    from supervisor.control.locate import NotRunningError, UnreachableError, reach
    from supervisor.control.transport import AddressError

    store = inventory.store
    try:
        client = reach(store.project, store.cache)
        answer = client.take_snapshot(profile.id, timeout=_RESTART_PATIENCE, patience=_COPY_PATIENCE)
    except NotRunningError:
        return None
    except NoAnswerError as error:
        raise SessionError(f"scanonce runs in {printable(store.project)}, but does not answer: {error}.") from None
    except UnreachableError as error:
        raise ProfileInUseError(str(error)) from None
    except (AddressError, RefusedError) as error:
        raise SessionError(str(error)) from None
    snapshot = catalog.load(Path(answer["snapshot"]["path"]))
    if snapshot is None:
        raise SessionError(f"scanonce has taken {answer['snapshot']['name']}, but it is not there any more.")
    pause = None if answer["pause_ms"] is None else answer["pause_ms"] / 1000
    return TakenSnapshot(snapshot, answer["new"], pause, tuple(answer["remarks"]))


def take(store: SessionStore, profile: Profile, config: Config, progress: Progress) -> TakenSnapshot:
    """Take a snapshot: of the running bot, if one has the profile open, else of the quiet profile.

    Raises `SessionError`, also for a session that is not linked: its snapshot could only be in the way of a good one.
    """
    holder = occupant(profile, store)
    if holder is not None:
        return _take_live(store, profile, holder.browser, config, progress)
    with store.held(instead="Try again when its bot is up.") as settled:
        refuse_in_use(profile, store)
        state = store.with_files(profile, store.state.get(profile.id))
        linked = live_snapshot.linked_when_last_seen(profile, state)
        capture = store.capture(profile, linked=linked, browser_version=None, progress=progress)
        return _taken(capture, capture.publish(progress=progress), pause=None, remarks=settled)


def _take_live(
    store: SessionStore, profile: Profile, browser: Browser, config: Config, progress: Progress
) -> TakenSnapshot:
    state = store.state.get(profile.id)
    seen = ask(browser, _preset(config.ready.page))
    linked = live_snapshot.linked_now(profile, seen.status, state)
    with contextlib.ExitStack() as stack:
        alone = _try_to_hold(stack, store)
        guard = ResumeGuard(HelperRunner(None, set()), limit=LONGEST_PAUSE)
        still = read_still(store, profile, browser, guard, linked=linked, version=seen.version)
        # Of a project with a supervisor the state file is that one's: a write of ours could undo one of its own.
        snapshot = still.capture.publish(progress=progress, note=alone)
    return _taken(still.capture, snapshot, pause=still.pause, remarks=live_snapshot.too_fresh(state, config))


def _try_to_hold(stack: contextlib.ExitStack, store: SessionStore) -> bool:
    """Hold the project if no process does, as with a bot that was started without a supervisor."""
    try:
        stack.enter_context(store.held())
    except ProfileInUseError:
        return False
    return True


def _taken(capture: Capture, snapshot: Snapshot, *, pause: float | None, remarks: Sequence[str]) -> TakenSnapshot:
    return TakenSnapshot(snapshot, capture.staging is not None, pause, tuple(remarks))


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


def plan_restore(store: SessionStore, profile: Profile, wanted: str | None, *, dry_run: bool = False) -> Plan:
    """What a restore would do: of the snapshot `wanted` (its name or a part of it), by default of the best sound one.

    Raises `SessionError` if there is none such, and `ProfileInUseError` if the profile is open; with `dry_run`, that is
    a remark.
    """
    remarks = [_IN_VAIN] if store.state.get(profile.id).logged_out else []
    try:
        refuse_in_use(profile, store)
    except ProfileInUseError as error:
        if not dry_run:
            raise
        remarks.append(str(error))
    snapshots = {snapshot.name: snapshot for snapshot in store.snapshots(profile.id)}
    if wanted is not None:
        chosen = [snapshots[pick(wanted, snapshots, "snapshot")]]
    else:
        linked_at = store.state.get(profile.id).began_at
        best = candidates(list(snapshots.values()), linked_at=linked_at)
        # One without a manifest is verified by the restore itself; one that is known to be damaged must be asked for.
        chosen = [snapshot for snapshot in best if snapshot.verified or not snapshot.has_manifest]
    if not chosen:
        raise SessionError(f"There is no sound snapshot of session {printable(profile.id)} to restore.")
    return Plan(profile, tuple(chosen), os.path.lexists(profile.folder), tuple(remarks))


def restore(store: SessionStore, plan: Plan, progress: Progress) -> RestoreResult:
    """Put the first snapshot of the plan that proves sound in the place of the profile, which goes to quarantine.

    Raises `SessionError`, the last snapshot's, if none is sound; then the profile is as before.
    """
    with store.held():
        refuse_in_use(plan.profile, store)
        attempts = store.restore_first(plan.profile, plan.snapshots, progress=progress)
        if attempts.restored is None:
            raise attempts.failures[-1][1]
        remarks = [str(error) for _, error in attempts.failures]
        try:
            store.note_restored(plan.profile, attempts.restored.snapshot)
        except SessionError as error:  # the profile is in place all the same
            remarks.append(str(error))
    return RestoreResult(attempts.restored, tuple(remarks))


def clear(store: SessionStore, profile: Profile) -> Path | None:
    """Move a profile to quarantine and mark its session unlinked; where it lies now, `None` if there was none.

    Raises `SessionError`.
    """
    with store.held():
        refuse_in_use(profile, store)
        return store.clear(profile)


def prune(store: SessionStore, *, dry_run: bool) -> Pruned:
    """Remove what the configuration does not keep, or tell what that would be. Raises `SessionError`."""
    if dry_run or not store.cache.exists():  # the lock would make the folder
        return store.prune(dry_run=True)
    with store.held():
        return store.prune()
