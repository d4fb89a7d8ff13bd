"""Values that people write with a unit or a form of their own, and the pydantic types that read them.

Every function here raises `ValueError` with a sentence that says what was expected, also for a wrong type: pydantic
collects that and lets a `TypeError` through.
"""

# ruff: noqa: TRY004

import ipaddress
import math
import os
import re
import shlex
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Strict, WithJsonSchema

_SECONDS: Final = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
}
_BYTES: Final = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_QUANTITY: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", re.ASCII)
_LONGEST_S: Final = 100 * 365 * 86400.0  # anything longer is a slip of the finger, and may overflow a timer
_LARGEST_B: Final = 2**62  # below what file systems and SQLite hold in a signed 64-bit integer

_DURATION_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?\s*(ms|s|m|min|h|d|w)$"
_SIZE_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?\s*([kKmMgGtT][iI]?)?[bB]$"


def parse_duration(value: object) -> float:
    """Read `"250ms"`, `"10s"`, `"1.5h"`, `"7d"` as seconds.

    Units: ms, s, min (or m), h, d, w. Raises `ValueError` for anything else, a bare number included.
    """
    number, factor = _quantity(value, _SECONDS, "a duration", '"10s"')
    seconds = number * factor
    if seconds > _LONGEST_S:
        raise ValueError("expected a duration of at most 100 years")
    return seconds


def parse_size(value: object) -> int:
    """Read `"500MB"`, `"2GB"`, `"1.5GiB"` as bytes; MB is 10**6, MiB is 2**20.

    Raises `ValueError` for anything else, a bare number included.
    """
    number, factor = _quantity(value, _BYTES, "a size", '"500MB"')
    size = number * factor
    if size > _LARGEST_B:
        raise ValueError("expected a size of at most 4 EiB")
    return round(size)


