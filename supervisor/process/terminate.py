"""Ending processes by steps: ask, wait, ask harder."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from supervisor.process.handle import Handle

#: Seconds that a step is still given once the user has asked to hurry.
HURRIED_TIMEOUT = 1.0


@dataclass(frozen=True, slots=True)
class TerminationStep:
    """One step of a ladder: what is done to each living process, and how many seconds it is then given."""

    name: str
    act: Callable[[Handle], object]
    patience: float


def terminate(handle: Handle) -> None:
    """The act of a rung: SIGTERM."""
    handle.terminate()


def kill(handle: Handle) -> None:
    """The act of a last rung: SIGKILL."""
    handle.kill()


class Urgency:
    """How much of a hurry the user is in: patient, hurried (short graces), or ruthless (kill now)."""

    def __init__(self) -> None:
        self._level = 0
        self._raised = asyncio.Event()

    @property
    def hurried(self) -> bool:
        """Graces are to be short."""
        return self._level >= 1

    @property
    def ruthless(self) -> bool:
        """Nothing is to be asked any more, only killed."""
        return self._level >= 2

    def hurry(self) -> None:
        """Cut the patience of the step under way, and of all that follow, to a second."""
        self._raise_to(1)

    def kill(self) -> None:
        """Go to the last rung at once."""
        self._raise_to(2)

    def _raise_to(self, level: int) -> None:
        self._level = max(self._level, level)
        self._raised.set()

    async def wait_all(self, handles: Collection[Handle], patience: float) -> list[Handle]:
        """Wait until all have exited or the patience, in seconds, is over; returns those still alive."""
        alive = [handle for handle in handles if handle.alive]
        if not alive:
            return []
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._shortened(patience)
        exits = asyncio.create_task(_all_exit(alive))
        try:
            while not exits.done() and (left := deadline - loop.time()) > 0:
                self._raised.clear()
                raised = asyncio.create_task(_wait(self._raised))
                try:
                    await asyncio.wait({exits, raised}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    raised.cancel()
                if self._level:
                    deadline = min(deadline, loop.time() + self._shortened(patience))
        finally:
            exits.cancel()
            await asyncio.wait({exits})
        return [handle for handle in alive if handle.alive]

    def _shortened(self, patience: float) -> float:
        return (patience, min(patience, HURRIED_TIMEOUT), 0.0)[self._level]


async def _all_exit(handles: Iterable[Handle]) -> None:
    for handle in handles:
        await handle.wait()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def escalate(
    handles: Collection[Handle], rungs: Iterable[TerminationStep], urgency: Urgency
) -> tuple[str | None, list[Handle]]:
    """Climb until every process is gone; the last rung is given its whole patience however great the urgency.

    Returns the name of the rung that sufficed (None when nothing was alive to begin with) and those still alive after
    the last one.
    """
    alive = [handle for handle in handles if handle.alive]
    used = None
    *asking, last = rungs
    for rung in asking:
        if not alive or urgency.ruthless:
            break
        used = rung.name
        alive = await _take(rung, alive, urgency)
    if alive:
        used = last.name
        alive = await _take(last, alive, Urgency())
    return used, alive


async def _take(rung: TerminationStep, alive: list[Handle], urgency: Urgency) -> list[Handle]:
    for handle in alive:
        # One that may not be signalled (it has changed its user) is waited for, and in the end named, like the others.
        with contextlib.suppress(PermissionError):
            rung.act(handle)
    return await urgency.wait_all(alive, rung.patience)
