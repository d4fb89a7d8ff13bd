"""Waiting for a change in a folder: by inotify where there is any, else by time."""

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Final

from supervisor.watch.inotify import InotifySource
from supervisor.watch.source import WatchLimitError

#: Seconds between two checks with inotify, which does not report all that can happen to the folders above: one may be
#: renamed, or another file system mounted there.
_RARELY: Final = 60.0


class Lookout:
    """Waits for changes in `folder`; to be closed.

    `pause`: seconds from a change to the check, since more may follow: a folder that is being removed is emptied first,
    and must not get new files meanwhile. Without inotify the checks are that far apart.
    """

    def __init__(self, folder: Path, pause: float) -> None:
        self._pause = pause
        self._touched = asyncio.Event()
        self._source = _source(folder)

    async def wait(self) -> None:
        """Wait until a check is due."""
        if self._source is not None:
            self._touched.clear()
            self._source.listen(self._touched.set)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(_RARELY, self._pause)):
                    await self._touched.wait()
            if not self._touched.is_set():
                return
        await asyncio.sleep(self._pause)
        for _ in self._source.read() if self._source is not None else ():
            pass

    def close(self) -> None:
        """Stop watching."""
        if self._source is not None:
            self._source.close()


def _source(folder: Path) -> InotifySource | None:
    if sys.platform != "linux":
        return None
    from supervisor.watch.inotify import InotifySource

    try:
        source = InotifySource()
    except (OSError, WatchLimitError):
        return None
    try:
        source.add(str(folder))
    except (OSError, WatchLimitError):
        source.close()
        return None
    return source
