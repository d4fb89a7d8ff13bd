"""A draft as the text of a `scanonce.toml`: each setting under the note of where it comes from."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from supervisor.config.schema import Config
from supervisor.setup.migrate.draft import Draft, Taken, shown

_HEAD = """\
# scanonce.toml, written by scanonce init. Everything that is not here has its default: config.example.toml and
# docs/configuration.md of scanonce list it all.
"""
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def text_of(draft: Draft, guess: list[str] | None) -> str:
    """The file; `guess` is the command to suggest where none was found, put in if the file that it runs is there."""
    parts = [_HEAD]
    for table in Config.model_fields:
        settings = [one for one in draft.taken if one.key.startswith(f"{table}.")]
        if table == "bot" and "bot.command" not in draft.values:
            parts += ["\n[bot]\n", *_guessed(guess)]
        elif settings:
            parts.append(f"\n[{table}]\n")
        parts += [_setting(one, table) for one in settings]
    if draft.left:
        parts.append("\n# Not taken over:\n")
        parts += [_comment(f"{one.source}, {one.name}: {one.why}") for one in draft.left]
    return "".join(parts)


def _guessed(guess: list[str] | None) -> Iterator[str]:
    if guess is None:
        yield _comment("The bot's command; one after -- on the command line wins.")
        yield '#command = ["node", "index.js"]\n'
    else:
        yield _comment(
            "The bot's command, guessed from what lies in this folder; one after -- on the command line wins."
        )
        yield f"command = {value_of(guess)}\n"


def _setting(one: Taken, table: str) -> str:
    # An environment may hold secrets: its names are told, its values stand where they belong.
    note = f" ({one.note})" if one.note else ""
    name = one.key.removeprefix(f"{table}.")
    return _comment(f"{one.source}, {one.name}: {shown(one.value)}{note}") + f"{name} = {value_of(one.becomes)}\n"


def _comment(line: str) -> str:
    safe = _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), line)
    return textwrap.fill(safe, 118, initial_indent="# ", subsequent_indent="#   ", break_long_words=False) + "\n"


def value_of(value: Any) -> str:
    """A value as TOML writes it.

    >>> value_of({"A": "x"}), value_of([True, "a\\x7f"])
    ('{ A = "x" }', '[true, "a\\\\u007f"]')
    """
    if isinstance(value, str):
        # A JSON string is a TOML basic string, but for the one control character that JSON lets pass.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(name)} = {value_of(item)}' for name, item in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_of, value))}]"
    return str(value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else value_of(name)
