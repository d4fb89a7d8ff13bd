"""The draft of a configuration: settings that are taken over, those that are not with the reason, and its text."""

import json
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from supervisor.config.docgen import SCHEMA_NAME
from supervisor.config.error_messages import known_keys
from supervisor.config.schema import Config
from supervisor.config.toml_writer import toml_value
from supervisor.system.escape import printable

#: The option to which several sources may add patterns.
_ADDS_UP = "watch.ignore"

_ENVIRONMENT = "bot.env"
_DEBUGGER = re.compile(r"--inspect(-brk|-wait|-port|-publish-uid)?(=.*)?")
_NO_DEBUGGER = "--inspect would open a debugger in production as well; use NODE_OPTIONS=--inspect scanonce dev"
_SCRIPT = re.compile(r".*\.[cm]?[jt]sx?")

_SURROGATE = re.compile("[\ud800-\udfff]")

_HEAD = f"""\
#:schema ./{SCHEMA_NAME}
# scanonce.toml, written by scanonce init. Options that are not here have their defaults: config.example.toml and
# docs/configuration.md of scanonce list all of them.
"""


@dataclass(frozen=True, slots=True)
class MigratedSetting:
    """A setting that is taken over: `value` as written in `source` under `name`, and the option that it sets."""

    source: str
    name: str
    value: Any
    key: str
    becomes: Any
    note: str = ""


@dataclass(frozen=True, slots=True)
class SkippedSetting:
    """A setting that is not taken over, and why."""

    source: str
    name: str
    why: str


@dataclass(slots=True)
class Draft:
    """The contents of a future `scanonce.toml`. The first source that sets a key wins; lists of patterns add up."""

    taken: list[MigratedSetting] = field(default_factory=list)
    left: list[SkippedSetting] = field(default_factory=list)
    run_flags: list[str] = field(default_factory=list)
    """Options for `scanonce run` that must not apply in development."""
    read: list[str] = field(default_factory=list)
    """The files that were read."""
    remarks: list[str] = field(default_factory=list)

    @property
    def values(self) -> Mapping[str, Any]:
        """The value of each key."""
        return {one.key: one.becomes for one in self.taken}

    def take(self, source: str, name: str, value: Any, key: str, becomes: Any, note: str = "") -> None:
        """Set a key, unless an earlier source has set it or the value cannot be written."""
        if key == "bot.command" and (kept := _without_debugger(becomes)) != becomes:
            self.leave(source, name, _NO_DEBUGGER)
            becomes = kept
        if key not in set(known_keys()):
            self.leave(source, name, f"this version has no {key}")
        elif not writable(becomes):
            self.leave(source, name, f"it cannot be written to the file (got {shown(value)})")
        elif key not in self.values:
            self.taken.append(MigratedSetting(source, name, value, key, becomes, note))
        elif key == _ADDS_UP:
            at, first = next((at, one) for at, one in enumerate(self.taken) if one.key == key)
            both = list(dict.fromkeys([*first.becomes, *becomes]))
            self.taken[at] = replace(first, becomes=both, note=f"{first.note}; with those of {source}, {name}")
        elif key == _ENVIRONMENT:
            self._add_variables(source, name, becomes)
        elif self.values[key] != becomes:
            first = next(one for one in self.taken if one.key == key)
            self.leave(source, name, f"{key} is taken from {first.source} already")

    def _add_variables(self, source: str, name: str, more: Mapping[str, str]) -> None:
        at, first = next((at, one) for at, one in enumerate(self.taken) if one.key == _ENVIRONMENT)
        for variable in sorted(more.keys() & first.becomes.keys()):
            if first.becomes[variable] != more[variable]:
                self.leave(source, f"{name}, {variable}", f"it is taken from {first.source} already")
        if more.keys() - first.becomes.keys():
            both = {**more, **first.becomes}
            note = f"{first.note}; with those of {source}"
            self.taken[at] = replace(first, value=sorted(both), becomes=both, note=note)

    def leave(self, source: str, name: str, why: str) -> None:
        """Record a setting that is not taken over."""
        self.left.append(SkippedSetting(source, name, why))

    def drop(self, key: str, why: str) -> bool:
        """Remove a key that turned out to be invalid, or every key of a table; return whether there was one."""
        gone = [one for one in self.taken if f"{one.key}.".startswith(f"{key}.") or f"{key}.".startswith(f"{one.key}.")]
        for one in gone:
            self.taken.remove(one)
            self.leave(one.source, one.name, why)
        return bool(gone)


def _without_debugger(command: list[str]) -> list[str]:
    """The command without node's options for a debugger; what follows the script is the bot's own."""
    end = next((at for at, word in enumerate(command) if _SCRIPT.fullmatch(word)), len(command))
    return [word for at, word in enumerate(command) if at > end or not _DEBUGGER.fullmatch(word)]


def writable(value: Any) -> bool:
    """Whether a value can be written to the file and passed to a process: known types, no lone surrogates, no NUL."""
    if isinstance(value, str):
        return "\0" not in value and not _SURROGATE.search(value)
    if isinstance(value, Mapping):
        return all(writable(name) and writable(item) for name, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(writable, value))
    return isinstance(value, bool | int)


def shown(value: Any) -> str:
    """A value on one line, shortened to 60 characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 60 else f"{text[:59]}…"


def render(draft: Draft, guess: list[str] | None) -> str:
    """The text of the file; `guess` is the command to write if no source has one, or None if none can be guessed."""
    parts = [_HEAD]
    for table in Config.model_fields:
        settings = [one for one in draft.taken if one.key.startswith(f"{table}.")]
        if table == "bot" and "bot.command" not in draft.values:
            parts += ["\n[bot]\n", _guessed(guess)]
        elif settings:
            parts.append(f"\n[{table}]\n")
        parts += [_setting(one, table) for one in settings]
    if draft.left:
        parts.append("\n# Not taken over:\n")
        parts += [_comment(f"{one.source}, {one.name}: {one.why}") for one in draft.left]
    return "".join(parts)


def _guessed(guess: list[str] | None) -> str:
    if guess is None:
        comment = _comment("The bot's command, which could not be told from the folder's files: for example")
        return f'{comment}#command = ["node", "your-bot.js"]\n'
    comment = _comment("The bot's command, guessed from this folder's files; one after -- on the command line wins.")
    return f"{comment}command = {toml_value(guess)}\n"


def _setting(one: MigratedSetting, table: str) -> str:
    # Of an environment, `value` holds the names only: the values may be secrets and must not be repeated in a comment.
    note = f" ({one.note})" if one.note else ""
    comment = _comment(f"{one.source}, {one.name}: {shown(one.value)}{note}")
    return f"{comment}{one.key.removeprefix(f'{table}.')} = {toml_value(one.becomes)}\n"


def _comment(line: str) -> str:
    wrapped = textwrap.fill(printable(line), 118, initial_indent="# ", subsequent_indent="#   ", break_long_words=False)
    return f"{wrapped}\n"
