"""Putting a snapshot in the place of a profile, so that a kill at any instant leaves the old or the new.

1. A journal entry names the folder that is about to be prepared.
2. The snapshot is copied there, beside the live profile (so that a rename suffices), verified, and made durable.
   It is a copy, never a link: SQLite writes into its files in place.
3. The journal entry now says "swap".
4. The live profile is renamed into quarantine.
5. The copy is renamed to the live profile's name.
6. The journal entry is removed.

`recover` reads the journal at the next start. Before 4 it removes the copy; between 4 and 5 it completes the swap. What
lies at the live name it never touches.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.session import names
from supervisor.session.profiles import databases
from supervisor.session.profiles.profile import refuse_foreign_files
from supervisor.session.profiles.scan import ProfileTree, scan
from supervisor.session.snapshot import manifest
from supervisor.system import files as fsio
from supervisor.system import parallel
from supervisor.system.errors import SessionError, SnapshotDamagedError, explained
from supervisor.system.escape import printable
from supervisor.system.folders import PinnedFolder
from supervisor.system.reading import is_a_path, parse_object, read_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.session.profiles.profile import Profile
    from supervisor.session.snapshot.catalog import Snapshot
    from supervisor.session.snapshot.manifest import Manifest
    from supervisor.system.parallel import Progress


@dataclass(frozen=True, slots=True)
class Restored:
    """A restore that was done."""

    snapshot: Snapshot
    quarantine: Path | None
    """Where the profile that was there before lies now; `None` if there was none."""
    note: str = ""
    """One sentence on what else the restore means for the session, if there is anything to say."""


@dataclass(frozen=True, slots=True)
class _Swap:
    """A journal entry."""

    live: Path
    new: Path
    old: Path
    ready: bool
    """`new` is whole, verified and durable."""


def restore(
    profile: Profile,
    chosen: Snapshot,
    cache: Path,
    *,
    keep_newer: bool,
    before_swap: Callable[[Path], None],
    progress: Progress,
) -> Restored:
    """Put a snapshot in the place of the profile; the old profile goes to quarantine.

    With `keep_newer` what must not go back, and is sound, is taken over from there. The profile must be free.
    `before_swap` is given the copy when it is complete. Raises `SessionError`, and then the profile is as before.
    """
    live = profile.folder
    refuse_foreign_files(profile)
    _refuse_mount(live)
    with explained(f"restore the snapshot {chosen.name} to", live):
        fsio.ensure_folder(live.parent)
        fsio.ensure_private_folder(cache)
        stamp = time.time_ns() // 1_000_000
        new = live.with_name(f"{names.NEW_PREFIX}{profile.key}-{stamp}")
        swap = _Swap(live, new, _quarantine_for(profile, cache, stamp), ready=False)
        journal = cache / f"{names.JOURNAL_PREFIX}{profile.key}.json"
        try:
            fsio.replace_file(journal, _encode(swap))
            # Held from here on: a folder that another user puts in its place is neither filled nor given away.
            with contextlib.closing(PinnedFolder(new)) as pinned:
                _prepare(chosen, pinned.path, progress)
                kept = profile.kind.keep_newer(live, pinned.path) if keep_newer else 0
                fsio.sync_folder(new.parent)
                if (owner := _owner(live)) is not None:
                    pinned.give_to(*owner)
                before_swap(pinned.path)
                swap = replace(swap, ready=True)
                fsio.replace_file(journal, _encode(swap))
                moved = _swap_in(swap, pinned)
        except BaseException:
            # If the old profile could not be put back, the journal must stay, for the next start to complete the swap.
            if os.path.lexists(live) or not os.path.lexists(swap.old):
                with suppress(OSError):
                    _undo(swap, journal)
            raise
        _forget(journal)
    return Restored(chosen, swap.old if moved else None, profile.kind.after_restore(kept))


def move_to_quarantine(profile: Profile, cache: Path) -> Path | None:
    """Move a profile out of the way, by one rename. Returns where it lies now, `None` if there was none."""
    live = profile.folder
    refuse_foreign_files(profile)
    _refuse_mount(live)
    with explained("move to quarantine the profile", live):
        if not os.path.lexists(live):
            return None
        fsio.ensure_private_folder(cache)
        old = _quarantine_for(profile, cache, time.time_ns() // 1_000_000)
        _rename(live, old)
    return old


def recover(cache: Path) -> list[str]:
    """Complete or undo what a restore that was cut off left behind. Returns sentences on what was done.

    Raises `SessionError` if that is not possible; nothing is lost then either.
    """
    done = []
    for journal in journals(cache):
        with explained("complete the restore that was cut off, recorded in", journal):
            try:
                swap = _decode(read_file(journal))
            except ValueError:
                # Entries are replaced by renames: one that cannot be read was damaged by something else.
                aside = journal.with_name(f"damaged-{journal.name}-{time.time_ns() // 1_000_000}")
                fsio.rename(journal, aside)
                done.append(f"The restore journal {journal.name} could not be read and was moved to {aside.name}.")
                continue
            done.append(_settle(swap, journal))
    return done


def journals(cache: Path) -> list[Path]:
    """The entries of restores that are under way, or were cut off. Raises `OSError`."""
    return sorted(path for path in _entries(cache, names.JOURNAL_PREFIX) if path.suffix == ".json")


def _settle(swap: _Swap, journal: Path) -> str:
    name = printable(swap.live)
    if swap.ready and os.path.lexists(swap.new) and not os.path.lexists(swap.live):
        _rename(swap.new, swap.live)
        _forget(journal)
        return f"A restore of {name} was cut off half-way; it was completed."
    if swap.ready and not os.path.lexists(swap.new):
        _forget(journal)
        return f"A restore of {name} was over but for its last note, which was removed."
    # What is at the live name stays: a browser that was started by hand may hold it by now.
    _undo(swap, journal)
    if os.path.lexists(swap.old):
        return (
            f"A restore of {name} was cut off half-way, and a new profile was made there since. The new one was kept; "
            f"the old one is in {printable(swap.old)}."
        )
    return f"A restore of {name} was cut off; it was undone, the profile is as before."


def _undo(swap: _Swap, journal: Path) -> None:
    """Remove the copy and the journal entry."""
    if swap.ready:
        # Half a removed copy must never be taken for a whole one, should we be killed in the midst of it.
        fsio.replace_file(journal, _encode(replace(swap, ready=False)))
    if os.path.lexists(swap.new):
        fsio.remove_tree(swap.new)
    _forget(journal)


def _quarantine_for(profile: Profile, cache: Path, stamp: int) -> Path:
    """Where a profile goes: into the cache, or beside itself if the cache is on another file system.

    A rename cannot cross file systems, and a copy of gigabytes, which can fail half-way, has no place in a swap.
    """
    live = profile.folder
    if _device(cache) == _device(live.parent):
        return cache / names.quarantine_name(profile.id, stamp)
    return live.with_name(f"{names.HIDDEN_QUARANTINE_PREFIX}{profile.key}-{stamp}")


def _device(path: Path) -> int:
    return path.stat().st_dev


def _swap_in(swap: _Swap, new: PinnedFolder) -> bool:
    """Put `new` in the place of `live`; says whether there was an old one. If that fails, the old one is back."""
    moved = os.path.lexists(swap.live)
    try:
        if moved:
            _rename(swap.live, swap.old)
        new.rename(swap.new, swap.live)
        fsio.sync_folder(swap.live.parent)
    except OSError:
        if moved and os.path.lexists(swap.old) and not os.path.lexists(swap.live):
            _rename(swap.old, swap.live)
        raise
    return moved


def _rename(source: Path, target: Path) -> None:
    """Rename a folder, durably."""
    fsio.rename(source, target)
    fsio.sync_folder(target.parent)
    if source.parent != target.parent:
        fsio.sync_folder(source.parent)


def _forget(journal: Path) -> None:
    fsio.unlink(journal)
    fsio.sync_folder(journal.parent)


def _refuse_mount(live: Path) -> None:
    if os.path.ismount(live):
        raise SessionError(
            f"{printable(live)} is a mount point, which a rename cannot replace. Mount the folder above it instead."
        )


def _prepare(chosen: Snapshot, new: Path, progress: Progress) -> None:
    known = _manifest_of(chosen)
    tree = scan(chosen.path) if known is None else _tree_of(known)
    # Its reserve is what a disk is for now.
    doing, paths = f"restore the snapshot {chosen.name} to", (chosen.path / path for path in tree.files)
    fsio.refuse_without_room(doing, new, filter(os.path.lexists, paths), reserve=False)
    for folder in tree.folders:
        fsio.make_private_folder(new / folder)
    total = tree.size
    if known is None:  # then the databases are read a second time, for what they say of themselves
        total += databases.size_to_read(chosen.path, databases.needed(chosen.path, tree))
    _copy_files(chosen, new, tree, known, parallel.part(progress, 0, total))
    for path, target in tree.links.items():
        os.symlink(target, new / path)  # noqa: PTH211 - names that are not UTF-8 stay as they are
    _verify_formats(chosen, new, tree, deep=known is None, progress=parallel.part(progress, tree.size, total))
    for folder in [*reversed(tree.folders), ""]:
        fsio.sync_folder(new / folder)


def _copy_files(chosen: Snapshot, new: Path, tree: ProfileTree, known: Manifest | None, progress: Progress) -> None:
    """Copy, make durable, and compare each file with its checksum, if there is a manifest to give one."""

    def copy(path: str) -> int:
        try:
            fsio.copy_file(chosen.path / path, new / path, mtime_ns=tree.files[path].mtime_ns)
        except FileNotFoundError:
            raise SnapshotDamagedError(
                f"The snapshot {chosen.name} is damaged: {printable(path)} is missing. Try another one."
            ) from None
        checksum = fsio.checksum(new / path, sync=True)
        if known is not None and checksum != known.files[path].crc32c:
            raise SnapshotDamagedError(
                f"The snapshot {chosen.name} is damaged: {printable(path)} is not what was written. Try another one."
            )
        return tree.files[path].size

    total, done = tree.size, 0
    for size in parallel.each(copy, list(tree.files), total_bytes=total):
        done += size
        progress(done, total)


def _manifest_of(chosen: Snapshot) -> Manifest | None:
    if not chosen.has_manifest:
        return None
    try:
        return manifest.read(chosen.path)
    except manifest.ManifestError as error:
        raise SnapshotDamagedError(
            f"The snapshot {chosen.name} is damaged: its manifest cannot be read, {error}. Try another one."
        ) from error


def _tree_of(known: Manifest) -> ProfileTree:
    files = {path: record.source for path, record in known.files.items()}
    return ProfileTree(files, known.folders, known.links, known.skipped)


def _verify_formats(chosen: Snapshot, new: Path, tree: ProfileTree, *, deep: bool, progress: Progress) -> None:
    """Check the copy's databases, every block of them if `deep`, and mend what a live snapshot may leave torn."""
    found = databases.needed(new, tree, chosen.sequences)
    verdicts = databases.verify(new, found, deep=deep, trusted=tree.files, progress=progress)
    if chosen.verified or not chosen.has_manifest:
        problems = [problem for verdict in verdicts for problem in verdict.problems]
        if not problems and deep and not found:
            problems = ["it holds no IndexedDB and no Local Storage"]
        if problems:
            raise SnapshotDamagedError(
                f"The snapshot {chosen.name} is damaged: {printable(problems[0])}. Try another one."
            )
    databases.mend(new, verdicts)


