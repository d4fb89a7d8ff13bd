"""Taking a snapshot, in two halves.

`capture` reads the profile and must run while nothing writes to it. `Capture.publish` makes the copy durable, verifies
it and gives it its name; it touches only the copy, so the bot may start meanwhile and durability costs the restart
nothing.

What did not change since the previous published snapshot becomes a hard link to that snapshot's file, never to the
profile's: SQLite writes into its files in place, and a link would carry such a write into every snapshot.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from supervisor.session import names
from supervisor.session.profiles import databases
from supervisor.session.profiles.scan import ProfileTree, scan
from supervisor.session.snapshot import catalog, manifest
from supervisor.session.snapshot.catalog import Snapshot
from supervisor.session.snapshot.manifest import FileRecord, Header, Manifest
from supervisor.system import clock, files, parallel
from supervisor.system.errors import SessionError, explained
from supervisor.system.escape import printable

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from supervisor.session.profiles.baseline import Baseline
    from supervisor.session.profiles.databases import Database, DatabaseVerdict
    from supervisor.session.profiles.profile import Profile
    from supervisor.system.parallel import Progress

Published = Callable[[Snapshot], None]


@dataclass(frozen=True, slots=True)
class Base:
    """The newest published snapshot that is verified: its files may be shared."""

    snapshot: Snapshot
    manifest: Manifest

    def record(self, path: str) -> FileRecord | None:
        """What the base holds under a path."""
        return self.manifest.files.get(path)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the one who asks for a snapshot knows about the session."""

    linked: bool | None
    browser_version: str | None
    live: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where snapshots go, and how they name the profile: relative to the project if it lies inside."""

    cache: Path
    home: str


@dataclass(slots=True)
class Capture:
    """A copy of the quiet profile that is not published yet: call `publish` or `discard`, once."""

    profile: Profile
    facts: Facts
    place: Place
    at: datetime
    """When the profile was read."""
    tree: ProfileTree
    base: Base | None
    on_publish: Published
    verified: AbstractSet[str]
    """The files of the profile whose blocks were verified and have not changed since."""
    staging: Path | None = None
    """Where the copy lies; `None` if nothing changed since the base, which then stands for this capture."""
    shared: dict[str, FileRecord] = field(default_factory=dict)
    """The files that are hard links to the base's, or reflinks."""
    copied_bytes: int = 0

    @property
    def session_id(self) -> str:
        """The session that this is a copy of."""
        return self.profile.id

    def is_verified(self, path: str) -> bool:
        """Whether the blocks of a file need not be read again.

        It is shared with the base, or its original was verified by the check before this capture and has not changed.
        """
        return path in self.shared or path in self.verified

    def holds(self, facts: Facts) -> bool:
        """Whether a copy made now would be this one: the profile is as it was, and so is what is known of it."""
        try:
            return self.facts == facts and scan(self.profile.folder) == self.tree
        except OSError:  # whoever reads it next tells
            return False

    def publish(self, *, progress: Progress = parallel.silent) -> Snapshot:
        """Verify the copy, make it durable and give it its name, by one rename.

        A copy that does not verify is published too, marked so with its `problems`: it is kept as a last resort, but
        never counts as good. Raises `SessionError`; then the copy is gone and the earlier snapshots are as before.
        """
        if self.staging is None:
            assert self.base is not None
            published = self.base.snapshot
        else:
            try:
                with explained(f"write the snapshot of session {printable(self.session_id)} to", self.place.cache):
                    published = _publish(self, self.staging, progress)
            except BaseException:
                self.discard()
                raise
        self.on_publish(published)
        return published

    def discard(self) -> None:
        """Remove the copy. What cannot be removed now is removed at the next start."""
        if self.staging is not None:
            remove_leftover(self.staging)


def remove_leftover(folder: Path) -> None:
    """Remove a folder of ours; a failure is no failure of the operation at hand: it will be tried again."""
    try:
        files.remove_tree(folder)
    except OSError:
        return


