"""Which Chromium browsers run in a tree of processes, and which profile each of them holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from supervisor.process.table import ProcessEntry, working_directory
from supervisor.session.profiles import singleton

_PROFILE_SWITCH = "--user-data-dir="
_TYPE_SWITCH = " --type="
_ZYGOTE = " --type=zygote "
_CRASHPAD = "crashpad_handler"

#: Programs that run scripts. A launcher script (Debian's `chromium` is one) carries the browser's arguments, and so
#: does every subshell that it forks, before it becomes the browser.
_INTERPRETERS = re.compile(r"(?:ba|da|z|a|k|fi)?sh|busybox|node(?:js)?|bun|deno|python[\d.]*|perl|ruby")


#: Packages of npm that drive a browser.
_LIBRARIES = (
    "puppeteer",
    "puppeteer-core",
    "playwright",
    "playwright-core",
    "selenium-webdriver",
    "whatsapp-web.js",
    "@wppconnect-team/wppconnect",
    "@open-wa/wa-automate",
)


@dataclass(frozen=True, slots=True)
class Browser:
    """One running browser: its profile, its main process, and every process that belongs to it."""

    profile: Path
    main: ProcessEntry
    processes: tuple[ProcessEntry, ...]

    @property
    def writers(self) -> tuple[ProcessEntry, ...]:
        """Those that may write to the profile, or have others write: all but its crash handler and its zygotes.

        A zygote is what Chromium forks its renderers from; both live until the main process is gone.
        """
        return tuple(
            entry for entry in self.processes if _ZYGOTE not in f"{entry.command_line} " and _CRASHPAD not in entry.name
        )


def profile_of(entry: ProcessEntry) -> Path | None:
    """The profile that a browser's main process was started with; None for any other process.

    The main process is the one without `--type=`. Chromium's children write their arguments as one string joined by
    blanks, the main process does not: there a profile's path may contain blanks.
    """
    if _TYPE_SWITCH in f" {entry.command_line}" or _CRASHPAD in entry.name or _INTERPRETERS.fullmatch(entry.name):
        return None
    # The last one counts, as in Chromium (base::CommandLine).
    values = [word.removeprefix(_PROFILE_SWITCH) for word in entry.argv[1:] if word.startswith(_PROFILE_SWITCH)]
    if not values or not values[-1]:
        return None
    folder = Path(values[-1])
    if not folder.is_absolute():
        directory = working_directory(entry.pid)
        if directory is None:
            return None
        folder = Path(directory) / folder
    return folder.resolve()


def find_browsers(tree: Iterable[ProcessEntry]) -> list[Browser]:
    """The browsers among these processes, one per profile, parents before children."""
    entries = list(tree)
    mains: dict[Path, ProcessEntry] = {}
    for entry in entries:
        profile = profile_of(entry)
        if profile is not None:
            mains[profile] = _the_main(profile, mains.get(profile), entry)
    return [Browser(profile, main, tuple(_family(main, entries))) for profile, main in mains.items()]


def _the_main(profile: Path, known: ProcessEntry | None, other: ProcessEntry) -> ProcessEntry:
    """Of two candidates for one profile, the one that holds it.

    A launcher of the user's may carry the same argument as the browser that it starts, and comes before it in the
    tree. The profile's lock names the true holder, once it has one. A child that Chromium has just forked is the very
    image of its parent until it becomes a renderer, a crash handler or the like: that can be seen on a busy machine,
    also before there is a lock. Of two with the same arguments it is the elder, wherever in the tree they are: who
    forks twice, as for the crash handler, leaves an orphan.
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
        # With its arguments, and not itself: one that it has just forked, and perhaps not as a child of its own.
        if (
            entry.pid == main.pid
            or entry.parent in pids
            or entry.argv == main.argv
            or (_CRASHPAD in entry.name and entry is not main)
        ):
            pids.add(entry.pid)
            yield entry


def without_browsers(tree: Iterable[ProcessEntry]) -> list[ProcessEntry]:
    """The processes that belong to no browser: the bot proper and whatever it has started beside."""
    entries = list(tree)
    theirs = {entry.pid for browser in find_browsers(entries) for entry in browser.processes}
    return [
        e for e in entries if e.pid not in theirs and _CRASHPAD not in e.name and _TYPE_SWITCH not in e.command_line
    ]


def drives_a_browser(folder: Path) -> bool:
    """Whether a library that drives a browser is installed for a bot in this folder."""
    return any((folder / "node_modules" / name).is_dir() for name in _LIBRARIES)
