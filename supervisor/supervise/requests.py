"""The protocols that others hold instead of the supervisor: `Commands` to request, `SupervisorView` to look.

Both are for the event loop. A request returns at once; the state machine decides what comes of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from supervisor.system.errors import SessionError

if TYPE_CHECKING:
    from supervisor.supervise.session_tracker import Shot, Standing
    from supervisor.supervise.snapshot_queue import Taken
    from supervisor.supervise.state_machine import Phase
    from supervisor.supervise.status import Status
    from supervisor.supervise.turn import Turn


class UnknownSessionError(SessionError):
    """No session has the name that was given."""


class NotNowError(SessionError):
    """A request is refused in the state in which things are now."""


class Commands(Protocol):
    """Requests to the supervisor."""

    def restart(self, reason: str, detail: str | None = None) -> None:
        """Request a restart; while one is under way this adds nothing to it."""

    def quit(self, reason: str, exit_code: int = 0) -> None:
        """Request the end. A second request shortens the grace periods, a third kills."""

    async def snapshot(self) -> Sequence[Shot]:
        """Take a snapshot of each session that the bot has open; empty if no bot runs that could have one."""

    async def take_snapshot(self, session: str | None) -> tuple[Taken, Sequence[str]]:
        """Take a snapshot of one session, open or not; of the only one if `session` is None. Also returns remarks.

        Raises `UnknownSessionError`, `NotNowError` (nothing to copy, or not at this moment), and `SessionError` if
        the files cannot be read or written.
        """


class SupervisorView(Protocol):
    """The supervisor as others see it."""

    @property
    def phase(self) -> Phase:
        """The state machine's phase."""

    @property
    def ending(self) -> bool:
        """Whether no bot will be started any more."""

    @property
    def settled(self) -> bool:
        """Whether everything that has happened so far has been acted on."""

    @property
    def healthy(self) -> bool:
        """Whether the bot, if one runs, is being watched as it should be."""

    @property
    def serving(self) -> bool:
        """Whether a bot runs that has become ready and is not being stopped."""

    @property
    def turn(self) -> Turn:
        """The restart that is under way, else the last one."""

    def standing(self) -> Mapping[str, Standing]:
        """The state of each open page, by session."""

    async def status(self) -> Status:
        """The whole status, gathered now; files and processes are read on other threads."""

    async def moved(self) -> None:
        """Return once the phase or the restart may be another than now."""
