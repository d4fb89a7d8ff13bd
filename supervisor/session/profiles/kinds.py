"""The kinds of session: what a session's folder is, how it is recognised, and what is checked in it.

Everything else (snapshots, restores, quarantine, state, locks) is the same for both. Which files are read for the check
is in `databases.py`.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Final, Protocol

from supervisor.session.profiles import auth_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class SessionKind(Protocol):
    """A kind of session. All methods look at the files in a folder, and change nothing."""

    @property
    def name(self) -> str:
        """The name that is shown; stable."""

    @property
    def has_browser(self) -> bool:
        """Whether a browser opens the folder, whose page then tells how the session stands."""

    @property
    def checks(self) -> Mapping[str, str]:
        """The check of each kind of database that a session of this kind needs, by the kind in `databases`."""

    def recognises(self, folder: Path) -> bool:
        """Whether a folder holds a session of this kind, and is ours to move."""

    def is_linked(self, folder: Path) -> bool | None:
        """Whether the files say that the session is linked; None if they do not tell."""

    def keep_newer(self, damaged: Path, copy: Path) -> int:
        """Put into the copy that is to replace a damaged folder what must not go back; the number of such files.

        Raises `OSError`.
        """

    def after_restore(self, kept: int) -> str:
        """One sentence on what a restore means beyond what is said of every one, with `kept` newer files; or none."""


class _BrowserProfile:
    """A Chromium user data folder."""

    name = "browser profile"
    has_browser = True
    checks: Final = {"IndexedDB": "indexed-db", "Local Storage": "local-storage"}

    def recognises(self, folder: Path) -> bool:
        """It holds `Default/` or `Local State`, neither being a link."""
        return _has_mode(folder / "Default", stat.S_ISDIR) or _has_mode(folder / "Local State", stat.S_ISREG)

    def is_linked(self, _folder: Path) -> bool | None:
        """Only the page tells."""
        return None

    def keep_newer(self, _damaged: Path, _copy: Path) -> int:
        """A profile is one whole."""
        return 0

    def after_restore(self, _kept: int) -> str:
        """There is nothing to add."""
        return ""


class _AuthFolder:
    """A folder of files that is the account: see `auth_files`."""

    name = "auth files"
    has_browser = False
    checks: Final = {"auth files": "auth-files"}

    def recognises(self, folder: Path) -> bool:
        """It holds creds or keys, and nothing that belongs to no account."""
        return auth_files.is_auth_folder(folder)

    def is_linked(self, folder: Path) -> bool | None:
        """The creds tell."""
        return auth_files.is_linked(folder)

    def keep_newer(self, damaged: Path, copy: Path) -> int:
        """All that can be read: its keys must not go back."""
        return auth_files.keep_newer(damaged, copy)

    def after_restore(self, kept: int) -> str:
        """Whether the keys went back."""
        if kept:
            return f"Only {auth_files.CREDS} came from the snapshot; {kept} newer files were kept, so no key went back."
        return (
            "Its keys are as old as the snapshot: what was encrypted with newer ones cannot be read, and has to be "
            "sent again (Baileys asks for that by itself)."
        )


BROWSER_PROFILE: Final[SessionKind] = _BrowserProfile()
AUTH_FOLDER: Final[SessionKind] = _AuthFolder()


def kind_of(folder: Path) -> SessionKind:
    """The kind of session in a folder; of one that is empty or gone, a browser's profile."""
    if not BROWSER_PROFILE.recognises(folder) and AUTH_FOLDER.recognises(folder):
        return AUTH_FOLDER
    return BROWSER_PROFILE


def is_session_folder(folder: Path) -> bool:
    """Whether a folder holds a session of either kind."""
    return BROWSER_PROFILE.recognises(folder) or AUTH_FOLDER.recognises(folder)


def _has_mode(path: Path, wanted: Callable[[int], bool]) -> bool:
    try:
        return wanted(path.lstat().st_mode)
    except OSError:
        return False
