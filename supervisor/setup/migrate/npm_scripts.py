"""Finds the bot's command in the scripts of `package.json`."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from supervisor.setup.migrate.bot_command import split_variables
from supervisor.setup.migrate.draft import writable

#: The scripts that may run a bot, in the order in which they are tried.
SCRIPTS = ("dev", "develop", "start:dev", "watch", "start")

_NEEDS_SHELL = re.compile(r"&&|\|\||[|;<>`$()]|(?<!\S)&(?!\S)")
_OF_PM2 = frozenset({"pm2", "pm2-runtime", "pm2-dev"})
_WATCHERS = frozenset({"ts-node-dev", "tsnd", "node-dev", "supervisor", "forever", "nodemon"})
_SEVERAL = frozenset({"concurrently", "npm-run-all", "npm-run-all2", "run-p", "run-s"})
_RUNTIMES = frozenset({"node", "bun", "deno"})

#: Programs that run an installed program or another script by its name, and the subcommands for that.
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

#: Scripts that call each other are followed this deep; they may call each other in a circle.
_DEEPEST = 8


@dataclass(slots=True)
class ParsedScript:
    """A script. `nodemon` holds the words after `nodemon`; without it, `command` is what is run."""

    env: dict[str, str] = field(default_factory=dict)
    nodemon: list[str] | None = None
    command: list[str] = field(default_factory=list)
    note: str = ""
    why_not: str = ""
    """Why it cannot be taken over; the other fields are then empty."""


def read(text: str, scripts: Mapping[str, object] | None = None) -> ParsedScript:
    """Parse a script; one that only runs another of the `scripts` stands for that one."""
    script = _parse(text)
    for _ in range(_DEEPEST):
        following = (scripts or {}).get(_other_script(script.command) or "")
        if not isinstance(following, str):
            break
        before, script = script.env, _parse(following)
        script.env = {} if script.why_not else script.env | before
    return script


def _other_script(words: Sequence[str]) -> str | None:
    """The name of the script that `npm run NAME` and similar commands run, if they have no further arguments."""
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


def _parse(text: str) -> ParsedScript:
    if _NEEDS_SHELL.search(text):
        return ParsedScript(why_not="it is a line for a shell; put what comes before the bot into a script of its own")
    try:
        words = shlex.split(text)
    except ValueError:
        return ParsedScript(why_not="a quote in it is not closed")
    env, words = _environment(words)
    words = _without_manager(words)
    if not words:
        return ParsedScript(why_not="it is empty")
    program, *rest = words
    if program == "nodemon":
        return ParsedScript(env, nodemon=rest)
    if program == "scanonce":
        return ParsedScript(why_not="it runs scanonce already")
    if program in _OF_PM2:
        return ParsedScript(why_not="it runs pm2; the ecosystem file names the bot")
    if program in _SEVERAL:
        return ParsedScript(why_not=f"{program} runs several programs; give the command of the one that is the bot")
    if (watcher := next((word for word in words if word in _WATCHERS), None)) is not None:
        return ParsedScript(why_not=f"{watcher} restarts the bot itself; give the command without it")
    if program in _RUNTIMES and any(word.startswith("--watch") for word in rest):
        note = "without --watch: scanonce dev watches"
        return ParsedScript(env, command=[program, *_without_watch(rest)], note=note)
    if program == "tsx" and rest[:1] == ["watch"]:
        return ParsedScript(env, command=["tsx", *rest[1:]], note="without watch: scanonce dev watches")
    return ParsedScript(env, command=words)


def _environment(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Split off the variables before a command, and a cross-env or env that has none."""
    return split_variables(words[1:] if words and words[0] in {"cross-env", "env"} else words)


def _without_manager(words: list[str]) -> list[str]:
    """The words without npx or a similar program in front, if what it runs is known here."""
    verbs = _MANAGERS.get(words[0] if words else "", frozenset())
    rest = words[1:]
    while rest and rest[0] in _OF_MANAGERS | verbs:
        del rest[0]
    return rest if words and words[0] in _MANAGERS and rest and rest[0] in _KNOWN else words


def _without_watch(words: Sequence[str]) -> list[str]:
    """The words for a runtime without its watch options; the value of `--watch-path` may be the next word."""
    before = ("", *words)
    return [word for last, word in zip(before, words, strict=False) if last != "--watch-path" and word[:7] != "--watch"]


def entry(package: Mapping[str, object]) -> str | None:
    """The value of `main`, if it is a path."""
    main = package.get("main")
    return main if isinstance(main, str) and main.strip() and writable(main) else None
