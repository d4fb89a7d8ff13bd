"""Checks the bot's command and the scripts of package.json for wrappers, other restarters, and removal of sessions."""

import contextlib
import itertools
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from supervisor.setup.doctor.finding import Finding, ok, problem, warning
from supervisor.setup.doctor.project import CheckedProject
from supervisor.system.escape import printable
from supervisor.system.reading import read_start

_RUNNERS = frozenset({"npm", "npx", "yarn", "pnpm", "pnpx"})
_RESTARTERS = frozenset(
    {"nodemon", "pm2", "pm2-runtime", "pm2-dev", "forever", "supervisor", "node-dev", "ts-node-dev", "tsnd"}
    | {"onchange", "watchexec", "chokidar"}
)
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ash"})
_SKIPPED = frozenset({"env", "cross-env", "exec", "time", "dotenv", "--"})
_BY_NAME = frozenset({"start", "test", "restart", "stop"})  # scripts that npm runs without "run"
_LONGEST_SCRIPT = 10_000  # characters of a script that are examined
_DEEPEST = 10  # scripts that call each other
MOST_LINKS = 50
"""Links that are followed at most: the chain of scripts that call each other twice grows without end."""
_ASSIGNMENT = re.compile(r"\w+=")
_SEPARATOR = re.compile(r"&&|\|\||[;|&\n]")
_STARTERS = ("dev", "start", "develop", "watch", "serve")
_REMOVES = re.compile(
    r"(?i)\b(?:rm\s+-\w*r\w*|rm\s+--recursive|rimraf|del-cli|trash|rmdir|rd\s+/s|del\s+/[sq]|Remove-Item|rmSync)\b"
    r"|\bfind\b[^\n]{0,500}\s-(?:delete\b|exec\s+rm\b)"
)
_BY_AGE = re.compile(
    r"(?i)-[cma](?:time|min)\s+\+|\bforfiles\b|\bLastWriteTime\b|\bCreationTime\b|\btmpwatch\b|\btmpreaper\b"
)
_ENDS_BROWSERS = re.compile(
    r"(?i)\b(?:taskkill|pkill|killall|Stop-Process|spps|kill\s+-Name)\b[^\n;&|]{0,200}\b(?:google-)?(?:chrome|chromium)"
    r"|\b(?:Get-Process|gps|pgrep|ps)\b[^\n;&]{0,200}\b(?:chrome|chromium)[^\n;&]{0,200}\|[^\n;&]{0,100}"
    r"\b(?:Stop-Process|kill)\b"
    r"|\bkill\b[^\n;&|]{0,50}pgrep[^\n;&|]{0,50}\b(?:chrome|chromium)"
)
_REMOVES_IN_SOURCE = re.compile(
    r"\b(?:rmSync|rmdirSync|unlinkSync|removeSync|rimraf|fsp?\s?\.\s?(?:promises\s?\.\s?)?(?:rm|rmdir|unlink|remove))\s?\("
)
_AGE_IN_SOURCE = re.compile(
    r"\b(?:mtime|birthtime|ctime)(?:Ms)?\b|\bDate\s?\.\s?now\(\)\s?-|\b24\s?\*\s?60\s?\*\s?60|\b60\s?\*\s?60\s?\*\s?24\b"
)
_SEGMENT = re.compile(r"&&|\|\||[;\n]")
_COMMENT = re.compile(r"(?im)^\s*(?:#|::|@?rem\b).*")
_SCRIPT_FILES = frozenset({".ps1", ".bat", ".cmd", ".sh"})
_MOST_SCRIPT_FILES = 50
_RUN_BY_NPM = re.compile(r"(?:pre|post)\w+|start|dev|develop|watch|serve|install|prepare|restart|stop")


def wrappers(project: CheckedProject) -> Iterator[Finding]:
    """`wrapper` for the configured command, `scripts` for the scripts that usually start the bot."""
    yield _wrapper(project)
    yield _scripts(project)


@dataclass(frozen=True, slots=True)
class _Script:
    where: str
    text: str
    automatic: bool


def removal(project: CheckedProject) -> Iterator[Finding]:
    """`session-removal` and `browser-kill`, for each script that removes sessions or snapshots, or ends browsers."""
    scripts = list(_all_scripts(project))
    yield from _removal(scripts, project)
    yield from _kills(scripts, project)


def _all_scripts(project: CheckedProject) -> Iterator[_Script]:
    for name, text in project.package.scripts.items():
        automatic = _RUN_BY_NPM.fullmatch(name) is not None
        yield _Script(f"The script {printable(name)} in package.json", text[:_LONGEST_SCRIPT], automatic)
    for folder in (project.directory, project.directory / "scripts"):
        with contextlib.suppress(OSError):
            found = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in _SCRIPT_FILES]
            for path in found[:_MOST_SCRIPT_FILES]:
                with contextlib.suppress(OSError):
                    text = read_start(path, _LONGEST_SCRIPT, follow=True).decode("utf-8", "replace")
                    yield _Script(
                        f"The script {printable(project.shown(path))}", _COMMENT.sub("", text), automatic=False
                    )


