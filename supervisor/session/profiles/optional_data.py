"""What the link does not need, but a person would miss: settings, cookies, open tabs. Reported, never in the way.

Measured: with `Local State` or `Preferences` cut short, `Sessions` gone or `Cookies` cut to 100 bytes, a linked bot
starts linked; the browser starts what it cannot read afresh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.session.profiles import sqlite
from supervisor.session.profiles.check_report import Check, CheckOutcome
from supervisor.system.escape import printable
from supervisor.system.reading import parse_object, read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from supervisor.session.profiles.scan import FileStat, ProfileTree

_LARGEST_JSON = 64 << 20  # bytes; Preferences are a few hundred kilobytes
_REMEDY = "The link does not need it; a restore of a snapshot would bring it back."


def check(folder: Path, tree: ProfileTree, before: Mapping[str, FileStat]) -> list[Check]:
    """Check the extras of a profile, those left out that are as they were `before`."""
    return [
        *_each("local-state", folder, _changed(tree, before, "Local State", top=True), _json_problem),
        *_each("preferences", folder, _changed(tree, before, "Preferences"), _json_problem),
        *_each("cookies", folder, _changed(tree, before, "Cookies"), _sqlite_problem),
        *_sessions(tree, before),
    ]


def _changed(tree: ProfileTree, before: Mapping[str, FileStat], name: str, *, top: bool = False) -> list[str]:
    """The files of this name, in the user data folder itself (`top`) or in a profile of it (``Default/``)."""
    depth = 0 if top else 1
    return [
        path
        for path, file in tree.files.items()
        if path.rpartition("/")[2] == name and path.count("/") == depth and before.get(path) != file
    ]


def _each(name: str, folder: Path, paths: list[str], problem_of: Callable[[Path], str | None]) -> list[Check]:
    checks = []
    for path in paths:
        problem = problem_of(folder / path)
        if problem is not None:
            seen = f"{printable(path)} is damaged: {printable(problem)}."
            checks.append(Check(name, CheckOutcome.WARNING, seen, _REMEDY))
    return checks or [Check(name, CheckOutcome.OK, "Sound, unchanged, or not there.")]


def _json_problem(path: Path) -> str | None:
    try:
        parse_object(read_file(path, _LARGEST_JSON), strict=False)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    except ValueError as error:
        return str(error)
    return None


def _sqlite_problem(path: Path) -> str | None:
    problems = sqlite.quick_check(path)
    return problems[0] if problems else None


def _sessions(tree: ProfileTree, before: Mapping[str, FileStat]) -> list[Check]:
    gone = any(path.startswith("Default/Sessions/") for path in before) and "Default/Sessions" not in tree.folders
    if gone:
        return [Check("sessions", CheckOutcome.WARNING, "Default/Sessions (the open tabs) is gone.", _REMEDY)]
    return [Check("sessions", CheckOutcome.OK, "There, or never made.")]
