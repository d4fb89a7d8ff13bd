"""Sessions as files: profiles, their checks, snapshots, restores, quarantine, and `session-state.json`.

This room knows files only: no processes and no browsers. What files cannot tell (is the profile held, was the page
linked, which browser wrote it) is known to the caller.
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
