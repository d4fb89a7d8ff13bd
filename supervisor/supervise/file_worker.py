"""Work on files, off the event loop: one job at a time, in the order in which they were requested."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal, ParamSpec, TypeVar

from supervisor.log.logger import emit, report_fault
from supervisor.system.parallel import Progress

#: Seconds until a job reports its progress, and between two such reports.
_PROGRESS_INTERVAL = 1.0

_P = ParamSpec("_P")
_T = TypeVar("_T")


class FileWorker:
    """A thread for the files of one project."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="files")

    async def do(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Do something after the jobs before it; raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))

    def do_later(self, work: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Do something after the jobs before it, without waiting for it. A failure is reported."""
        doing = asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))
        doing.add_done_callback(report_fault)

    def progress(self, event: Literal["session.progress", "snapshot.progress"], session: str, doing: str) -> Progress:
        """A callback that reports how far a long job is; for the thread that does the job."""
        loop = asyncio.get_running_loop()
        reported = time.monotonic()

        def progress(done: int, total: int) -> None:
            nonlocal reported
            if (now := time.monotonic()) - reported >= _PROGRESS_INTERVAL:
                reported = now
                fields = {"session": session, "doing": doing, "bytes_done": done, "bytes_total": total}
                loop.call_soon_threadsafe(partial(emit, event, **fields))

        return progress

    def close(self) -> None:
        """End the thread once it has done its jobs."""
        self._thread.shutdown()
