"""One request over HTTP or HTTPS, of whose response only the status is wanted: TLS verified, no redirects, no proxy."""

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
from supervisor.http1.exchange import Exchange

_CHUNK: Final = 8192  # bytes of the response, whose body is not read


async def fetch_status(
    method: str, url: str, *, timeout: float, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> int:
    """Send a request and return the status of its response.

    Raises `ValueError` for what is not an http or https URL, `TimeoutError` after `timeout` seconds, `OSError` (which
    TLS errors are, too) and `h11.RemoteProtocolError`.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"not a URL: {url!r}; expected http://HOST:PORT/PATH")
    secure = parts.scheme == "https"
    host = parts.hostname.encode("ascii" if ":" in parts.hostname else "idna").decode("ascii")
    port = parts.port or (443 if secure else 80)
    authority = f"[{host}]" if ":" in host else host
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    if parts.query:
        target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    sent = {"Host": authority if parts.port is None else f"{authority}:{port}", "User-Agent": f"scanonce/{__version__}"}
    sent |= {"Content-Length": str(len(body))} if body else {"Accept": "*/*"}
    sent |= headers or {}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        sent["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    exchange = Exchange(method, target, sent.items(), body)
    async with asyncio.timeout(timeout):
        reader, writer = await _connect(host, port, secure)
        writer.write(exchange.outgoing)
        # Beside the reading: a server may refuse and close before it has read everything, and its response counts.
        sending = asyncio.create_task(_drain(writer))
        try:
            while (event := exchange.next_event()) is None:
                exchange.feed(await reader.read(_CHUNK))
            assert isinstance(event, h11.Response)
            return event.status_code
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            # No orderly close: the rest of the response may be endless.
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


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
                address, port, ssl=context, server_hostname=host if secure else None, limit=_CHUNK
            )
        except OSError as error:
            problem = error
    raise problem


async def _resolve(host: str, port: int) -> list[str]:
    """Resolve a host name.

    In a thread of its own: at the end asyncio waits for the loop's executor, and a name server may be slow to fail.
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
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(settle, addresses, problem)

    threading.Thread(target=look, name="resolve", daemon=True).start()
    return await found
