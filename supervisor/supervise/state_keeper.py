"""Looking after the state file of a running supervisor, to which another program may write."""

import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Final

from supervisor.log.logger import emit, in_background
from supervisor.session.state_file import StateFile
from supervisor.supervise.file_worker import FileWorker
from supervisor.system.errors import SessionError
from supervisor.watch.lookout import Lookout

LOOK: Final = 0.2 if sys.platform == "linux" else 2.0
"""Seconds from a change in the file's folder to the look at the file: a bot that logs there causes five a second.
Where there is no inotify, the file is looked at that often."""


@contextlib.asynccontextmanager
async def state_kept(state: StateFile, files: FileWorker, *, look: float = LOOK) -> AsyncIterator[None]:
    """Report at once when another program writes to the state file, and leave the file to it, until the end."""
    async with in_background(_keep(state, files, look), "state-keeper"):
        yield


async def _keep(state: StateFile, files: FileWorker, look: float) -> None:
    with contextlib.closing(Lookout(state.public.parent, look)) as lookout:
        while True:
            with contextlib.suppress(SessionError):  # it cannot be read just now; the next write reports that
                await files.do(state.look)
            for sentence in state.problems:  # also those that a write has met
                emit("state.foreign", what=sentence)
            state.problems.clear()
            if state.path != state.public:
                return  # nothing is read there any more
            await lookout.wait()
