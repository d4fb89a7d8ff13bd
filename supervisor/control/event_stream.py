"""What is heard of a supervisor while somebody waits for it: its events, from the moment of asking."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

from supervisor.log import logger
from supervisor.log.events.registry import EVENTS
from supervisor.system import clock
from supervisor.system.escape import escape_surrogates

BEHIND: Final = 1000
"""Lines that a follower may be behind before it is cut off."""


class Heard(ABC):
    """Hears every event for as long as its context is open."""

    def __enter__(self) -> Self:
        self._unsubscribe = logger.subscribe(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._unsubscribe()
        del self._unsubscribe  # it leads back here

    @abstractmethod
    def _note(self, name: str, fields: Mapping[str, Any]) -> None: ...


class Worst(Heard):
    """Hears what goes wrong, to be able to say it."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    @property
    def sentence(self) -> str | None:
        """The last error as a sentence, else the last warning, if there was any."""
        said = self._said.get("error") or self._said.get("warning")
        return None if said is None else f"{said[:1].upper()}{said[1:].rstrip('.')}."

    def _note(self, name: str, fields: Mapping[str, Any]) -> None:
        event = EVENTS[name]
        self._said[event.level] = event.describe(fields)


class Awaited(Heard):
    """Hears one event, which cannot be missed from the moment that this is entered."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.fields: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()

    def _note(self, name: str, fields: Mapping[str, Any]) -> None:
        if name == self._name and not self.fields.done():
            self.fields.set_result(fields)


class Follower:
    """Hears every event as a line of JSON, from when it is made until `close`, which calls `on_close`."""

    def __init__(self, on_close: Callable[[], None]) -> None:
        self._on_close = on_close
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._unsubscribe = logger.subscribe(self._note)

    async def next(self) -> bytes | None:
        """The next line; None after the last, and for one that is too far behind."""
        return await self._waiting.get()

    def close(self) -> None:
        """Hear no more."""
        self._unsubscribe()
        del self._unsubscribe  # it leads back here
        self._on_close()

    def _note(self, name: str, fields: Mapping[str, Any]) -> None:
        # One place is kept for the end: whoever is that far behind is not going to catch up.
        if self._waiting.qsize() < BEHIND:
            self._waiting.put_nowait(line(name, fields))
        elif self._waiting.qsize() == BEHIND:
            self._waiting.put_nowait(None)
        if name == "supervisor.stopped" and self._waiting.qsize() <= BEHIND:
            self._waiting.put_nowait(None)  # nothing follows, and nobody shall be waited for


def line(name: str, fields: Mapping[str, Any]) -> bytes:
    """An event as a line of the JSON log has it."""
    document = {"ts": clock.iso(clock.now()), "level": EVENTS[name].level, "event": name, **fields}
    return json.dumps(escape_surrogates(document), default=str).encode() + b"\n"
