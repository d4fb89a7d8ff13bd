"""A small DevTools client: one WebSocket to the browser, one reader task, no polling.

Theory of operation. `DevTools.call` numbers a request, sends it and waits for the future under that number. The
reader task takes every incoming message: an answer settles its future, an event goes to its subscribers through
`loop.call_soon`, so that a subscriber's fault reaches the loop's exception handler and never ends the reader. When
the connection ends, for whatever reason, the reader settles everything that still waits and is done; nothing else
owns state that would need cleaning up.

Protocol: https://chromedevtools.github.io/devtools-protocol/ (sessions in its "flat" form).
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import json
import logging
import os
import re
import stat
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import ConnectionClosed, WebSocketException

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    EventCallback = Callable[[dict[str, Any], str | None], None]

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Largest message taken from the browser. We ask for nothing near it; past it the connection is given up."""

CLOSE_GRACE = 0.25
"""Seconds for the WebSocket's closing handshake. A frozen browser never answers it."""

_ENDPOINT_MAX_BYTES = 4096
_ENDPOINT = re.compile(
    rb"\A([0-9]{1,5})\r?\n(/devtools/browser/[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\s*\Z"
)
_SESSION_NOT_FOUND = -32001

# websockets logs whole frames at DEBUG, and a frame may hold a QR code, which is a secret: never let it.
_wire_log = logging.getLogger(__name__ + ".wire")
_wire_log.setLevel(logging.WARNING)


class DevToolsError(Exception):
    """Something between us and the browser failed; the subclasses say what."""


class ConnectionLostError(DevToolsError):
    """The connection could not be made, or ended before the answer came."""


class CallTimeoutError(DevToolsError):
    """The browser did not answer in time. It may still carry the call out."""


class SessionLostError(DevToolsError):
    """The page that the call was meant for is gone, or we are no longer attached to it."""


class CallError(DevToolsError):
    """The browser answered with a protocol error."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"the browser refused {method}: {message} ({code})")
        self.method = method
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a browser says its DevTools are, and when it wrote so (`st_mtime`, seconds since the epoch)."""

    url: str
    written_at: float


def read_endpoint(profile: Path) -> Endpoint | None:
    """Read `<profile>/DevToolsActivePort`; None when it is absent, damaged, or not wholly written yet.

    Chromium writes the port and, on a second line without a newline at its end, the WebSocket's path. The write is
    not atomic, so only a path with a complete UUID counts. The file survives the browser's exit: the caller must
    compare `written_at` with the start of a live process before trusting it.
    """
    # The profile's content is not ours: a FIFO must not block us, a link must not lead us elsewhere.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with os.fdopen(os.open(profile / "DevToolsActivePort", flags), "rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(_ENDPOINT_MAX_BYTES) if stat.S_ISREG(status.st_mode) else b""
    except OSError:
        return None
    match = _ENDPOINT.match(content)
    if match is None or not 0 < (port := int(match[1])) < 65536:
        return None
    return Endpoint(f"ws://127.0.0.1:{port}{match[2].decode('ascii')}", status.st_mtime)


