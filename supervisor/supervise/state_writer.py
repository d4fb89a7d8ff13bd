"""Writes the sessions' states to `session-state.json`, and keeps what the disk does not take until it does.

A bot may be up for weeks before its page changes again: what could not be written while the disk was full (that the
session is linked now, and since when) must not wait for that.
"""

import asyncio
import contextlib
import threading
from typing import Final, cast

from supervisor.log.logger import emit
from supervisor.session.state_file import StateChanges, StateFile
from supervisor.supervise.file_worker import FileWorker
from supervisor.system.errors import SessionError

_RETRY: Final = 60.0  # seconds between two tries to write to a disk that did not take it


class StateWriter:
    """Writes to the state file of one project. For the event loop; the file is touched on the file worker's thread."""

    def __init__(self, state: StateFile, files: FileWorker) -> None:
        self._state = state
        self._files = files
        self._lock = threading.Lock()  # of `_unwritten`; never held while the disk works
        self._unwritten: dict[str, StateChanges] = {}
        self._reported = False
        self._timer: asyncio.TimerHandle | None = None

    def note(self, session: str, changes: StateChanges) -> None:
        """Have changes written soon. The first failure is reported, and they are tried again from time to time."""
        loop = asyncio.get_running_loop()
        self._files.do_later(self._try, loop, session, changes)

    async def write(self, session: str, changes: StateChanges) -> None:
        """Write changes, and with them those of that session that could not be written before.

        Raises `SessionError`; then it is as if they had not been requested.
        """
        await self._files.do(self._write, session, changes)

    def retry(self) -> None:
        """Try once more to write what could not be written."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        with self._lock:
            sessions = list(self._unwritten)
        for session in sessions:
            self._files.do_later(self._try, asyncio.get_running_loop(), session, StateChanges())

    def _write(self, session: str, changes: StateChanges) -> None:
        with self._lock:
            wanted = cast("StateChanges", {**self._unwritten.get(session, {}), **changes})
        if wanted:
            self._state.update(session, **wanted)
        # Nothing is lost between the two: only this thread adds to them.
        with self._lock:
            self._unwritten.pop(session, None)
            self._reported = self._reported and bool(self._unwritten)

    def _try(self, loop: asyncio.AbstractEventLoop, session: str, changes: StateChanges) -> None:
        try:
            self._write(session, changes)
        except SessionError as error:
            with self._lock:
                self._unwritten[session] = cast("StateChanges", {**self._unwritten.get(session, {}), **changes})
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(self._failed, str(error))

    def _failed(self, problem: str) -> None:
        if not self._reported:
            self._reported = True
            emit("error", problem=problem)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_RETRY, self.retry)
