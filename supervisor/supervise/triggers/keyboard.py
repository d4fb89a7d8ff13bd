"""What the keys do: lines typed on the terminal that are for the supervisor and not for the bot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final

from supervisor.log.logger import emit, report_fault
from supervisor.timing.record import Target

if TYPE_CHECKING:
    from supervisor.supervise.requests import Commands, SupervisorView

HELP: Final[Mapping[str, str]] = {
    "rs": "restart the bot",
    "st": "how bot and sessions stand",
    "sn": "take a snapshot now; the bot stands still for some milliseconds",
    "q": "stop the bot and quit, as Ctrl+C does",
    "?": "this list",
}
"""Each key, to be followed by Enter, and what it does. Anything else that is typed goes to the bot."""


class Keyboard:
    """Carries out what is typed; each of its `commands` is to be called on the event loop."""

    def __init__(self, commands: Commands, view: SupervisorView, target: Target) -> None:
        self._commands = commands
        self._view = view
        self._target = target
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.commands: Mapping[str, Callable[[], None]] = {
            "rs": lambda: commands.restart("key", "rs"),
            "st": lambda: self._begin("st", self._tell_status),
            "sn": lambda: self._begin("sn", self._take_snapshot),
            "q": lambda: commands.quit("q"),
            "?": self._help,
        }

    def _begin(self, key: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do what takes its time; a key that is typed again meanwhile has its answer coming already."""
        if key in self._tasks:
            return
        task = self._tasks[key] = asyncio.create_task(work(), name=f"key-{key}")
        task.add_done_callback(lambda _: self._tasks.pop(key, None))
        task.add_done_callback(report_fault)

    def _help(self) -> None:
        for key, meaning in HELP.items():
            emit("key.answer", key="?", line=f"{key:<2} + Enter  {meaning}")
        emit("key.answer", key="?", line="anything else goes to the bot")

    async def _tell_status(self) -> None:
        # Only here: a supervisor that nobody asks does without.
        from supervisor.supervise.status_text import describe

        status = (await self._view.status()).model_dump(mode="json")
        for line in describe(status, self._target):
            emit("key.answer", key="st", line=line)

    async def _take_snapshot(self) -> None:
        shots = await self._commands.snapshot()
        if not shots:
            emit("key.answer", key="sn", line="no snapshot: the bot has no browser open")
        for shot in shots:
            told = f"{shot.snapshot.name} taken" if shot.snapshot else f"no snapshot: {shot.reason}"
            emit("key.answer", key="sn", line=f"session {shot.session}: {told}")
