"""What stands between scanonce and the bot: npm and its kin, and other programs that restart the bot."""

from __future__ import annotations

import itertools
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from supervisor.setup.doctor.finding import Finding, ok, problem, warning
from supervisor.setup.doctor.project import Place
from supervisor.system.escape import printable

NAMES = ("wrapper", "scripts")

_RUNNERS = frozenset({"npm", "npx", "yarn", "pnpm", "pnpx"})
_RESTARTERS = frozenset(
    {"nodemon", "pm2", "pm2-runtime", "pm2-dev", "forever", "supervisor", "node-dev", "ts-node-dev", "tsnd"}
    | {"onchange", "watchexec", "chokidar"}
)
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ash"})
_PASSED_OVER = frozenset({"env", "cross-env", "exec", "time", "dotenv", "--"})
_BY_NAME = frozenset({"start", "test", "restart", "stop"})  # scripts that npm runs without "run"
_LONGEST_SCRIPT = 10_000  # characters
_DEEPEST = 10  # scripts that call each other
MOST_LINKS = 50
"""More are not followed: scripts that call each other twice would grow without an end."""
_ASSIGNMENT = re.compile(r"\w+=")
_STOP = re.compile(r"&&|\|\||[;|&\n]")
_USUAL = ("dev", "start", "develop", "watch", "serve")


def look(place: Place) -> Iterator[Finding]:
    """The command that is configured, then the scripts that one would start the bot with."""
    yield _wrapper(place)
    yield _scripts(place)


def _wrapper(place: Place) -> Finding:
    if not place.command:
        return ok("wrapper", "No command is configured, so nothing can be said of what stands before the bot.")
    chain = list(links(place.command, place.package.scripts))
    shown = printable(" -> ".join(chain))
    if "scanonce" in chain:
        remedy = "Name what that script starts in the end: scanonce dev -- node index.js."
        return problem("wrapper", f"The command starts scanonce again ({shown}), which would find itself.", remedy)
    if any(_restarts(name) for name in chain):
        remedy = "Name the bot itself: scanonce dev -- node index.js. scanonce watches, and closes the browser first."
        seen = f"The command goes through a program that restarts the bot by signals ({shown}): the session is lost."
        return problem("wrapper", seen, remedy)
    if chain:
        remedy = "Starting the bot directly saves that start: scanonce dev -- node index.js."
        return warning("wrapper", f"The command goes through {shown}, which costs time and holds up signals.", remedy)
    return ok("wrapper", "The command starts the bot directly.")


def _scripts(place: Place) -> Finding:
    scripts = place.package.scripts
    for name in _USUAL:
        chain = list(links(["npm", "run", name], scripts)) if name in scripts else []
        if "scanonce" not in chain and any(_restarts(link) for link in chain):
            seen = f"npm run {name} goes through {printable(' -> '.join(chain[1:]))}, which kills the bot's browser."
            remedy = f'Let it start scanonce: "{name}": "scanonce dev -- node index.js".'
            if not (place.project / "scanonce.toml").exists():
                remedy += " scanonce init takes over what nodemon or pm2 was told."
            return warning("scripts", seen, remedy)
    return ok("scripts", "No script of package.json restarts the bot behind scanonce's back.")


def links(command: Sequence[str], scripts: Mapping[str, str]) -> Iterator[str]:
    """What a command goes through until it comes to the bot, outermost first: `npm run dev`, `nodemon`, ...

    A script that starts several programs is followed into each.
    """
    return itertools.islice(_links(command, scripts, 0), MOST_LINKS)


def _links(command: Sequence[str], scripts: Mapping[str, str], depth: int) -> Iterator[str]:
    words = list(command)
    while words and (_ASSIGNMENT.match(words[0]) or words[0] in _PASSED_OVER):
        words = words[1:]
    if not words:
        return
    name = os.path.basename(words[0]).removesuffix(".cmd").removesuffix(".exe")  # noqa: PTH119 - a word, perhaps a path
    rest = words[1:]
    if name in _SHELLS and "-c" in rest[:2] and rest[-1:] != ["-c"]:
        yield from _of_script(rest[rest.index("-c") + 1], scripts, depth)
    elif name in _RUNNERS:
        yield from _of_runner(name, rest, scripts, depth)
    elif name == "scanonce" or _restarts(name):
        yield name
    elif name in {"node", "bun", "tsx"} and _watches(rest):
        yield f"{name} --watch"


def _of_runner(name: str, rest: list[str], scripts: Mapping[str, str], depth: int) -> Iterator[str]:
    words = [word for word in rest if not word.startswith("-")]
    runs = words[:1] in (["run"], ["run-script"])
    script = words[1] if runs and len(words) > 1 else words[0] if words else ""
    if runs or script in _BY_NAME or (name in {"yarn", "pnpm"} and script in scripts):
        yield f"{name} run {script}"
        yield from _of_script(scripts.get(script, ""), scripts, depth)
    else:
        yield name
        yield from _links(words[1:] if words[:1] in (["exec"], ["dlx"], ["x"]) else words, scripts, depth)


def _of_script(script: str, scripts: Mapping[str, str], depth: int) -> Iterator[str]:
    if depth >= _DEEPEST:
        return
    for part in _STOP.split(script[:_LONGEST_SCRIPT]):
        try:
            words = shlex.split(part)
        except ValueError:  # a quote that the split has cut through
            words = part.split()
        yield from _links(words, scripts, depth + 1)


def _watches(words: Sequence[str]) -> bool:
    """Whether these arguments turn on the program's own watching; what follows the script is the script's."""
    own = itertools.takewhile(lambda word: word.startswith("-"), words)
    return words[:1] == ["watch"] or any(word.startswith("--watch") for word in own)


def _restarts(name: str) -> bool:
    return name in _RESTARTERS or name.endswith(" --watch")
