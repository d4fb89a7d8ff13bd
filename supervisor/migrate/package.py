"""The scripts of `package.json`: which of them runs the bot, and how."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from supervisor.migrate.draft import writable

#: The scripts that run a bot, in the order in which they are looked at.
SCRIPTS = ("dev", "develop", "start:dev", "watch", "start")

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_OF_SHELLS = re.compile(r"&&|\|\||[|;<>`$()]|(?<!\S)&(?!\S)")
_OF_PM2 = frozenset({"pm2", "pm2-runtime", "pm2-dev"})
_WATCHERS = {"ts-node-dev": "--respawn", "node-dev": "", "supervisor": ""}


@dataclass(slots=True)
class Script:
    """A script taken apart. `nodemon` holds the words that follow `nodemon`; `command` what is run without it."""

    env: dict[str, str] = field(default_factory=dict)
    nodemon: list[str] | None = None
    command: list[str] = field(default_factory=list)
    note: str = ""
    why_not: str = ""
    """Why it cannot be taken over; then the rest is empty."""


def read(text: str) -> Script:
    """Take the line of a script apart."""
    if _OF_SHELLS.search(text):
        return Script(why_not="it is a line for a shell; put what comes before the bot into a script of its own")
    try:
        words = shlex.split(text)
    except ValueError:
        return Script(why_not="a quote in it is not closed")
    env, words = _environment(words)
    words = _without_npx(words)
    if not words:
        return Script(why_not="it is empty")
    program, *rest = words
    if program == "nodemon":
        return Script(env, nodemon=rest)
    if program == "scanonce":
        return Script(why_not="it runs scanonce already")
    if program in _OF_PM2:
        return Script(why_not="it is pm2's; its ecosystem file says what it runs")
    if program in _WATCHERS:
        return Script(why_not=f"{program} restarts the bot itself; give the command without it")
    if program == "node" and any(word.startswith("--watch") for word in rest):
        kept = [word for word in rest if not word.startswith("--watch")]
        return Script(env, command=["node", *kept], note="without --watch: scanonce dev does the watching")
    if program == "tsx" and rest[:1] == ["watch"]:
        return Script(env, command=["tsx", *rest[1:]], note="without watch: scanonce dev does the watching")
    return Script(env, command=words)


def _environment(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Variables in front of a command, also with cross-env or env before them."""
    rest = list(words)
    if rest and rest[0] in {"cross-env", "env"}:
        del rest[0]
    found = {}
    while rest and _ASSIGNMENT.match(rest[0]):
        name, _, value = rest.pop(0).partition("=")
        found[name] = value
    return found, rest


def _without_npx(words: list[str]) -> list[str]:
    if words[:1] == ["npx"] and len(words) > 1:
        rest = words[1:]
        while rest and rest[0] in {"-y", "--yes", "--no-install", "--no", "--"}:
            rest = rest[1:]
        return rest if rest and rest[0] in {"nodemon", "tsx", "ts-node", *_OF_PM2} else words
    return words


def entry(package: Mapping[str, object]) -> str | None:
    """`main`, if that is a path."""
    main = package.get("main")
    return main if isinstance(main, str) and main.strip() and writable(main) else None
