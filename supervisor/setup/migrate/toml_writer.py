"""A draft as the text of a `scanonce.toml`: each setting under the note of where it comes from."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from supervisor.config.schema import Config
from supervisor.config.toml_writer import toml_value
from supervisor.setup.migrate.draft import Draft, Taken, shown

_HEAD = """\
# scanonce.toml, written by scanonce init. Everything that is not here has its default: config.example.toml and
# docs/configuration.md of scanonce list it all.
"""
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
        yield f"command = {toml_value(guess)}\n"


def _setting(one: Taken, table: str) -> str:
    # An environment may hold secrets: its names are told, its values stand where they belong.
    note = f" ({one.note})" if one.note else ""
    name = one.key.removeprefix(f"{table}.")
    return _comment(f"{one.source}, {one.name}: {shown(one.value)}{note}") + f"{name} = {toml_value(one.becomes)}\n"


def _comment(line: str) -> str:
    safe = _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), line)
    return textwrap.fill(safe, 118, initial_indent="# ", subsequent_indent="#   ", break_long_words=False) + "\n"
