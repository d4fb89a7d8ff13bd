"""Writes a draft as the text of a `scanonce.toml`: each setting below a comment that says where it comes from."""

from __future__ import annotations

import textwrap

from supervisor.config.schema import Config
from supervisor.config.toml_writer import toml_value
from supervisor.setup.migrate.draft import Draft, MigratedSetting, shown
from supervisor.system.escape import printable

_HEAD = """\
# scanonce.toml, written by scanonce init. Options that are not here have their defaults: config.example.toml and
# docs/configuration.md of scanonce list all of them.
"""


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
        comment = _comment("The bot's command; one after -- on the command line wins.")
        return f'{comment}#command = ["node", "index.js"]\n'
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
