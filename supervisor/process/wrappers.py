"""Finding the bot behind `npm run dev` and the shell that npm starts.

npm swallows or doubles signals (npm/cli #6547), so signals must go to the bot itself.
"""

from collections.abc import Iterable, Sequence

from supervisor.process.table import ProcessEntry

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ash", "busybox"})
_RUNNERS = frozenset({"npm", "npx", "yarn", "pnpm", "pnpx", "corepack", "yarnpkg"})
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
    """Return the pid of the bot itself, and the names of the wrappers between it and us, outermost first.

    `tree` is the leader and its descendants without any browser's processes. A wrapper with several children, or with
    none yet, is taken for the bot.
    """
    entries = {entry.pid: entry for entry in tree}
    children: dict[int, list[int]] = {}
    for entry in entries.values():
        children.setdefault(entry.parent, []).append(entry.pid)
    between: list[str] = []
    pid = leader
    while pid in entries and (name := runner_name(entries[pid])) and len(children.get(pid, ())) == 1:
        between.append(name)
        pid = children[pid][0]
    return pid, between
