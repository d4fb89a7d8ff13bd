"""The destinations of the bot's output and of events during one run, none of which can block the supervisor."""

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
from supervisor.log.logger import emit
from supervisor.log.segments.rotation import Segments, log_folder
from supervisor.log.segments.writer import LogWriter
from supervisor.system.async_writer import AsyncWriter, Loss, LossCounter

_STDOUT, _STDERR = 1, 2
_NAMES: Final = {_STDOUT: "stdout", _STDERR: "stderr"}
_ROOM: Final = 1024 * 1024  # bytes of output that are queued for a slow reader
_PATIENCE: Final = 0.02  # seconds that the bot is blocked for a slow reader before output is dropped
_CLOSE_TIMEOUT: Final = 0.25  # seconds at the end to write all that is queued


class OutputSinks:
    """The sinks of one run. They may be given to the bot's streams before `opened`; that output is kept as well."""

    def __init__(self, project: Path, key: str, config: LogConfig, mode: Mode) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._losses = [LossCounter(where, self._on_loss) for where in ("stdout", "stderr", "log")]
        self._outlets: dict[int, AsyncWriter] = {}
        if mode is Mode.RUN:
            for fd, losses in zip((_STDOUT, _STDERR), self._losses, strict=False):
                self._outlets[fd] = AsyncWriter(fd, losses, room=_ROOM, patience=_PATIENCE)
        self._log: LogWriter | None = None
        if config.files:
            folder = log_folder(project, config.folder)
            segments = Segments(folder, key, max_size=config.max_size, max_files=config.max_files)
            self._log = LogWriter(segments, self._losses[-1])

    @property
    def writers(self) -> Mapping[int, Callable[[bytes], None]]:
        """Functions that take the bot's output, by file descriptor (1, 2); a descriptor without one may block the bot.

        In production the bot must not be blocked by a reader. In development it may: a user who stops the terminal
        (Ctrl+S) wants to see what comes next, and under any other launcher the bot would be blocked, too.
        """
        return {fd: outlet.put for fd, outlet in self._outlets.items()}

    def listeners(self) -> list[Callable[[str, bytes], None]]:
        """Functions to be called with each piece of the bot's output, from any thread; they never block."""
        shared = {name: note for fd, name in _NAMES.items() if (note := logger.note_output(fd)) is not None}

        def note_output(stream: str, chunk: bytes) -> None:
            if stream in shared:
                shared[stream](chunk)

        return [*([note_output] if shared else []), *([self._log.output] if self._log is not None else [])]

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Log events, too, and report dropped output, inside the block, which must be entered in the event loop."""
        self._loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            stack.callback(logger.subscribe(self._on_event))
            if self._outlets:
                stack.enter_context(logger.threaded())
            try:
                yield
            finally:
                self._loop = None
                deadline = time.monotonic() + _CLOSE_TIMEOUT
                for closing in (*self._outlets.values(), self._log):
                    if closing is not None:
                        closing.close(max(0.0, deadline - time.monotonic()))

    def _on_event(self, name: str, fields: Mapping[str, Any]) -> None:
        if self._log is not None:
            self._log.event(EVENTS[name].level, name, EVENTS[name].lasting(fields))
        if name == "supervisor.stopping":
            for losses in self._losses:
                losses.look(last=True)

    def _on_loss(self, loss: Loss) -> None:
        """Report a loss in the event loop; called from any thread."""
        if (loop := self._loop) is not None:
            with contextlib.suppress(RuntimeError):  # the loop was closed just now
                loop.call_soon_threadsafe(partial(_report, loss))


def _report(loss: Loss) -> None:
    if loss.problem is not None:
        emit("output.dropping", where=loss.where, problem=loss.problem)
    else:
        emit("output.dropped", where=loss.where, bytes=loss.dropped)
