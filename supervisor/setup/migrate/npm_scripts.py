"""The scripts of `package.json`: which of them runs the bot, and how."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from supervisor.setup.migrate.draft import writable

#: The scripts that run a bot, in the order in which they are looked at.
SCRIPTS = ("dev", "develop", "start:dev", "watch", "start")

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_OF_SHELLS = re.compile(r"&&|\|\||[|;<>`$()]|(?<!\S)&(?!\S)")
_OF_PM2 = frozenset({"pm2", "pm2-runtime", "pm2-dev"})
_WATCHERS = frozenset({"ts-node-dev", "tsnd", "node-dev", "supervisor", "forever", "nodemon"})
_SEVERAL = frozenset({"concurrently", "npm-run-all", "npm-run-all2", "run-p", "run-s"})
_RUNTIMES = frozenset({"node", "bun", "deno"})

#: What runs a program of the project's packages, or a script of its `package.json`, by its name.
_MANAGERS: Mapping[str, frozenset[str]] = {
    "npx": frozenset(),
    "bunx": frozenset(),
    "npm": frozenset({"exec", "x"}),
    "pnpm": frozenset({"exec", "dlx", "run"}),
    "yarn": frozenset({"exec", "dlx", "run"}),
    "bun": frozenset({"x", "run"}),
}
_OF_MANAGERS = frozenset({"-y", "--yes", "--no-install", "--no", "-s", "--silent", "--"})
_KNOWN = frozenset({"tsx", "ts-node"}) | _WATCHERS | _OF_PM2 | _SEVERAL

#: Scripts that run scripts that run scripts: not even a circle goes on for ever.
_DEEPEST = 8


@dataclass(slots=True)
class Script:
    """A script taken apart. `nodemon` holds the words that follow `nodemon`; `command` what is run without it."""

    env: dict[str, str] = field(default_factory=dict)
    nodemon: list[str] | None = None
    command: list[str] = field(default_factory=list)
    note: str = ""
    why_not: str = ""
    """Why it cannot be taken over; then the rest is empty."""


def read(text: str, scripts: Mapping[str, object] | None = None) -> Script:
    """Take the line of a script apart; one that only runs another of the `scripts` stands for that."""
    script = _take_apart(text)
    for _ in range(_DEEPEST):
        following = (scripts or {}).get(_other_script(script.command) or "")
        if not isinstance(following, str):
            break
        before, script = script.env, _take_apart(following)
        script.env = {} if script.why_not else script.env | before
    return script


def _other_script(words: Sequence[str]) -> str | None:
    """The name of the script that `npm run NAME` and its like run, where nothing else is said."""
    program, *rest = words or [""]
    kept = [word for word in rest if word not in _OF_MANAGERS]
    if program not in _MANAGERS or not kept:
        return None
    if program == "npm" and kept == ["start"]:
        return "start"
    if kept[0] in {"run", "run-script"}:
        del kept[0]
    elif program not in {"yarn", "pnpm"}:
        return None
    return kept[0] if len(kept) == 1 else None


def _take_apart(text: str) -> Script:
    if _OF_SHELLS.search(text):
        return Script(why_not="it is a line for a shell; put what comes before the bot into a script of its own")
    try:
        words = shlex.split(text)
    except ValueError:
        return Script(why_not="a quote in it is not closed")
    env, words = _environment(words)
    words = _without_manager(words)
    if not words:
        return Script(why_not="it is empty")
    program, *rest = words
    if program == "nodemon":
        return Script(env, nodemon=rest)
    if program == "scanonce":
        return Script(why_not="it runs scanonce already")
    if program in _OF_PM2:
        return Script(why_not="it is pm2's; its ecosystem file says what it runs")
    if program in _SEVERAL:
        return Script(why_not=f"{program} runs several programs; give the command of the one that is the bot")
    if (watcher := next((word for word in words if word in _WATCHERS), None)) is not None:
        return Script(why_not=f"{watcher} restarts the bot itself; give the command without it")
    if program in _RUNTIMES and any(word.startswith("--watch") for word in rest):
        note = "without --watch: scanonce dev does the watching"
        return Script(env, command=[program, *_without_watch(rest)], note=note)
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


def _without_manager(words: list[str]) -> list[str]:
    """The words without npx and its like in front, if they run a program that is known here."""
    verbs = _MANAGERS.get(words[0] if words else "", frozenset())
    rest = words[1:]
    while rest and rest[0] in _OF_MANAGERS | verbs:
        del rest[0]
    return rest if words and words[0] in _MANAGERS and rest and rest[0] in _KNOWN else words


def _without_watch(words: Sequence[str]) -> list[str]:
    """The words for a runtime without those that have it watch; `--watch-path` may have its value as the next word."""
    before = ("", *words)
    return [word for last, word in zip(before, words, strict=False) if last != "--watch-path" and word[:7] != "--watch"]


def entry(package: Mapping[str, object]) -> str | None:
    """`main`, if that is a path."""
    main = package.get("main")
    return main if isinstance(main, str) and main.strip() and writable(main) else None
