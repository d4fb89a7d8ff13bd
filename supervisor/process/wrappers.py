"""Finding the bot behind `npm run dev` and the shell that npm starts, `xvfb-run` and the like.

npm swallows or doubles signals (npm/cli #6547), so signals must go to the bot itself.
"""

import itertools
import os
import re
from collections.abc import Container, Iterable, Iterator, Sequence

from supervisor.process.table import ProcessEntry

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ash", "busybox"})
_RUNNERS = frozenset({"npm", "npx", "yarn", "pnpm", "pnpx", "corepack", "yarnpkg"})
#: The program by which shell scripts, and bots without a library for it, send notifications (systemd-notify(1)).
_MOUTHPIECE = "systemd-notify"

_SCRIPT = re.compile(r"\.(?:[cm]?[jt]sx?|py|rb|sh)$")

_SCRIPTS = frozenset({"npm-cli.js", "npx-cli.js", "yarn.js", "pnpm.cjs", "corepack.js"})


def runner_name(entry: ProcessEntry) -> str | None:
    """Return `npm`, `yarn`, `sh`, ... if this process only runs another one for the user, else None."""
    if not entry.argv:
        return None
    # npm sets its process title, so its whole command line may be the one string "npm run dev".
    words = entry.command_line.split(" ")
    if entry.name in _RUNNERS:
        return entry.name
    if entry.name in _SHELLS and "-c" in words[1:3]:
        return entry.name
    script = words[1].rsplit("/", 1)[-1] if len(words) > 1 else ""
    if script in _SCRIPTS or script in _RUNNERS:
        return script.removesuffix(".js").removesuffix(".cjs").removesuffix("-cli").removesuffix(".cli")
    return None


def unwrap(leader: int, tree: Iterable[ProcessEntry]) -> tuple[int, Sequence[str]]:
    """Return the pid of the bot itself, and the names of the package managers and shells before it, outermost first.

    `tree` is the leader and its descendants without any browser's processes. A wrapper that runs several programs, or
    none yet, is taken for the bot, unless its own command line says which of them it runs for the user.
    """
    family = _Family(tree)
    between: list[str] = []
    pid = leader
    while pid in family.entries and (child := family.program_of(pid)) is not None:
        if (name := runner_name(family.entries[pid])) is not None:
            between.append(name)
        pid = child.pid
    return pid, between


def speakers(leader: int, tree: Iterable[ProcessEntry], browsers: Iterable[int]) -> set[int]:
    """Return the pids of those whose word is the bot's own: the bot, what has started it, and what says it for them.

    That is the leader, what it runs as a wrapper, what leads from it to one of the `browsers` (pids of main processes),
    and `systemd-notify` if one of these has started it. A program that the bot uses, such as a database or a display
    server, is none of them, and may well have a word for its own starter.
    """
    family = _Family(tree)
    found = {leader}
    pid = leader
    while pid in family.entries and (child := family.program_of(pid) or family.script_of(pid)) is not None:
        found.add(pid := child.pid)
    for browser in browsers:
        found.update(family.ancestors(browser))
    said_for_them = (e.pid for e in family.entries.values() if e.name == _MOUTHPIECE and family.is_run_by(found, e))
    return found.union(said_for_them)


class _Family:
    """The processes of a tree, by pid and by parent."""

    def __init__(self, tree: Iterable[ProcessEntry]) -> None:
        self.entries = {entry.pid: entry for entry in tree}
        self._children: dict[int, list[ProcessEntry]] = {}
        for entry in self.entries.values():
            self._children.setdefault(entry.parent, []).append(entry)

    def program_of(self, pid: int) -> ProcessEntry | None:
        """The process that a wrapper runs for the user, None for any other process."""
        children, wrapper = self._children.get(pid, []), self.entries[pid]
        passed = [child for child in children if _names(wrapper, child)]
        if len(passed) == 1:
            return passed[0]
        return children[0] if len(children) == 1 and runner_name(wrapper) is not None else None

    def script_of(self, pid: int) -> ProcessEntry | None:
        """The process that runs the same script with the same arguments, in a way of its own, as tsx has it run."""
        alike = [child for child in self._children.get(pid, []) if _same_script(self.entries[pid], child)]
        return alike[0] if len(alike) == 1 else None

    def ancestors(self, pid: int) -> Iterator[int]:
        """The processes of the tree that lead to this one, nearest first, without itself."""
        while (entry := self.entries.get(pid)) is not None and entry.parent in self.entries:
            yield (pid := entry.parent)

    def is_run_by(self, pids: Container[int], entry: ProcessEntry) -> bool:
        """Whether one of these processes has started it, itself or by `sh -c`."""
        while entry.parent not in pids:
            parent = self.entries.get(entry.parent)
            if parent is None or runner_name(parent) not in _SHELLS:
                return False
            entry = parent
        return True


def _names(wrapper: ProcessEntry, child: ProcessEntry) -> bool:
    """Whether a wrapper's own command line ends with the child's, as with `xvfb-run -a node index.js`."""
    count = len(child.argv)
    if not 0 < count < len(wrapper.argv):
        return False
    program, *rest = wrapper.argv[-count:]
    return os.path.basename(program) == child.name and tuple(rest) == child.argv[1:]  # noqa: PTH119 - may be no path


def _same_script(wrapper: ProcessEntry, child: ProcessEntry) -> bool:
    ends = zip(reversed(wrapper.argv[1:]), reversed(child.argv[1:]), strict=False)
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], ends)
    return wrapper.argv != child.argv and any(_SCRIPT.search(word) for word, _ in same)
