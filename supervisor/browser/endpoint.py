"""Where a browser's DevTools listens: at a port of its own choice, which it writes down, or of its command line."""

import asyncio
import contextlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import h11
import psutil

from supervisor.browser.devtools import read_endpoint
from supervisor.browser.processes import Browser, profile_of
from supervisor.http1.exchange import Exchange
from supervisor.process.table import find_by_argument

#: Seconds by which the clocks of a browser's start time and of its port file's mtime may differ.
_CLOCK_SLACK = 2.0

#: Seconds that a browser is given to name its WebSocket; one that is suspended never does.
_TIMEOUT = 2.0

_PORT_SWITCH = "--remote-debugging-port="
_LARGEST = 65_536  # bytes of an answer; Chromium's has some 400
_PATH = re.compile(r"ws://[^/]+(/devtools/browser/[0-9A-Fa-f-]{1,64})")

#: Addresses on which a browser may listen (`--remote-debugging-address`), and those at which it is reached then.
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1", "127.0.0.1": "127.0.0.1", "::1": "::1"}  # noqa: S104 - compared


async def live_endpoint(browser: Browser) -> str | None:
    """The address of this browser's DevTools, None if there is none.

    The port file of a browser that ran before this one does not count, nor does a program that listens on the port that
    this one was told to use: a second browser with the same port has none.
    """
    port = debugging_port(browser)
    if not port:
        return read_endpoint(browser.profile, since=browser.main.started - _CLOCK_SLACK)
    address = await asyncio.to_thread(_listens_at, browser.main.pid, port)
    if address is None:
        return None
    authority = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    path = await _ask_for_path(address, port, authority)
    return f"ws://{authority}{path}" if path else None


def debugging_port(browser: Browser) -> int | None:
    """The port that a browser was told to use, 0 for one of its own choice, None if it was told none.

    puppeteer and chromedriver ask for 0. The last such argument counts (base::CommandLine). Source: Chromium
    `chrome/browser/devtools/remote_debugging_server.cc`.
    """
    values = [word.removeprefix(_PORT_SWITCH) for word in browser.main.argv[1:] if word.startswith(_PORT_SWITCH)]
    value = values[-1] if values else ""
    return int(value) if value.isascii() and value.isdecimal() and int(value) < 65536 else None


def uses_pipe(browser: Browser) -> bool:
    """Whether a browser offers its DevTools on a pipe alone, which only the program that started it can use."""
    return debugging_port(browser) is None and "--remote-debugging-pipe" in browser.main.argv


def connects_to_another(pids: Iterable[int]) -> bool:
    """Whether one of these processes is connected to a browser's DevTools, on this machine, that runs already.

    Takes some milliseconds, and some tens of microseconds for each process of the machine.
    """
    ports = {tcp.raddr.port for pid in pids for tcp in _connections(pid) if tcp.raddr}
    if not ports:
        return False
    for main in find_by_argument(_PORT_SWITCH):
        profile = profile_of(main)
        browser = Browser(profile or Path(), main, (main,))
        port = debugging_port(browser)
        if port == 0 and profile is not None:
            url = read_endpoint(profile, since=main.started - _CLOCK_SLACK)
            port = urlsplit(url).port if url is not None else None
        if port in ports:
            return True
    return False


def _connections(pid: int) -> Sequence[Any]:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        found: Sequence[Any] = psutil.Process(pid).net_connections("tcp")
        return found
    return ()


def _listens_at(pid: int, port: int) -> str | None:
    """The address at which a process listens on a port, None if it does not. Takes some milliseconds."""
    for tcp in _connections(pid):
        if tcp.status == psutil.CONN_LISTEN and tcp.laddr.port == port and tcp.laddr.ip in _REACHED_AT:
            return _REACHED_AT[tcp.laddr.ip]
    return None


async def _ask_for_path(address: str, port: int, authority: str) -> str | None:
    """The path of a browser's WebSocket, by its answer to a request for its version; None if it gives none."""
    exchange = Exchange("GET", "/json/version", [("Host", authority)])
    body = bytearray()
    with contextlib.suppress(OSError, h11.RemoteProtocolError, ValueError):  # TimeoutError is an OSError
        async with asyncio.timeout(_TIMEOUT):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                writer.write(exchange.outgoing)
                while not isinstance(event := exchange.next_event(), h11.EndOfMessage):
                    if isinstance(event, h11.Data):
                        body += event.data
                    elif event is None:
                        exchange.feed(await reader.read(_LARGEST))
                    if len(body) > _LARGEST:
                        return None
            finally:
                writer.transport.abort()
        answer = json.loads(body)
        if isinstance(answer, dict) and (found := _PATH.fullmatch(str(answer.get("webSocketDebuggerUrl")))):
            return found[1]
    return None
