"""Which Chromium browsers run in a tree of processes, which profile each of them holds, and their version."""

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from supervisor.process.paths import path_of
from supervisor.process.table import ProcessEntry
from supervisor.session.profiles import singleton

_PROFILE_SWITCH = "--user-data-dir="
_TYPE_SWITCH = " --type="
_ZYGOTE = " --type=zygote "
_CRASHPAD = "crashpad_handler"

#: In place of a profile that no path of ours leads to: a name that nothing can have (proc(5)).
_UNREACHABLE = "unreachable"

#: Programs that run scripts. A launcher script, such as Debian's `chromium`, has the browser's arguments, and so has
#: every subshell that it forks, before it becomes the browser.
_INTERPRETERS = re.compile(r"(?:ba|da|z|a|k|fi)?sh|busybox|node(?:js)?|bun|deno|python[\d.]*|perl|ruby")

#: Chromium `chrome/common/chrome_switches.cc`.
_OFF_THE_RECORD = frozenset({"--incognito", "--guest"})

_VERSION_TIMEOUT = 5.0  # seconds; Chromium answers in some 50 ms
_VERSION = re.compile(r"(?:chrom|brave|edge|opera|vivaldi)\D*(\d+(?:\.\d+)+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Browser:
    """One running browser: its profile, its main process, and all its processes, `main` included."""

    profile: Path
    main: ProcessEntry
    processes: tuple[ProcessEntry, ...]

    @property
    def writers(self) -> tuple[ProcessEntry, ...]:
        """The processes that may write to the profile: all but the crash handler and the zygotes.

        Chromium forks its renderers from a zygote; both live until the main process is gone.
        """
        return tuple(
            entry for entry in self.processes if _ZYGOTE not in f"{entry.command_line} " and _CRASHPAD not in entry.name
        )


def profile_of(entry: ProcessEntry) -> Path | None:
    """Return the profile that a browser's main process was started with, None for any other process.

    The main process has no `--type=`. Its arguments are separate, so a profile's path may contain blanks; Chromium's
    children write theirs as one string joined by blanks.
    """
    if _TYPE_SWITCH in f" {entry.command_line}" or _CRASHPAD in entry.name or _INTERPRETERS.fullmatch(entry.name):
        return None
    # The last one counts, as in Chromium (base::CommandLine).
    values = [word.removeprefix(_PROFILE_SWITCH) for word in entry.argv[1:] if word.startswith(_PROFILE_SWITCH)]
    if not values or not values[-1]:
        return None
    # It is a browser, and is closed as one, even if its profile is not to be found.
    return path_of(entry.pid, values[-1]) or Path(f"/proc/{entry.pid}/{_UNREACHABLE}/{values[-1]}")


def is_incognito(browser: Browser) -> bool:
    """Whether a browser was told to keep nothing of its first page."""
    return not _OFF_THE_RECORD.isdisjoint(browser.main.argv)


def is_reachable(profile: Path) -> bool:
    """Whether a browser's profile was found: not in a folder that was removed, nor by a browser that is exiting."""
    return _UNREACHABLE not in profile.parts[3:4]


def find_browsers(tree: Iterable[ProcessEntry]) -> list[Browser]:
    """Return the browsers among these processes, one per profile; `tree` has parents before children."""
    entries = list(tree)
    mains: dict[Path, ProcessEntry] = {}
    for entry in entries:
        profile = profile_of(entry)
        if profile is not None:
            mains[profile] = _the_main(profile, mains.get(profile), entry)
    return [Browser(profile, main, tuple(_family(main, entries))) for profile, main in mains.items()]


def _the_main(profile: Path, known: ProcessEntry | None, other: ProcessEntry) -> ProcessEntry:
    """Return the one of two candidates that holds the profile.

    A launcher may have the same argument as the browser that it starts, and comes before it in the tree; the profile's
    lock, once there is one, names the holder. A child that Chromium has just forked has its parent's arguments until it
    becomes a renderer, a crash handler or the like, which a look on a busy machine can see, also before there is a
    lock. Of two with the same arguments it is therefore the elder, wherever in the tree: a double fork, as for the
    crash handler, leaves an orphan.
    """
    if known is None:
        return other
    holder = singleton.holder(profile)
    if known.argv == other.argv and (holder is None or holder.pid not in {known.pid, other.pid}):
        return min(known, other, key=lambda one: (one.started, one.pid))
    return known if holder is not None and holder.pid == known.pid else other


def _family(main: ProcessEntry, entries: Sequence[ProcessEntry]) -> Iterable[ProcessEntry]:
    pids = {main.pid}
    for entry in entries:
        # The same arguments: a process that it has just forked, which need not be its child.
        if (
            entry.pid == main.pid
            or entry.parent in pids
            or entry.argv == main.argv
            or (_CRASHPAD in entry.name and entry is not main)
        ):
            pids.add(entry.pid)
            yield entry


def without_browsers(tree: Iterable[ProcessEntry]) -> list[ProcessEntry]:
    """Return the processes that belong to no browser: the bot itself and its other children."""
    entries = list(tree)
    theirs = {entry.pid for browser in find_browsers(entries) for entry in browser.processes}
    return [
        e for e in entries if e.pid not in theirs and _CRASHPAD not in e.name and _TYPE_SWITCH not in e.command_line
    ]


def version_if_replaced(program: str, since: datetime) -> str | None:
    """Run `program --version` if the program has been replaced since then, and return the version.

    None if it has not been replaced (which takes one `stat`), is gone, or prints no version as Chromium and its
    derivatives do.
    """
    try:
        # Not the mtime, which comes from the package.
        if os.stat(program).st_ctime <= since.timestamp():  # noqa: PTH116 - argv holds what may be no path
            return None
        asked = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_VERSION_TIMEOUT,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(asked.stdout.decode("utf-8", "replace"))
    return found[1] if found else None
