"""Sessions as files: profiles, their checks, snapshots, restores, quarantine, and `session-state.json`.

- session: one linked account, known by the id of its profile.
- profile: the folder of a Chromium browser (`--user-data-dir`) that holds the account.
- snapshot: a verified copy of a profile; a restore puts one in the profile's place.
- quarantine: where a replaced or cleared profile is moved; nothing is deleted at once.
- state: what is known of a session beyond its files, kept in `session-state.json`.

Knows files only: no processes and no browsers. Facts that files do not show (whether the page was linked, which browser
wrote the profile) come from the caller. May import `watch`, `log`, `process` and what is below them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from supervisor.session.manager import SessionManager as SessionManager


def __getattr__(name: str) -> Any:
    """Import `SessionManager` when it is asked for: a command that needs one module must not load all of them."""
    if name == "SessionManager":
        from supervisor.session.manager import SessionManager

        return SessionManager
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
