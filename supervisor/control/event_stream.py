"""The supervisor's events, as requests follow them or wait for one."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Self

from supervisor.log import logger
from supervisor.log.events.registry import EVENTS
from supervisor.system import clock
from supervisor.system.escape import escape_surrogates

BEHIND: Final = 1000
"""Lines that a reader may be behind before it is cut off."""


class WorstEvent:
    """Keeps the last error and the last warning while its context is open, for the answer to a request that fails."""

    def __init__(self) -> None:
        self._latest: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._unsubscribe = logger.subscribe(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._unsubscribe()
        del self._unsubscribe  # breaks a reference cycle

    @property
    def sentence(self) -> str | None:
        """The last error as a sentence, else the last warning, if there was any."""
        text = self._latest.get("error") or self._latest.get("warning")
        return None if text is None else f"{text[:1].upper()}{text[1:].rstrip('.')}."

    def _note(self, name: str, fields: Mapping[str, Any]) -> None:
        event = EVENTS[name]
        self._latest[event.level] = event.describe(fields)


@contextlib.contextmanager
def awaited_event(wanted: str) -> Iterator[asyncio.Future[Mapping[str, Any]]]:
    """Yield a future of the fields of an event, which cannot be missed while the context is open."""
    future: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()

    def note(name: str, fields: Mapping[str, Any]) -> None:
        if name == wanted and not future.done():
            future.set_result(fields)

    unsubscribe = logger.subscribe(note)
    try:
        yield future
    finally:
        unsubscribe()


class Follower:
    """Queues every event as a line of JSON from its construction until `close`, which calls `on_close`."""

    def __init__(self, on_close: Callable[[], None]) -> None:
        self._on_close = on_close
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._unsubscribe = logger.subscribe(self._note)

    async def next(self) -> bytes | None:
        """Return the next line; None after the last, or if the reader is too far behind."""
        return await self._waiting.get()

    def close(self) -> None:
        """Stop receiving events."""
        self._unsubscribe()
        del self._unsubscribe  # breaks a reference cycle
        self._on_close()

    def _note(self, name: str, fields: Mapping[str, Any]) -> None:
        # A reader that is this far behind will not catch up: it gets the end in place of the next line.
        if self._waiting.qsize() < BEHIND:
            self._waiting.put_nowait(line(name, fields))
        elif self._waiting.qsize() == BEHIND:
            self._waiting.put_nowait(None)
        if name == "supervisor.stopped" and self._waiting.qsize() <= BEHIND:
            self._waiting.put_nowait(None)  # nothing follows; the connection must not delay the exit


def line(name: str, fields: Mapping[str, Any]) -> bytes:
    """Format an event as a line of the JSON log."""
    document = {"ts": clock.iso(clock.now()), "level": EVENTS[name].level, "event": name, **fields}
    return json.dumps(escape_surrogates(document), default=str).encode() + b"\n"
