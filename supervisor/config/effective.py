"""Every option with the value in force, written as in the file."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from supervisor.config.docgen import options_of, tables
from supervisor.config.loader import load, raw
from supervisor.config.modes import BY_MODE, Mode

_SECRET: Final = frozenset({"bot.env", "notify.webhooks", "notify.webhook_secret", "notify.apprise"})
_HIDDEN: Final = "(hidden)"


class Setting(NamedTuple):
    """One option. `value` is None if it is not set and has no default; secrets in it are hidden."""

    section: str
    name: str
    value: Any
    given: bool
    """Whether the file sets it."""


def settings(project: Path, file: Path | None, *, mode: Mode) -> list[Setting]:
    """All options in the order of the reference. Raises `ConfigError` for a file with mistakes."""
    load(project, file, mode=mode)
    return list(_settings(raw(project, file), mode))


def _settings(data: Mapping[str, Any], mode: Mode) -> Iterator[Setting]:
    for section, model in tables():
        table: Any = data
        for part in section.split("."):
            table = table.get(part, {})
        for name, _, default, is_example in options_of(model):
            key = f"{section}.{name}"
            if name in table:
                yield Setting(section, name, _shown(key, table[name]), given=True)
            else:
                value = None if is_example else BY_MODE[key][mode] if key in BY_MODE else default
                yield Setting(section, name, value, given=False)


def _shown(key: str, value: Any) -> Any:
    return _hide(value) if key in _SECRET else value


def _hide(value: Any) -> Any:
    """Hide every text but references to secrets, such as `env:HOOK`, which hold none themselves."""
    if isinstance(value, Mapping):
        return {name: _hide(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_hide(item) for item in value]
    if isinstance(value, str):
        return value if value.startswith(("env:", "file:")) else _HIDDEN
    return value
