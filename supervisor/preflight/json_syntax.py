"""Checking JSON files before a restart, in process: one that does not parse ends the bot that loads it."""

import json
from pathlib import Path
from typing import NoReturn

from supervisor.preflight.javascript import CheckFailure
from supervisor.system.reading import DamagedFileError, read_text

#: Larger files, in bytes, are not parsed: that would block the event loop.
JSON_LIMIT = 1024 * 1024

#: Beginnings of names of files that may hold comments although they are called JSON, and are not read by bots.
_WITH_COMMENTS = ("tsconfig", "jsconfig", "devcontainer", ".", "tslint", "api-extractor")


def check_json(path: Path) -> CheckFailure | None:
    """Return the fault for which `JSON.parse` would refuse a file, None if there is none or the file cannot be read.

    An empty file passes: editors create new files so, and that must not block every restart.
    """
    if path.name.startswith(_WITH_COMMENTS):
        return None
    try:
        # Without the byte order mark, which `require` drops as well.
        text = read_text(path, JSON_LIMIT, follow=True, errors="replace")
    except (OSError, DamagedFileError):  # gone again, not readable, or too large
        return None
    if not text.strip():
        return None
    try:
        # Numbers are not converted: Python refuses very long ones, and takes NaN and Infinity.
        json.loads(text, parse_int=len, parse_float=len, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        lines = text.splitlines()
        source = lines[error.lineno - 1].strip() if error.lineno <= len(lines) else ""
        return CheckFailure(path, error.lineno, f"not JSON: {error.msg}", source if 0 < len(source) <= 120 else None)
    except RecursionError:
        return None
    except ValueError as error:
        return CheckFailure(path, None, f"not JSON: {error}")
    return None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number there")
