"""What one look has found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How one look ended; the values are stable."""

    OK = "ok"
    WARNING = "warning"
    """Worth knowing; it works as it is, or the next start puts it right."""
    PROBLEM = "problem"
    """Something needs doing."""
    UNKNOWN = "unknown"
    """It could not be found out; `seen` says why."""


@dataclass(frozen=True, slots=True)
class Fix:
    """What can be done about a finding without asking: it loses nothing, and what it changes is ours or private."""

    apply: Callable[[], str]
    """Does it, and tells in a sentence what was done. Raises `SessionError` or `OSError`."""
    locked: bool = True
    """Whether the project must be held meanwhile, so that no supervisor works beside it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    `name` is stable. `seen` and `remedy` are sentences; the remedy is empty where there is nothing to do. `subject`
    tells findings of one name apart: a session's id, a path.
    """

    name: str
    verdict: Verdict
    seen: str
    remedy: str = ""
    subject: str | None = None
    fix: Fix | None = None


def ok(name: str, seen: str, *, subject: str | None = None) -> Finding:
    """Nothing to do."""
    return Finding(name, Verdict.OK, seen, subject=subject)


def warning(name: str, seen: str, remedy: str, *, subject: str | None = None, fix: Fix | None = None) -> Finding:
    """Worth knowing."""
    return Finding(name, Verdict.WARNING, seen, remedy, subject, fix)


def problem(name: str, seen: str, remedy: str, *, subject: str | None = None, fix: Fix | None = None) -> Finding:
    """Something needs doing."""
    return Finding(name, Verdict.PROBLEM, seen, remedy, subject, fix)


def unknown(name: str, why: str, remedy: str = "", *, subject: str | None = None) -> Finding:
    """It could not be found out."""
    return Finding(name, Verdict.UNKNOWN, why, remedy, subject)
