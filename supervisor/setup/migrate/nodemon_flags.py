"""nodemon's command line: the flags that have a counterpart, and explanations of the others.

Source: `nodemon --help options` of nodemon 3.1 and its README. Its flags come before the script; words after it belong
to the script.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_MILLISECONDS = re.compile(r"(\d+(?:\.\d+)?)\s*ms")
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)\s*s?")

#: nodemon's flags that have no meaning here, and why.
WITHOUT_MEANING: Mapping[str, str] = {
    "--no-stdin": "the bot gets the keyboard input; to give it none, add </dev/null",
    "--stdin": "the bot gets the keyboard input anyway",
    "--no-colors": "set NO_COLOR=1 instead",
    "--colors": "colours are on for every terminal that supports them",
    "--dump": "use --explain-watch for what is watched, or scanonce init --dry-run for the configuration",
    "--no-update-notifier": "scanonce never looks for updates",
    "--spawn": "the bot is always started without a shell",
    "--polling-interval": "polling chooses its own pace, between 0.2 and 2 s; --legacy-watch turns it on",
    "--exitcrash": "scanonce dev waits for the next change; scanonce run with [restart] limit = 1 ends with the bot",
    "--hidden": "hidden files are watched if you name them: --watch .eslintrc",
    "--harmony": "it is an option of node: write it after the --, as in -- node --harmony index.js",
}

_SHORT = {"-I": "--no-stdin", "-P": "--polling-interval", "-u": "--no-update-notifier"}
_SPELLED = {"--no-colours": "--no-colors", "--colours": "--colors"}

#: Options of node, which nodemon passes on wherever they are.
# fmt: off
_OF_NODE = frozenset({
    "--inspect", "--inspect-brk", "--inspect-wait", "--inspect-port", "--require", "--import", "--loader",
    "--experimental-loader", "--enable-source-maps", "--env-file", "--env-file-if-exists", "--max-old-space-size",
    "--trace-warnings", "--trace-deprecation", "--no-warnings", "--no-deprecation", "--expose-gc",
    "--experimental-strip-types", "--experimental-vm-modules", "--conditions", "--preserve-symlinks", "--use-strict",
    "--es-module-specifier-resolution", "--unhandled-rejections", "--openssl-legacy-provider", "-r",
})
# fmt: on


def why_not(flag: str, following: Sequence[str] = ()) -> str | None:
    """One line that says why a flag is not accepted, and what to use instead; None for an unknown flag.

    `following` are the words after it, one of which may be its value.
    """
    name = flag.partition("=")[0]
    full = _SHORT.get(name, _SPELLED.get(name, name))
    if full in WITHOUT_MEANING:
        return f"{name} of nodemon is not needed: {WITHOUT_MEANING[full]}"
    if name in _OF_NODE:
        ours = not following or any(word.startswith("-") for word in following)
        words = "index.js" if ours else shlex.join(following)
        return f"{name} is an option of node: write it after the --, as in scanonce dev -- node {flag} {words}"
    return None


def delay_of_flag(text: str) -> float:
    """nodemon's `--delay` in seconds, from `2.5`, `2.5s` or `500ms`. Raises `ValueError`."""
    if match := _MILLISECONDS.fullmatch(text.strip()):
        return float(match[1]) / 1000
    if match := _SECONDS.fullmatch(text.strip()):
        return float(match[1])
    raise ValueError(f"expected seconds such as 2.5, or milliseconds such as 500ms (got {text!r})")


def extensions(text: str) -> list[str]:
    """nodemon's `--ext`: names separated by commas or spaces, with or without their dot; `*` means every file."""
    names = [name.strip().lstrip("*").lstrip(".") for name in re.split(r"[,\s|]+", text) if name.strip()]
    return [] if "" in names else names


@dataclass(slots=True)
class NodemonFlags:
    """A parsed command line of nodemon."""

    settings: dict[str, Any] = field(default_factory=dict)
    """The settings by their names in `nodemon.json`, and `config`; `delay` is as written on the command line."""
    unknown: list[str] = field(default_factory=list)
    """Flags that have no meaning here."""


_VALUES = {
    "-w": "watch", "--watch": "watch", "-i": "ignore", "--ignore": "ignore", "-e": "ext", "--ext": "ext",
    "-x": "exec", "--exec": "exec", "-d": "delay", "--delay": "delay", "-s": "signal", "--signal": "signal",
    "--cwd": "cwd", "--config": "config",
}  # fmt: skip
_REPEATABLE = frozenset({"watch", "ignore"})
_SWITCHES = {
    "-L": "legacyWatch", "--legacy-watch": "legacyWatch", "-q": "quiet", "--quiet": "quiet",
    "-V": "verbose", "--verbose": "verbose", "-C": "runOnChangeOnly", "--on-change-only": "runOnChangeOnly",
}  # fmt: skip
#: Flags without a counterpart whose value is a word of its own.
_WITH_VALUE = frozenset({"-P", "--polling-interval", "-r", "--require", "--import", "--loader"})


def parse(words: Sequence[str]) -> NodemonFlags:
    """Parse the words after `nodemon`."""
    flags = NodemonFlags()
    rest = iter(words)
    command: list[str] = []
    for word in rest:
        if word == "--":
            command = list(rest)
        elif word.startswith("-") and word != "-":
            _parse_flag(flags, word, rest)
        else:
            command = [word, *rest]
    flags.settings |= {"script": "".join(command[:1]), "args": command[1:]}
    flags.settings = {name: value for name, value in flags.settings.items() if value}
    return flags


def _parse_flag(flags: NodemonFlags, word: str, rest: Iterator[str]) -> None:
    name, equals, attached = word.partition("=")
    if not name.startswith("--") and len(name) > 2 and name[:2] in _SWITCHES:
        _parse_flag(flags, name[:2], rest)
        _parse_flag(flags, f"-{word[2:]}", rest)
    elif name in _VALUES:
        setting, value = _VALUES[name], attached if equals else next(rest, "")
        flags.settings[setting] = [*flags.settings.get(setting, []), value] if setting in _REPEATABLE else value
    elif name in _SWITCHES:
        flags.settings[_SWITCHES[name]] = True
    else:
        # nodemon passes unknown flags on to node.
        of_node = name in _OF_NODE or not (name in _SHORT or name in _SPELLED or name in WITHOUT_MEANING)
        target = flags.settings.setdefault("nodeArgs", []) if of_node else flags.unknown
        target.append(word)
        if name in _WITH_VALUE and not equals:
            value = next(rest, "")
            if of_node:
                target.append(value)
