"""A scripted DevTools server, for what a real browser does not do on demand."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Answer = Callable[[dict[str, Any]], dict[str, Any] | None]


class FakeBrowser:
    """Answers each call by the function registered for its method, with `{}` by default; None means never."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.calls: list[dict[str, Any]] = []
        self.url = ""
        self.connection: ServerConnection | None = None
        self.called = asyncio.Condition()

    async def serve(self, connection: ServerConnection) -> None:
        self.connection = connection
        async for raw in connection:
            message = json.loads(raw)
            scripted = self.answers.get(message["method"])
            answer = {} if scripted is None else scripted(message)
            if answer is not None:
                await self.reply(message, answer)
            async with self.called:
                self.calls.append(message)
                self.called.notify_all()

    async def reply(self, message: dict[str, Any], answer: dict[str, Any]) -> None:
        body = answer if "error" in answer else {"result": answer}
        await self.send({"id": message["id"], **body})

    async def send(self, message: object) -> None:
        assert self.connection is not None
        await self.connection.send(json.dumps(message))

    async def send_together(self, *messages: object) -> None:
        """Send messages in one segment, so that they arrive in one turn of the receiver's loop."""
        assert self.connection is not None
        frames = []
        for message in messages:
            body = json.dumps(message).encode().ljust(126)  # from 126 bytes on the length has two bytes of its own
            frames.append(b"\x81\x7e" + len(body).to_bytes(2, "big") + body)
        self.connection.transport.write(b"".join(frames))

    async def emit(self, method: str, **params: object) -> None:
        await self.send({"method": method, "params": params})

    async def wait_for(self, method: str, count: int = 1) -> list[dict[str, Any]]:
        """The calls of `method`, once there are `count` of them."""
        async with self.called:
            await self.called.wait_for(lambda: len(self.named(method)) >= count)
        return self.named(method)

    def named(self, method: str) -> list[dict[str, Any]]:
        return [call for call in self.calls if call["method"] == method]

    def hang_up(self) -> None:
        """End the TCP connection without a WebSocket farewell, as a killed browser does."""
        assert self.connection is not None
        self.connection.transport.abort()


@asynccontextmanager
async def fake_browser() -> AsyncIterator[FakeBrowser]:
    browser = FakeBrowser()
    async with serve(browser.serve, "127.0.0.1", 0, compression=None, close_timeout=0.1) as server:
        browser.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/devtools/browser/fake"
        yield browser
