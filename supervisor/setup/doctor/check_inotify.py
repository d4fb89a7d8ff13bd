"""Checks the kernel's limits on watching files (Linux, inotify(7)), which all processes of a user share."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from supervisor.setup.doctor.finding import Finding, ok, problem, unknown
from supervisor.setup.doctor.project import CheckedProject
from supervisor.supervise.triggers.source_files import watch_rules
from supervisor.watch.file_tree import walk

_LIMITS = Path("/proc/sys/fs/inotify")
_MOST_SECONDS = 2.0  # for counting folders, and again for counting the watches of other processes
_ROOM_TO_GROW = 50  # folders that may be added during development


def inotify(project: CheckedProject) -> Iterator[Finding]:
    """`inotify`: the watches that this project needs, against those that are left."""
    if sys.platform != "linux":
        yield ok("inotify", "There is no such limit on this system.")
        return
    try:
        watches, instances = (int((_LIMITS / f"max_user_{kind}").read_text()) for kind in ("watches", "instances"))
    except (OSError, ValueError) as error:
        yield unknown("inotify", f"The system's limits cannot be read: {error}.")
        return
    folders, complete = _watched_folders(project)
    used_watches, used_instances = _in_use()
    needed = folders + _ROOM_TO_GROW
    seen = f"Watching takes {'' if complete else 'at least '}{folders} of the {watches} inotify watches of this user"
    if watches - used_watches < needed:
        wanted = max(524288, 2 * (used_watches + needed))
        yield problem("inotify", f"{seen}, and {used_watches} are in use.", _raise("watches", wanted))
    elif instances - used_instances < 1:
        used = f"All {instances} inotify instances of this user are in use."
        yield problem("inotify", used, _raise("instances", max(1024, 2 * instances)))
    else:
        used = f"{used_watches} are in use, and {used_instances} of {instances} instances."
        yield ok("inotify", f"{seen}; {used}")


def _raise(kind: str, wanted: int) -> str:
    return (
        f"Run sudo sysctl fs.inotify.max_user_{kind}={wanted} (permanently: in /etc/sysctl.d/), or exclude folders "
        "(watch.ignore). Until then files are compared regularly, which is slower."
    )


def _watched_folders(project: CheckedProject) -> tuple[int, bool]:
    """The number of watched folders, one watch each, and whether that is all of them."""
    rules = watch_rules(project.root, project.config, project.profiles)
    entered: dict[str, str] = {}
    deadline = time.monotonic() + _MOST_SECONDS
    for base in rules.watched_paths:
        if base.is_folder():
            for _ in walk(rules, base.path, arm=lambda _f: None, refused=lambda _f, _e: None, entered=entered):
                if time.monotonic() > deadline:
                    return len(entered), False
    return len(entered), True


def _in_use() -> tuple[int, int]:
    """The watches and instances of this user's processes; those of root that act for the user are not visible."""
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
        except OSError:  # the process has just ended, or may not be examined
            continue
    return watches, instances
