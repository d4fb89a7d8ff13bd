"""The result of a check."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class FindingVerdict(StrEnum):
    """The outcome of a check; the values are stable."""

    OK = "ok"
    WARNING = "warning"
    """Worth knowing; it works as it is, or the next start corrects it."""
    PROBLEM = "problem"
    """Something must be done."""
    UNKNOWN = "unknown"
    """The check could not be made; `seen` says why."""


@dataclass(frozen=True, slots=True)
class Fix:
    """A safe remedy: it loses no data, and what it changes belongs to scanonce or becomes private."""

    apply: Callable[[], str]
    """Applies it, and returns a sentence that says what was done. Raises `SessionError` or `OSError`."""
    locked: bool = True
    """Whether the project must be locked meanwhile, so that no supervisor works at the same time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One result.

    `name` is stable. `seen` and `remedy` are sentences; the remedy is empty if there is nothing to do. `subject`
    distinguishes findings of one name: a session's id, a path.
    """

    name: str
    verdict: FindingVerdict
    seen: str
    remedy: str = ""
    subject: str | None = None
    fix: Fix | None = None


def ok(name: str, seen: str, *, subject: str | None = None) -> Finding:
    """A finding with nothing to do."""
    return Finding(name, FindingVerdict.OK, seen, subject=subject)


def warning(name: str, seen: str, remedy: str, *, subject: str | None = None, fix: Fix | None = None) -> Finding:
    """A finding that is worth knowing."""
    return Finding(name, FindingVerdict.WARNING, seen, remedy, subject, fix)


def problem(name: str, seen: str, remedy: str, *, subject: str | None = None, fix: Fix | None = None) -> Finding:
    """A finding that needs action."""
    return Finding(name, FindingVerdict.PROBLEM, seen, remedy, subject, fix)


def unknown(name: str, why: str, remedy: str = "") -> Finding:
    """A check that could not be made."""
    return Finding(name, FindingVerdict.UNKNOWN, why, remedy)


def sentence(text: str) -> str:
    """The text with a full stop, unless it ends with a question."""
    return text if text.endswith("?") else f"{text}."


def first_of(names: Sequence[str], number: int) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - number
    return ", ".join(names[:number]) + (f" and {rest} more" if rest > 0 else "")
