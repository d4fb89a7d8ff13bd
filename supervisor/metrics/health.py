"""What `/livez` and `/readyz` answer: nothing, or why not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from supervisor.browser.presets import SessionStatus
from supervisor.supervise.state_machine import Phase

if TYPE_CHECKING:
    from supervisor.metrics.labels import Labels
    from supervisor.supervise.supervisor import Supervisor

#: With a session in one of these states, nobody is served by it.
_OUT: Final = {
    SessionStatus.NEEDS_LINK,
    SessionStatus.LINKING,
    SessionStatus.LOGGED_OUT,
    SessionStatus.CONFLICT,
    SessionStatus.BLOCKED,
    SessionStatus.STUCK,
}


def not_alive(supervisor: Supervisor) -> Iterator[str]:
    """Why the supervisor itself should be started anew. That its bot is down is no reason: it sees to that."""
    if not supervisor.healthy:
        yield "the bot runs unwatched: something in scanonce itself has failed"


def not_ready(supervisor: Supervisor, labels: Labels) -> Iterator[str]:
    """Why the bot is of no use to anybody just now."""
    run = supervisor.current_run
    if supervisor.phase not in {Phase.UP, Phase.CHECKING} or run is None or run.stopping:
        yield f"the bot is not up ({supervisor.phase})"
    elif not run.ready:
        yield "the bot is up, but not ready"
    for session, standing in sorted(supervisor.sessions.standing().items()):
        if standing.state in _OUT:
            yield f"session {labels.of(session)}: {standing.state}"
