"""The declaration of an event: its name, level, typed fields, and the sentence that reports it.

An event is declared by its level's function: `info(name, doc, sentence, *marks, **fields)`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, NamedTuple

Level = Literal["debug", "info", "warning", "error"]
Fields = Mapping[str, Any]
Sentence = Callable[[Fields], str]
Mark = Literal["detail", "good", "passing"]
"""detail: on the console only with `--verbose`; good: green on the console; passing: replaced by the next line of a
terminal."""


class Wording(NamedTuple):
    """Two sentences for one event; the console prints the brief one, except with `--verbose`."""

    full: Sentence
    brief: Sentence


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an event. An optional one is left out while its value is unknown."""

    type: str
    doc: str
    optional: bool = False
    secret: bool = False
    """The value gives access while it is valid: it is reported where it is needed, and never stored."""


@dataclass(frozen=True, slots=True)
class EventSpec:
    """The declaration of one event. `sentence` is a template over the fields, a function of them, or two of these."""

    name: str
    level: Level
    doc: str
    sentence: str | Sentence | Wording
    fields: Mapping[str, Field]
    detail: bool = False
    good: bool = False
    passing: bool = False

    def describe(self, fields: Fields, *, brief: bool = False) -> str:
        """The sentence, or the brief one if there is one, for these fields, which include all the required ones."""
        if isinstance(self.sentence, str):
            return self.sentence.format_map(fields)
        if isinstance(self.sentence, Wording):
            return self.sentence.brief(fields) if brief else self.sentence.full(fields)
        return self.sentence(fields)

    def lasting(self, fields: Fields) -> dict[str, Any]:
        """The fields that may be stored: all but the secret ones."""
        return {name: value for name, value in fields.items() if not self.fields[name].secret}

    def check(self, fields: Fields) -> None:
        """Raise `TypeError` if a required field is missing, or one is not declared."""
        wrong = [f"{name} unknown" for name in sorted(fields.keys() - self.fields.keys())]
        required = {name for name, field in self.fields.items() if not field.optional}
        if wrong := wrong + [f"{name} missing" for name in sorted(required - fields.keys())]:
            raise TypeError(f"event {self.name}: {', '.join(wrong)}")


def _spec(
    level: Level, name: str, doc: str, sentence: str | Sentence | Wording, /, *marks: Mark, **fields: Field
) -> EventSpec:
    return EventSpec(name, level, doc, sentence, fields, **dict.fromkeys(marks, True))


debug = partial(_spec, "debug")
info = partial(_spec, "info")
warning = partial(_spec, "warning")
error = partial(_spec, "error")

string = partial(Field, "string")
strings = partial(Field, "list of strings")
integer = partial(Field, "integer")
integers = partial(Field, "list of integers")
number = partial(Field, "number")
boolean = partial(Field, "boolean")

SESSION: Final = string("the session's id: its profile folder's name without `session-`")
PROFILE: Final = string("the profile's path")
REASON: Final = string("why, in words")


def clause(template: str, value: object) -> str:
    """`template` filled in with an optional field; nothing if it is None."""
    return "" if value is None else template.format(value)


def unended(sentence: str) -> str:
    """`sentence` without its full stop, to go on after it."""
    return sentence.removesuffix(".")
