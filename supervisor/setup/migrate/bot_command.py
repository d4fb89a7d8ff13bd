"""The bot's command from a script and, perhaps, the program that runs it, as users of nodemon write it."""

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

#: Programs that run a script, by its extension; the first one that is installed. node runs TypeScript from 22.18 on.
INTERPRETERS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("js", "mjs", "cjs"), ("node",)),
    **dict.fromkeys(("ts", "mts", "cts", "tsx"), ("tsx", "ts-node")),
    "py": ("python3", "python"),
}

_NEEDS_SHELL = frozenset("|&;<>()$`*?[]#~%{}\n")


_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_FILENAME = re.compile(r"\{\{\s*filename\s*\}\}")
_FOLDER = re.compile(r"\{\{\s*pwd\s*\}\}")


class ScriptError(Exception):
    """No installed program runs this script; the message says what to install or to write."""


def is_script(word: str) -> bool:
    """Whether this names a script that needs an interpreter, by its extension."""
    return Path(word).suffix.removeprefix(".").lower() in INTERPRETERS


def names_script(word: str, project: Path) -> bool:
    """Whether this word means a script; its name without extension or its folder will do, as for node."""
    if is_script(word) or not word:
        return bool(word)
    named = project / word
    found = (named / "package.json", named / "index.js") if named.is_dir() else (named.with_name(f"{named.name}.js"),)
    return any(one.is_file() for one in found) and shutil.which(word) is None


def run_script(words: Sequence[str], project: Path, exec_map: Mapping[str, str] | None = None) -> list[str]:
    """The command that runs `words`, a script and its arguments; `exec_map` is nodemon's `execMap`.

    Raises `ScriptError` if no installed program would run it.
    """
    script = words[0]
    extension = Path(script).suffix.removeprefix(".").lower()
    if mapped := (exec_map or {}).get(extension):
        return run_with(mapped, words)
    candidates = INTERPRETERS.get(extension, ("node",))
    if candidates == ("node",):
        return ["node", *words]
    for name in candidates:
        found = _installed_program(name, project)
        if found is not None:
            return [found, *words]
    raise ScriptError(
        f"{script} needs {' or '.join(candidates)}, and none is installed here: npm install --save-dev "
        f"{candidates[0]}, or write the whole command after --, such as -- node {script} with Node.js 22.18 or later"
        if "tsx" in candidates
        else f"{script} needs {candidates[0]}, which was not found; write the whole command after --"
    )


def run_with(program: str, words: Sequence[str]) -> list[str]:
    """The command for `--exec PROGRAM` and a script; a shell runs what only a shell understands."""
    program, words = _filled_in(program, words)
    if _NEEDS_SHELL & set(program):
        return ["sh", "-c", f'{program} "$@"', "sh", *words] if words else ["sh", "-c", program]
    try:
        command = [*shlex.split(program), *words]
        return ["env", *command] if command and _ASSIGNMENT.match(command[0]) else command
    except ValueError:  # a quote that is not closed: the shell reports it
        return ["sh", "-c", program, *words]


def _filled_in(program: str, words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """nodemon's `--exec` with `{{filename}}` and `{{pwd}}` filled in; the script is then not repeated behind it."""
    if _FILENAME.search(program) and words:
        script = shlex.quote(words[0])
        program, words = _FILENAME.sub(lambda _: script, program), words[1:]
    return _FOLDER.sub(".", program), words


def split_variables(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Split off the variables before a command, also after cross-env or env."""
    rest = list(words)
    if rest and rest[0] in {"cross-env", "env"} and len(rest) > 1 and _ASSIGNMENT.match(rest[1]):
        del rest[0]
    found = {}
    while rest and _ASSIGNMENT.match(rest[0]):
        name, _, value = rest.pop(0).partition("=")
        found[name] = value
    return found, rest


def _installed_program(name: str, project: Path) -> str | None:
    """A program as npm scripts find it: in the packages of the project or a folder above, else on the PATH."""
    for folder in (project, *project.parents):
        installed = folder / "node_modules" / ".bin" / name
        if installed.exists():
            return str(installed)
    return name if shutil.which(name) else None


def local(command: Sequence[str], project: Path, cwd: str = "") -> list[str]:
    """The command with a program of the project's own packages by its path from `cwd`, the bot's folder.

    Only npm scripts find such a program by its name.
    """
    program, *rest = command
    found = project / "node_modules" / ".bin" / program if "/" not in program else Path(program)
    if found.is_absolute() and found.is_relative_to(project) and found.exists():
        return [os.path.relpath(found, project / cwd).replace(os.sep, "/"), *rest]
    return [program, *rest]
