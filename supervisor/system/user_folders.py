"""The user's own folders, also for a user without a home: a container's user id that /etc/passwd does not know."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import platformdirs

from supervisor.system.errors import ScanonceError


def cache_folder() -> Path:
    """The folder for what can be made anew; without a home folder `homeless_folder`."""
    return _in_home(lambda: platformdirs.user_cache_path("scanonce")) or homeless_folder()


def log_folder() -> Path | None:
    """The folder for logs, None without a home folder."""
    return _in_home(lambda: platformdirs.user_log_path("scanonce"))


def config_folder() -> Path:
    """The folder for the settings of all programs. Raises ScanonceError if there is no home folder."""
    folder = _in_home(platformdirs.user_config_path)
    if folder is None:
        raise ScanonceError("This user has no home folder: set HOME, then try again.")
    return folder


def homeless_folder() -> Path:
    """A folder in the system's temporary one. Others may have made it: it is to be made private before it is used."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    return Path(tempfile.gettempdir(), f"scanonce-{user}")


def _in_home(find: Callable[[], Path]) -> Path | None:
    """The folder that platformdirs finds, None if that is in a home folder and there is none."""
    try:
        folder = find()
    except RuntimeError:
        return None
    return folder if folder.is_absolute() else None
