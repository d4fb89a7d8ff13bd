"""Ending processes in steps: ask, wait, kill."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from operator import methodcaller

from supervisor.process.handle import Handle

#: Seconds that a step is still given once the user has asked to hurry.
HURRIED_TIMEOUT = 1.0


@dataclass(frozen=True, slots=True)
class TerminationStep:
    """One step: the action on each living process, and the seconds that they are given to exit after it."""

    name: str
    action: Callable[[Handle], object]
    timeout: float


#: Actions of steps: SIGTERM and SIGKILL.
terminate: Callable[[Handle], object] = methodcaller("terminate")
kill: Callable[[Handle], object] = methodcaller("kill")


class Urgency:
    """How urgent the user's request to stop is: patient, hurried (short timeouts), or ruthless (kill now)."""

    def __init__(self) -> None:
        self._level = 0
        self._raised = asyncio.Event()

    @property
    def hurried(self) -> bool:
        """Whether timeouts are short."""
        return self._level >= 1

    @property
    def ruthless(self) -> bool:
        """Whether processes are killed without being asked."""
        return self._level >= 2

    def hurry(self) -> None:
        """Shorten the timeout of the step under way, and of all that follow, to a second."""
        self._raise_to(1)

    def kill(self) -> None:
        """Go to the last step at once."""
        self._raise_to(2)

    def _raise_to(self, level: int) -> None:
        self._level = max(self._level, level)
        self._raised.set()

    async def wait_all(self, handles: Collection[Handle], timeout: float) -> list[Handle]:
        """Wait until all have exited or `timeout` seconds, or fewer in a hurry, are over; return those still alive."""
        alive = [handle for handle in handles if handle.alive]
        if not alive:
            return []
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._shortened(timeout)
        exits = asyncio.create_task(_all_exit(alive))
        try:
            while not exits.done() and (left := deadline - loop.time()) > 0:
                self._raised.clear()
                raised = asyncio.create_task(self._raised.wait())
                try:
                    await asyncio.wait({exits, raised}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    raised.cancel()
                if self._level:
                    deadline = min(deadline, loop.time() + self._shortened(timeout))
        finally:
            exits.cancel()
            await asyncio.wait({exits})
        return [handle for handle in alive if handle.alive]

    def _shortened(self, timeout: float) -> float:
        return (timeout, min(timeout, HURRIED_TIMEOUT), 0.0)[self._level]


async def _all_exit(handles: Iterable[Handle]) -> None:
    for handle in handles:
        await handle.wait()


async def escalate(
    handles: Collection[Handle], steps: Iterable[TerminationStep], urgency: Urgency
) -> tuple[str | None, list[Handle]]:
    """Take one step after the other until every process is gone; the last always has its whole timeout.

    Returns the name of the step that sufficed (None if no process was alive at first) and the processes that are still
    alive after the last one.
    """
    alive = [handle for handle in handles if handle.alive]
    used = None
    *asking, last = steps
    for step in asking:
        if not alive or urgency.ruthless:
            break
        used = step.name
        alive = await _take(step, alive, urgency)
    if alive:
        used = last.name
        alive = await _take(last, alive, Urgency())
    return used, alive


async def _take(step: TerminationStep, alive: list[Handle], urgency: Urgency) -> list[Handle]:
    for handle in alive:
        # One that may not be signalled (it has changed its user) is waited for, and reported, like the others.
        with contextlib.suppress(PermissionError):
            step.action(handle)
    return await urgency.wait_all(alive, step.timeout)
