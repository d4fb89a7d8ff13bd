"""Work on files, off the event loop: one thing at a time, in the order in which it was asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal, ParamSpec, TypeVar

from supervisor.log.logger import emit, report_fault
from supervisor.system.parallel import Progress

#: Seconds before something is told to be under way, and between two such lines.
_PROGRESS_INTERVAL = 1.0

_P = ParamSpec("_P")
_T = TypeVar("_T")


class FileWork:
    """A thread for the files of one project."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="files")

    async def do(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Do something after whatever is being done already; raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))

    def do_later(self, work: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Do something some time soon, without anybody who waits for it."""
        doing = asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))
        doing.add_done_callback(report_fault)

    def telling(self, event: Literal["session.progress", "snapshot.progress"], session: str, doing: str) -> Progress:
        """Tell how far something is that turns out to take long; it is called on the thread that does the work."""
        loop = asyncio.get_running_loop()
        told = time.monotonic()

        def progress(done: int, total: int) -> None:
            nonlocal told
            if (now := time.monotonic()) - told >= _PROGRESS_INTERVAL:
                told = now
                fields = {"session": session, "doing": doing, "bytes_done": done, "bytes_total": total}
                loop.call_soon_threadsafe(partial(emit, event, **fields))

        return progress

    def close(self) -> None:
        """End the thread once it has done what it was given."""
        self._thread.shutdown()