def _loopback_address(url: str) -> tuple[str, int]:
    """Host and port of a DevTools URL; ConnectionLostError unless it is a plain WebSocket on this machine."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "ws" and port and (host == "localhost" or ipaddress.ip_address(host).is_loopback):
            return host, port
    except ValueError:  # a malformed URL, or a host that is a name
        pass
    raise ConnectionLostError(f"not a DevTools address on this machine: {url!r}; expected ws://127.0.0.1:PORT/...")


class DevTools:
    """A connection to one browser. Make it with `connect`; use it as an async context manager or `close` it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._pending: dict[int, _Pending] = {}
        self._subscribers: defaultdict[str, list[EventCallback]] = defaultdict(list)
        self._ended = asyncio.Event()
        self._reader = asyncio.create_task(self._read(), name="devtools-reader")

    @classmethod
    async def connect(cls, url: str, *, timeout: float) -> Self:
        """Connect to a browser's WebSocket on this machine within `timeout` seconds.

        No `Origin` header, because Chromium refuses those it does not know; no keep-alive pings, because a browser
        that is suspended for a snapshot must not lose us; no proxy and no redirect, whatever the environment says.

        Raises ConnectionLostError.
        """
        host, port = _loopback_address(url)
        try:
            socket = await connect_websocket(
                url,
                # Given explicitly, these also make the library refuse a redirect to any other place.
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
        """Call `callback(params, session)` for each event `method`, in order; returns what ends it.

        The callback runs on the event loop, outside the reader, and must not block.
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
        """Call a method and return its result; `session` addresses an attached page, `timeout` is in seconds.

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
                if self.closed:  # the reader is gone, and nobody would settle the future
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
            del pending, answer  # both hold the error, and its traceback this frame

    def abandon_session(self, session: str, reason: str) -> None:
        """Fail every call that waits on `session` with SessionLostError, without telling the browser."""
        for pending in list(self._pending.values()):
            if pending.session == session:
                pending.settle(SessionLostError(f"{pending.method} was not answered: {reason}"))

    async def request_browser_close(self, *, timeout: float = 5.0) -> None:
        """Send `Browser.close`, and wait for its answer or the end of the connection, not for the browser's exit.

        Raises CallError or CallTimeoutError.
        """
        try:
            await self.call("Browser.close", timeout=timeout)
        except ConnectionLostError:
            # The browser may be gone before its answer is out. If it was gone already, it needs no closing.
            return

    async def close(self) -> None:
        """End the connection; the browser goes on. May be called more than once, and when already ended."""
        try:
            await self._socket.close()
        finally:
            # Also when cancelled, and when a frozen browser let the closing handshake time out.
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
            return  # not the protocol; whoever waits for an answer has a timeout
        if not isinstance(message, dict):
            return
        number = message.get("id")
        if isinstance(number, int):  # an answer; nobody waits for it any more when its call timed out
            if (pending := self._pending.get(number)) is not None:
                pending.settle(_outcome(pending.method, message))
            return
        method, params = message.get("method"), message.get("params", {})
        if not isinstance(method, str) or not isinstance(params, dict):
            return
        if method == "Target.detachedFromTarget" and isinstance(lost := params.get("sessionId"), str):
            # Chromium does not answer what was pending on a session that ends with its page.
            self.abandon_session(lost, "the page is gone")
        for callback in self._subscribers.get(method, ()):
            asyncio.get_running_loop().call_soon(callback, params, message.get("sessionId"))


@dataclass(frozen=True, slots=True)
class _Pending:
    """A call that waits. Failures travel as values: an exception nobody waits for any more would be logged."""

    method: str
    session: str | None
    answer: asyncio.Future[dict[str, Any] | DevToolsError]

    def settle(self, outcome: dict[str, Any] | DevToolsError) -> None:
        if not self.answer.done():  # the caller's timeout or cancellation may have come first
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
    """Connect to the browser at `url` and ask it to close, flushing all it holds; does not wait for its exit.

    `timeout` bounds the connection and the answer, each, in seconds. Raises DevToolsError.
    """
    async with await DevTools.connect(url, timeout=timeout) as devtools:
        await devtools.request_browser_close(timeout=timeout)


async def ping(devtools: DevTools, *, timeout: float) -> None:
    """Have the browser itself answer, however busy its pages are, and say something to all who drive it.

    To attach to the browser, and detach at once, is announced to every client that watches for targets, as puppeteer
    does; none acts on it, since the browser is no page. Raises DevToolsError.
    """
    session = (await devtools.call("Target.attachToBrowserTarget", timeout=timeout)).get("sessionId")
    await devtools.call("Target.detachFromTarget", {"sessionId": session}, timeout=timeout)


async def browser_version(devtools: DevTools) -> str:
    """The browser's own version, such as `156.0.8078.79`. Raises DevToolsError."""
    product = (await devtools.call("Browser.getVersion")).get("product", "")
    return str(product).rpartition("/")[2]
