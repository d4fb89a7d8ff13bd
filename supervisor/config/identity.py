"""A fingerprint of a configuration, recorded with each restart to tell later whether a change made a difference."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from supervisor.config.modes import BY_MODE, Mode
from supervisor.config.schema import Config

_LENGTH: Final = 12  # hexadecimal digits: 48 bits are plenty for the configurations that one project ever has
_NO_INFLUENCE: Final = ("log.", "timing.", "metrics.", "notify.")  # sections that change reports, not the bot's run


@dataclass(frozen=True, slots=True)
class ConfigIdentity:
    """The fingerprint of a configuration in force, and its values that are not the default, by dotted key.

    Of the variables in `bot.env` only the names are kept: values may be secrets, and a digest of a short value can be
    reversed by trying them all.
    """

    fingerprint: str
    settings: Mapping[str, Any]


def identify(config: Config, mode: Mode, command: Sequence[str]) -> ConfigIdentity:
    """The identity of `config` as used in `mode` to run `command`.

    Only values that differ from the defaults count: an option that a later version adds changes no fingerprint.
    """
    defaults = _flat(_defaults(mode).model_dump(mode="json"))
    settings = {
        key: value
        for key, value in _flat(config.model_dump(mode="json")).items()
        if value != defaults.get(key) and not key.startswith(_NO_INFLUENCE)
    }
    settings |= {"mode": str(mode), "bot.command": list(command)}
    ordered = dict(sorted(settings.items()))
    return ConfigIdentity(hashlib.sha256(json.dumps(ordered).encode()).hexdigest()[:_LENGTH], ordered)


def _defaults(mode: Mode) -> Config:
    data: dict[str, dict[str, str | bool]] = {}
    for key, by_mode in BY_MODE.items():
        section, _, name = key.partition(".")
        data.setdefault(section, {})[name] = by_mode[mode]
    return Config.model_validate(data)


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in data.items():
        key = prefix + name
        if key == "bot.env":
            flat[key] = sorted(value)
        elif isinstance(value, dict):
            flat |= _flat(value, f"{key}.")
        else:
            flat[key] = value
    return flat
