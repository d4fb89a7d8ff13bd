"""Secrets stay out of what we say: those on a command line, and those that the environment holds under a telling name.

What the bot itself prints is the bot's, and passes as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

HIDDEN: Final = "***"

_SHORTEST: Final = 6
"""Characters of a value that is looked for in text; a shorter one would be found in words that have nothing to do with
it."""

_TELLING: Final = re.compile(
    r"(?i:pass(?:word|wd|phrase|code)?|pwd|secrets?|tokens?|credentials?|cookies?|dsn|jwt|bearer|auth|api_?key|key)"
)
_FOLDERS: Final = frozenset({"PWD", "OLDPWD"})
"""What every shell sets (POSIX, `cd`): the folder that it is in, mostly the project's, and the one before."""

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ASSIGNMENT: Final = re.compile(r"(-{0,2}[A-Za-z_][\w.-]*[=:])(.+)", re.DOTALL)
_IN_TEXT: Final = (
    (re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+(?=@)"), rf"\1:{HIDDEN}"),
    (re.compile(r"(?i)(authorization:\s*(?:[a-z]+\s+)?|bearer\s+)[^\s'\"]+"), rf"\1{HIDDEN}"),
)


def is_telling(name: str) -> bool:
    """Whether a name says that its value is a secret: API_TOKEN, --dbPassword, auth.key."""
    return any(_TELLING.fullmatch(word) for word in _WORDS.findall(name))


def command(argv: Sequence[str]) -> list[str]:
    """A command line without the secrets in it, one argument for each."""
    shown: list[str] = []
    awaited = False
    for argument in argv:
        assigned = _ASSIGNMENT.fullmatch(argument)
        if awaited and not argument.startswith("-"):
            shown.append(HIDDEN)
        elif assigned is not None and is_telling(assigned[1]) and not assigned[2].startswith("//"):
            shown.append(assigned[1] + HIDDEN)
        else:
            shown.append(_text(argument))
        awaited = argument.startswith("-") and assigned is None and is_telling(argument)
    return shown


class Redactor:
    """Takes secrets out of what an event says. `environments`: the variables whose values may be secrets."""

    def __init__(self, *environments: Mapping[str, str]) -> None:
        values = {
            value
            for environment in environments
            for name, value in environment.items()
            if is_telling(name) and name not in _FOLDERS and len(value) >= _SHORTEST and value.strip()
        }
        longest_first = sorted(values, key=len, reverse=True)
        # Whole words only, and no part of a path: a session's folder may be called like a variable's value.
        alternatives = "|".join(map(re.escape, longest_first))
        self._values = re.compile(rf"(?<![\w./-])(?:{alternatives})(?![\w/-])") if values else None

    def command(self, argv: Sequence[str]) -> list[str]:
        """A command line without the secrets in it."""
        return [self._without_values(argument) for argument in command(argv)]

    def fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of an event; a list called `command` is a command line."""
        return {
            name: self.command(value) if name == "command" and not isinstance(value, str) else self._value(value)
            for name, value in fields.items()
        }

    def _value(self, value: Any) -> Any:
        match value:
            case str():
                return self._without_values(_text(value))
            case list() | tuple():
                return [self._value(item) for item in value]
        return value

    def _without_values(self, text: str) -> str:
        return text if self._values is None else self._values.sub(HIDDEN, text)


def _text(text: str) -> str:
    for pattern, replacement in _IN_TEXT:
        text = pattern.sub(replacement, text)
    return text