def _owner(live: Path) -> tuple[int, int] | None:
    """To whom the restored profile must belong if we are root and the bot is not."""
    if os.name == "nt" or os.geteuid() != 0:
        return None
    status = (live if os.path.lexists(live) else live.parent).lstat()
    return None if (status.st_uid, status.st_gid) == (0, 0) else (status.st_uid, status.st_gid)


def _entries(cache: Path, prefix: str) -> list[Path]:
    try:
        return [path for path in cache.iterdir() if path.name.startswith(prefix)]
    except FileNotFoundError:
        return []


def _encode(swap: _Swap) -> bytes:
    item = {"live": str(swap.live), "new": str(swap.new), "old": str(swap.old), "ready": swap.ready}
    return (json.dumps(item) + "\n").encode("ascii")


def _decode(data: bytes) -> _Swap:
    try:
        item = parse_object(data)
        live, new, old = item["live"], item["new"], item["old"]
        swap = _Swap(Path(live), Path(new), Path(old), ready=item["ready"] is True)
    except (KeyError, TypeError) as error:
        raise ValueError("not a journal entry") from error
    if not all(map(is_a_path, (live, new, old))):
        raise ValueError("not a path in a journal entry")
    # What we would remove must be a folder that a restore prepares, whatever the file says.
    if not swap.new.name.startswith(names.NEW_PREFIX) or swap.new.parent != swap.live.parent:
        raise ValueError("not a journal entry of ours")
    return swap
