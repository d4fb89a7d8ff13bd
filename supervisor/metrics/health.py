"""What `/livez` and `/readyz` answer: nothing, or why not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from supervisor.browser.presets import SessionStatus

if TYPE_CHECKING:
    from supervisor.metrics.labels import Labels
    from supervisor.supervise.requests import SupervisorView

#: With a session in one of these states, nobody is served by it.
_OUT: Final = {
    SessionStatus.NEEDS_LINK,
    SessionStatus.LINKING,
    SessionStatus.LOGGED_OUT,
    SessionStatus.CONFLICT,
    SessionStatus.BLOCKED,
    SessionStatus.STUCK,
}


def not_alive(view: SupervisorView) -> Iterator[str]:
    """Why the supervisor itself should be started anew. That its bot is down is no reason: it sees to that."""
    if not view.healthy:
        yield "the bot runs unwatched: something in scanonce itself has failed"


def not_ready(view: SupervisorView, labels: Labels) -> Iterator[str]:
    """Why the bot is of no use to anybody just now."""
    if not view.serving:
        yield f"the bot is not up ({view.stage})"
    elif not view.ready:
        yield "the bot is up, but not ready"
    for session, standing in sorted(view.page_states().items()):
        if standing.state in _OUT:
            yield f"session {labels.of(session)}: {standing.state}"
