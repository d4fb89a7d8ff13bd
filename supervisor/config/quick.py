"""The settings that a request to a running supervisor needs, read without the models if the file sets none of them.

The models take longer to import than all else that `scanonce status` does.
"""

from pathlib import Path
from typing import Final, NamedTuple

from supervisor.config.issues import ConfigError
from supervisor.config.modes import Mode
from supervisor.system.reading import read_text

_FILE: Final = "scanonce.toml"
_KEYS: Final = (("session", "cache"), ("timing", "target_low"), ("timing", "target_high"))


class Quick(NamedTuple):
    """`session.cache`, `timing.target_low` and `timing.target_high` (seconds)."""

    cache: Path = Path(".session-cache")
    target_low: float = 5.0
    target_high: float = 10.0


def read(project: Path, file: Path | None) -> Quick:
    """Read them as `loader.load` would; a file with mistakes must not keep a user from asking for the status."""
    try:
        text = read_text(file or project / _FILE, follow=True)
    except (OSError, ValueError):
        return Quick()
    if not _sets_one(text):
        return Quick()
    from supervisor.config.loader import load

    try:
        config = load(project, file, mode=Mode.DEV)
    except ConfigError:
        return Quick()
    return Quick(config.session.cache, config.timing.target_low, config.timing.target_high)


def _sets_one(text: str) -> bool:
    import tomllib  # only with a file

    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError):
        return False
    tables = ((data.get(section), key) for section, key in _KEYS)
    return any(isinstance(table, dict) and key in table for table, key in tables)
