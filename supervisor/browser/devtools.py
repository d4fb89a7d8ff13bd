"""A small DevTools client: one WebSocket to the browser, one reader task, no polling.

Theory of operation. `DevTools.call` numbers a request, sends it and waits for the future under that number. The reader
task takes every incoming message: an answer settles its future; an event goes to its subscribers through
`loop.call_soon`, so that an exception of theirs reaches the loop's handler and does not end the reader. When the
connection ends, the reader settles all pending calls and exits; there is no other state to clean up.

Protocol: https://chromedevtools.github.io/devtools-protocol/ (sessions in its "flat" form). Why not a library: see
`docs/architecture.md`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import ConnectionClosed, WebSocketException

from supervisor.system.reading import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    EventCallback = Callable[[dict[str, Any], str | None], None]

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Largest message accepted from the browser, far above any that we request; a larger one ends the connection."""

CLOSE_GRACE = 0.25
"""Seconds for the WebSocket's closing handshake, which a suspended browser never answers."""

_ENDPOINT_MAX_BYTES = 4096
_ENDPOINT = re.compile(
    rb"\A([0-9]{1,5})\r?\n(/devtools/browser/[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\s*\Z"
)
_SESSION_NOT_FOUND = -32001

# websockets logs whole frames at DEBUG, and a frame may hold a QR code, which is a secret.
_wire_log = logging.getLogger(__name__ + ".wire")
_wire_log.setLevel(logging.WARNING)


class DevToolsError(Exception):
    """Base of the errors of this module."""


class ConnectionLostError(DevToolsError):
    """The connection could not be made, or ended before the answer came."""


class CallTimeoutError(DevToolsError):
    """The browser did not answer in time. It may still execute the call."""


class SessionLostError(DevToolsError):
    """The page that was called is gone, or no longer attached."""


class CallError(DevToolsError):
    """The browser answered with a protocol error."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"the browser refused {method}: {message} ({code})")
        self.method = method
        self.code = code
        self.message = message


def read_endpoint(profile: Path, *, since: float = 0.0) -> str | None:
    """Return the URL in `<profile>/DevToolsActivePort`; None if the file is absent, damaged, or incomplete.

    Chromium writes the port and, on a second line without a newline, the WebSocket's path. The write is not atomic, so
    only a path with a complete UUID counts. The file survives the browser's exit: one that was written before `since`
    (seconds since the epoch) does not count either.
    """
    # The profile may contain anything: a FIFO must not block us, a link must not lead to another file.
    try:
        with open_regular(profile / "DevToolsActivePort") as file:
            written_at = os.fstat(file.fileno()).st_mtime
            content = file.read(_ENDPOINT_MAX_BYTES)
    except OSError:
        return None
    match = _ENDPOINT.match(content)
    if match is None or not 0 < (port := int(match[1])) < 65536 or written_at < since:
        return None
    return f"ws://127.0.0.1:{port}{match[2].decode('ascii')}"


class DevTools:
    """A connection to one browser, made by `connect`. Use it as an async context manager, or `close` it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._pending: dict[int, _Pending] = {}
        self._subscribers: defaultdict[str, list[EventCallback]] = defaultdict(list)
        self._ended = asyncio.Event()
        self._reader = asyncio.create_task(self._read(), name="devtools-reader")

    @classmethod
    async def connect(cls, url: str, *, timeout: float) -> Self:
        """Connect to a browser's WebSocket on this machine within `timeout` seconds. Raises ConnectionLostError.

        There is no `Origin` header, because Chromium refuses unknown ones; there are no keep-alive pings, because a
        browser that is suspended for a snapshot cannot answer them; proxies of the environment are not used.
        """
        address = urlsplit(url)
        host, port = ("::1" if address.hostname == "::1" else "127.0.0.1"), address.port
        try:
            socket = await connect_websocket(
                url,
                # Given explicitly, these override the URL's, and make the library refuse a redirect to another.
                host=host,
                port=port,
                proxy=None,
                compression=None,
                user_agent_header=None,
                open_timeout=timeout,
                close_timeout=CLOSE_GRACE,
                ping_interval=None,
                max_size=MAX_MESSAGE_BYTES,
                logger=_wire_log,
            )
        except (OSError, ValueError, WebSocketException) as error:  # TimeoutError is an OSError
            reason = str(error) or type(error).__name__
            raise ConnectionLostError(f"cannot reach the browser's DevTools at {host}:{port}: {reason}") from error
        return cls(socket)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def closed(self) -> bool:
        """True once the connection has ended, by either side."""
        return self._ended.is_set()

    async def wait_closed(self) -> None:
        """Wait until the connection has ended, by either side."""
        await self._ended.wait()

    def subscribe(self, method: str, callback: EventCallback) -> Callable[[], None]:
        """Call `callback(params, session)` on the event loop for each event `method`, in order.

        Returns the function that ends the subscription.
        """
        self._subscribers[method].append(callback)
        return lambda: self._subscribers[method].remove(callback)

    async def call(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        session: str | None = None,
        timeout: float = 5.0,
    ) -> dict[str, Any]:
        """Call a method, of an attached page if `session` is given, and return its result; `timeout` is in seconds.

        Raises CallError, CallTimeoutError, SessionLostError or ConnectionLostError.
        """
        number = next(self._ids)
        message: dict[str, Any] = {"id": number, "method": method, "params": params or {}}
        if session is not None:
            message["sessionId"] = session
        pending = _Pending(method, session, asyncio.get_running_loop().create_future())
        self._pending[number] = pending
        try:
            async with asyncio.timeout(timeout):
                if self.closed:  # the reader, which would settle the future, is gone
                    raise ConnectionLostError(f"the connection to the browser has ended; {method} was not sent")
                await self._socket.send(json.dumps(message, separators=(",", ":")))
                answer = await pending.answer
        except TimeoutError:
            raise CallTimeoutError(f"the browser did not answer {method} within {timeout:g} s") from None
        except ConnectionClosed:
            raise ConnectionLostError(f"the connection to the browser ended before {method} was answered") from None
        finally:
            del self._pending[number]
        try:
            if isinstance(answer, DevToolsError):
                raise answer
            return answer
        finally:
            del pending, answer  # break the cycle: both hold the error, whose traceback holds this frame

    def abandon_session(self, session: str, reason: str) -> None:
        """Fail every pending call of `session` with SessionLostError, without a message to the browser."""
        for pending in list(self._pending.values()):
            if pending.session == session:
                pending.settle(SessionLostError(f"{pending.method} was not answered: {reason}"))

    async def request_browser_close(self, *, timeout: float = 5.0) -> None:
        """Send `Browser.close`, and wait for its answer or the end of the connection, not for the browser's exit.

        It flushes all data. Raises CallError or CallTimeoutError.
        """
        try:
            await self.call("Browser.close", timeout=timeout)
        except ConnectionLostError:
            # The browser may exit before it answers, or have exited before the call.
            return

    async def close(self) -> None:
        """End the connection, not the browser. May be called more than once, and when it has ended."""
        try:
            await self._socket.close()
        finally:
            # Also after a cancellation, and when a suspended browser lets the closing handshake time out.
            self._socket.transport.abort()
        await asyncio.wait([self._reader])

    async def _read(self) -> None:
        try:
            while True:
                self._dispatch(await self._socket.recv())
        except ConnectionClosed:
            return
        finally:
            self._ended.set()
            for pending in list(self._pending.values()):
                pending.settle(
                    ConnectionLostError(f"the connection to the browser ended before {pending.method} was answered")
                )

    def _dispatch(self, raw: str | bytes) -> None:
        try:
            message = json.loads(raw)
        except (ValueError, RecursionError):
            return  # not the protocol; pending calls have a timeout
        if not isinstance(message, dict):
            return
        number = message.get("id")
        if isinstance(number, int):  # an answer; its call may have timed out
            if (pending := self._pending.get(number)) is not None:
                pending.settle(_outcome(pending.method, message))
            return
        method, params = message.get("method"), message.get("params", {})
        if not isinstance(method, str) or not isinstance(params, dict):
            return
        if method == "Target.detachedFromTarget" and isinstance(lost := params.get("sessionId"), str):
            # Chromium does not answer the pending calls of a session that ends with its page.
            self.abandon_session(lost, "the page is gone")
        for callback in self._subscribers.get(method, ()):
            asyncio.get_running_loop().call_soon(callback, params, message.get("sessionId"))


