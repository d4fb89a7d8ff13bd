"""HTTP on the control socket: every limit holds, and whatever a peer does ends at its own connection."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import h11
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.control.client import Client, NoAnswerError
from supervisor.control.routes import REFUSALS
from supervisor.control.transport import listen
from supervisor.http1.connection import Limits, Request, Response
from supervisor.http1.peer import Peer
from supervisor.http1.server import Server
from supervisor.log import logger
from tests.helpers.control import connected, read_reply
from tests.helpers.waiting import eventually

QUICK = Limits(head=2048, body=4096, idle=0.3, request=0.3, write=0.3, linger=0.2)
PATIENT = Limits(head=2048, body=4096)


async def echo(request: Request, _peer: Peer) -> Response:
    """Answers with what it was asked."""
    if request.path == "/fault":
        raise RuntimeError("at fault")
    if request.path == "/endless":
        return Response(200, lines=Endless())
    return Response(200, f"{request.method} {request.path} {dict(request.query)} ".encode() + request.body)


class Endless:
    """Lines without end, as fast as they are taken."""

    closed = 0

    async def next(self) -> bytes | None:
        return b"x" * 65536

    def close(self) -> None:
        Endless.closed += 1


@contextlib.asynccontextmanager
async def served(limits: Limits = PATIENT, **more: Any) -> AsyncIterator[Path]:
    # Not under tmp_path: a socket's path may have 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="control-") as folder:
        server = Server(listen(Path(folder)), echo, limits=limits, **more)
        await server.start()
        try:
            yield server.listener.path
        finally:
            await server.close()


async def exchange(socket: Path, data: bytes) -> bytes:
    """Send bytes, and return all that comes until the other side closes."""
    async with asyncio.timeout(60), connected(socket) as (reader, writer):
        with contextlib.suppress(OSError):
            writer.write(data)
            await writer.drain()
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while more := await reader.read(65536):
                got += more
        return got


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 505),
        (GET + b"Content-Length: x\r\n\r\n", 400),
        (GET + b"Content-Length: -1\r\n\r\n", 400),
        (GET + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (GET + b"A : b\r\n\r\n", 400),
        (GET + b"A: \0\r\n\r\n", 400),
        (GET.replace(b"/ ", b"/\xff ") + b"\r\n", 400),
        (GET.replace(b"/ ", b"/?a=1&a=2 ") + b"\r\n", 400),
        (GET.replace(b"/ ", b"/?a ") + b"\r\n", 400),
        (GET.replace(b"/ ", b"/?" + b"a=1&" * 17 + b"b=2 ") + b"\r\n", 400),
        (GET.replace(b"/ ", b"//[x ") + b"\r\n", 400),
        (GET + b"A: " + b"a" * 4096, 431),
        (GET + b"A: " + b"a" * 4096 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 4096 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (GET + b"".join(b"A%d: b\r\n" % number for number in range(400)), 431),
        (b"GET /" + b"a" * 4096, 431),
        (POST + b"Content-Length: 4097\r\n\r\n", 413),
        (POST + b"Content-Length: 99999999999999999999\r\n\r\n", 413),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n1001\r\n" + b"a" * 4097, 413),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
    ],
)
async def test_what_cannot_be_taken_is_refused_with_the_status_that_fits(data: bytes, status: int) -> None:
    async with served() as socket:
        answer = await exchange(socket, data)
        assert status_of(answer) == status, answer
        assert b"connection: close" in answer
        assert b"application/problem+json" in answer
        assert status_of(await exchange(socket, GET + b"Connection: close\r\n\r\n")) == 200


@pytest.mark.parametrize("data", [b"GET", GET, GET + b"A: b", POST + b"Content-Length: 10\r\n\r\nhalf"])
async def test_a_request_that_is_not_finished_in_time_is_refused(data: bytes) -> None:
    async with served(QUICK) as socket:
        assert status_of(await exchange(socket, data)) == 408


async def test_a_request_that_trickles_is_refused_however_steadily_it_does() -> None:
    async with served(QUICK) as socket, connected(socket) as (reader, writer):
        answer = asyncio.create_task(reader.read())
        writer.write(b"GET /")
        async with asyncio.timeout(60):
            while not answer.done():
                writer.write(b"a")
                await asyncio.sleep(0.01)
        assert status_of(await answer) == 408


async def test_a_connection_without_a_request_is_closed_without_a_word() -> None:
    async with served(QUICK) as socket:
        assert await exchange(socket, b"") == b""


async def test_several_requests_are_answered_on_one_connection_also_when_sent_at_once() -> None:
    async with served() as socket, connected(socket) as (reader, writer):
        writer.write((GET + b"\r\n") * 3)
        for _ in range(3):
            assert (await reader.readuntil(b"GET / {} ")).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.write(GET.replace(b"/ ", b"/a%20b?c=d ") + b"Connection: close\r\n\r\n")
        assert b"GET /a b {'c': 'd'} " in await reader.read()


async def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    async with served() as socket, connected(socket) as (reader, writer):
        writer.write(POST + b"Content-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 \r\n\r\n"
        writer.write(b"body")
        assert (await reader.read()).endswith(b"POST / {} body")


async def test_to_head_the_length_is_told_and_nothing_more() -> None:
    async with served() as socket:
        answers = await exchange(
            socket, b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
    first, _, rest = answers.partition(b"\r\n\r\n")
    assert status_of(first) == 200
    assert b"content-length: 11" in first.lower()
    assert status_of(rest) == 200
    assert rest.endswith(b"GET /b {} ")


async def test_http_1_0_is_answered_and_closed() -> None:
    async with served() as socket:
        answer = await exchange(socket, b"GET / HTTP/1.0\r\n\r\n")
        assert status_of(answer) == 200


async def test_a_refusal_reaches_a_peer_that_is_still_sending() -> None:
    async with served() as socket:
        answer = await exchange(socket, POST + b"Content-Length: 1000000\r\n\r\n" + b"a" * 1_000_000)
        assert status_of(answer) == 413


async def test_more_connections_than_are_served_are_told_so_and_the_first_are_not_disturbed() -> None:
    async with served(connections=3) as socket, contextlib.AsyncExitStack() as stack:
        first = [await stack.enter_async_context(connected(socket)) for _ in range(3)]
        for reader, writer in first:
            writer.write(GET + b"\r\n")
            await reader.readuntil(b"GET / {} ")
        answer = await exchange(socket, GET + b"\r\n")
        assert status_of(answer) == 503
        assert b"retry-after: 1" in answer
        for reader, writer in first:
            writer.write(GET + b"\r\n")
            await reader.readuntil(b"GET / {} ")


@pytest.mark.parametrize("idle", [3, 6, 50])
@pytest.mark.parametrize("sent", [b"", GET], ids=["nothing", "half a request"])
async def test_a_request_takes_the_place_of_a_connection_without_one(idle: int, sent: bytes) -> None:
    async with served(connections=3) as socket, contextlib.AsyncExitStack() as stack:
        for _ in range(idle):
            _, writer = await stack.enter_async_context(connected(socket))
            writer.write(sent)
        for _ in range(3):
            reader, writer = await stack.enter_async_context(connected(socket))
            writer.write(GET + b"\r\n")
            assert status_of(await reader.readuntil(b"\r\n\r\n")) == 200


async def test_a_request_takes_the_place_of_the_connection_that_has_waited_longest_for_its_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("supervisor.http1.server._KEPT_ALIVE", 0.0)
    async with served(connections=3) as socket, contextlib.AsyncExitStack() as stack:
        readers = []
        for _ in range(4):
            reader, writer = await stack.enter_async_context(connected(socket))
            writer.write(GET + b"\r\n")
            assert status_of(await reader.readuntil(b"\r\n\r\n")) == 200
            await reader.readuntil(b"GET / {} ")
            readers.append(reader)
        await eventually(readers[0].at_eof)
        assert not any(reader.at_eof() for reader in readers[1:])


async def test_a_flood_is_cut_off_without_a_word() -> None:
    async with served(connections=3) as socket, contextlib.AsyncExitStack() as stack:
        readers = [(await stack.enter_async_context(connected(socket)))[0] for _ in range(20)]
        ends = [asyncio.create_task(reader.read()) for reader in readers]
        await eventually(lambda: sum(end.done() for end in ends) >= 17)
        told = [end.result() for end in ends if end.done()]
        assert [status_of(answer) for answer in told if answer] == [503] * 3
        for end in ends:
            end.cancel()


async def test_a_peer_that_does_not_read_is_cut_off() -> None:
    Endless.closed = 0
    async with served(QUICK) as socket, connected(socket) as (reader, writer):
        writer.write(GET.replace(b"/ ", b"/endless ") + b"\r\n")
        await eventually(lambda: Endless.closed)
        async with asyncio.timeout(60):
            with contextlib.suppress(ConnectionResetError):
                while await reader.read(65536):
                    pass


async def test_lines_end_when_the_peer_goes() -> None:
    Endless.closed = 0
    async with served() as socket:
        async with connected(socket) as (reader, writer):
            writer.write(GET.replace(b"/ ", b"/endless ") + b"\r\n")
            await reader.readexactly(100_000)
        await eventually(lambda: Endless.closed)


async def test_a_fault_of_ours_is_told_and_reported_and_the_connection_goes_on() -> None:
    told: list[str] = []
    unsubscribe = logger.subscribe(lambda _name, fields: told.append(fields.get("problem", "")))
    try:
        async with served() as socket, connected(socket) as (reader, writer):
            http = h11.Connection(h11.CLIENT)
            writer.write(http.send(h11.Request(method="GET", target="/fault", headers=[("host", "x")])) or b"")
            http.send(h11.EndOfMessage())
            assert (await read_reply(reader, http)).status == 500
            writer.write(GET + b"Connection: close\r\n\r\n")
            assert status_of(await reader.read()) == 200
    finally:
        unsubscribe()
    assert len(told) == 1
    assert "RuntimeError: at fault" in told[0]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.binary(max_size=200), st.sampled_from([GET, POST, b"\r\n", b"Content-Length: 9\r\n"]))))
def test_whatever_is_sent_the_answer_is_one_that_is_described(parts: list[bytes]) -> None:
    async def main() -> None:
        limits = Limits(head=2048, body=4096, idle=0.02, request=0.02, write=0.3, linger=0.02)
        async with served(limits) as socket:
            answer = await exchange(socket, b"".join(parts))
            assert not answer or status_of(answer) in {100, 200, *REFUSALS}
            assert status_of(await exchange(socket, GET + b"Connection: close\r\n\r\n")) == 200

    asyncio.run(main())


async def test_where_there_are_no_unix_sockets_the_token_is_asked_for(tmp_path: Path) -> None:
    server = Server(listen(tmp_path, unix=False), echo, limits=PATIENT)
    await server.start()
    port = server.listener.socket.getsockname()[1]

    async def ask(*headers: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET + "".join(f"{header}\r\n" for header in ("Connection: close", *headers, "")).encode("latin-1"))
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    for wrong in ("", "Bearer", "Bearer x", f"bearer {server.listener.token}", "Bearer \xe4", "Basic eDp5"):
        answer = await ask(f"Authorization: {wrong}")
        assert status_of(answer) == 401
        assert b"www-authenticate: Bearer" in answer
    assert status_of(await ask()) == 401
    assert status_of(await ask(f"Authorization: Bearer {server.listener.token}")) == 200
    with pytest.raises(NoAnswerError, match="makes no sense"):  # it was let in, and answered by `echo`
        await asyncio.to_thread(Client(server.listener.path).status)
    await server.close()
    assert not server.listener.path.exists()


async def test_another_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supervisor.http1.server.peer_of", lambda _socket: Peer(1, os.geteuid() + 1))
    async with served() as socket:
        answer = await exchange(socket, GET + b"\r\n")
        assert status_of(answer) == 403
