"""Checking JSON files before a restart, in process: one that does not parse ends the bot that loads it."""

import json
from pathlib import Path
from typing import NoReturn

from supervisor.preflight.javascript import CheckFailure

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
        if path.stat().st_size > JSON_LIMIT:
            return None
        text = path.read_text(encoding="utf-8-sig", errors="replace")  # `require` drops the byte order mark as well
    except OSError:  # gone again, or not readable
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
