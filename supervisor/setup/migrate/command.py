"""The bot's command as nodemon's users write it: a script, and perhaps what is to run it."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

#: What runs a script, by its extension. For TypeScript the first that is installed; node runs none of it before 22.18.
INTERPRETERS: Mapping[str, tuple[str, ...]] = {
    "js": ("node",),
    "mjs": ("node",),
    "cjs": ("node",),
    "ts": ("tsx", "ts-node"),
    "mts": ("tsx", "ts-node"),
    "cts": ("tsx", "ts-node"),
    "tsx": ("tsx", "ts-node"),
    "py": ("python3", "python"),
}

_OF_SHELLS = frozenset("|&;<>()$`*?[]#~%{}\n")


class ScriptError(Exception):
    """There is nothing that would run this script; the message says what to install or to write."""


def is_script(word: str) -> bool:
    """Whether this names a script that needs an interpreter, by its extension."""
    return Path(word).suffix.removeprefix(".").lower() in INTERPRETERS


def names_script(word: str, project: Path) -> bool:
    """Whether somebody who writes this word means a script; its name alone or its folder will do, as for node."""
    if is_script(word) or not word:
        return bool(word)
    named = project / word
    found = (named / "package.json", named / "index.js") if named.is_dir() else (named.with_name(f"{named.name}.js"),)
    return any(one.is_file() for one in found) and shutil.which(word) is None


def run_script(words: Sequence[str], project: Path, map_: Mapping[str, str] | None = None) -> list[str]:
    """The command that runs `words`, a script and its arguments; `map_` is nodemon's `execMap`.

    Raises `ScriptError` where nothing that is installed would run it.
    """
    script, *arguments = words
    extension = Path(script).suffix.removeprefix(".").lower()
    mapped = (map_ or {}).get(extension)
    if mapped:
        return run_with(mapped, [script, *arguments])
    candidates = INTERPRETERS.get(extension, ("node",))
    if candidates == ("node",):
        return ["node", script, *arguments]
    for name in candidates:
        found = installed(name, project)
        if found is not None:
            return [found, script, *arguments]
    raise ScriptError(
        f"{script} needs {' or '.join(candidates)}, and none is installed here: npm install --save-dev "
        f"{candidates[0]}, or write the whole command after --, such as -- node {script} with Node.js 22.18 or later"
        if "tsx" in candidates
        else f"{script} needs {candidates[0]}, which was not found; write the whole command after --"
    )


def run_with(program: str, words: Sequence[str]) -> list[str]:
    """The command for `--exec PROGRAM` and a script; a shell runs what only a shell understands."""
    if _OF_SHELLS & set(program):
        return ["sh", "-c", f'{program} "$@"' if words else program, *(("sh", *words) if words else ())]
    return [*_split(program), *words]


def installed(name: str, project: Path) -> str | None:
    """A program as npm scripts find it: in the project's packages or those above, else on the PATH. None if nowhere."""
    for folder in (project, *project.parents):
        local = folder / "node_modules" / ".bin" / name
        if local.exists():
            return str(local)
    return name if shutil.which(name) else None


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quote that is not closed: the shell says what is wrong with it
        return ["sh", "-c", text]


def local(command: Sequence[str], project: Path, cwd: str = "") -> list[str]:
    """The command with a program of the project's own packages by its path from `cwd`, the bot's folder.

    Only npm scripts find such a program by its name.
    """
    program, *rest = command
    found = project / "node_modules" / ".bin" / program if "/" not in program else Path(program)
    if found.is_absolute() and found.is_relative_to(project) and found.exists():
        return [os.path.relpath(found, project / cwd).replace(os.sep, "/"), *rest]
    return [program, *rest]
