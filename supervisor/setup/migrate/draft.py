"""A configuration in the making: what was taken over from where, and what could not be, and why."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from supervisor.config.error_messages import known_keys

#: What to know of variables that were meant for development, or for production.
HOLDS_FOR_BOTH = "for scanonce dev and scanonce run alike"

#: Patterns of several sources are all meant.
_ADDS_UP = "watch.ignore"

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Taken:
    """One setting: `value` as it stands in `source` under `name`, and what has become of it."""

    source: str
    name: str
    value: Any
    key: str
    becomes: Any
    note: str = ""


@dataclass(frozen=True, slots=True)
class Left:
    """Something that was not taken over, and why."""

    source: str
    name: str
    why: str


@dataclass(slots=True)
class Draft:
    """What a `scanonce.toml` will hold. The first source that sets a key wins; lists of patterns add up."""

    taken: list[Taken] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    #: Options for `scanonce run`: what must not hold in development.
    run_flags: list[str] = field(default_factory=list)

    @property
    def values(self) -> Mapping[str, Any]:
        """What each key will be set to."""
        return {one.key: one.becomes for one in self.taken}

    def take(self, source: str, name: str, value: Any, key: str, becomes: Any, note: str = "") -> None:
        """Set a key, unless an earlier source has, or it cannot be written down."""
        if key not in set(known_keys()):
            self.leave(source, name, f"this version has no {key}")
        elif not writable(becomes):
            self.leave(source, name, f"it cannot stand there (got {shown(value)})")
        elif key in self.values and key == _ADDS_UP:
            self._add(source, name, becomes)
        elif key in self.values:
            if self.values[key] != becomes:
                first = next(one for one in self.taken if one.key == key)
                self.leave(source, name, f"{key} is taken from {first.source} already")
        else:
            self.taken.append(Taken(source, name, value, key, becomes, note))

    def _add(self, source: str, name: str, more: list[str]) -> None:
        at, first = next((at, one) for at, one in enumerate(self.taken) if one.key == _ADDS_UP)
        both = list(dict.fromkeys([*first.becomes, *more]))
        self.taken[at] = replace(first, becomes=both, note=f"{first.note}; with those of {source}, {name}")

    def leave(self, source: str, name: str, why: str) -> None:
        """Note what was not taken over."""
        self.left.append(Left(source, name, why))

    def drop(self, key: str, why: str) -> bool:
        """Give up a key that has proved wrong, or every key of a table; whether there was one."""
        gone = [one for one in self.taken if f"{one.key}.".startswith(f"{key}.") or f"{key}.".startswith(f"{one.key}.")]
        for one in gone:
            self.taken.remove(one)
            self.leave(one.source, one.name, why)
        return bool(gone)


def writable(value: Any) -> bool:
    """Whether a value can stand in the file and be given to a process: of its types, no lone surrogates, no NUL."""
    if isinstance(value, str):
        return "\0" not in value and not _SURROGATE.search(value)
    if isinstance(value, Mapping):
        return all(writable(name) and writable(item) for name, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(writable, value))
    return isinstance(value, bool | int)


# -- what is found in files written by hand ----------------------------------------------------------------------------


def strings(value: Any) -> list[str] | None:
    """A string or a list of strings as a list; None for anything else."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return list(value)
    return None


def milliseconds(value: Any) -> float | None:
    """A number of milliseconds, also one written as a string; None for anything else, and for one below zero."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < 1e15 else None


def duration(ms: float) -> str:
    """A duration as the configuration has it.

    >>> duration(2500), duration(120_000), duration(50)
    ('2.5s', '2min', '50ms')
    """
    if ms >= 60_000 and ms % 60_000 == 0:
        return f"{ms / 60_000:.0f}min"
    return (
        f"{ms / 1000:.3f}".rstrip("0").rstrip(".") + "s" if ms >= 1000 else f"{ms:.3f}".rstrip("0").rstrip(".") + "ms"
    )


def environment(value: Any) -> tuple[dict[str, str], list[str]]:
    """The variables of an `env` object, numbers and booleans as node writes them; then the names that are none."""
    if not isinstance(value, dict):
        return {}, ["env"]
    found: dict[str, str] = {}
    bad: list[str] = []
    for name, item in value.items():
        if not name or "=" in name or not writable(name) or not isinstance(item, str | int | float):
            bad.append(str(name))
        elif isinstance(item, bool):
            found[name] = "true" if item else "false"
        elif writable(str(item)):
            found[name] = str(item)
        else:
            bad.append(name)
    return found, bad


def shown(value: Any) -> str:
    """A value in a few words, on one line."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 60 else f"{text[:59]}…"