def has_maker(staging: Path) -> bool:
    """Whether the process that makes a copy may live: one of a running bot is made without the project's lock."""
    pid = staging.name.split("-")[-2:-1]
    return bool(pid) and pid[0].isdecimal() and int(pid[0]) != os.getpid() and psutil.pid_exists(int(pid[0]))


def capture(
    profile: Profile,
    facts: Facts,
    place: Place,
    *,
    base: Base | None,
    good: Baseline | None,
    on_publish: Published,
    progress: Progress = parallel.silent,
) -> Capture:
    """Copy a quiet profile next to the other snapshots, sharing with `base` what did not change.

    `good` tells what an earlier check verified. Raises `SessionError`, also when the profile changed while it was read.
    """
    with explained(f"read the profile of session {printable(profile.id)} in", profile.path):
        tree = scan(profile.folder)
    verified = good.trusted(tree) if good is not None else frozenset[str]()
    taken = Capture(profile, facts, place, clock.now(), tree, base, on_publish, verified)
    if base is not None and _says_the_same(base, tree, facts):
        return taken
    if not tree.files:
        raise SessionError(f"There is nothing to take a snapshot of: {printable(profile.path)} holds no files.")
    with explained(f"copy the profile of session {printable(profile.id)} to", place.cache):
        taken.staging = _make_staging(place.cache, profile)
        try:
            _fill(taken, taken.staging, profile.folder, progress)
        except BaseException:
            taken.discard()
            raise
    return taken


def _says_the_same(base: Base, tree: ProfileTree, facts: Facts) -> bool:
    """Whether a snapshot taken now would tell nothing that the base does not tell."""
    known, then = base.snapshot, base.manifest
    if (known.live and not facts.live) or (facts.linked and not known.linked):
        return False
    return (
        len(then.files) == len(tree.files)
        and all((record := then.files.get(path)) and record.source == now for path, now in tree.files.items())
        and set(then.folders) == set(tree.folders)
        and then.links == tree.links
    )


def _make_staging(cache: Path, profile: Profile) -> Path:
    files.ensure_private_folder(cache)
    staging = cache / f"{names.STAGING_PREFIX}{profile.key}-{os.getpid()}-{time.monotonic_ns()}"
    files.make_private_folder(staging)
    return staging


def _fill(taken: Capture, staging: Path, source: Path, progress: Progress) -> None:
    target_root, source_root = f"{staging}{os.sep}", f"{source}{os.sep}"
    tree = taken.tree
    for folder in tree.folders:
        files.make_private_folder(target_root + folder)
    changed = [path for path in tree.files if not _share(taken, path, target_root + path)]

    def copy(path: str) -> int:
        return files.copy_file(source_root + path, target_root + path, mtime_ns=tree.files[path].mtime_ns)

    size = sum(tree.files[path].size for path in changed)
    for copied in parallel.each(copy, changed, total_bytes=size):
        taken.copied_bytes += copied
        progress(taken.copied_bytes, size)
    for path, target in tree.links.items():
        os.symlink(target, target_root + path)  # noqa: PTH211 - names that are not UTF-8 stay as they are
    if changed and scan(source) != tree:
        raise SessionError(
            f"The profile {printable(source)} changed while it was copied: a browser still writes to it. "
            "Close the browser and try again."
        )


def _share(taken: Capture, path: str, target: str) -> bool:
    """Make `target` share the base's copy of a file, if that is the same file; else say no, and it is copied."""
    record = taken.base.record(path) if taken.base is not None else None
    if taken.base is None or record is None or record.source != taken.tree.files[path]:
        return False
    source = f"{taken.base.snapshot.path}{os.sep}{path}"
    try:
        os.link(source, target)
    except OSError:
        # No links here (FAT, some network mounts), too many of them, or the base was pruned just now.
        try:
            if not files.share_blocks(source, target, mtime_ns=record.source.mtime_ns):
                return False
        except FileNotFoundError:
            return False
    taken.shared[path] = record
    return True


