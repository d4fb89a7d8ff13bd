"""Looking after the locks of a running supervisor, whose files can be removed or replaced under it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from supervisor.log.logger import emit, in_background
from supervisor.session.locks import ProfileLocks, ProjectBusyError, ProjectLock
from supervisor.system.runtime_dir import RuntimeFolderError
from supervisor.watch.lookout import Lookout

LOOK: Final = 2.0
"""Seconds until a lock whose file was removed is taken anew: a folder that is being removed gets no new files."""


@contextlib.asynccontextmanager
async def keeping(
    lock: ProjectLock, profiles: ProfileLocks, project: Path, *, look: float = LOOK
) -> AsyncIterator[None]:
    """Take a project's lock and its profiles' anew whenever their files are removed or replaced, until the end."""
    async with in_background(_keep(lock, profiles, project, look), "lock-keeper"):
        yield


async def _keep(lock: ProjectLock, profiles: ProfileLocks, project: Path, look: float) -> None:
    failures = 0
    while True:
        with contextlib.closing(Lookout(lock.folder, look)) as lookout:
            while True:
                lost, problem = await asyncio.to_thread(_renew, lock, profiles, project)
                if lost and problem is None:
                    emit("supervisor.lock_renewed", paths=[str(path) for path in lost])
                    break  # the folder is another one
                failures = 0 if problem is None else failures + 1
                if failures == 2:  # not at once: a command that is refused holds the lock for a moment
                    emit("error", problem=problem, remedy="if another scanonce runs here, stop one of the two")
                await (asyncio.sleep(look) if problem is not None else lookout.wait())


def _renew(lock: ProjectLock, profiles: ProfileLocks, project: Path) -> tuple[list[Path], str | None]:
    """Take what was lost; says what that was, and why it cannot be taken, if so."""
    lost = lock.lost
    try:
        if lost:
            lock.take()
        profiles.renew(project)
    except (ProjectBusyError, RuntimeFolderError, OSError) as error:
        return lost, str(error)
    return lost, None
