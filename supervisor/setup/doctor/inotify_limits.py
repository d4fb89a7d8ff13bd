"""The kernel's limits on watching files (Linux, inotify(7)): per user, and shared by all that this user runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from supervisor.setup.doctor.finding import Finding, ok, problem, unknown
from supervisor.setup.doctor.project import Place
from supervisor.supervise.triggers.files import watch_rules
from supervisor.watch.file_tree import walk

NAMES = ("inotify",)

_LIMITS = Path("/proc/sys/fs/inotify")
_MOST_SECONDS = 2.0  # for counting folders, and again for counting what others of this user watch
_ROOM_TO_GROW = 50  # folders that may come while the bot is written


def look(place: Place) -> Iterator[Finding]:
    """What watching this project takes, against what is left."""
    if sys.platform != "linux":
        yield ok("inotify", "There is no such limit on this system.")
        return
    try:
        watches, instances = _limit("max_user_watches"), _limit("max_user_instances")
    except (OSError, ValueError) as error:
        yield unknown("inotify", f"The system's limits cannot be read: {error}.")
        return
    folders, complete = _watched_folders(place)
    used_watches, used_instances = _in_use()
    needed = folders + _ROOM_TO_GROW
    seen = f"Watching takes {'' if complete else 'at least '}{folders} of the {watches} inotify watches"
    if watches - used_watches < needed:
        wanted = max(524288, 2 * (used_watches + needed))
        yield problem("inotify", f"{seen} of this user, and {used_watches} are in use.", _raise("watches", wanted))
    elif instances - used_instances < 1:
        used = f"All {instances} inotify instances of this user are in use."
        yield problem("inotify", used, _raise("instances", max(1024, 2 * instances)))
    else:
        yield ok(
            "inotify", f"{seen} of this user; {used_watches} are in use, and {used_instances} of {instances} instances."
        )


def _raise(kind: str, wanted: int) -> str:
    return (
        f"sudo sysctl fs.inotify.max_user_{kind}={wanted} (for good: in /etc/sysctl.d/), or leave folders out "
        "(watch.ignore). Until then files are compared regularly, which is slower."
    )


def _limit(name: str) -> int:
    return int((_LIMITS / name).read_text())


def _watched_folders(place: Place) -> tuple[int, bool]:
    """How many folders are watched, one watch each; and whether that is all of them."""
    rules = watch_rules(place.project, place.config, place.store)
    entered: dict[str, str] = {}
    deadline = time.monotonic() + _MOST_SECONDS
    for base in rules.watched_paths:
        if base.is_folder():
            for _ in walk(rules, base.path, arm=lambda _f: None, refused=lambda _f, _e: None, entered=entered):
                if time.monotonic() > deadline:
                    return len(entered), False
    return len(entered), True


def _in_use() -> tuple[int, int]:
    """Watches and instances of our own processes; those of root's that act for us are not seen."""
    watches = instances = 0
    deadline = time.monotonic() + _MOST_SECONDS
    own = Path("/proc/self").stat().st_uid
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or time.monotonic() > deadline:
            continue
        try:
            if process.stat().st_uid != own:
                continue
            for descriptor in (process / "fd").iterdir():
                if str(descriptor.readlink()) == "anon_inode:inotify":
                    instances += 1
                    watches += (process / "fdinfo" / descriptor.name).read_text().count("inotify wd:")
        except OSError:  # it has just ended, or may not be looked at
            continue
    return watches, instances
