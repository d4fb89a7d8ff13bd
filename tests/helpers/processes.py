"""Find the processes of one test by what they carry, never by a name that others' processes have too."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from pathlib import Path

FOLDER_VARIABLE = "E2E_FOLDER"
"""Set to the test's folder around each test, and so inherited by all that the test starts."""

_POLL = 0.02
_OUTSIDE = ("TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")


def variables(folder: Path, temporary: Path, chromium: Path) -> dict[str, str]:
    """The environment variables that a bot in `folder` gets in addition.

    `temporary` is for what Chromium leaves outside its profile: a socket when it is killed, crash settings, dconf. Its
    path must be short, since a socket's may have 107 bytes at most.
    """
    outside = dict.fromkeys(_OUTSIDE, str(temporary))
    return {FOLDER_VARIABLE: str(folder), "PUPPETEER_EXECUTABLE_PATH": str(chromium), **outside}


def processes_of(folder: Path) -> list[psutil.Process]:
    """Live processes started for `folder`: it is on their command line or in their environment.

    A zombie has neither any more, so what only waits for its parent is not counted.
    """
    return [process for process in psutil.process_iter() if _carries(process, folder)]


async def others_gone(folder: Path, pid: int, timeout: float = 60) -> None:
    """Wait up to `timeout` seconds until no process started for `folder` is left but `pid`."""
    async with asyncio.timeout(timeout):
        # They are not our children, so nothing would set an event.
        while any(process.pid != pid for process in processes_of(folder)):  # noqa: ASYNC110
            await asyncio.sleep(_POLL)


def end_processes_of(folder: Path, timeout: float = 60) -> list[str]:
    """Kill every process started for `folder`, wait until they are gone, and say which they were."""
    ended: dict[int, str] = {}
    deadline = time.monotonic() + timeout
    while (left := processes_of(folder)) and time.monotonic() < deadline:
        for process in left:
            try:
                ended.setdefault(process.pid, f"{process.pid} {' '.join(process.cmdline())[:200]}")
                process.kill()
            except psutil.NoSuchProcess:
                continue
        time.sleep(_POLL)
    return list(ended.values())


def _carries(process: psutil.Process, folder: Path) -> bool:
    path = str(folder)
    if process.pid == os.getpid():
        return False
    try:
        return process.environ().get(FOLDER_VARIABLE) == path or any(path in word for word in process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
