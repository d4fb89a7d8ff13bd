"""Readiness by HTTP: a URL of the bot that answers with a 2xx or 3xx status."""

from __future__ import annotations

import asyncio
import contextlib
import re
from urllib.parse import quote, urlsplit

ATTEMPT_LIMIT = 5.0
"""Seconds for one request. A server that accepts and never answers must not use up the whole time."""

_STATUS_LINE_LIMIT = 4096
_READY = re.compile(rb"HTTP/1\.[01] [23][0-9]{2}\b")


async def http_ready(url: str, *, interval: float, timeout: float) -> bool:
    """Ask `url` every `interval` seconds until it answers with 2xx or 3xx (True) or `timeout` seconds are over (False).

    Redirects are not followed, since a 3xx shows a server at work; no proxy is used; the body is not read.
    Raises ValueError for a URL that cannot be asked.
    """
    host, port, secure, request = _prepare(url)
    try:
        async with asyncio.timeout(timeout):
            while True:
                if await _ask(host, port, secure, request, ATTEMPT_LIMIT):
                    return True
                await asyncio.sleep(interval)
    except TimeoutError:
        return False


async def http_answers(url: str, *, timeout: float) -> bool:
    """Ask `url` once; whether it answers with 2xx or 3xx within `timeout` seconds. As `http_ready` otherwise."""
    host, port, secure, request = _prepare(url)
    return await _ask(host, port, secure, request, timeout)


def _prepare(url: str) -> tuple[str, int, bool, bytes]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"not a URL that can be asked for readiness: {url!r}; expected http://HOST:PORT/PATH")
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    if parts.query:
        target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    host = parts.hostname.encode("ascii" if ":" in parts.hostname else "idna").decode("ascii")
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = (f"GET {target} HTTP/1.1", f"Host: {authority}", "User-Agent: scanonce", "Accept: */*", "Connection: close")
    return host, port, secure, "\r\n".join((*lines, "", "")).encode("ascii")


async def _ask(host: str, port: int, secure: bool, request: bytes, limit: float) -> bool:
    """Send one request; False for every answer that is not 2xx or 3xx, and for none within `limit` seconds."""
    try:
        async with asyncio.timeout(limit):
            reader, writer = await asyncio.open_connection(host, port, ssl=secure or None, limit=_STATUS_LINE_LIMIT)
            try:
                writer.write(request)
                return _READY.match(await reader.readline()) is not None
            finally:
                # The rest of the answer is not wanted, however long it is: no orderly close. An aborted transport
                # closes its socket one turn of the loop later; that it was reset already says nothing about readiness.
                writer.transport.abort()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, ValueError):  # ValueError: the line is longer than the limit; TimeoutError is an OSError
        return False
