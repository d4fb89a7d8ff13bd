"""The folder in which a running supervisor keeps its sockets and lists, closed to other users."""

import hashlib
import os
import sys
from pathlib import Path

import platformdirs

from supervisor.system.user_folders import cache_folder, homeless_folder

MAX_ADDRESS = 107 if sys.platform == "linux" else 103
"""Longest socket path in bytes: the size of `sun_path` less its closing NUL (unix(7); 104 on the BSDs and macOS)."""


class RuntimeFolderError(Exception):
    """No folder that is closed to other users could be found or made."""


def project_key(project: Path) -> str:
    """Return the key of a project in names of folders and files and in marks: 12 hexadecimal digits.

    It is a hash of the path: a copy of the project is another project, with processes of its own.
    """
    return hashlib.sha256(os.fsencode(project)).hexdigest()[:12]


def runtime_folder(key: str) -> Path:
    """Return the folder for the project with this key, and make it, private, if need be.

    It is in the user's runtime folder where the system has one, else in the cache folder; in the shared temporary one
    only for a user without a home folder. Raises RuntimeFolderError.
    """
    problems = []
    for base in _candidates():
        folder = base / key
        try:
            base.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_private(base)  # first: nothing is made in another user's folder, nor through a link
            folder.mkdir(mode=0o700, exist_ok=True)
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
    """Return the candidates for the project's folder, best first, without making any."""
    return [base / key for base in _candidates()]


def runtime_folders() -> list[Path]:
    """Return the folders that may hold those of this user's supervisors, without making any.

    A supervisor may have other environment variables than we: those of a service manager, not those of a login.
    """
    folders = _candidates()
    if sys.platform == "linux" and _is_ours(login := Path(f"/run/user/{os.getuid()}")):
        folders.append(login / "scanonce")
    return list(dict.fromkeys(folders))


def _candidates() -> list[Path]:
    """The runtime folder where the system has a private one, then the cache folder.

    Not platformdirs' choice on Unix: without XDG_RUNTIME_DIR, or if it is not ours, as after `sudo -E`, that is the
    shared temporary folder.
    """
    cache = cache_folder()
    if cache != homeless_folder():  # of which every level must be private
        cache /= "run"
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
    """Close a folder to others. Raises PermissionError if it belongs to another user, who may have planted it."""
    if sys.platform == "win32":
        folder.chmod(0o700)
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except NotADirectoryError:
        raise PermissionError(0, "it belongs to another user") from None
    try:
        if os.fstat(descriptor).st_uid != os.getuid():
            raise PermissionError(0, "it belongs to another user")
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)