def _removal(scripts: Iterable[_Script], project: CheckedProject) -> Iterator[Finding]:
    folders = {"sessions", ".wwebjs_auth", "tokens", project.cache.name, project.state_file.name}
    for profile in project.profiles:
        if profile.path.is_relative_to(project.root):
            folders.add(profile.path.relative_to(project.root).parts[0])
    removed = re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, sorted(folders)))})(?![\w.-])")
    found = False
    for script in scripts:
        parts = [part for part in _SEGMENT.split(script.text) if _REMOVES.search(part) or _BY_AGE.search(part)]
        part, folder = next(((part, one) for part in parts if (one := removed.search(part))), ("", None))
        if folder is None:
            continue
        found = True
        if folder[0] == project.cache.name and _BY_AGE.search(part):
            yield _by_age(f"{script.where} removes what is old", project)
            continue
        seen = f"{script.where} removes {printable(folder[0])}, which holds the session."
        if script.automatic:
            yield problem("session-removal", seen, "Remove that: it runs automatically, and you would have to scan.")
        else:
            yield warning("session-removal", seen, "Remove that, or do not run it while you want to stay linked.")
    for file in project.sources.files:
        named = re.search(rf"""['"`/]{re.escape(project.cache.name)}\b""", file.text)
        if named and _REMOVES_IN_SOURCE.search(file.text) and _AGE_IN_SOURCE.search(file.text):
            found = True
            where = printable(file.at(named.start()))
            yield _by_age(f"A hint from the source text: the code at {where} seems to remove what is old", project)
    if not found:
        yield ok("session-removal", "No script removes a session.")


def _by_age(what: str, project: CheckedProject) -> Finding:
    seen = f"{what} in {printable(project.cache.name)}: scanonce's last good snapshot may be among it."
    return warning(
        "session-removal", seen, "Leave that folder out: scanonce removes its old snapshots itself ([snapshot])."
    )


def _kills(scripts: Iterable[_Script], project: CheckedProject) -> Iterator[Finding]:
    found = False
    remedy = (
        "Remove that: scanonce closes the bot's own browsers, and a browser that is killed loses what is not on disk."
    )
    for script in scripts:
        if match := _ENDS_BROWSERS.search(script.text):
            found = True
            seen = f"{script.where} ends every browser of this machine ({printable(match[0])})."
            yield (problem if script.automatic else warning)("browser-kill", seen, remedy)
    for file, match in project.sources.search(_ENDS_BROWSERS):
        found = True
        where = printable(file.at(match.start()))
        seen = f"A hint from the source text: {where} ends every browser of this machine ({printable(match[0])})."
        yield warning("browser-kill", seen, remedy)
        break
    if not found:
        yield ok("browser-kill", "No script ends the browsers of this machine.")


def _wrapper(project: CheckedProject) -> Finding:
    if not project.command:
        return ok("wrapper", "No command is configured, so it cannot be checked for wrappers.")
    chain = list(links(project.command, project.package.scripts))
    shown = printable(" -> ".join(chain))
    if "scanonce" in chain:
        remedy = "Use the command at the end of that chain: scanonce dev -- node index.js."
        return problem("wrapper", f"The command starts scanonce again ({shown}), which would refuse to run.", remedy)
    if any(_restarts(name) for name in chain):
        remedy = "Run the bot directly: scanonce dev -- node index.js. scanonce watches, and closes the browser first."
        seen = f"The command uses a program that restarts the bot by signals ({shown}): the session is lost."
        return problem("wrapper", seen, remedy)
    if chain:
        remedy = "Run the bot directly: scanonce dev -- node index.js."
        return warning("wrapper", f"The command uses {shown}, which costs time and delays signals.", remedy)
    return ok("wrapper", "The command starts the bot directly.")


def _scripts(project: CheckedProject) -> Finding:
    scripts = project.package.scripts
    for name in _STARTERS:
        chain = list(links(["npm", "run", name], scripts)) if name in scripts else []
        if "scanonce" not in chain and any(_restarts(link) for link in chain):
            seen = f"npm run {name} uses {printable(' -> '.join(chain[1:]))}, which kills the bot's browser."
            remedy = f'Use scanonce instead: "{name}": "scanonce dev -- node index.js".'
            if not (project.root / "scanonce.toml").exists():
                remedy += " scanonce init takes over the settings of nodemon or pm2."
            return warning("scripts", seen, remedy)
    return ok("scripts", "No script in package.json restarts the bot without scanonce.")


def links(command: Sequence[str], scripts: Mapping[str, str]) -> Iterator[str]:
    """The programs between a command and the bot, outermost first: `npm run dev`, `nodemon`, ...

    A script that starts several programs is followed into each.
    """
    return itertools.islice(_links(command, scripts, 0), MOST_LINKS)


def _links(command: Sequence[str], scripts: Mapping[str, str], depth: int) -> Iterator[str]:
    words = list(command)
    while words and (_ASSIGNMENT.match(words[0]) or words[0] in _SKIPPED):
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
    for part in _SEPARATOR.split(script[:_LONGEST_SCRIPT]):
        try:
            words = shlex.split(part)
        except ValueError:  # the separator was inside quotes
            words = part.split()
        yield from _links(words, scripts, depth + 1)


def _watches(words: Sequence[str]) -> bool:
    """Whether these arguments turn on the program's own watching; those after the script belong to the script."""
    own = itertools.takewhile(lambda word: word.startswith("-"), words)
    return words[:1] == ["watch"] or any(word.startswith("--watch") for word in own)


def _restarts(name: str) -> bool:
    return name in _RESTARTERS or name.endswith(" --watch")
