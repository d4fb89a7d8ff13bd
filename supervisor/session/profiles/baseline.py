"""What a profile looked like when it was last known to be good: at its clean stop, or when it was restored.

A later check compares with it. It is written atomically but not durably: after a power cut the one before it may be
back, or none, and the check then looks at more files than it had to, which is safe.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from supervisor.session import names
from supervisor.session.profiles.scan import FileStat
from supervisor.system import clock
from supervisor.system import files as fsio
from supervisor.system.reading import read_object

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from supervisor.session.profiles.profile import Profile
    from supervisor.session.profiles.scan import ProfileTree

_FORMAT = 1
_LARGEST = 64 << 20  # bytes; as of a manifest


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


class _Document(BaseModel):
    model_config = ConfigDict(strict=True)

    format: Literal[1]
    id: str
    at: str
    sequences: dict[str, int]
    unverified: list[str]
    files: dict[str, Annotated[list[int], Field(min_length=4, max_length=4)]]
    """Per path, the values of a `FileStat`."""


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
        document = read_object(_path(cache, profile), _LARGEST)
        known = _Document.model_validate(document)
        if known.id != profile.id:
            return None
        return Baseline(
            at=clock.parse(known.at),
            files={path: FileStat(*values) for path, values in known.files.items()},
            sequences=known.sequences,
            unverified=frozenset(known.unverified),
        )
    except (OSError, ValueError):
        return None


def forget(cache: Path, profile: Profile) -> None:
    """Forget what is remembered. Raises `OSError`."""
    fsio.unlink(_path(cache, profile))


@lru_cache(maxsize=64)  # or pathlib would intern the name anew at each call (see supervisor.allocator)
def _path(cache: Path, profile: Profile) -> Path:
    return cache / f"{names.STOP_PREFIX}{profile.key}.json"
