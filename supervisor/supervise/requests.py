"""The small protocols that others hold instead of the supervisor: `Commands` to request, `SupervisorView` to look.

Both are for the event loop. A request returns at once; the state machine decides what comes of it.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from supervisor.supervise.ongoing import OngoingRestart, Wanted
from supervisor.supervise.session_tracker import PageStatus, SnapshotAnswer
from supervisor.supervise.snapshot_queue import TakenSnapshot
from supervisor.supervise.state_machine import Stage
from supervisor.supervise.status import Status


class Restarter(Protocol):
    """Requests that need no answer."""

    def restart(self, reason: str, detail: str | None = None, wanted: Wanted = "auto") -> None:
        """Request a restart of the kind `wanted`; while one is under way this adds nothing to it."""

    def quit(self, reason: str, exit_code: int = 0) -> None:
        """Request the end. A second request shortens the grace periods, a third kills."""


class Commands(Restarter, Protocol):
    """All requests to the supervisor."""

    async def snapshot(self) -> Sequence[SnapshotAnswer]:
        """Take a snapshot of each session that the bot has open; empty if no bot runs that could have one."""

    async def take_snapshot(self, session: str | None) -> tuple[TakenSnapshot, Sequence[str]]:
        """Take a snapshot of one session, open or not; of the only one if `session` is None. Also returns remarks.

        Raises `inbox.UnknownSessionError`, `inbox.NotNowError` (nothing to copy, or not now), and `SessionError` if
        the files cannot be read or written.
        """


class SupervisorView(Protocol):
    """The supervisor as others see it."""

    @property
    def stage(self) -> Stage:
        """The stage of the state machine."""

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
        """Whether a bot runs whose start is over and that is not being stopped."""

    @property
    def ready(self) -> bool:
        """Whether the bot that runs has become ready; a session may have lost its link since."""

    @property
    def current_restart(self) -> OngoingRestart:
        """The restart that is under way, else the last one."""

    def page_states(self) -> Mapping[str, PageStatus]:
        """The state of each open page, by session."""

    async def status(self) -> Status:
        """The whole status, gathered now; files and processes are read on other threads."""

    async def moved(self) -> None:
        """Return once the stage or the restart may be another than now."""
