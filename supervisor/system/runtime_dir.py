"""Where a running supervisor keeps its sockets and lists: a folder of its own that is closed to other users."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from pathlib import Path

import platformdirs

MAX_ADDRESS = 107 if sys.platform == "linux" else 103
"""Longest socket path in bytes: the size of `sun_path` less its closing NUL (unix(7); 104 on the BSDs and macOS)."""


class RuntimeFolderError(Exception):
    """No folder could be found or made that is ours alone."""


def project_key(project: Path) -> str:
    """What stands for a project in names and marks.

    The path goes in as it is: a copy of the project is another project, with processes of its own.
    """
    return hashlib.sha256(os.fsencode(project)).hexdigest()[:12]


def runtime_folder(key: str) -> Path:
    """The folder for the project with this key; made, and made private, if need be.

    The user's runtime folder where the system has one, else the cache folder; never a shared temporary one. Raises
    RuntimeFolderError.
    """
    problems = []
    for base in _candidates():
        folder = base / key
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_private(base)
            _make_private(folder)
        except OSError as error:
            problems.append(f"{folder}: {error.strerror}")
            continue
        return folder
    raise RuntimeFolderError(
        f"no private folder for sockets could be made ({'; '.join(problems)}); "
        "set XDG_RUNTIME_DIR to a folder that only you may enter"
    )


def places(key: str) -> list[Path]:
    """Where the folder for the project with this key may lie, best first. Nothing is made."""
    return [base / key for base in _candidates()]


def runtime_folders() -> list[Path]:
    """Where the folders of this user's supervisors may be; nothing is made.

    One of them may have been started with other variables: by a service manager, say, while a login sets its own.
    """
    folders = _candidates()
    if sys.platform == "linux" and _is_ours(login := Path(f"/run/user/{os.getuid()}")):
        folders.append(login / "scanonce")
    return list(dict.fromkeys(folders))


def _candidates() -> list[Path]:
    """The runtime folder where the system has a private one, then the cache folder.

    On Unix `platformdirs` falls back to the shared temporary folder when XDG_RUNTIME_DIR is not set, or is not ours
    (after `sudo -E`, say): not for us.
    """
    cache = platformdirs.user_cache_path("scanonce") / "run"
    if sys.platform in {"win32", "darwin"}:
        return [platformdirs.user_runtime_path("scanonce"), cache]
    given = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    return [given / "scanonce", cache] if given.is_absolute() and _is_ours(given) else [cache]


def _is_ours(folder: Path) -> bool:
    try:
        return folder.stat().st_uid == os.getuid()
    except OSError:
        return False


def _make_private(folder: Path) -> None:
    """Refuse a folder of somebody else's, as one planted under a shared folder would be."""
    status = folder.lstat()
    if sys.platform != "win32" and (status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode)):
        raise PermissionError(0, "it belongs to somebody else")
    folder.chmod(0o700)
