"""Mistakes in a configuration, each with its place; they are reported all at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ConfigIssue:
    """One mistake. `file` is None for the command line; `key` is dotted, and empty for a syntax error."""

    message: str
    key: str = ""
    file: Path | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """The issue on one line, such as `scanonce.toml:4: stop.grace: a bare number: ...`."""
        place = "command line" if self.file is None else str(self.file)
        place += "".join(f":{number}" for number in (self.line, self.column) if number is not None)
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigError(Exception):
    """The configuration cannot be used. `issues` holds every mistake in the order of the file; `str()` lists them."""

    def __init__(self, issues: Iterable[ConfigIssue]) -> None:
        self.issues = tuple(issues)
        super().__init__("\n".join(str(issue) for issue in self.issues))
