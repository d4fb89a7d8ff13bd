"""The sections' base class, and the field types that read values with a unit or a form of their own.

Validators raise `ValueError` with a sentence that says what was expected, also for a wrong type: pydantic collects a
`ValueError` and lets a `TypeError` through.
"""

# ruff: noqa: TRY004

import ipaddress
import math
import os
import re
import shlex
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    WithJsonSchema,
    model_validator,
)

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
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

# JSON schemas of the values as they are written in the file.
_DURATION_JSON: Final = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*(ms|s|m|min|h|d|w)$"}
_SIZE_JSON: Final = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*([kKmMgGtT][iI]?)?[bB]$"}
_STRING_JSON: Final = {"type": "string"}


class Section(BaseModel):
    """A table of `scanonce.toml`: immutable once it is read; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def option(default: Any, description: str, **more: Any) -> Any:
    """A field whose default is written as in the file, and validated like any other value."""
    return Field(default=default, description=description, validate_default=True, **more)


def at_most(shorter: str, longer: str) -> Any:
    """A validator of a section: the duration `shorter` may be at most as long as `longer`."""

    def check(section: Section) -> Section:
        if getattr(section, shorter) > getattr(section, longer):
            raise ValueError(f"{shorter} is longer than {longer}; expected it to be at most as long")
        return section

    return model_validator(mode="after")(check)


def parse_duration(value: object) -> float:
    """Read `"250ms"`, `"10s"`, `"1.5h"`, `"7d"` as seconds.

    Units: ms, s, min (or m), h, d, w. Raises `ValueError` for anything else, including a bare number.
    """
    seconds = _quantity(value, _SECONDS, "a duration", '"10s"', "ms, s, min, h, d, w")
    if seconds > _LONGEST_S:
        raise ValueError("expected a duration of at most 100 years")
    return seconds


def parse_size(value: object) -> int:
    """Read `"500MB"`, `"2GB"`, `"1.5GiB"` as bytes; MB is 10**6, MiB is 2**20.

    Raises `ValueError` for anything else, including a bare number.
    """
    size = _quantity(value, _BYTES, "a size", '"500MB"', "B, kB, MB, GB, TB, KiB, MiB, GiB, TiB")
    if size > _LARGEST_B:
        raise ValueError("expected a size of at most 4 EiB")
    return round(size)


def _quantity(value: object, units: Mapping[str, float], kind: str, example: str, known: str) -> float:
    """Convert a number with a unit to the base unit; `kind`, `example` and `known` are for the error message."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"a bare number: {kind} needs a unit, for example {example}")
    if not isinstance(value, str):
        raise ValueError(f"expected {kind} with its unit, for example {example}")
    text = value.strip()
    match = _QUANTITY.fullmatch(text)
    if match is None:
        if re.fullmatch(r"[\d.]+", text, re.ASCII):
            raise ValueError(f"no unit: {kind} needs one, for example {example}")
        raise ValueError(f"expected {kind}: a number and a unit, for example {example}")
    number, factor = float(match[1]), units.get(match[2].lower())
    if factor is None or not math.isfinite(number):
        raise ValueError(f"unknown unit {match[2]!r}: {kind} takes one of {known}")
    return number * factor


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
    """Check a cron expression or a duration, and return it as written; `"off"` becomes None."""
    if value is None or value == "off":
        return None
    expected = 'expected a cron expression such as "0 4 * * *", a duration such as "24h", or "off"'
    if not isinstance(value, str):
        raise ValueError(expected)
    if len(value.split()) <= 2:  # "24h" or "24 h"
        try:
            _positive_duration(value)
        except ValueError as error:
            raise (error if value[:1].isdigit() else ValueError(expected)) from None
        return value
    if len(value.split()) != 5:
        raise ValueError(f"{expected}; a cron expression has five fields: minute, hour, day, month, weekday")
    from cronsim import CronSim, CronSimError  # imported here because few configurations need it

    try:
        CronSim(value, datetime(2000, 1, 1))  # noqa: DTZ001  any moment: only the expression is checked
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
    """Whether a value is a reference to where the real one is found: `env:NAME` or `file:PATH`."""
    return value.startswith(("env:", "file:"))


def _secret(value: str) -> str:
    if not is_reference(value) or not value.partition(":")[2]:
        raise ValueError('expected a reference to the secret: "env:NAME" or "file:PATH"')
    return value


def _webhook_url(value: str) -> str:
    return _secret(value) if is_reference(value) else parse_http_url(value, example="https://example.org/bot")


def parse_http_url(value: str, *, example: str = "http://127.0.0.1:3000/health") -> str:
    """Check that `value` is an http or https URL with a host, and return it. Raises `ValueError` otherwise."""
    expected = f'expected an http or https URL such as "{example}"'
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
    """Split `"127.0.0.1:9464"` or `"[::1]:9464"` into host and port; port 0 means any free one. Raises `ValueError`."""
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


def _or_off(schema: Mapping[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"const": "off"}, schema]})


Bool = Annotated[bool, Strict()]
Int = Annotated[int, Strict()]
Str = Annotated[str, Strict(), AfterValidator(_no_nul)]

Duration = Annotated[float, BeforeValidator(parse_duration), WithJsonSchema(_DURATION_JSON)]
"""Seconds, written with a unit; zero allowed."""

PositiveDuration = Annotated[float, BeforeValidator(_positive_duration), WithJsonSchema(_DURATION_JSON)]
"""Seconds above zero, written with a unit."""

DurationOrOff = Annotated[float | None, BeforeValidator(_duration_or_off), _or_off(_DURATION_JSON)]
"""Seconds above zero, or `"off"` (None)."""

Size = Annotated[int, BeforeValidator(parse_size), WithJsonSchema(_SIZE_JSON)]
"""Bytes, written with a unit."""

SizeOrOff = Annotated[int | None, BeforeValidator(_size_or_off), _or_off(_SIZE_JSON)]
"""Bytes, or `"off"` (None)."""

Schedule = Annotated[str | None, BeforeValidator(_schedule), WithJsonSchema(_STRING_JSON)]
"""A cron expression of five fields or a duration, as written, or `"off"` (None)."""

Command = Annotated[
    tuple[Str, ...],
    BeforeValidator(_command),
    WithJsonSchema({"anyOf": [_STRING_JSON, {"type": "array", "items": _STRING_JSON}]}),
]
"""Argument vector; a string is split as a POSIX shell would."""

FilePath = Annotated[Path, BeforeValidator(_path), WithJsonSchema(_STRING_JSON)]
"""A path as written, `~` expanded. A relative one is relative to the project: `project / path` is right for both."""

FilePaths = Annotated[tuple[FilePath, ...], AfterValidator(_not_empty)]
"""One path or more."""

Regex = Annotated[Str, AfterValidator(_regex)]
"""The source of a regular expression that compiles."""

HttpUrl = Annotated[Str, AfterValidator(parse_http_url)]
"""An http or https URL with a host."""

Listen = Annotated[Str, AfterValidator(_listen)]
"""An IP address, or localhost, and a port, as written."""

Secret = Annotated[Str, AfterValidator(_secret)]
"""A reference to a secret: `env:NAME` or `file:PATH`. The secret itself may not be written in the configuration."""

WebhookUrl = Annotated[Str, AfterValidator(_webhook_url)]
"""An http or https URL, or a reference to one."""

Poll = Annotated[Literal["auto"] | bool, BeforeValidator(_poll), WithJsonSchema({"enum": ["auto", True, False]})]
"""`"auto"`, or an explicit yes or no."""
