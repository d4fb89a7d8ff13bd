"""The reasons why `/livez` and `/readyz` answer no."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from supervisor.browser.presets import SessionStatus

if TYPE_CHECKING:
    from supervisor.metrics.labels import Labels
    from supervisor.supervise.requests import SupervisorView

#: The states in which a session does not serve its users.
_OUT: Final = {
    SessionStatus.NEEDS_LINK,
    SessionStatus.LINKING,
    SessionStatus.LOGGED_OUT,
    SessionStatus.CONFLICT,
    SessionStatus.BLOCKED,
    SessionStatus.STUCK,
}


def not_alive(view: SupervisorView) -> Iterator[str]:
    """Yield reasons to restart the supervisor itself; a bot that is down is none, since the supervisor handles that."""
    if not view.healthy:
        yield "the bot runs unwatched: something in scanonce itself has failed"


def not_ready(view: SupervisorView, labels: Labels) -> Iterator[str]:
    """Yield reasons why the bot does not serve its users now."""
    if not view.serving:
        yield f"the bot is not up ({view.stage})"
    elif not view.ready:
        yield "the bot is up, but not ready"
    for session, page in sorted(view.page_states().items()):
        if page.state in _OUT:
            yield f"session {labels.of(session)}: {page.state}"
