"""One POST, and the status of its answer: with a limit for all of it, TLS verified, no redirect followed, no proxy."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote, urlsplit

import h11

from supervisor import __version__

_CHUNK: Final = 8192
_HEAD: Final = 65_536  # bytes of an answer's head; its body is not read


async def post(url: str, body: bytes, headers: Mapping[str, str], *, timeout: float) -> int:
    """Send `body` and return the status.

    Raises `TimeoutError` after `timeout` seconds, `OSError` (TLS errors are some) and `h11.RemoteProtocolError`.
    """
    parts = urlsplit(url)
    assert parts.hostname is not None, "checked when it was read"
    secure = parts.scheme == "https"
    host = parts.hostname.encode("ascii" if ":" in parts.hostname else "idna").decode("ascii")
    port = parts.port or (443 if secure else 80)
    authority = f"[{host}]" if ":" in host else host
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    if parts.query:
        target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    sent = {
        "host": authority if parts.port is None else f"{authority}:{port}",
        "user-agent": f"scanonce/{__version__}",
        "content-length": str(len(body)),
        "connection": "close",
        **headers,
    }
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        sent["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    async with asyncio.timeout(timeout):
        reader, writer = await _connect(host, port, secure)
        try:
            return await _exchange(
                reader, writer, h11.Request(method="POST", target=target, headers=[*sent.items()]), body
            )
        finally:
            # The answer's body is not wanted, however long it is: no orderly close.
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: h11.Request, body: bytes
) -> int:
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD)
    for part in (request, h11.Data(data=body), h11.EndOfMessage()):
        writer.write(http.send(part) or b"")
    # A server may refuse before it has read everything, and close: its answer counts.
    sending = asyncio.create_task(_drain(writer))
    try:
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await reader.read(_CHUNK))
            elif isinstance(event, h11.Response):
                return event.status_code
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _drain(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        await writer.drain()


async def _connect(host: str, port: int, secure: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    # Reading the system's certificates takes tens of milliseconds.
    context = await asyncio.to_thread(ssl.create_default_context) if secure else None
    problem: OSError = OSError(f"{host} has no address")
    for address in await _resolve(host, port):
        try:
            return await asyncio.open_connection(
                address, port, ssl=context, server_hostname=host if secure else None, limit=_HEAD
            )
        except OSError as error:
            problem = error
    raise problem


async def _resolve(host: str, port: int) -> list[str]:
    """The addresses of a host.

    In a thread of its own: the loop's executor would be waited for in the end, and a name server that does not answer
    takes its time.
    """
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def settle(addresses: list[str], error: OSError | None) -> None:
        if found.cancelled():
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)

    def look() -> None:
        addresses, problem = [], None
        try:
            known = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = [str(address[4][0]) for address in known]
        except OSError as error:
            problem = error
        with contextlib.suppress(RuntimeError):  # the loop is closed by now
            loop.call_soon_threadsafe(settle, addresses, problem)

    threading.Thread(target=look, name="resolve", daemon=True).start()
    return await found
