"""`scanonce dev` as the demo runs it: in the background, its events read as JSON and shown as sentences."""

import asyncio
import json
import signal
import sys
from asyncio import StreamReader
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from supervisor.log import logger
from supervisor.log.events.registry import EVENTS

Fields = Mapping[str, Any]
_T = TypeVar("_T")

PATIENCE = 60.0
"""Seconds to wait for any one thing, on the slowest machine."""

_STOP_PATIENCE = 30.0
_LAST_WORDS = 5.0
_LONGEST_LINE = 1 << 20

#: After one of these, what the demo waits for will not come.
_DEAD_ENDS = {"bot.crashed", "bot.not_ready", "bot.stuck", "bot.waiting"}


class DemoError(Exception):
    """Something did not go as promised. The message says what."""


class Scanonce:
    """One `scanonce dev -- node index.js`. As a context manager it leaves no process behind, however it is left."""

    def __init__(self, process: Process, show_bot: Callable[[str], None]) -> None:
        self._process = process
        self._show_bot = show_bot
        self._events: asyncio.Queue[tuple[str, Fields] | None] = asyncio.Queue()
        self._seen: dict[str, Fields] = {}
        self._printed: asyncio.Queue[str | None] = asyncio.Queue()
        assert process.stdout is not None
        assert process.stderr is not None
        self._readers = [
            asyncio.create_task(self._read_bot(process.stdout)),
            asyncio.create_task(self._read_events(process.stderr)),
        ]

    @classmethod
    async def start(cls, folder: Path, environment: Mapping[str, str], show_bot: Callable[[str], None]) -> Self:
        """Start it in `folder`; `show_bot` is given each line of the bot's output."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "supervisor", "dev", "--log-format", "json", "--", "node", "index.js"),
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
            process_group=0,  # a Ctrl+C is for the demo, which then asks scanonce to stop once and not twice
        )
        return cls(process, show_bot)

    async def until(self, event: str) -> Fields:
        """Wait for the next `event` and return its fields. Raises DemoError if it cannot or does not come."""
        while True:
            name, fields = await self._next(self._events, event)
            if name == event:
                return fields
            if name in _DEAD_ENDS:
                raise DemoError(f"waited for {event}, but {EVENTS[name].describe(fields)}")

    async def until_printed(self, beginning: str) -> None:
        """Wait for the next line of the bot's output with this beginning. Raises DemoError if it does not come."""
        while not (await self._next(self._printed, f"the bot to print {beginning!r}")).startswith(beginning):
            pass

    async def _next(self, queue: asyncio.Queue[_T | None], wanted: str) -> _T:
        try:
            async with asyncio.timeout(PATIENCE):
                item = await queue.get()
        except TimeoutError:
            raise DemoError(f"waited {PATIENCE:g} s for {wanted} in vain") from None
        if item is None:
            raise DemoError(f"scanonce ended with exit code {await self._process.wait()}; waited for {wanted}")
        return item

    def seen(self, event: str) -> Fields | None:
        """The fields of the last `event` that was reported, None if there has been none."""
        return self._seen.get(event)

    async def stop(self) -> int:
        """Ask it to stop, as Ctrl+C does, and return its exit code."""
        self.interrupt()
        await self.until("supervisor.stopped")
        return await self._process.wait()

    def interrupt(self) -> None:
        """Send what Ctrl+C sends; a second one makes it hurry, a third one kill."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGINT)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.interrupt()
        try:
            async with asyncio.timeout(_STOP_PATIENCE):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await asyncio.wait(self._readers, timeout=_LAST_WORDS)
        for reader in self._readers:
            reader.cancel()

    async def _read_bot(self, stream: StreamReader) -> None:
        async for line in stream:
            text = line.decode(errors="replace").rstrip()
            self._show_bot(text)
            self._printed.put_nowait(text)
        self._printed.put_nowait(None)

    async def _read_events(self, stream: StreamReader) -> None:
        """Standard error carries scanonce's events and, between them, what the bot writes there itself."""
        async for line in stream:
            text = line.decode(errors="replace").rstrip()
            event = _parse(text)
            if event is None:
                self._show_bot(text)
                continue
            name, fields = event
            logger.emit(name, **fields)
            self._seen[name] = fields
            self._events.put_nowait(event)
        self._events.put_nowait(None)


def _parse(line: str) -> tuple[str, Fields] | None:
    """The name and the fields of one of scanonce's events; None for any other line."""
    if not line.startswith("{"):
        return None
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    name = fields.pop("event", None)
    if name not in EVENTS:
        return None
    return name, {key: value for key, value in fields.items() if key not in {"ts", "level"}}