def _publish(taken: Capture, staging: Path, progress: Progress) -> Snapshot:
    tree = taken.tree
    root = f"{staging}{os.sep}"  # paths are strings below it: pathlib interns all names (see supervisor.allocator)
    copied = [path for path in tree.files if path not in taken.shared]
    # The disk writes while the checksums are taken, so that there is little left to wait for.
    files.begin_writing(root + path for path in copied)
    wanted = _databases(taken, staging)
    total = taken.copied_bytes + databases.size_to_read(staging, wanted, taken.is_verified)
    summing = parallel.part(progress, 0, total)
    # With a base some files are given back for what it holds: those need not be waited for.
    records = _records(taken, root, copied, summing) if taken.base is not None else None
    left = [root + path for path in copied if path not in taken.shared]  # the rest has been durable since its own
    with parallel.beside(files.sync_file, left, total_bytes=taken.copied_bytes):
        records = records if records is not None else _records(taken, root, copied, summing)
        verifying = parallel.part(progress, taken.copied_bytes, total)
        verdicts = databases.verify(staging, wanted, trusted=taken.is_verified, progress=verifying)
    header = _header(taken, verdicts)
    body = manifest.encode(Manifest(header, records, tree.folders, tree.links, tree.skipped))
    files.write_new(staging / names.MANIFEST, body)
    for folder in reversed(tree.folders):
        files.sync_folder(root + folder)
    files.sync_folder(staging)
    return _name(taken, staging, header)


def _records(taken: Capture, root: str, copied: list[str], progress: Progress) -> dict[str, FileRecord]:
    """What the manifest says of each file, in the order of the walk."""
    fresh: dict[str, FileRecord] = {}
    done = 0
    for path in copied:
        source = taken.tree.files[path]
        fresh[path] = FileRecord(source, files.checksum(root + path))
        _give_back(taken, root + path, path, fresh[path])
        done += source.size
        progress(done, taken.copied_bytes)
    return {path: fresh.get(path) or taken.shared[path] for path in taken.tree.files}


def _give_back(taken: Capture, target: str, path: str, record: FileRecord) -> None:
    """Share a copied file after all, if the base holds the same.

    It does after a restore: every file of the profile is a new one, most with the contents of the base's.
    """
    then = taken.base.record(path) if taken.base is not None else None
    if taken.base is None or then is None or then.crc32c != record.crc32c or then.source[:2] != record.source[:2]:
        return
    if files.replace_by_link(f"{taken.base.snapshot.path}{os.sep}{path}", target):
        taken.shared[path] = record


def _databases(taken: Capture, staging: Path) -> list[Database]:
    """The databases in the copy that the link needs."""
    expected = taken.base.snapshot.sequences if taken.base is not None else ()
    return databases.needed(staging, taken.tree, expected)


def _header(taken: Capture, verdicts: list[DatabaseVerdict]) -> Header:
    problems = [problem for verdict in verdicts for problem in verdict.problems]
    if taken.base is not None:
        problems += databases.lost(taken.base.snapshot.sequences, verdicts).values()
    return Header(
        session_id=taken.session_id,
        profile=taken.place.home,
        created_at=taken.at,
        linked=taken.facts.linked,
        live=taken.facts.live,
        browser_version=taken.facts.browser_version,
        verified=not problems,
        problems=tuple(problems),
        sequences=databases.sequences(verdicts),
        bytes=taken.tree.size,
        own_bytes=taken.tree.size - sum(record.source.size for record in taken.shared.values()),
        base=taken.base.snapshot.name if taken.base is not None and taken.shared else None,
    )


def _name(taken: Capture, staging: Path, header: Header) -> Snapshot:
    """Publish by one rename, under a number larger than that of every earlier snapshot of this session.

    So the newest has the largest number even after the clock went back.
    """
    cache = taken.place.cache
    stamp = max(int(taken.at.timestamp() * 1000), catalog.latest_stamp(cache, taken.profile.key) + 1)
    while True:
        folder = cache / names.snapshot_name(taken.session_id, stamp)
        try:
            os.rename(staging, folder)  # noqa: PTH104
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            stamp += 1  # another process published in this very millisecond
        else:
            break
    files.sync_folder(cache)
    return catalog.from_header(folder, stamp, header)
