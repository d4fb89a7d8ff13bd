from __future__ import annotations

import asyncio
import socket
import socketserver
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from supervisor.bot.probes import http as module
from supervisor.bot.probes.http import http_answers, http_ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def server(handle: Callable[[socket.socket], None], port: int = 0) -> Iterator[int]:
    """A TCP server on the loopback, in threads of its own; yields its port, and has no thread left at the end."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(ConnectionError):  # the prober hangs up as soon as it knows enough
                handle(self.request)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True

    with Server(("127.0.0.1", port), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield listener.server_address[1]
        finally:
            listener.shutdown()
            thread.join()


class Scripted:
    """Answers each request with the next of its answers, the last one for ever, and keeps the requests."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []

    def __call__(self, client: socket.socket) -> None:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            if not (received := client.recv(4096)):
                return
            request += received
        self.requests.append(request)
        client.sendall(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])


def status(line: str) -> bytes:
    return f"HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize("line", ["200 OK", "204 No Content", "299", "302 Found", "399"])
async def test_2xx_and_3xx_are_ready(line: str) -> None:
    script = Scripted(status(line))
    with server(script) as port:
        assert await http_ready(f"http://127.0.0.1:{port}/health?x=1#f", interval=60, timeout=5)
    (request,) = script.requests
    assert request.startswith(b"GET /health?x=1 HTTP/1.1\r\n")
    assert f"\r\nHost: 127.0.0.1:{port}\r\n".encode() in request
    assert b"\r\nConnection: close\r\n" in request


@pytest.mark.parametrize(
    "answer",
    [
        status("404 Not Found"),
        status("500 Oops"),
        status("100 Continue"),
        status("2000 X"),
        b"",
        b"HTTP/1.1",
        b"\r\n",
        b"\0\xff" * 1000 + b"\r\n",
        b"A" * 100_000,
        b"SSH-2.0-OpenSSH\r\n",
    ],
)
async def test_anything_else_is_asked_again_until_it_is_ready(answer: bytes) -> None:
    with server(Scripted(answer, answer, status("200 OK"))) as port:
        assert await http_ready(f"http://127.0.0.1:{port}/", interval=0.001, timeout=5)


async def test_a_server_that_comes_up_late_is_found() -> None:
    with server(Scripted(status("200 OK"))) as port:
        pass
    probe = asyncio.create_task(http_ready(f"http://127.0.0.1:{port}/", interval=0.01, timeout=5))
    await asyncio.sleep(0)
    with server(Scripted(status("200 OK")), port):
        assert await probe


async def test_never_ready_is_false_in_time() -> None:
    with server(Scripted(status("503 Starting"))) as port:
        started = asyncio.get_running_loop().time()
        assert not await http_ready(f"http://127.0.0.1:{port}/", interval=0.01, timeout=0.1)
        assert not await http_ready(f"http://127.0.0.1:{port}/", interval=60, timeout=0.1)
        assert asyncio.get_running_loop().time() - started < 2


async def test_a_server_that_accepts_and_is_silent_does_not_use_up_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ATTEMPT_LIMIT", 0.05)
    attempts = 0

    def handle(client: socket.socket) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            while client.recv(4096):
                pass
        client.sendall(status("200 OK"))

    with server(handle) as port:
        assert await http_ready(f"http://127.0.0.1:{port}/", interval=0.001, timeout=5)
    assert attempts >= 2  # on a busy machine an answer may be as late as silence


async def test_an_endless_body_is_not_read() -> None:
    def handle(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            client.sendall(b"x" * 65536)

    with server(handle) as port:
        assert await http_ready(f"http://127.0.0.1:{port}/", interval=60, timeout=5)


async def test_no_redirect_and_no_proxy_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = Scripted(status("200 OK"))
    with server(elsewhere) as other:
        for name in ("http_proxy", "all_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{other}")
        redirect = f"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:{other}/\r\n\r\n".encode()
        with server(Scripted(redirect)) as port:
            assert await http_ready(f"http://127.0.0.1:{port}/", interval=60, timeout=5)
    assert elsewhere.requests == []


async def test_a_path_cannot_smuggle_a_second_request() -> None:
    script = Scripted(status("200 OK"))
    with server(script) as port:
        await http_ready(f"http://127.0.0.1:{port}/a b\u00e9%20\x0b?q= \u00e9", interval=60, timeout=5)
    assert script.requests[0].startswith(b"GET /a%20b%C3%A9%20%0B?q=%20%C3%A9 HTTP/1.1\r\n")


async def test_cancelled_it_ends_at_once() -> None:
    with server(Scripted(status("503 Starting"))) as port:
        before = asyncio.all_tasks()
        probe = asyncio.create_task(http_ready(f"http://127.0.0.1:{port}/", interval=0.01, timeout=60))
        await asyncio.sleep(0)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert probe not in asyncio.all_tasks() - before


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "127.0.0.1:80", "http://", "http:///x", "http://h:x/", "http://h:99999/", ""]
)
async def test_a_url_that_cannot_be_asked_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"not a URL|Port|could not be cast"):
        await http_ready(url, interval=1, timeout=1)


@pytest.mark.parametrize(("line", "well"), [("204 No Content", True), ("302 Found", True), ("503 Busy", False)])
async def test_one_question_has_one_answer(line: str, well: bool) -> None:
    script = Scripted(status(line))
    with server(script) as port:
        assert await http_answers(f"http://127.0.0.1:{port}/", timeout=5) is well
    assert len(script.requests) == 1


async def test_one_question_waits_as_long_as_it_is_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also longer than one of many in a row would."""
    monkeypatch.setattr(module, "ATTEMPT_LIMIT", 0.01)

    def handle(client: socket.socket) -> None:
        client.recv(4096)
        time.sleep(0.2)
        client.sendall(status("200 OK"))

    with server(handle) as port:
        assert not await http_answers(f"http://127.0.0.1:{port}/", timeout=0.05)
        assert await http_answers(f"http://127.0.0.1:{port}/", timeout=10)
