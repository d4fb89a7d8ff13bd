"""Writes down what is learnt of the sessions, and keeps what the disk does not take until it does.

A bot may be up for weeks before its page changes again: what could not be written while the disk was full (that the
session is linked now, and since when) must not wait for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Final, cast

from supervisor.log.logger import emit
from supervisor.session.state_file import StateChanges, StateFile
from supervisor.system.errors import SessionError

_RETRY: Final = 60.0  # seconds between two tries to write to a disk that did not take it


class Ledger:
    """What is to stand in the state file of one project. To be used on the event loop.

    `in_background` does something some time soon, on another thread, in the order in which it was asked for.
    """

    def __init__(self, state: StateFile, in_background: Callable[[Callable[[], None]], None]) -> None:
        self._state = state
        self._in_background = in_background
        self._lock = threading.Lock()  # held for as long as the disk takes, so never waited for without need
        self._unwritten: dict[str, StateChanges] = {}
        self._told = False
        self._timer: asyncio.TimerHandle | None = None

    def note(self, session: str, changes: StateChanges) -> None:
        """Have something written down soon. The first time that it fails is told, and it is tried again by and by."""
        loop = asyncio.get_running_loop()
        self._in_background(lambda: self._try(loop, session, changes))

    def write(self, session: str, changes: StateChanges) -> None:
        """Write something down before anything else is done, and with it what is still to be written of that session.

        Raises `SessionError`; then it is as if it had not been asked for.
        """
        with self._lock:
            self._state.update(session, **self._with(session, changes))
            self._unwritten.pop(session, None)

    def retry(self) -> None:
        """Try once more to write what could not be written."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        for session in list(self._unwritten):
            self._in_background(lambda session=session: self._try(loop, session, StateChanges()))  # type: ignore[misc]

    def _with(self, session: str, changes: StateChanges) -> StateChanges:
        return cast("StateChanges", {**self._unwritten.get(session, {}), **changes})

    def _try(self, loop: asyncio.AbstractEventLoop, session: str, changes: StateChanges) -> None:
        with self._lock:
            if wanted := self._with(session, changes):
                self._unwritten[session] = wanted
                try:
                    self._state.update(session, **wanted)
                except SessionError as error:
                    with contextlib.suppress(RuntimeError):  # the loop has just been closed
                        loop.call_soon_threadsafe(self._failed, str(error))
                    return
                del self._unwritten[session]
            self._told = bool(self._told and self._unwritten)

    def _failed(self, problem: str) -> None:
        if not self._told:
            self._told = True
            emit("error", problem=problem)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_RETRY, self.retry)
