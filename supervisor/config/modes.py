"""The two long-running commands, and the defaults that differ between them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Mode(StrEnum):
    """Which of the two long-running commands reads the configuration."""

    DEV = "dev"
    RUN = "run"


BY_MODE: Final[Mapping[str, Mapping[Mode, str | bool]]] = {
    "stop.grace": {Mode.DEV: "50ms", Mode.RUN: "10s"},
    "ready.timeout": {Mode.DEV: "60s", Mode.RUN: "120s"},
    "health.enabled": {Mode.DEV: False, Mode.RUN: True},
    "log.format": {Mode.DEV: "console", Mode.RUN: "json"},
    "log.files": {Mode.DEV: False, Mode.RUN: True},
}
"""The defaults that differ between `scanonce dev` and `scanonce run`."""


def by_mode(key: str) -> str | bool:
    """The default of such an option, by its dotted key, for a model that is built by hand."""
    return BY_MODE[key][Mode.DEV]