def _quantity(value: object, units: dict[str, Any], what: str, example: str) -> tuple[float, float]:
    """Split a written quantity into its number and its unit's factor."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"a bare number: {what} needs a unit, for example {example}")
    if not isinstance(value, str):
        raise ValueError(f"expected {what} with its unit, for example {example}")
    text = value.strip()
    match = _QUANTITY.fullmatch(text)
    if match is None:
        if re.fullmatch(r"[\d.]+", text, re.ASCII):
            raise ValueError(f"no unit: {what} needs one, for example {example}")
        raise ValueError(f"expected {what}: a number and a unit, for example {example}")
    number, unit = float(match[1]), match[2].lower()
    if unit not in units or not math.isfinite(number):
        raise ValueError(f"unknown unit {match[2]!r}: {what} takes one of {_unit_list(units)}")
    return number, units[unit]


def _unit_list(units: dict[str, Any]) -> str:
    if units is _SECONDS:
        return "ms, s, min, h, d, w"
    return "B, kB, MB, GB, TB, KiB, MiB, GiB, TiB"


def _positive_duration(value: object) -> float:
    seconds = parse_duration(value)
    if seconds <= 0:
        raise ValueError("expected a duration above zero")
    return seconds


def _size_or_off(value: object) -> int | None:
    return None if value == "off" else parse_size(value)


def _duration_or_off(value: object) -> float | None:
    if value is None or value == "off":
        return None
    seconds = parse_duration(value)
    if seconds <= 0:
        raise ValueError('expected a duration above zero, or "off"')
    return seconds


def _schedule(value: object) -> str | None:
    """A cron expression or a duration, kept as it is written."""
    if value is None or value == "off":
        return None
    expected = 'expected a cron expression such as "0 4 * * *", a duration such as "24h", or "off"'
    if not isinstance(value, str):
        raise ValueError(expected)
    if len(value.split()) <= 2:  # "24h" or "24 h"
        _positive_duration(value)
        return value
    if len(value.split()) != 5:
        raise ValueError(f"{expected}; a cron expression has five fields: minute, hour, day, month, weekday")
    # Here, because few need it.
    from cronsim import CronSim, CronSimError

    try:
        CronSim(value, datetime(2000, 1, 1))  # noqa: DTZ001  any moment: only the expression is looked at
    except CronSimError as error:
        raise ValueError(f"{expected}; {str(error)[:1].lower()}{str(error)[1:]}") from None
    return value


def _command(value: object) -> object:
    """Split a command given as one string by the rules of a POSIX shell."""
    if not isinstance(value, str):
        if not isinstance(value, list | tuple):
            raise ValueError('expected a command: a string, or a list such as ["node", "index.js"]')
        if value and value[0] == "":
            raise ValueError("expected the name of a program as the first word; it is empty")
        return value
    try:
        words = shlex.split(value)
    except ValueError:
        raise ValueError("a quote or backslash in the command is not closed") from None
    if not words:
        raise ValueError('the command is empty; expected for example "node index.js"')
    return words


def _no_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("a NUL character cannot be passed to the system")
    return value


def _path(value: object) -> object:
    if isinstance(value, str):
        if not value:
            raise ValueError("expected a path; it is empty")
        return Path(os.path.expanduser(_no_nul(value)))  # noqa: PTH111  Path.expanduser raises without a home
    if isinstance(value, Path):
        return value
    raise ValueError("expected a path as a string")


def _not_empty(value: tuple[Path, ...]) -> tuple[Path, ...]:
    if not value:
        raise ValueError("expected at least one entry")
    return value


def _regex(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        at = f" at character {error.pos + 1}" if error.pos is not None else ""
        raise ValueError(f"not a valid regular expression: {error.msg}{at}") from None
    return value


def is_reference(value: str) -> bool:
    """Whether a value stands somewhere else: `env:NAME` or `file:PATH`."""
    return value.startswith(("env:", "file:"))


def _secret(value: str) -> str:
    if not is_reference(value) or not value.partition(":")[2]:
        raise ValueError('expected where the secret is to be found: "env:NAME" or "file:PATH"')
    return value


def _webhook_url(value: str) -> str:
    return _secret(value) if is_reference(value) else parse_http_url(value)


def parse_http_url(value: str) -> str:
    """An http or https URL with a host, as it is. Raises `ValueError` for anything else."""
    expected = 'expected a URL such as "http://127.0.0.1:3000/health"'
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{expected} ({error})") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError(expected)
    if any(c.isspace() or not c.isprintable() for c in value):
        raise ValueError(f"{expected}, without spaces")
    return value


def split_address(value: str) -> tuple[str, int]:
    """Split `"127.0.0.1:9464"` or `"[::1]:9464"`. Raises `ValueError`. Port 0 lets the system choose one."""
    expected = 'expected an address and a port such as "127.0.0.1:9464" or "[::1]:9464"'
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]+)):([0-9]{1,5})", value, re.ASCII)
    if match is None or int(match[3]) > 65535:
        raise ValueError(expected)
    host = match[1] or match[2]
    if host != "localhost":
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise ValueError(f"{expected}; a name other than localhost may mean several addresses") from None
    return host, int(match[3])


def _listen(value: str) -> str:
    split_address(value)
    return value


def _poll(value: object) -> object:
    if value == "auto" or isinstance(value, bool):
        return value
    raise ValueError('expected "auto", true or false')


Bool = Annotated[bool, Strict()]
Int = Annotated[int, Strict()]
Str = Annotated[str, Strict(), AfterValidator(_no_nul)]

Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": _DURATION_PATTERN}),
]
"""Seconds, written with a unit; zero allowed."""

PositiveDuration = Annotated[
    float,
    BeforeValidator(_positive_duration),
    WithJsonSchema({"type": "string", "pattern": _DURATION_PATTERN}),
]
"""Seconds above zero, written with a unit."""

DurationOrOff = Annotated[
    float | None,
    BeforeValidator(_duration_or_off),
    WithJsonSchema({"anyOf": [{"const": "off"}, {"type": "string", "pattern": _DURATION_PATTERN}]}),
]
"""Seconds above zero, or `"off"` (None)."""

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": "string", "pattern": _SIZE_PATTERN}),
]
"""Bytes, written with a unit."""

SizeOrOff = Annotated[
    int | None,
    BeforeValidator(_size_or_off),
    WithJsonSchema({"anyOf": [{"const": "off"}, {"type": "string", "pattern": _SIZE_PATTERN}]}),
]
"""Bytes, or `"off"` (None)."""

Schedule = Annotated[str | None, BeforeValidator(_schedule), WithJsonSchema({"type": "string"})]
"""A cron expression of five fields or a duration, as written, or `"off"` (None)."""

Command = Annotated[
    tuple[Str, ...],
    BeforeValidator(_command),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
"""Argument vector; a string is split as a POSIX shell would."""

FilePath = Annotated[Path, BeforeValidator(_path), WithJsonSchema({"type": "string"})]
"""A path as written, `~` expanded. Relative ones are the project's: `project / path` is right for both kinds."""

FilePaths = Annotated[tuple[FilePath, ...], AfterValidator(_not_empty)]
"""One path or more."""

Regex = Annotated[Str, AfterValidator(_regex)]
"""The source of a regular expression that compiles."""

HttpUrl = Annotated[Str, AfterValidator(parse_http_url)]
"""An http or https URL with a host."""

Listen = Annotated[Str, AfterValidator(_listen)]
"""An IP address, or localhost, and a port, as written."""

Secret = Annotated[Str, AfterValidator(_secret)]
"""Where a secret is to be found: `env:NAME` or `file:PATH`. What is written in a file of settings is none."""

WebhookUrl = Annotated[Str, AfterValidator(_webhook_url)]
"""An http or https URL, or where one is to be found."""

Poll = Annotated[
    Literal["auto"] | bool,
    BeforeValidator(_poll),
    WithJsonSchema({"enum": ["auto", True, False]}),
]
"""`"auto"`, or an explicit yes or no."""
