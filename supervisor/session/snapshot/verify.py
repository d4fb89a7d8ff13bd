"""Reading a snapshot again, every byte of it: disks forget."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from supervisor.session import names
from supervisor.session.profiles import databases
from supervisor.session.profiles.scan import scan
from supervisor.session.snapshot import manifest
from supervisor.system import files, parallel
from supervisor.system.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from supervisor.session.snapshot.catalog import Snapshot
    from supervisor.session.snapshot.manifest import Manifest
    from supervisor.system.parallel import Progress


def verify(chosen: Snapshot, others: Iterable[Snapshot], progress: Progress) -> list[str]:
    """One sentence per thing that is wrong with a snapshot; if it was good, it is then marked so.

    So are those of the `others` that share a damaged file with it: none of them may be a base for the next snapshot,
    which would share the damage. Raises `OSError`.
    """
    try:
        known = manifest.read(chosen.path)
    except manifest.ManifestError as error:
        problems = [f"The manifest cannot be read: {error}."] if chosen.has_manifest else []
        if not databases.needed(chosen.path, scan(chosen.path)):
            problems.append("It holds no IndexedDB and no Local Storage.")
        return problems + _formats(chosen.path, chosen.sequences, progress)
    # Every byte is read twice: once for the checksum of its file, once for what the database says of itself.
    size = sum(record.source.size for record in known.files.values())
    found = databases.needed(chosen.path, scan(chosen.path), chosen.sequences)
    total = size + databases.size_to_read(chosen.path, found)
    damaged = _damaged(chosen.path, known, parallel.part(progress, 0, total))
    problems = (
        _missing(chosen.path, known)
        + [_not_written(path) for path in damaged]
        + _formats(chosen.path, chosen.sequences, parallel.part(progress, size, total))
    )
    if problems:
        _mark(chosen.path, known, problems)
    for other in others if damaged else ():
        shared = [path for path in damaged if _is_shared(chosen.path / path, other.path / path)]
        if shared and other.has_manifest:
            _mark(other.path, manifest.read(other.path), [_not_written(path) for path in shared])
    return problems


def _missing(root: Path, known: Manifest) -> list[str]:
    there = scan(root).files
    missing = [f"{printable(path)} is missing." for path in known.files if path not in there]
    added = [
        f"{printable(path)} was not there when the snapshot was taken." for path in there if path not in known.files
    ]
    return missing + added


def _damaged(root: Path, known: Manifest, progress: Progress) -> list[str]:
    """The files whose checksum is not the one in the manifest."""
    paths = [path for path in known.files if (root / path).is_file()]
    damaged, done = [], 0
    total = sum(record.source.size for record in known.files.values())
    checksums = parallel.each(lambda path: files.checksum(root / path), paths, total_bytes=total)
    for path, checksum in zip(paths, checksums, strict=True):
        if checksum != known.files[path].crc32c:
            damaged.append(path)
        done += known.files[path].source.size
        progress(done, total)
    return damaged


def _not_written(path: str) -> str:
    return f"{printable(path)} is not what was written."


def _formats(root: Path, expected: Iterable[str], progress: Progress) -> list[str]:
    verdicts = databases.verify(root, databases.needed(root, scan(root), expected), deep=True, progress=progress)
    return [f"{printable(problem)}." for verdict in verdicts for problem in verdict.problems]


def _is_shared(one: Path, other: Path) -> bool:
    return other.is_file() and one.samefile(other)


def _mark(root: Path, known: Manifest, problems: list[str]) -> None:
    """Note in a manifest that the snapshot is not good any more."""
    if known.header.verified:
        header = replace(known.header, verified=False, problems=tuple(problems))
        files.replace_file(root / names.MANIFEST, manifest.encode(replace(known, header=header)))
