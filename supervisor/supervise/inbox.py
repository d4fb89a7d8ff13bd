"""The messages to the supervisor's loop: everything that happens, as values in one queue."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from supervisor.bot.run import RunEvent
from supervisor.log.logger import emit
from supervisor.supervise.ongoing import OngoingRestart, Wanted
from supervisor.supervise.state_machine import Event
from supervisor.system.errors import SessionError


@dataclass(frozen=True, slots=True)
class RestartWanted:
    """A restart is requested: by a key, a request, a plan, a changed file that is not to be checked, a session."""

    restart: OngoingRestart


@dataclass(frozen=True, slots=True)
class FilesChanged:
    """Watched files have begun to change: a restart is due if the bot can be started on them."""

    restart: OngoingRestart


@dataclass(frozen=True, slots=True)
class QuitWanted:
    """The end of the supervisor is requested; it exits with `exit_code`."""

    reason: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class BrowserLost:
    """A browser is gone under a running bot and has not come back in time."""

    profile: Path


@dataclass(frozen=True, slots=True)
class ProfileHeld:
    """Another supervisor turns out to hold a profile that our bot has opened."""


@dataclass(frozen=True, slots=True)
class QrBelieved:
    """A QR code that was doubted counts from now on."""


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A step has failed by an internal error, and will not report any more."""

    error: BaseException


Message = (
    RestartWanted | FilesChanged | QuitWanted | BrowserLost | ProfileHeld | QrBelieved | StepFailed | RunEvent | Event
)
"""A message to the supervisor's loop. An `Event` is a finished step's report to the state machine."""


class Inbox:
    """The messages that the supervisor has not handled yet, in the order in which they came."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        #: Whether the end has been requested, handled already or not.
        self.quit_requested = False

    @property
    def empty(self) -> bool:
        """Whether everything that has happened so far has been handled."""
        return self._messages.empty()

    def post(self, message: Message) -> None:
        """Add a message."""
        self._messages.put_nowait(message)

    async def next(self) -> Message:
        """Take the oldest message; wait for one if there is none."""
        return await self._messages.get()

    def restart(self, reason: str, detail: str | None = None, wanted: Wanted = "auto") -> None:
        """Request a restart; while one is under way this adds nothing to it."""
        self.post(RestartWanted(OngoingRestart(reason, detail, wanted)))

    def changed(self, detail: str) -> None:
        """Report that watched files have begun to change; `detail` names the first."""
        self.post(FilesChanged(OngoingRestart("change", detail)))

    def quit(self, reason: str, exit_code: int = 0) -> None:
        """Request the end. A second request shortens the grace periods, a third kills."""
        if not self.quit_requested:
            self.quit_requested = True
            emit("supervisor.stopping", reason=reason)  # at once: the loop may not have begun to read
        self.post(QuitWanted(reason, exit_code))


@dataclass(slots=True)
class Plans:
    """The scheduled actions, with their due times in seconds of the monotonic clock."""

    _due: dict[str, float] = field(default_factory=dict)

    def set(self, action: str, due: float | None) -> None:
        """Note when an action is due; None if it no longer is."""
        self._due.pop(action, None)
        if due is not None:
            self._due[action] = due

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return iter(self._due.items())


class UnknownSessionError(SessionError):
    """No session has the name that was given."""


class NotNowError(SessionError):
    """A request is refused in the state in which things are now."""
