"""What a published snapshot is, and the list of them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from supervisor.session.names import MANIFEST, Stamped, id_of, parse_stamped, safe_name
from supervisor.session.profiles.kinds import is_session_folder
from supervisor.session.profiles.scan import scan
from supervisor.session.snapshot import manifest as manifests


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One published snapshot: a folder of plain files, and what its manifest says about it.

    A folder without a readable manifest (one made by the JavaScript original, or damaged since) is a snapshot too:
    `has_manifest` is false, it counts as unverified, and a restore verifies it by the formats of its databases. A
    session's folder with no manifest at all is a `plain` copy: another program made it, and only that removes it.
    """

    session_id: str
    path: Path
    stamp: int
    """The number in the folder's name: milliseconds since the epoch. Later snapshots have larger numbers."""
    created_at: datetime
    linked: bool | None
    live: bool
    verified: bool
    browser_version: str | None
    bytes: int
    """In all its files."""
    own_bytes: int
    """In the files that it does not share with `base`."""
    base: str | None
    """The name of the snapshot that it shares the others with."""
    sequences: dict[str, int]
    """Per LevelDB folder, the last sequence number in it."""
    problems: tuple[str, ...]
    has_manifest: bool
    plain: bool
    home: str | None
    """Where the profile was: relative to the project if it lay inside, else absolute; `None` if that is not known."""

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def good(self) -> bool:
        """Verified, and of a session that was not known to be unlinked."""
        return self.verified and self.linked is not False


def of_session(cache: Path, session_id: str) -> Iterator[Snapshot]:
    """The snapshots of one session, newest first, each read when it is asked for. Raises `OSError`."""
    key = safe_name(session_id)
    stamps = sorted((stamp for name, stamp in _names(cache) if name == key), reverse=True)
    for stamp in stamps:
        snapshot = load(cache / f"backup-{key}-{stamp}")
        if snapshot is not None and (snapshot.session_id == session_id or not snapshot.has_manifest):
            yield snapshot


def latest_stamp(cache: Path, key: str) -> int:
    """The largest number of a session's snapshots, by its safe name; 0 if there is none."""
    return max((stamp for name, stamp in _names(cache) if name == key), default=0)


def of_all(cache: Path) -> dict[str, list[Snapshot]]:
    """Every session's snapshots, each list newest first. Raises `OSError`."""
    sessions: dict[str, list[Snapshot]] = {}
    for name, stamp in sorted(_names(cache), key=lambda item: item.stamp, reverse=True):
        snapshot = load(cache / f"backup-{name}-{stamp}")
        if snapshot is not None:
            sessions.setdefault(snapshot.session_id, []).append(snapshot)
    _forget_all_but({one.path for snapshots in sessions.values() for one in snapshots}, cache)
    return sessions


def load(folder: Path) -> Snapshot | None:
    """The snapshot in `folder`, or `None` if its name is not that of one."""
    parsed = parse_stamped(folder.name)
    if parsed is None or not folder.name.startswith("backup-"):
        return None
    try:
        status = (folder / MANIFEST).stat()
        version = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        known, snapshot = _known.get(folder, (None, None))
        if snapshot is None or known != version:
            snapshot = from_header(folder, parsed.stamp, manifests.read_header(folder))
            _known[folder] = version, snapshot
        return snapshot
    except (manifests.ManifestError, OSError):
        return _without_manifest(folder, id_of(parsed.name), parsed.stamp)


#: Of each folder the inode, size and times of its manifest, and what that said: a restart asks for all snapshots some
#: five times, and each manifest is read once. What is gone is forgotten when all are asked for.
_known: Final[dict[Path, tuple[tuple[int, ...], Snapshot]]] = {}


def _forget_all_but(folders: set[Path], cache: Path) -> None:
    for folder in [known for known in _known.copy() if known.parent == cache and known not in folders]:
        _known.pop(folder, None)


def from_header(folder: Path, stamp: int, header: manifests.Header) -> Snapshot:
    """The snapshot that a manifest's header describes."""
    return Snapshot(
        session_id=header.session_id,
        path=folder,
        stamp=stamp,
        created_at=header.created_at,
        linked=header.linked,
        live=header.live,
        verified=header.verified,
        browser_version=header.browser_version,
        bytes=header.bytes,
        own_bytes=header.own_bytes,
        base=header.base,
        sequences=dict(header.sequences),
        problems=header.problems,
        has_manifest=True,
        plain=False,
        home=header.profile,
    )


def _without_manifest(folder: Path, session_id: str, stamp: int) -> Snapshot:
    size = scan(folder).size
    plain = is_session_folder(folder) and not has_manifest_file(folder)
    return Snapshot(
        session_id=session_id,
        path=folder,
        stamp=stamp,
        created_at=datetime.fromtimestamp(min(stamp, _LATEST_MS) / 1000, UTC),
        linked=None,
        live=False,
        verified=False,
        browser_version=None,
        bytes=size,
        own_bytes=size,
        base=None,
        sequences={},
        problems=("a plain copy, not verified" if plain else "it has no readable manifest",),
        has_manifest=False,
        plain=plain,
        home=None,
    )


def has_manifest_file(folder: Path) -> bool:
    """Whether a snapshot's folder was made by scanonce, be its manifest readable or not."""
    return os.path.lexists(folder / MANIFEST)


_LATEST_MS = 253_402_300_799_000  # the last second that a datetime can hold


def _names(cache: Path) -> list[Stamped]:
    try:
        with os.scandir(cache) as entries:
            folders = [e.name for e in entries if e.name.startswith("backup-") and e.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    return [parsed for parsed in map(parse_stamped, folders) if parsed is not None]
