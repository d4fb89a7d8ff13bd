"""The phone that owns the account: it scans, writes to the bot, and logs the device out, over DevTools."""

import asyncio
import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from supervisor.demo.page_connection import POLL, PageConnection, PageError

PAGE_URL = "https://web.whatsapp.com/"
DEFAULT_NUMBER = "971505760056"
"""The number that examples/whatsapp-bot uses unless BOT_NUMBER says otherwise."""

STATE = """(() => {
    const socket = window.require?.('WAWebSocketModel').Socket;
    return socket ? (socket.hasSynced ? 'READY' : socket.state) : null;
})()"""


class SocketState(StrEnum):
    """The state of the page's socket: WhatsApp's own names, and READY for CONNECTED with all messages synced."""

    OPENING = "OPENING"
    UNPAIRED = "UNPAIRED"
    PAIRING = "PAIRING"
    CONNECTED = "CONNECTED"
    READY = "READY"


@dataclass(frozen=True, slots=True)
class Tally:
    """One number for each store of the profile."""

    indexed_db: int
    local_storage: int
    cookie: int

    def lost_in(self, found: "Tally") -> "Tally":
        """How many of these writes a later start no longer found, per store."""
        return Tally(
            max(0, self.indexed_db - found.indexed_db),
            max(0, self.local_storage - found.local_storage),
            max(0, self.cookie - found.cookie),
        )

    def __bool__(self) -> bool:
        return bool(self.indexed_db or self.local_storage or self.cookie)


@dataclass(frozen=True, slots=True)
class Counters:
    """The page's counter: what it last saw written, and what it found when it started.

    A test reads `written` just before a stop and compares it with `found` after the next start.
    """

    written: Tally
    found: Tally


class Phone:
    """A phone in reach of one bot's page. Use it from one task; close it when done."""

    def __init__(self, devtools: PageConnection) -> None:
        self.devtools = devtools

    @classmethod
    async def connect(cls, profile: Path, timeout: float = 30) -> Self:
        """Wait up to `timeout` seconds for the page in the browser that holds `profile`.

        Needs the browser's DevTools port, so it cannot reach a bot that uses `pipe: true`.
        Raises PageError, with what was missing.
        """
        return cls(await PageConnection.attach(profile, PAGE_URL, timeout=timeout))

    async def state(self) -> SocketState | None:
        """The page's state, or None while it is still loading."""
        value = await self.devtools.evaluate(STATE)
        return None if value is None else SocketState(value)

    async def wait_state(self, *wanted: SocketState, timeout: float = 30) -> SocketState:
        """Wait up to `timeout` seconds until the page is in one of the `wanted` states, and return it.

        Raises PageError, with the state that the page is in instead.
        """
        seen: SocketState | str | None = None
        try:
            async with asyncio.timeout(timeout):
                while True:
                    seen = await self.state()
                    if seen in wanted:
                        return seen
                    await asyncio.sleep(POLL)
        except TimeoutError:
            names = " or ".join(wanted)
            raise PageError(f"the page is {seen or 'not loaded'} and not {names} after {timeout:g} s") from None

    async def scan(self, number: str = DEFAULT_NUMBER) -> None:
        """Scan the QR code that the page shows. Returns when the link is stored; the page then connects."""
        await self.devtools.evaluate(f"__standin.scan({json.dumps(f'{number}@c.us')})")

    async def logout(self) -> None:
        """Remove the linked device, as its owner does on the phone. The page goes to `?post_logout=1`."""
        await self.devtools.evaluate("__standin.logout()")

    async def counters(self) -> Counters:
        """The page's counters, all read at one instant."""
        values = await self.devtools.evaluate("({written: __standin.written, found: __standin.found})")
        if values.get("found") is None:
            raise PageError("the page has not yet read what its profile holds: wait for READY first")
        written, found = (
            Tally(of["indexedDB"], of["localStorage"], of["cookie"]) for of in (values["written"], values["found"])
        )
        return Counters(written, found)

    async def fill(self, count: int) -> None:
        """Add `count` messages of about 2 kB to the page's IndexedDB. Returns when all are stored."""
        await self.devtools.evaluate(f"__standin.fill({count:d})")

    async def messages(self) -> int:
        """How many messages the page's IndexedDB holds."""
        value: int = await self.devtools.evaluate("__standin.messages()")
        return value

    async def ask(self, body: str, timeout: float = 10) -> str:
        """Write `body` to the bot and return what it next sends. Raises PageError after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                answer: str = await self.devtools.evaluate(f"__standin.receive({json.dumps(body)})")
        except TimeoutError:
            raise PageError(f"the bot did not answer {body!r} within {timeout:g} s") from None
        return answer

    async def feed(self, rate: int) -> list[str]:
        """Have the page send numbered events of every kind, `rate` a second; returns the kinds, by the bot's names."""
        kinds: list[str] = await self.devtools.evaluate(f"(__standin.feed({rate:d}), __standin.kinds)")
        return kinds

    async def end_feed(self) -> list[tuple[str, int]]:
        """End the feed; returns kind and number of everything that was sent, in order."""
        return [(kind, number) for kind, number in await self.devtools.evaluate("__standin.endFeed()")]

    async def listeners(self) -> list[int]:
        """How many listen to messages, chats, socket, connection and commands."""
        found: list[int] = await self.devtools.evaluate("__standin.listeners()")
        return found

    async def url(self) -> str:
        """The page's address."""
        value: str = await self.devtools.evaluate("location.href")
        return value

    async def close(self) -> None:
        """Put the phone down. The bot is left as it is."""
        await self.devtools.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
