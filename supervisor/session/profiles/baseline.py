"""What a profile looked like when it was last known to be good: at its clean stop, or when it was restored.

A later check compares with it. It is written atomically but not durably: after a power cut the one before it may be
back, or none, and the check then looks at more files than it had to, which is safe.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from supervisor.session import names
from supervisor.session.profiles.scan import FileStat
from supervisor.system import clock
from supervisor.system import files as fsio
from supervisor.system.documents import parse_object

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from supervisor.session.profiles.profile import Profile
    from supervisor.session.profiles.scan import ProfileTree

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Baseline:
    """The state of a profile at one moment."""

    at: datetime
    files: dict[str, FileStat]
    sequences: dict[str, int] = field(default_factory=dict)
    """Per LevelDB folder, the last sequence number in it."""
    unverified: frozenset[str] = frozenset()
    """The files whose contents have not been read: they are as the browser left them at a clean stop."""

    def trusted(self, tree: ProfileTree) -> frozenset[str]:
        """The files of a walk that were verified then and have not changed since."""
        return frozenset(
            path for path, file in tree.files.items() if self.files.get(path) == file and path not in self.unverified
        )


def write(cache: Path, profile: Profile, baseline: Baseline) -> None:
    """Remember a profile's state. Raises `OSError`."""
    document = {
        "format": _FORMAT,
        "id": profile.id,
        "at": clock.iso(baseline.at),
        "sequences": baseline.sequences,
        "unverified": sorted(baseline.unverified),
        "files": baseline.files,
    }
    fsio.replace_file(_path(cache, profile), json.dumps(document, separators=(",", ":")).encode("ascii"), durable=False)


def read(cache: Path, profile: Profile) -> Baseline | None:
    """The remembered state, or `None` if there is none that can be read."""
    try:
        document = parse_object(_path(cache, profile).read_bytes())
        if document["format"] != _FORMAT or document["id"] != profile.id:
            return None
        return Baseline(
            at=clock.parse(document["at"]),
            files={path: FileStat(*values) for path, values in document["files"].items()},
            sequences={path: int(number) for path, number in document["sequences"].items()},
            unverified=frozenset(document["unverified"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def forget(cache: Path, profile: Profile) -> None:
    """Forget what is remembered. Raises `OSError`."""
    fsio.unlink(_path(cache, profile))


@lru_cache(maxsize=64)  # or pathlib would intern the name anew at each call (see supervisor.allocator)
def _path(cache: Path, profile: Profile) -> Path:
    return cache / f"{names.STOP_PREFIX}{profile.key}.json"
