"""Taking a snapshot, in two halves.

Constructing a `Capture` reads the profile, and must happen while nothing writes to it. `Capture.publish` makes the copy
durable, verifies it and gives it its name; it touches only the copy, so the bot may start meanwhile and durability
costs the restart nothing.

What did not change since the previous published snapshot becomes a hard link to that snapshot's file, never to the
profile's: SQLite writes into its files in place, and a link would carry such a write into every snapshot.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from supervisor.session import names
from supervisor.session.profiles import databases
from supervisor.session.profiles.profile import refuse_foreign_files
from supervisor.session.profiles.scan import scan
from supervisor.session.snapshot import catalog, manifest
from supervisor.session.snapshot.manifest import FileRecord, Header, Manifest
from supervisor.system import clock, files, parallel
from supervisor.system.errors import NothingToKeepError, SessionError, explained
from supervisor.system.escape import printable
from supervisor.system.folders import PinnedFolder
from supervisor.system.sparse_files import allocated

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from supervisor.session.profiles.baseline import Baseline
    from supervisor.session.profiles.databases import DatabaseVerdict
    from supervisor.session.profiles.profile import Profile
    from supervisor.session.snapshot.catalog import Snapshot
    from supervisor.system.parallel import Progress


_LARGE = 1 << 20  # bytes; below this, holes do not matter


@dataclass(frozen=True, slots=True)
class BaseSnapshot:
    """The newest published snapshot that is verified: its files may be shared."""

    snapshot: Snapshot
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class CaptureFacts:
    """What the caller knows about the session."""

    linked: bool | None
    browser_version: str | None
    live: bool


class Capture:
    """A copy of a quiet profile that is not published yet: call `publish` or `discard`, once."""

    def __init__(
        self,
        profile: Profile,
        facts: CaptureFacts,
        cache: Path,
        home: str,
        *,
        base: BaseSnapshot | None,
        baseline: Baseline | None,
        on_publish: Callable[[Snapshot], None],
        progress: Progress,
    ) -> None:
        """Copy the profile into `cache`, sharing with `base` what did not change.

        `home` is the profile's path as the manifest names it; `baseline` tells which files an earlier check verified.
        Raises `SessionError`, also if the profile changed while it was read.
        """
        refuse_foreign_files(profile)
        self.profile = profile
        self._facts = facts
        self._cache = cache
        self._home = home
        self._base = base
        self._on_publish = on_publish
        with explained(f"read the profile of session {printable(profile.id)} in", profile.path):
            self._tree = scan(profile.folder)
        self._at = clock.now()
        #: The files whose blocks were verified by a check before this capture, and have not changed since.
        self._verified = baseline.trusted(self._tree) if baseline is not None else frozenset[str]()
        #: The files that are hard links to the base's, or reflinks.
        self._shared: dict[str, FileRecord] = {}
        self._copied_bytes = 0
        #: Where the copy lies; `None` if nothing changed since the base, which then stands for this capture.
        self.staging: Path | None = None
        self._pinned: PinnedFolder | None = None
        if self._base_suffices():
            return
        if not self._tree.files:
            raise SessionError(f"There is nothing to take a snapshot of: {printable(profile.path)} holds no files.")
        with explained(f"read the profile of session {printable(profile.id)} in", profile.path):
            if not databases.holds_web_data(profile.folder, self._tree):
                raise NothingToKeepError("its profile holds nothing of any page")
        with explained(f"copy the profile of session {printable(profile.id)} to", cache):
            files.ensure_private_folder(cache)
            self.staging = cache / f"{names.STAGING_PREFIX}{profile.key}-{os.getpid()}-{time.monotonic_ns()}"
            self._pinned = PinnedFolder(self.staging)
            try:
                self._fill(self._pinned.path, progress)
            except BaseException:
                self.discard()
                raise

    @property
    def taken_at(self) -> datetime:
        """When the profile was read; a snapshot made of this has it as `created_at`."""
        return self._at

    def still_current(self, facts: CaptureFacts) -> bool:
        """Whether a copy made now would be this one: neither the profile nor what is known of it has changed."""
        try:
            return self._facts == facts and scan(self.profile.folder) == self._tree
        except OSError:  # the next read reports it
            return False

    def publish(self, *, progress: Progress = parallel.silent, note: bool = True) -> Snapshot:
        """Verify the copy, make it durable and give it its name, by one rename; with `note`, tell the state file.

        A copy that does not verify is published too, marked so with its `problems`: it is kept as a last resort, but
        never counts as good. Raises `SessionError`; then the copy is gone and the earlier snapshots are as before.
        """
        if self._pinned is None:
            assert self._base is not None
            published = self._base.snapshot
        else:
            try:
                with explained(f"write the snapshot of session {printable(self.profile.id)} to", self._cache):
                    published = self._write(self._pinned, progress)
            except BaseException:
                self.discard()
                raise
            self._pinned.close()
        if note:
            self._on_publish(published)
        return published

    def discard(self) -> None:
        """Remove the copy. What cannot be removed now is removed at the next start."""
        if self.staging is not None:
            remove_leftover(self.staging)
        if self._pinned is not None:
            self._pinned.close()

    def _base_suffices(self) -> bool:
        """Whether the base tells all that a snapshot taken now would tell."""
        if self._base is None:
            return False
        known, then, tree = self._base.snapshot, self._base.manifest, self._tree
        if (known.live and not self._facts.live) or (self._facts.linked and not known.linked):
            return False
        return (
            len(then.files) == len(tree.files)
            and all((record := then.files.get(path)) and record.source == now for path, now in tree.files.items())
            and set(then.folders) == set(tree.folders)
            and then.links == tree.links
        )

    def _fill(self, staging: Path, progress: Progress) -> None:
        source, tree = self.profile.folder, self._tree
        target_root, source_root = f"{staging}{os.sep}", f"{source}{os.sep}"
        for folder in tree.folders:
            files.make_private_folder(target_root + folder)
        changed = [path for path in tree.files if not self._share(path, target_root + path)]

        def copy(path: str) -> int:
            return files.copy_file(source_root + path, target_root + path, mtime_ns=tree.files[path].mtime_ns)

        doing = f"copy the profile of session {printable(self.profile.id)} to"
        files.refuse_without_room(doing, self._cache, (source_root + path for path in changed))
        size = sum(tree.files[path].size for path in changed)
        for copied in parallel.each(copy, changed, total_bytes=size):
            self._copied_bytes += copied
            progress(self._copied_bytes, size)
        for path, target in tree.links.items():
            os.symlink(target, target_root + path)  # noqa: PTH211 - names that are not UTF-8 stay as they are
        if changed and scan(source) != tree:
            raise SessionError(
                f"The profile {printable(source)} changed while it was copied: a browser still writes to it. "
                "Close the browser and try again."
            )

    def _share(self, path: str, target: str) -> bool:
        """Make `target` share the base's copy of a file, if that is the same file; False if it must be copied."""
        record = self._base.manifest.files.get(path) if self._base is not None else None
        if self._base is None or record is None or record.source != self._tree.files[path]:
            return False
        source = f"{self._base.snapshot.path}{os.sep}{path}"
        try:
            os.link(source, target)
        except OSError:
            # No links here (FAT, some network mounts), too many of them, or the base was pruned just now.
            try:
                if not files.share_blocks(source, target, mtime_ns=record.source.mtime_ns):
                    return False
            except FileNotFoundError:
                return False
        self._shared[path] = record
        return True

    def _write(self, pinned: PinnedFolder, progress: Progress) -> Snapshot:
        staging, tree = pinned.path, self._tree
        root = f"{staging}{os.sep}"  # paths are strings below it: pathlib interns all names (see system.malloc)
        copied = [path for path in tree.files if path not in self._shared]
        # The disk writes while the checksums are taken, so that there is little left to wait for.
        files.begin_writing(root + path for path in copied)
        wanted = databases.needed(staging, tree, self._base.snapshot.sequences if self._base is not None else ())
        # Not read again: what was verified before, and what is the base's, even if shared only after the copy.
        trusted = {*self._verified, *self._shared}
        total = self._copied_bytes + databases.size_to_read(staging, wanted, trusted)
        summing = parallel.part(progress, 0, total)
        # With a base some files are given back for what it holds: those need not be waited for.
        records = self._records(root, copied, summing) if self._base is not None else None
        left = [root + path for path in copied if path not in self._shared]  # the rest has been durable since its own
        with parallel.beside(files.sync_file, left, total_bytes=self._copied_bytes):
            records = records if records is not None else self._records(root, copied, summing)
            verifying = parallel.part(progress, self._copied_bytes, total)
            trusted.update(self._shared)
            verdicts = databases.verify(staging, wanted, trusted=trusted, progress=verifying)
        header = self._header(verdicts, root)
        body = manifest.encode(Manifest(header, records, tree.folders, tree.links, tree.skipped))
        files.write_new(staging / names.MANIFEST, body)
        for folder in reversed(tree.folders):
            files.sync_folder(root + folder)
        files.sync_folder(staging)
        return self._name(pinned, header)

    def _records(self, root: str, copied: list[str], progress: Progress) -> dict[str, FileRecord]:
        """The manifest's record of each file, in the order of the walk."""
        fresh: dict[str, FileRecord] = {}
        done = 0
        for path in copied:
            source = self._tree.files[path]
            fresh[path] = FileRecord(source, files.checksum(root + path))
            self._give_back(root + path, path, fresh[path])
            done += source.size
            progress(done, self._copied_bytes)
        return {path: fresh.get(path) or self._shared[path] for path in self._tree.files}

    def _give_back(self, target: str, path: str, record: FileRecord) -> None:
        """Share a copied file after all, if the base holds the same.

        It does after a restore: every file of the profile is a new one, most with the contents of the base's.
        """
        then = self._base.manifest.files.get(path) if self._base is not None else None
        if self._base is None or then is None or then.crc32c != record.crc32c or then.source[:2] != record.source[:2]:
            return
        if files.replace_by_link(f"{self._base.snapshot.path}{os.sep}{path}", target):
            self._shared[path] = record

    def _header(self, verdicts: list[DatabaseVerdict], root: str) -> Header:
        sizes = {path: self._size_on_disk(path, root) for path in self._tree.files}
        problems = [problem for verdict in verdicts for problem in verdict.problems]
        if self._base is not None:
            problems += databases.lost(self._base.snapshot.sequences, verdicts).values()
        return Header(
            session_id=self.profile.id,
            profile=self._home,
            created_at=self._at,
            linked=self._facts.linked,
            live=self._facts.live,
            browser_version=self._facts.browser_version,
            verified=not problems,
            problems=tuple(problems),
            sequences=databases.sequences(verdicts),
            bytes=sum(sizes.values()),
            own_bytes=sum(size for path, size in sizes.items() if path not in self._shared),
            base=self._base.snapshot.name if self._base is not None and self._shared else None,
        )

    def _size_on_disk(self, path: str, root: str) -> int:
        """The size of a file, without large holes in it: what is kept is limited by what it takes."""
        size = self._tree.files[path].size
        return size if size < _LARGE else allocated(os.lstat(root + path))

    def _name(self, pinned: PinnedFolder, header: Header) -> Snapshot:
        """Publish by one rename, under a number larger than that of every earlier snapshot of this session.

        So the newest has the largest number even after the clock went back.
        """
        assert self.staging is not None
        latest = catalog.latest_stamp(self._cache, self.profile.key)
        stamp = max(int(self._at.timestamp() * 1000), latest + 1)
        while True:
            folder = self._cache / names.snapshot_name(self.profile.id, stamp)
            try:
                pinned.rename(self.staging, folder)
            except OSError as error:
                if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                    raise
                stamp += 1  # another process published in this very millisecond
            else:
                break
        try:
            files.sync_folder(self._cache)
        except OSError:
            with suppress(OSError):  # it would not outlive a power cut: `publish` removes it with the staging folder
                pinned.rename(folder, self.staging)
            raise
        return catalog.from_header(folder, stamp, header)


def remove_leftover(folder: Path) -> None:
    """Remove a folder of ours if that can be; what fails now does not fail the operation, and is tried again later."""
    with suppress(OSError):
        files.remove_tree(folder)


def has_maker(staging: Path) -> bool:
    """Whether the process that makes a copy may live: one of a running bot is made without the project's lock."""
    import psutil

    pid = staging.name.split("-")[-2:-1]
    return bool(pid) and pid[0].isdecimal() and int(pid[0]) != os.getpid() and psutil.pid_exists(int(pid[0]))
