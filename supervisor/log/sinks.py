"""Where the bot's output and our own lines go while one supervisor runs, without anyone ever waiting for it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from supervisor.config.modes import Mode
from supervisor.config.sections.log import LogConfig
from supervisor.log import logger
from supervisor.log.events.registry import EVENTS
from supervisor.log.files.location import log_folder
from supervisor.log.files.rotation import Segments
from supervisor.log.files.writer import Recorder
from supervisor.log.logger import emit
from supervisor.system.async_writer import AsyncWriter, Loss, LossCounter

_STDOUT, _STDERR = 1, 2
_ROOM: Final = 1024 * 1024  # bytes of output that wait for a reader of ours
_PATIENCE: Final = 0.02  # seconds that a bot is held up for a reader that is merely slow
_LAST: Final = 0.25  # seconds in the end for all that is written


class Outputs:
    """The ways out. To be handed to the bot's streams before it is open; what comes then is kept as well."""

    def __init__(self, project: Path, key: str, config: LogConfig, mode: Mode) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._losses = [LossCounter(where, self._tell) for where in ("stdout", "stderr", "log")]
        self._outlets: dict[int, AsyncWriter] = {}
        if mode is Mode.RUN:
            for fd, losses in zip((_STDOUT, _STDERR), self._losses, strict=False):
                self._outlets[fd] = AsyncWriter(fd, losses, room=_ROOM, patience=_PATIENCE)
        self._recorder: Recorder | None = None
        if config.files:
            folder = log_folder(project, config.folder)
            segments = Segments(folder, key, max_size=config.max_size, max_files=config.max_files)
            self._recorder = Recorder(segments, self._losses[-1])

    @property
    def ways(self) -> Mapping[int, Callable[[bytes], None]]:
        """What takes the bot's output for a descriptor of ours; one that is not in it may hold the bot up.

        In production nobody looks, and a bot must not stand still for a reader that does. In development it may: who
        stops his terminal (Ctrl+S) wants to see what comes next, and with any other launcher the bot would wait, too.
        """
        return {fd: outlet.put for fd, outlet in self._outlets.items()}

    @property
    def on_output(self) -> Callable[[str, bytes], None] | None:
        """What is to hear of each piece of output, from any thread; never waits."""
        return self._recorder.output if self._recorder is not None else None

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Keep events, too, and report what is dropped; to be entered in the event loop. Ends all threads after it."""
        self._loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            stack.callback(logger.subscribe(self._hear))
            if self._outlets:
                stack.enter_context(logger.threaded())
            try:
                yield
            finally:
                self._loop = None
                deadline = time.monotonic() + _LAST
                for closing in (*self._outlets.values(), self._recorder):
                    if closing is not None:
                        closing.close(max(0.0, deadline - time.monotonic()))

    def _hear(self, name: str, fields: Mapping[str, Any]) -> None:
        if self._recorder is not None:
            self._recorder.event(EVENTS[name].level, name, EVENTS[name].lasting(fields))
        if name == "supervisor.stopping":
            for losses in self._losses:
                losses.look(last=True)

    def _tell(self, loss: Loss) -> None:
        """Report a loss; called from any thread, so that only the event loop emits."""
        if (loop := self._loop) is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(partial(_report, loss))


def _report(loss: Loss) -> None:
    if loss.problem is not None:
        emit("output.dropping", where=loss.where, problem=loss.problem)
    else:
        emit("output.dropped", where=loss.where, bytes=loss.dropped)
