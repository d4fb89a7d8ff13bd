"""The server's side of one HTTP/1.1 connection, with limits on size and time in both directions.

h11 implements the protocol, without I/O. A peer that sends too much, too slowly or nonsense is refused with the
matching status; one that does not read its response is disconnected.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
LINES: Final = "application/x-ndjson"

_CHUNK: Final = 8192


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one connection, in bytes and seconds."""

    head: int = 16_384
    """The request line and all headers."""
    body: int = 65_536
    idle: float = 15.0
    """Without a byte before a request."""
    request: float = 5.0
    """From the first byte of a request to its last."""
    write: float = 10.0
    """For a peer to read its response."""
    linger: float = 1.0
    """For a peer that was refused to read the reason, while it may still be sending."""


@dataclass(frozen=True, slots=True)
class Request:
    """One complete request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By lower-case name; the last value of a repeated one."""
    body: bytes = b""


class Lines(Protocol):
    """A stream of lines; the connection that sends them closes it in any case."""

    async def next(self) -> bytes | None:
        """Return the next line; None after the last."""

    def close(self) -> None:
        """Release the stream."""


@dataclass(frozen=True, slots=True)
class Response:
    """One response, with a body or with lines that follow as they come."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    lines: Lines | None = None


class Refusal(Exception):  # noqa: N818  a response, not a fault
    """A request that is refused; `detail` is a sentence for the user who sent it."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}

    def response(self) -> Response:
        """Return the refusal as a response: problem details as in RFC 9457."""
        title = HTTPStatus(self.status).phrase
        problem = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        return Response(self.status, json.dumps(problem).encode(), PROBLEM, self.headers)


class PeerGoneError(Exception):
    """The peer has closed the connection, or does not read from it."""


class ServerConnection:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits) -> None:
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head)
        self._head_only = False

    async def request(self) -> Request | None:
        """Read the next request; None if there is none. Raises `Refusal` and `PeerGoneError`."""
        if not self._http.trailing_data[0]:
            try:
                async with asyncio.timeout(self._limits.idle):
                    self._http.receive_data(await self._read())
            except TimeoutError:
                return None
        try:
            async with asyncio.timeout(self._limits.request):
                return await self._read_request()
        except TimeoutError:
            seconds = f"{self._limits.request:g} s"
            raise Refusal(408, f"The request was not complete after {seconds}. Send it whole.") from None
        except h11.RemoteProtocolError as error:
            raise self._refusal(error) from None

    async def respond(self, response: Response, *, last: bool = False) -> bool:
        """Send a response; returns whether another request may follow. Raises `PeerGoneError`.

        `last` announces that the connection closes after it.
        """
        headers = [("content-type", response.content_type), ("cache-control", "no-store"), *response.headers.items()]
        if response.lines is None:
            headers.append(("content-length", str(len(response.body))))
        if last:
            headers.append(("connection", "close"))
        try:
            await self._send(
                h11.Response(status_code=response.status, reason=_reason(response.status), headers=headers)
            )
            if response.lines is None:
                # The response to HEAD has the length of the body, but not the body.
                await self._send(h11.Data(data=b"" if self._head_only else response.body))
            else:
                await self._stream(response.lines)
            await self._send(h11.EndOfMessage())
        finally:
            if response.lines is not None:
                response.lines.close()
        # h11 cannot reuse a connection on which a body was not read to its end.
        if last or self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    async def linger(self) -> None:
        """After a refusal, close the sending side at once and discard what the peer still sends, for a moment.

        A socket that is closed with unread bytes is reset, and the refusal could be lost with it.
        """
        with contextlib.suppress(TimeoutError, OSError):
            if self._writer.can_write_eof():
                self._writer.write_eof()
            async with asyncio.timeout(self._limits.linger):
                while await self._reader.read(_CHUNK):
                    pass

    async def _stream(self, lines: Lines) -> None:
        """Send lines as they come, until the last or until the peer has gone."""
        gone = asyncio.create_task(self._reader.read(1))
        coming: asyncio.Task[bytes | None] | None = None
        try:
            while True:
                coming = asyncio.create_task(lines.next())
                await asyncio.wait({coming, gone}, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    raise PeerGoneError
                line = coming.result()
                if line is None:
                    return
                await self._send(h11.Data(data=line))
        finally:
            for task in (gone, coming):
                if task is not None:
                    task.cancel()
            await asyncio.gather(*(task for task in (gone, coming) if task is not None), return_exceptions=True)

    async def _read(self) -> bytes:
        try:
            return await self._reader.read(_CHUNK)
        except OSError:
            raise PeerGoneError from None

    async def _read_request(self) -> Request | None:
        head = await self._next_event()
        if isinstance(head, h11.ConnectionClosed):
            return None
        assert isinstance(head, h11.Request)
        self._head_only = head.method == b"HEAD"
        if head.http_version not in {b"1.0", b"1.1"}:
            raise Refusal(505, "Only HTTP/1.1 is spoken here.")
        # h11 limits incomplete heads only, not one that arrives in one piece.
        if len(head.target) + sum(len(name) + len(value) for name, value in head.headers) > self._limits.head:
            raise self._head_too_large()
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
        too_large = Refusal(413, f"The body is larger than the {self._limits.body} bytes that are accepted.")
        if int(headers.get("content-length", "0")) > self._limits.body:
            raise too_large
        body = bytearray()
        while isinstance(event := await self._next_event(), h11.Data):
            body += event.data
            if len(body) > self._limits.body:
                raise too_large
        return _parsed(head, headers, bytes(body))

    async def _next_event(self) -> h11.Event:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._read())
        assert isinstance(event, h11.Event)
        return event

    def _head_too_large(self) -> Refusal:
        return Refusal(431, f"The request's head is larger than the {self._limits.head} bytes that are accepted.")

    def _refusal(self, error: h11.RemoteProtocolError) -> Refusal:
        if error.error_status_hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            return self._head_too_large()
        return Refusal(error.error_status_hint, f"This is not an HTTP/1.1 request: {error}.")

    async def _send(self, event: h11.Event) -> None:
        try:
            self._writer.write(self._http.send(event) or b"")
            async with asyncio.timeout(self._limits.write):
                await self._writer.drain()
        except (OSError, TimeoutError, h11.LocalProtocolError):
            self._writer.transport.abort()
            raise PeerGoneError from None


def _reason(status: int) -> bytes:
    return HTTPStatus(status).phrase.encode("ascii")


def _parsed(head: h11.Request, headers: Mapping[str, str], body: bytes) -> Request:
    """Parse the target of a request. Raises `Refusal`."""
    try:
        target = urlsplit(head.target.decode("ascii"))
        pairs = parse_qsl(target.query, keep_blank_values=True, strict_parsing=bool(target.query), max_num_fields=16)
        query = dict(pairs)
    except ValueError:  # also text that is not ASCII, a bad port, and a stray &
        raise Refusal(400, "The request's target is not a path with a query such as /v1/restart?wait=ready.") from None
    if len(query) < len(pairs):
        raise Refusal(400, "A parameter of the query is given more than once.")
    return Request(head.method.decode("ascii"), unquote(target.path), query, headers, body)
