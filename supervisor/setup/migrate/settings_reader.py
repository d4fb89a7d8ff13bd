"""The common part of the readers of nodemon's and pm2's settings, which are JSON objects written by hand."""

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from supervisor.setup.migrate.draft import Draft, shown, writable
from supervisor.system.reading import parse_json, read_file

#: A note on variables that were meant for development, or for production.
FOR_BOTH_MODES = "for scanonce dev and scanonce run alike"

#: A note on patterns of ignored files.
AS_IN_GITIGNORE = "read as in .gitignore, from this folder"


@dataclass(frozen=True, slots=True)
class Counterpart:
    """The option `key` for a setting; `convert` returns its value, or None if the setting is not `expected`."""

    key: str
    convert: Callable[[Any], Any]
    expected: str
    note: str = ""


@dataclass(slots=True)
class SettingsReader:
    """One JSON object of settings, found in `source`; what it says goes into `draft`."""

    COUNTERPARTS: ClassVar[Mapping[str, Counterpart]]
    HANDLERS: ClassVar[Mapping[str, Callable[..., None]]]
    """Methods for the settings that need more than a conversion."""

    source: str
    data: Mapping[str, Any]
    project: Path
    draft: Draft
    folder: str = ""
    """The object's `cwd`, relative to the project, once it is known."""

    def take(self, name: str, value: Any, key: str, becomes: Any, note: str = "") -> None:
        """Take a setting over as the option `key`."""
        self.draft.take(self.source, name, value, key, becomes, note)

    def take_known(self, name: str, value: Any) -> bool:
        """Take a setting over by its counterpart or handler; False if it has none."""
        if counterpart := self.COUNTERPARTS.get(name):
            becomes = counterpart.convert(value)
            if becomes is None:
                self.reject(name, counterpart.expected, value)
            else:
                self.take(name, value, counterpart.key, becomes, counterpart.note)
        elif handler := self.HANDLERS.get(name):
            handler(self, name, value)
        else:
            return False
        return True

    def leave(self, name: str, why: str) -> None:
        """Record a setting that is not taken over."""
        self.draft.leave(self.source, name, why)

    def reject(self, name: str, expected: str, value: Any) -> None:
        """Record a setting whose value is not what it should be."""
        self.leave(name, f"expected {expected} (got {shown(value)})")

    def path(self, path: str) -> str:
        """A path as seen from the project: nodemon and pm2 change into their `cwd` first."""
        return posixpath.normpath(posixpath.join(self.folder, path)) if self.folder else path

    def take_environment(self, name: str, value: Any) -> None:
        """Take variables over; numbers and booleans become strings as in node."""
        found: dict[str, str] = {}
        for variable, given in value.items() if isinstance(value, dict) else []:
            text = str(given).lower() if isinstance(given, bool) else str(given)
            if variable and "=" not in variable and isinstance(given, str | int | float) and writable([variable, text]):
                found[variable] = text
            else:
                self.leave(f"{name}.{variable}", "expected a name and a text")
        if found:
            self.take(name, sorted(found), "bot.env", found, FOR_BOTH_MODES)
        elif not isinstance(value, dict):
            self.leave(name, "expected a name and a text")


def read_json(file: Path) -> Any:
    """The value in a JSON file, which may begin with a byte order mark. Raises `OSError` or `ValueError`."""
    return parse_json(read_file(file, follow=True))


def strings(value: Any) -> list[str] | None:
    """A string or a list of strings as a list; None for anything else."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return list(value)
    return None


def duration(value: Any, scale: float = 1) -> str | None:
    """A duration as written in the configuration, from a number of milliseconds, also as a string; None for others.

    >>> duration("2500"), duration(120_000), duration(0.5, scale=100), duration(-1)
    ('2.5s', '2min', '50ms', None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        ms = float(value) * scale
    except (ValueError, OverflowError):
        return None
    if not 0 <= ms < 1e15:
        return None
    if ms >= 60_000 and ms % 60_000 == 0:
        return f"{ms / 60_000:.0f}min"
    number, unit = (ms / 1000, "s") if ms >= 1000 else (ms, "ms")
    return f"{number:.3f}".rstrip("0").rstrip(".") + unit
