"""Which processes are ours: those of the running bot, and those that an earlier supervisor left behind.

A process is touched only if it descends from this supervisor, carries this project's mark in its environment, or is an
orphaned browser on one of this project's profiles. A browser on our profile whose bot was started by another program
and still runs is a stranger's: it is reported, and waited for.
"""

import itertools
import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from supervisor.browser.processes import find_browsers, profile_of
from supervisor.process.descendants import Descendants
from supervisor.process.reaper import childless
from supervisor.process.table import (
    ProcessEntry,
    descendants,
    find_by_argument,
    find_by_mark,
    parent_program,
    was_alive_at,
)
from supervisor.system.runtime_dir import project_key

#: Programs that adopt orphans: the user's own systemd, and what runs as init, or in its place, in containers.
_ADOPTERS = frozenset({"systemd", "init", "launchd", "tini", "dumb-init", "docker-init", "catatonit", "s6-svscan"})


class Territory:
    """The processes of one project. `contained`: no descendant of ours can leave the tree (subreaper, Linux)."""

    def __init__(self, project: Path, *, contained: bool) -> None:
        self.project = project
        self.contained = contained
        self._descendants = Descendants()
        #: A script that ends in `exec scanonce` hands down to us what it has started before: not the bot's processes.
        self._inherited = self._descendants.look()
        #: The pids of processes that the supervisor runs for itself; neither they nor what they start is the bot's.
        self.helper_pids: set[int] = set()
        #: The same of those that another thread has started: they are not in the way of the proof that nothing lives.
        self.apart: set[int] = set()
        #: The same of browsers that are kept while no bot runs that they could belong to.
        self.kept: set[int] = set()
        self._numbers = itertools.count(1)
        self.key = project_key(project)

    def new_mark(self) -> str:
        """The mark for one run of the bot: the project's key, then what makes the run unique."""
        return f"{self.key}-{os.getpid()}-{int(time.time() * 1000)}-{next(self._numbers)}"

    def living(self) -> list[ProcessEntry]:
        """Every living process of the bot that this supervisor has started, parents before children."""
        descendants = self._without_others(self._descendants.look())
        if self.contained:
            return descendants
        pids = {entry.pid for entry in descendants}
        return descendants + self._without_others([entry for entry in self._marked() if entry.pid not in pids])

    def proven_empty(self) -> bool:
        """Whether nothing of the bot lives, beyond what a look can show; every zombie must have been reaped.

        While something runs beside the bot, a message that is being sent for instance, a look has to do.
        """
        if not self.contained or childless():
            return True
        return bool(self.helper_pids or self.kept) or any(entry.handle.alive for entry in self._inherited)

    def keep(self, browser: Iterable[ProcessEntry]) -> None:
        """Count the processes of a browser as no bot's, until it is given back."""
        self.kept |= {entry.pid for entry in browser}

    def give_back(self) -> None:
        """The browsers that were kept belong to the bot that runs next, or to what is left of the last one."""
        self.kept.clear()

    def left_behind(self, profiles: Iterable[Path]) -> tuple[list[ProcessEntry], list[ProcessEntry]]:
        """Processes that earlier runs left: first those that are ours to close, then browsers that belong to others."""
        wanted = {profile.resolve() for profile in profiles}
        marked = self._marked()
        # Chromium's children write their title over their environment: they are found by descent only.
        families = (descendants(entry.pid) for entry in marked)
        ours = {entry.pid: entry for entry in itertools.chain(self.living(), marked, *families)}
        strangers = []
        for main in _browsers_of_the_machine() if wanted else ():
            if main.pid in ours or main.pid in self.kept or profile_of(main) not in wanted:
                continue
            if self._has_a_bot(main):
                strangers.append(main)
            else:
                ours |= {entry.pid: entry for entry in (main, *descendants(main.pid))}
        return list(ours.values()), strangers

    def leftovers(self, profiles: Sequence[Path]) -> Callable[[], list[ProcessEntry]]:
        """A look, to be taken repeatedly, at the processes of ours that earlier runs left.

        Each look is a new one: a bot that was left in the midst of its start opens its browser between the first look
        and its freeze. A process that was seen once is kept for as long as it lives, even if its parents end.
        """
        known: dict[int, ProcessEntry] = {}

        def look() -> list[ProcessEntry]:
            for entry in self.left_behind(profiles)[0]:
                if entry.pid not in known or not known[entry.pid].handle.alive:
                    known[entry.pid] = entry
            return [entry for entry in known.values() if entry.handle.alive]

        return look

    def _without_others(self, descendants: list[ProcessEntry]) -> list[ProcessEntry]:
        """Leave out what was handed down to us, what runs for ourselves, and what either has started."""
        if not self._inherited and not self.helper_pids and not self.apart and not self.kept:
            return descendants
        # By what holds them, not by how they looked: since then they may have become another program, have lost their
        # parent, or have been in the midst of either when they were seen.
        theirs = (
            self.helper_pids | self.apart | self.kept | {entry.pid for entry in self._inherited if entry.handle.alive}
        )
        ours = []
        for entry in descendants:  # parents come before children
            if entry.pid in theirs or entry.parent in theirs:
                theirs.add(entry.pid)
            else:
                ours.append(entry)
        return ours

    def _marked(self) -> list[ProcessEntry]:
        # What waits for its start bears its mark already.
        marked = find_by_mark(f"{self.key}-", passed_over=_has_supervisor)
        return [entry for entry in marked if entry.pid not in self.apart and entry.pid not in self.kept]

    def _has_a_bot(self, browser: ProcessEntry) -> bool:
        """Whether the program that started the browser still runs. An orphan's parent is init, or another adopter.

        In doubt it does: closing a browser under a running bot would be worse than asking the user.
        """
        program = parent_program(browser.pid) if browser.parent != 1 else None
        return program is not None and program not in _ADOPTERS


def _has_supervisor(mark: str) -> bool:
    """Whether another supervisor that made a mark lives: of what bears it, nothing was left behind.

    The locks keep a second one off; this does where they cannot, as on a network mount.
    """
    match = re.fullmatch(r"\w+-([0-9]{1,9})-([0-9]{1,15})-[0-9]+", mark, re.ASCII)
    return match is not None and int(match[1]) != os.getpid() and was_alive_at(int(match[1]), int(match[2]) / 1000)


def _browsers_of_the_machine() -> list[ProcessEntry]:
    return [browser.main for browser in find_browsers(find_by_argument("--user-data-dir="))]
