"""Removal of secrets from events: those on command lines, and values of environment variables named like secrets.

The bot's own output is passed on unchanged.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

HIDDEN: Final = "***"

_SHORTEST: Final = 6  # characters of a value that is replaced in text; a shorter one would be found in other words

_SECRET_WORD: Final = re.compile(
    r"(?i:pass(?:word|wd|phrase|code)?|pwd|secrets?|tokens?|credentials?|cookies?|dsn|jwt|bearer|auth|api_?key|key)"
)
_FOLDERS: Final = frozenset({"PWD", "OLDPWD"})  # set by every shell (POSIX, `cd`): folders, and no passwords

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ASSIGNMENT: Final = re.compile(r"(-{0,2}[A-Za-z_][\w.-]*[=:])(.+)", re.DOTALL)
_IN_TEXT: Final = (
    (re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+(?=@)"), rf"\1:{HIDDEN}"),
    (re.compile(r"(?i)(authorization:\s*(?:[a-z]+\s+)?|bearer\s+)[^\s'\"]+"), rf"\1{HIDDEN}"),
)


def names_secret(name: str) -> bool:
    """Whether a name is that of a secret, such as API_TOKEN, --dbPassword or auth.key."""
    return any(_SECRET_WORD.fullmatch(word) for word in _WORDS.findall(name))


def command(argv: Sequence[str]) -> list[str]:
    """A command line with `***` in place of secrets, as many arguments as before."""
    shown: list[str] = []
    expected = False
    for argument in argv:
        assigned = _ASSIGNMENT.fullmatch(argument)
        if expected and not argument.startswith("-"):
            shown.append(HIDDEN)
        elif assigned is not None and names_secret(assigned[1]) and not assigned[2].startswith("//"):
            shown.append(assigned[1] + HIDDEN)
        else:
            shown.append(_text(argument))
        expected = argument.startswith("-") and assigned is None and names_secret(argument)
    return shown


class Redactor:
    """Removes secrets from events. `environments`: variables whose values are secrets if their names say so."""

    def __init__(self, *environments: Mapping[str, str]) -> None:
        values = {
            value
            for environment in environments
            for name, value in environment.items()
            if names_secret(name) and name not in _FOLDERS and len(value) >= _SHORTEST and value.strip()
        }
        longest_first = sorted(values, key=len, reverse=True)
        # Whole words only, and no part of a path: a session's folder may have the same name as a variable's value.
        alternatives = "|".join(map(re.escape, longest_first))
        self._values = re.compile(rf"(?<![\w./-])(?:{alternatives})(?![\w/-])") if values else None

    def command(self, argv: Sequence[str]) -> list[str]:
        """A command line with `***` in place of secrets, and of values of the environment that are."""
        return [self._without_values(argument) for argument in command(argv)]

    def fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of an event without secrets; a list called `command` is a command line."""
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
