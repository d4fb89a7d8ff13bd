"""Waiting until it is worth a look whether a file can still be found: told by the kernel where there is inotify."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from supervisor.watch.source import WatchLimitError

if TYPE_CHECKING:
    from supervisor.watch.inotify import InotifySource

#: Seconds between two looks where the kernel tells of what happens in the folder. It does not of all that can happen to
#: the folders above: one may be renamed, or another file system mounted there.
_RARELY: Final = 60.0


class Lookout:
    """Tells when to look at what lies in `folder`; close it in the end.

    `pause`: seconds from something that happens there to the look, since more may follow: whoever removes a folder
    empties it first, and must not find new files in it. Where the kernel does not tell, looks are that far apart.
    """

    def __init__(self, folder: Path, pause: float) -> None:
        self._pause = pause
        self._touched = asyncio.Event()
        self._source = _source(folder)

    async def wait(self) -> None:
        """Return when there may be something to see."""
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
        """Watch no more."""
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
