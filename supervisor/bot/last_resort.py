"""Ending a bot when the ordinary stop itself has failed: by as little code as possible, none of it the stop's.

A bot must not outlive its supervisor, and a session is lost if its browser is killed. So what looks like a browser gets
SIGINT, on which Chromium writes everything down, while all else stands still; then the rest is killed.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial

from supervisor.process.handle import Handle
from supervisor.process.table import ProcessEntry, descendants

_INTERVAL = 0.02  # seconds between two looks at what is left
_INTERRUPT = 2  # SIGINT


async def end_regardless(
    look: Callable[[], Sequence[ProcessEntry]], close_timeout: float, timeout: float
) -> tuple[list[int], bool]:
    """End what `look` returns, or, if that fails, all that descends from this process.

    Browsers have `close_timeout` seconds to close; then `timeout` seconds are spent on killing what is left. Returns
    the pids of survivors, and whether every browser has closed by itself.
    """

    def left() -> Sequence[ProcessEntry]:
        try:
            return look()
        except Exception:  # noqa: BLE001 - whatever it is, the bot must be ended
            return descendants()

    tree = left()
    closing = [entry.handle for entry in tree if _may_be_browser(entry)]
    for entry in tree:
        if entry.handle not in closing and " --type=" not in entry.command_line:
            _try(entry.handle.suspend)
    for handle in closing:
        _try(partial(handle.signal, _INTERRUPT))
    await _gone(closing, close_timeout)
    clean = not any(handle.alive for handle in closing)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while (tree := left()) and loop.time() < deadline:
        for entry in tree:
            _try(entry.handle.kill)
        await _gone([entry.handle for entry in tree], deadline - loop.time())
    return [entry.pid for entry in tree], clean


def _may_be_browser(entry: ProcessEntry) -> bool:
    """Whether this is a browser's main process, or a launcher of one that passes SIGINT on."""
    return any(word.startswith("--user-data-dir=") for word in entry.argv) and " --type=" not in entry.command_line


async def _gone(handles: Sequence[Handle], timeout: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            while any(handle.alive for handle in handles):  # noqa: ASYNC110
                await asyncio.sleep(_INTERVAL)


def _try(signal: Callable[[], object]) -> None:
    with contextlib.suppress(OSError):  # one that may not be signalled must not keep the others alive
        signal()
