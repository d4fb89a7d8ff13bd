"""Checking JavaScript with node: which files, with which arguments, and how to read the answer. Runs nothing itself.

`node --check` tells ES modules from CommonJS as node does when it runs a file: by its extension, else by the `type` of
the nearest `package.json`, else by its syntax. The last works only half (`lib/internal/main/check_syntax.js` of
Node.js 20, and tried there): a file without extension or `type` that looks like a module passes unread. Such a file is
checked once more as a module.
"""

import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from supervisor.system.reading import parse_object, read_file, read_start

_LARGEST = 4 << 20  # bytes; a bundle that is larger is looked at no further
EXTENSIONS = frozenset({".js", ".mjs", ".cjs"})

AS_MODULE = ("--check", "--input-type=module", "-")
AS_COMMONJS = ("--check", "--input-type=commonjs", "-")
"""Arguments of node for a file that is given on standard input."""

CHECKER = ("--experimental-vm-modules", "--no-warnings", str(Path(__file__).with_name("check_syntax.cjs")))
"""Arguments for a node that checks one file after the other: it answers each `question`, with `PASSED` or otherwise."""

PASSED = "passed"

_NODE = frozenset({"node", "nodejs", "node.exe"})

#: Names of programs and hooks that translate what they load: their input need not be valid for node.
_TRANSLATORS = {
    *("babel", "babel-node", "bun", "coffee", "deno", "electron-vite", "esbuild", "esbuild-register", "esbuild-runner"),
    *("esm", "flow-node", "jiti", "sucrase", "sucrase-node", "swc", "swc-node", "ts-node", "ts-node-dev", "tsc"),
    *("tsimp", "tsm", "tsx", "typescript", "vite", "vite-node", "webpack"),
}
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")

#: Options of node whose value is the next word.
_WITH_VALUE = {"-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions"}

#: Options without effect before the program starts, or only after all preloading.
_HARMLESS = re.compile(
    r"-r|-C|--(require|import|conditions)(=.*)?|--disable-warning=.*|--dns-result-order=.*|--enable-source-maps"
    r"|--experimental-(fetch|json-modules|require-module|strip-types|transform-types|vm-modules|wasm-modules)"
    r"|--expose[-_]gc|--max[-_](http-header|old[-_]space|semi[-_]space)[-_]size=\d+|--no-(deprecation|warnings)"
    r"|--no-experimental-.*|--openssl-legacy-provider|--optimize[-_]for[-_]size|--preserve-symlinks(-main)?"
    r"|--stack[-_](size|trace[-_]limit)=\d+|--throw-deprecation|--trace-(deprecation|exit|sigint|sync-io|uncaught|warnings)"
    r"|--unhandled-rejections=.*|--use-(bundled|openssl|system)-ca"
)

_PLACE = re.compile(r"^(?P<file>\S.*):(?P<line>\d+)$")
_MESSAGE = re.compile(r"^SyntaxError: .*")
_LOOKS_LIKE_A_MODULE = re.compile(rb"^\s*(?:import|export)\b", re.MULTILINE)
_LONGEST_SOURCE = 120


@dataclass(frozen=True, slots=True)
class CheckFailure:
    """A fault that a check found in a file; `path` is None for a fault found by the user's own command."""

    path: Path | None
    line: int | None
    message: str
    source: str | None = None
    """The wrong line, if it is short enough to be shown."""
    output: tuple[str, ...] = ()
    """Lines of the command's output."""


def is_node(program: str) -> bool:
    """Whether a program is node, by its path."""
    return _basename(program) in _NODE


def is_plain_node(commands: Iterable[Sequence[str]], node_options: str = "") -> bool:
    """Whether a bot, by the command lines of its processes, is run by node and without a translator."""
    nodes = [words for words in commands if words and is_node(words[0])]
    if not nodes or _translates(node_options.split()):
        return False
    parsed = (_parse(words[1:]) for words in nodes)
    return not any(_translates([*options, *values, script]) for options, values, script in parsed)


def starts_plainly(command: Sequence[str], node_options: str = "") -> bool:
    """Whether node can be started early with this command: nothing before the program's first line may depend on time.

    A debugger's port may still be taken, an environment file may yet change, a test runner or `--watch` never waits.
    Only options known as harmless are accepted; `--require` and `--import` are executed in order, so ours comes first.
    """
    if not command or not is_node(command[0]):
        return False
    options, _, script = _parse(command[1:])
    more, _, unknown = _parse(node_options.split())
    return bool(script) and not unknown and all(map(_HARMLESS.fullmatch, [*options, *more]))


def _parse(words: Sequence[str]) -> tuple[list[str], list[str], str]:
    """The options of node among its arguments, the words that are their values, and the script, "" if there is none."""
    options: list[str] = []
    values: list[str] = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            return options, values, word
        options.append(word)
        if word in _WITH_VALUE:
            values.append(next(rest, ""))
    return options, values, ""


def _translates(words: Iterable[str]) -> bool:
    """Whether one of these words names a translator, by its path below `node_modules`, else by its last part."""
    for word in words:
        _, below, package = word.replace("\\", "/").rpartition("node_modules/")
        name = package if below else word if word.startswith(("-", "@")) else _basename(word)
        if _TRANSLATORS.intersection(_NAME.findall(name.lower())):
            return True
    return False


def _basename(word: str) -> str:
    return word.replace("\\", "/").rpartition("/")[2]


def question(path: Path) -> str:
    """Return the question on a file for `CHECKER`, which may be stricter than node; node decides if it fails there."""
    kind = {".mjs": "module", ".cjs": "commonjs"}.get(path.suffix) or _package_type(path.resolve().parent)
    kinds = [kind] if kind in {"module", "commonjs"} else ["commonjs", "module"]
    return json.dumps({"path": str(path), "kinds": kinds})


def needs_a_second_look(path: Path) -> bool:
    """Whether a file looks like a module and has neither the extension nor the `type` of one."""
    if path.suffix != ".js" or _package_type(path.parent) is not None:
        return False
    try:
        return _LOOKS_LIKE_A_MODULE.search(read_start(path, _LARGEST, follow=True)) is not None
    except OSError:
        return False


def _package_type(folder: Path) -> object:
    """The `type` in the nearest `package.json` at or above a folder, None if it is missing."""
    for above in (folder, *folder.parents):
        if above.name == "node_modules":
            break
        try:
            return parse_object(read_file(above / "package.json", follow=True), strict=False).get("type")
        except FileNotFoundError:
            continue
        except (OSError, ValueError):  # its own check reports it
            return None
    return None


def read_answer(output: str, path: Path) -> CheckFailure | None:
    """Return the syntax error that node has printed, None if it failed for a reason that is not in the file."""
    lines = output.splitlines()
    message = next((line for line in lines if _MESSAGE.match(line)), None)
    if message is None:
        return None
    for number, text in enumerate(lines):
        place = _PLACE.match(text)
        if place is not None and _names(place["file"], path):
            source = lines[number + 1].strip() if number + 1 < len(lines) else ""
            shown = source if 0 < len(source) <= _LONGEST_SOURCE else None
            return CheckFailure(path, int(place["line"]), message, shown)
    return CheckFailure(path, None, message)


def _names(text: str, path: Path) -> bool:
    """Whether node means this file by what it prints before a line number: a path, a URL, or standard input."""
    if text.startswith("file:"):
        text = unquote(urlsplit(text).path)
    if text.startswith("["):
        return True
    # Node resolves links.
    return text == str(path) or os.path.realpath(text) == os.path.realpath(path)
