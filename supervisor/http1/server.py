"""An HTTP server with a limit on its connections.

No peer can affect more than its own connection: an exception in a handler is logged and answered with 500.
"""

import asyncio
import contextlib
import hmac
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from supervisor.http1.connection import Limits, PeerGoneError, Refusal, Request, Response, ServerConnection
from supervisor.http1.peer import Peer, may_enter, peer_of
from supervisor.log.logger import report_error

Answer = Callable[[Request, Peer], Awaitable[Response]]

CONNECTIONS: Final = 128
"""Connections that are served at a time. A further one that sends a request takes the place of one that sends none."""

_FIRST_REQUEST: Final = 1.0  # seconds for a further connection to send its request; then it is refused with 503
_KEPT_ALIVE: Final = 1.0  # seconds between two requests for which a connection keeps its place in any case

_CLOSE_PATIENCE: Final = 0.25  # seconds for responses under way when the server closes
_DEFAULTS: Final = Limits()


class Bound(Protocol):
    """A bound socket; `token` is what requests must carry, None for nothing."""

    socket: socket.socket
    token: str | None

    def close(self) -> None:
        """Stop listening."""


_Bound = TypeVar("_Bound", bound=Bound)


class _Waiting(NamedTuple):
    """A connection that is open without a request."""

    answered: bool
    """Whether it has had an answer before."""
    since: float
    writer: asyncio.StreamWriter


class Server(Generic[_Bound]):
    """Serves requests from `start` until `close`, which leaves no task and no connection."""

    def __init__(
        self, listener: _Bound, answer: Answer, *, limits: Limits = _DEFAULTS, connections: int = CONNECTIONS
    ) -> None:
        self.listener = listener
        self._answer = answer
        self._limits = limits
        self._connections = connections
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        #: Those that have a place: the others may yet get one by sending a request.
        self._placed: set[asyncio.Task[None]] = set()
        #: Those without a request, in the order in which they began to wait for one.
        self._waiting: dict[asyncio.Task[None], _Waiting] = {}
        self._dropped: set[asyncio.Task[None]] = set()
        self._answering: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start accepting connections."""
        # asyncio stops reading from the socket when a reader's buffer holds twice this limit.
        self._server = await asyncio.start_server(
            self._accept, sock=self.listener.socket, limit=self._limits.head, start_serving=True
        )

    async def close(self) -> None:
        """Stop accepting, wait a moment for responses under way, and close every connection."""
        if self._server is not None:
            self._server.close()
        self.listener.close()
        for task in self._serving - self._answering:
            task.cancel()
        if self._answering:
            await asyncio.wait(set(self._answering), timeout=_CLOSE_PATIENCE)
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, *self._dropped, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._serving) >= 2 * self._connections:
            # As many again wait for a place already: of a flood, those are dropped that have sent nothing for longest.
            if (oldest := next((task for task in self._waiting if task not in self._placed), None)) is not None:
                self._drop(oldest)
            elif refused := self._serving - self._placed - self._answering:
                # They have waited for too long, and are only given the time to read so.
                self._dismiss(refused.pop())
            else:
                writer.transport.abort()
                return
        task = asyncio.create_task(self._serve(reader, writer), name="control")
        self._serving.add(task)
        if len(self._placed) < self._connections:
            self._placed.add(task)
        self._waiting[task] = _Waiting(False, time.monotonic(), writer)
        for group in (self._serving, self._placed):
            task.add_done_callback(group.discard)
        task.add_done_callback(lambda task: self._waiting.pop(task, None))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(ServerConnection(reader, writer, self._limits), writer)
        except PeerGoneError:
            pass
        except Exception as error:  # noqa: BLE001  a fault of ours ends this connection only
            report_error(error)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    @staticmethod
    def _admit(writer: asyncio.StreamWriter) -> Peer:
        try:
            peer = peer_of(writer.get_extra_info("socket"))
        except OSError:  # it has closed the connection already
            raise PeerGoneError from None
        if not may_enter(peer):
            raise Refusal(403, "This supervisor answers only its own user and root.")
        return peer

    async def _converse(self, connection: ServerConnection, writer: asyncio.StreamWriter) -> None:
        """Answer the requests on a connection in turn."""
        task = asyncio.current_task()
        assert task is not None
        peer: Peer | None = None
        more = True
        while more:
            try:
                peer = peer or self._admit(writer)
                request = await self._request(connection, task)
                if request is None:
                    return
            except Refusal as refusal:
                await connection.respond(refusal.response(), last=True)
                await connection.linger()
                return
            more = await self._respond(connection, request, peer)
            self._waiting[task] = _Waiting(True, time.monotonic(), writer)

    async def _request(self, connection: ServerConnection, task: asyncio.Task[None]) -> Request | None:
        """Wait for the next request, which needs a place. Raises `Refusal` and `PeerGoneError`."""
        text = f"There are {self._connections} connections already. Try again in a moment."
        full = Refusal(503, text, {"retry-after": "1"})
        try:
            async with asyncio.timeout(None if task in self._placed else _FIRST_REQUEST):
                request = await connection.request()
        except TimeoutError:
            raise full from None
        finally:
            self._waiting.pop(task, None)
        if task not in self._placed:
            if not self._make_room():
                raise full
            self._placed.add(task)
        return request

    def _make_room(self) -> bool:
        """Make sure that there is a place: by dropping, if need be, the connection that has waited longest."""
        if len(self._placed) < self._connections:
            return True
        kept = time.monotonic() - _KEPT_ALIVE
        idle = [
            task
            for task, waiting in self._waiting.items()
            if task in self._placed and (not waiting.answered or waiting.since < kept)
        ]
        if not idle:
            return False
        self._drop(min(idle, key=lambda task: self._waiting[task][:2]))
        return True

    def _drop(self, task: asyncio.Task[None]) -> None:
        """Close a connection that waits for a request."""
        # Not by the task: one that has not begun yet would never close it.
        self._waiting.pop(task).writer.transport.abort()
        self._dismiss(task)

    def _dismiss(self, task: asyncio.Task[None]) -> None:
        self._serving.discard(task)
        self._placed.discard(task)
        self._dropped.add(task)
        task.add_done_callback(self._dropped.discard)
        task.cancel()

    async def _respond(self, connection: ServerConnection, request: Request, peer: Peer) -> bool:
        task = asyncio.current_task()
        assert task is not None
        self._answering.add(task)
        try:
            return await connection.respond(await self._answered(request, peer))
        finally:
            self._answering.discard(task)

    async def _answered(self, request: Request, peer: Peer) -> Response:
        try:
            self._authorize(request)
            return await self._answer(request, peer)
        except Refusal as refusal:
            return refusal.response()
        except Exception as error:  # noqa: BLE001  the peer must get a response as well
            report_error(error)
            return Refusal(500, "Something went wrong in scanonce itself; its log says more.").response()

    def _authorize(self, request: Request) -> None:
        token = self.listener.token
        if token is None:
            return
        given = request.headers.get("authorization", "")
        # In constant time, and as bytes, since a header may hold more than ASCII.
        if not hmac.compare_digest(given.encode("latin-1"), f"Bearer {token}".encode("ascii")):
            text = "The token is missing or wrong: send the one in control.json as Authorization: Bearer."
            raise Refusal(401, text, {"www-authenticate": "Bearer"})
