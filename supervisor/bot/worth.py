"""Whether a session is worth a snapshot now, and what there is to say about one that was just taken.

A copy of a profile that is not linked helps nobody, and would in time push out those that do.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from supervisor.browser.presets import SessionStatus
from supervisor.system import clock
from supervisor.system.errors import SessionError
from supervisor.system.escape import printable

if TYPE_CHECKING:
    from supervisor.config.schema import Config
    from supervisor.session.profiles.profile import Profile
    from supervisor.session.state_file import SessionState

_LINKED = {SessionStatus.LINKED, SessionStatus.READY}
_UNLINKED = {SessionStatus.NEEDS_LINK, SessionStatus.LINKING, SessionStatus.LOGGED_OUT}


class NotLinkedError(SessionError):
    """There is nothing worth keeping."""


def linked_now(profile: Profile, status: SessionStatus, state: SessionState) -> bool | None:
    """Whether the page of a running bot is linked; where the page does not tell, what was known before.

    Raises `NotLinkedError`.
    """
    if status in _LINKED:
        return True
    if status in _UNLINKED:
        raise NotLinkedError(
            f"Session {printable(profile.id)} is not linked (its page says: {status}): there is nothing worth "
            "keeping. Link it first, then try again."
        )
    return linked_when_last_seen(profile, state)


def linked_when_last_seen(profile: Profile, state: SessionState) -> bool | None:
    """Whether a session without a page was linked when it last had one. Raises `NotLinkedError`."""
    if state.is_linked is False or state.last_state in {SessionStatus.NEEDS_LINK, SessionStatus.LOGGED_OUT}:
        raise NotLinkedError(
            f"Session {printable(profile.id)} was not linked when last seen: there is nothing worth keeping. "
            "Link it first, then try again."
        )
    return state.is_linked


def too_fresh(state: SessionState, config: Config) -> list[str]:
    """A remark on a snapshot of a running bot that comes very soon after the link."""
    needed = timedelta(seconds=config.snapshot.live_after)
    age = clock.now() - state.linked_at if state.linked_at is not None else needed
    if age >= needed:
        return []
    return [
        f"The session was linked only {age.total_seconds():.0f} s ago, and its browser may not have written all of the "
        "link yet. Take another snapshot in a minute."
    ]
