"""Read `scanonce.toml` and the command line's overrides into a `Config`."""

import copy
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from supervisor.config.error_messages import explain
from supervisor.config.issues import ConfigError, ConfigIssue
from supervisor.config.modes import BY_MODE, Mode
from supervisor.config.schema import Config
from supervisor.config.toml_lines import KeyPath, key_lines
from supervisor.system.reading import DamagedFileError, read_file

CONFIG_NAME: Final = "scanonce.toml"
_NO_OVERRIDES: Final[Mapping[str, Any]] = MappingProxyType({})
_TOML_PLACE: Final = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


def load(
    project: Path, file: Path | None = None, *, mode: Mode, overrides: Mapping[str, Any] = _NO_OVERRIDES
) -> Config:
    """Read the configuration of `project`.

    `file` is the one named by the user and must exist; without it, `scanonce.toml` in the project is read if it exists.
    `overrides` maps dotted keys from the command line to values as the file would hold them; they win over the file.
    Raises `ConfigError` with every mistake: unreadable file, syntax, unknown keys, wrong values.
    """
    path, text = _read(project, file)
    data = {} if path is None else _parse(path, text)
    for key, value in overrides.items():
        _put(data, tuple(key.split(".")), value, replace=True)
    for key, by_mode in BY_MODE.items():
        _put(data, tuple(key.split(".")), by_mode[mode], replace=False)
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(_issues(error, path, text, overrides)) from None


def raw(project: Path, file: Path | None = None) -> dict[str, Any]:
    """The contents of the file as written, empty without a file. Raises `ConfigError` if it cannot be parsed."""
    path, text = _read(project, file)
    return {} if path is None else _parse(path, text)


def _read(project: Path, file: Path | None) -> tuple[Path | None, str]:
    """The file's path and text; no path if there is no file and none was named."""
    if not os.path.isdir(project):  # noqa: PTH112  Path.is_dir raises without permission
        why = "is not a directory" if os.path.lexists(project) else "does not exist or may not be entered"
        raise ConfigError([ConfigIssue(f"the project {why}; expected the folder of the bot", file=project)])
    path = file if file is not None else project / CONFIG_NAME
    try:
        raw = read_file(path, follow=True)
    except FileNotFoundError:
        if file is None:
            return None, ""
        raise ConfigError([ConfigIssue("there is no such file", file=path)]) from None
    except (OSError, DamagedFileError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError([ConfigIssue(f"cannot be read: {reason}", file=path)]) from None
    try:
        return path, raw.decode("utf-8-sig")  # Windows editors put a byte order mark in front
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError([ConfigIssue("not UTF-8; save the file in that encoding", file=path, line=line)]) from None


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, line, column = _syntax_error(str(error), text)
        raise ConfigError([ConfigIssue(f"not valid TOML: {message}", file=path, line=line, column=column)]) from None
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits; arrays a thousand deep
        raise ConfigError([ConfigIssue(f"cannot be parsed: {error}", file=path)]) from None


def _syntax_error(message: str, text: str) -> tuple[str, int, int]:
    """Split tomllib's message into the message, the line and the column, both counted from 1."""
    match = _TOML_PLACE.search(message)
    head = message[: match.start()] if match else message
    if match and match[1]:
        return head, int(match[1]), int(match[2])
    lines = text.rstrip().split("\n")
    return head, len(lines), len(lines[-1]) + 1


def _put(data: dict[str, Any], path: KeyPath, value: Any, *, replace: bool) -> None:
    """Set a dotted key. A value that is not a table on the way is left to validation to report."""
    for name in path[:-1]:
        child = data.setdefault(name, {})
        if not isinstance(child, dict):
            return
        data = child
    if replace:
        data[path[-1]] = copy.deepcopy(value)
    else:
        data.setdefault(path[-1], value)


def _issues(error: ValidationError, path: Path | None, text: str, overrides: Mapping[str, Any]) -> list[ConfigIssue]:
    """Translate pydantic's errors: those of the file first, in its order, then those of the command line."""
    lines = key_lines(text) if path is not None else {}
    issues = []
    for detail in error.errors(include_url=False):
        keys = tuple(str(part) for part in detail["loc"])
        dotted = ".".join(keys)
        line = _line(lines, keys)
        if line is None or any(f"{dotted}.".startswith(f"{key}.") for key in overrides):
            # An error about a whole section that only the command line sets is reported under the key given there.
            given = next((key for key in overrides if key.startswith(f"{dotted}.")), dotted)
            issues.append(ConfigIssue(explain(detail, keys), given))
        else:
            issues.append(ConfigIssue(explain(detail, keys), dotted, path, line))
    return sorted(issues, key=lambda issue: (issue.file is None, issue.line or 0))


def _line(lines: Mapping[KeyPath, int], keys: KeyPath) -> int | None:
    """The line of a key, or of the nearest array or table around it that has one."""
    return next((lines[keys[:end]] for end in range(len(keys), 0, -1) if keys[:end] in lines), None)
