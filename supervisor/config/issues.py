"""What is wrong with a configuration: every finding at once, each with its place."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ConfigIssue:
    """One finding. `file` is None for the command line; `key` is dotted, and empty for a syntax error."""

    message: str
    key: str = ""
    file: Path | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """The finding as one line: `scanonce.toml:4: stop.grace: a bare number: ...`."""
        place = "command line" if self.file is None else str(self.file)
        if self.line is not None:
            place += f":{self.line}"
        if self.column is not None:
            place += f":{self.column}"
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigError(Exception):
    """The configuration cannot be used. `issues` holds every finding in the order of the file; `str()` lists them."""

    def __init__(self, issues: Iterable[ConfigIssue]) -> None:
        self.issues = tuple(issues)
        super().__init__("\n".join(str(issue) for issue in self.issues))
