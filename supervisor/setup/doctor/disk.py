"""Whether there is room for the next snapshot, and for the browser to work."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from supervisor.admin.inspect import walk
from supervisor.session.checks import ROOM_TO_WORK
from supervisor.setup.doctor.finding import Finding, ok, problem
from supervisor.setup.doctor.project import Place
from supervisor.system.escape import printable

NAMES = ("disk",)


def look(place: Place) -> Iterator[Finding]:
    """The disk of the snapshots, and that of the profiles if it is another one."""
    size = sum(walk(profile).size for profile in place.profiles if profile.folder.is_dir())
    needed = size + ROOM_TO_WORK
    seen: set[int] = set()
    for folder in (place.project / place.config.session.cache, *(profile.folder for profile in place.profiles)):
        there = _existing(folder)
        device = there.stat().st_dev
        if device not in seen:
            seen.add(device)
            yield _room(folder, there, needed)


def _room(folder: Path, there: Path, needed: int) -> Finding:
    free = shutil.disk_usage(there).free
    name = printable(folder)
    if free >= needed:
        text = f"{free >> 20} MB are free on the disk of {name}; a snapshot or a restore needs {needed >> 20} MB."
        return ok("disk", text, subject=str(folder))
    text = f"Only {free >> 20} MB are free on the disk of {name}, and a snapshot or a restore needs {needed >> 20} MB."
    remedy = "Free some space: a browser that cannot write loses data. scanonce snapshot prune removes old copies."
    return problem("disk", text, remedy, subject=str(folder))


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(place for place in (path, *path.parents) if place.exists())