@dataclass(frozen=True, slots=True)
class _Pending:
    """A pending call. Errors are passed as values: asyncio would log an exception that is never retrieved."""

    method: str
    session: str | None
    answer: asyncio.Future[dict[str, Any] | DevToolsError]

    def settle(self, outcome: dict[str, Any] | DevToolsError) -> None:
        if not self.answer.done():  # by the caller's timeout or cancellation
            self.answer.set_result(outcome)


def _outcome(method: str, message: dict[str, Any]) -> dict[str, Any] | DevToolsError:
    error = message.get("error")
    if error is None:
        result = message.get("result")
        if isinstance(result, dict):
            return result
        return CallError(method, 0, "the answer has no result")
    details = error if isinstance(error, dict) else {}
    code, text = details.get("code"), str(details.get("message", "no reason given"))
    if code == _SESSION_NOT_FOUND:
        return SessionLostError(f"{method} was not answered: {text}")
    return CallError(method, code if isinstance(code, int) else 0, text)


async def close_browser(url: str, *, timeout: float = 5.0) -> None:
    """Connect to the browser at `url` and have it close; see `DevTools.request_browser_close`.

    `timeout` bounds the connection and the answer, each, in seconds. Raises DevToolsError.
    """
    async with await DevTools.connect(url, timeout=timeout) as devtools:
        await devtools.request_browser_close(timeout=timeout)


async def ping(devtools: DevTools, *, timeout: float) -> None:
    """Have the browser itself answer, however busy its pages are, and send an event to all its clients.

    It attaches to the browser target and detaches at once: every client that watches for targets, such as puppeteer,
    gets an event, and ignores it, since this target is no page. Raises DevToolsError.
    """
    session = (await devtools.call("Target.attachToBrowserTarget", timeout=timeout)).get("sessionId")
    await devtools.call("Target.detachFromTarget", {"sessionId": session}, timeout=timeout)


async def browser_version(devtools: DevTools) -> str:
    """Return the browser's version, such as `156.0.8078.79`. Raises DevToolsError."""
    product = (await devtools.call("Browser.getVersion")).get("product", "")
    return str(product).rpartition("/")[2]


async def default_context(devtools: DevTools) -> str | None:
    """Return the id of the browser context whose pages' data is kept, None if the browser does not tell.

    Pages of all others are incognito: those that `--incognito` opens, and those of `createBrowserContext`.
    """
    try:
        context = (await devtools.call("Target.getBrowserContexts")).get("defaultBrowserContextId")
    except CallError:  # a browser of other descent
        return None
    return context if isinstance(context, str) else None
