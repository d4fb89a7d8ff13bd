"""The two long-running commands, and the defaults that differ between them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Mode(StrEnum):
    """The command that reads the configuration: `scanonce dev` or `scanonce run`."""

    DEV = "dev"
    RUN = "run"


BY_MODE: Final[Mapping[str, Mapping[Mode, str | bool]]] = {
    "stop.grace": {Mode.DEV: "50ms", Mode.RUN: "10s"},
    "ready.timeout": {Mode.DEV: "60s", Mode.RUN: "120s"},
    "health.enabled": {Mode.DEV: False, Mode.RUN: True},
    "log.format": {Mode.DEV: "console", Mode.RUN: "auto"},
    "log.files": {Mode.DEV: False, Mode.RUN: True},
}
"""The defaults that differ by mode, by dotted key."""


def by_mode(key: str) -> str | bool:
    """The default in `dev` of an option in `BY_MODE`, for a model that is built without a mode."""
    return BY_MODE[key][Mode.DEV]
