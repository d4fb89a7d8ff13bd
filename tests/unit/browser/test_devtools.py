from __future__ import annotations

import asyncio
import json
import os
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from supervisor.browser import devtools as module
from supervisor.browser.devtools import (
    CallError,
    CallTimeoutError,
    ConnectionLostError,
    DevTools,
    DevToolsError,
    SessionLostError,
    browser_version,
    close_browser,
    ping,
    read_endpoint,
)
from tests.unit.browser.fake import FakeBrowser, fake_browser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ENDPOINT = b"44005\n/devtools/browser/fd0ff302-6c1e-4435-8388-4220921c118e"


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[FakeBrowser, DevTools]]:
    async with fake_browser() as browser, await DevTools.connect(browser.url, timeout=5) as devtools:
        yield browser, devtools


@asynccontextmanager
async def connected_to_a_frozen_browser() -> AsyncIterator[DevTools]:
    over = asyncio.Event()

    async def freeze(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await over.wait()

    async with serve(freeze, "127.0.0.1", 0, close_timeout=0.1) as server:
        port = server.sockets[0].getsockname()[1]
        try:
            yield await DevTools.connect(f"ws://127.0.0.1:{port}/", timeout=5)
        finally:
            over.set()


# DevToolsActivePort


def test_endpoint_is_read_if_it_is_not_older_than_the_browser(tmp_path: Path) -> None:
    port_file = tmp_path / "DevToolsActivePort"
    port_file.write_bytes(ENDPOINT)
    os.utime(port_file, (1000, 1234.5))
    url = "ws://127.0.0.1:44005/devtools/browser/fd0ff302-6c1e-4435-8388-4220921c118e"
    assert read_endpoint(tmp_path) == url
    assert read_endpoint(tmp_path, since=1234.5) == url
    assert read_endpoint(tmp_path, since=1234.6) is None


def test_endpoint_half_written_is_none_at_every_length(tmp_path: Path) -> None:
    for length in range(len(ENDPOINT)):
        (tmp_path / "DevToolsActivePort").write_bytes(ENDPOINT[:length])
        assert read_endpoint(tmp_path) is None, length


@pytest.mark.parametrize(
    "content",
    [
        ENDPOINT.replace(b"44005", b"0"),
        ENDPOINT.replace(b"44005", b"65536"),
        ENDPOINT.replace(b"44005", b"4400x"),
        ENDPOINT.replace(b"/devtools", b"@evil.example/devtools"),
        ENDPOINT + b"\n/second",
        b"\0" * 64,
        b"\xff\xfe" + ENDPOINT,
    ],
)
def test_endpoint_damaged_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "DevToolsActivePort").write_bytes(content)
    assert read_endpoint(tmp_path) is None


def test_endpoint_absent_is_none(tmp_path: Path) -> None:
    assert read_endpoint(tmp_path) is None
    assert read_endpoint(tmp_path / "no-such-profile") is None


def test_endpoint_is_not_read_from_a_fifo_a_link_or_a_folder(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(ENDPOINT)
    port_file = tmp_path / "DevToolsActivePort"
    os.mkfifo(port_file)
    assert read_endpoint(tmp_path) is None
    port_file.unlink()
    port_file.symlink_to("elsewhere")
    assert read_endpoint(tmp_path) is None
    port_file.unlink()
    port_file.mkdir()
    assert read_endpoint(tmp_path) is None


# Connecting


async def test_connect_sends_no_origin_no_compression_and_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    seen: list[Request] = []

    def note(_: ServerConnection, request: Request) -> None:
        seen.append(request)

    async with serve(FakeBrowser().serve, "127.0.0.1", 0, process_request=note) as server:
        port = server.sockets[0].getsockname()[1]
        async with await DevTools.connect(f"ws://127.0.0.1:{port}/devtools/browser/x", timeout=5):
            pass
    (request,) = seen
    assert request.path == "/devtools/browser/x"
    assert not {"origin", "sec-websocket-extensions", "user-agent"} & {name.lower() for name in request.headers}


async def test_connect_follows_no_redirect() -> None:
    async with fake_browser() as elsewhere:

        def redirect(connection: ServerConnection, _: Request) -> Response:
            response = connection.respond(302, "")
            response.headers["Location"] = elsewhere.url
            return response

        async with serve(FakeBrowser().serve, "127.0.0.1", 0, process_request=redirect) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(ConnectionLostError, match="redirect"):
                await DevTools.connect(f"ws://127.0.0.1:{port}/", timeout=5)
        assert elsewhere.connection is None


async def test_connect_gives_up_on_a_server_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel completes the connection
        port = silent.getsockname()[1]
        with pytest.raises(ConnectionLostError, match=f"127.0.0.1:{port}: timed out"):
            await DevTools.connect(f"ws://127.0.0.1:{port}/", timeout=0.05)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 404 Not Found\r\n\r\n", b"\0\xff garbage\r\n\r\n"])
async def test_connect_reports_a_server_that_is_no_devtools(answer: bytes) -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        connecting = asyncio.create_task(DevTools.connect(f"ws://127.0.0.1:{port}/", timeout=5))
        client, _ = await loop.sock_accept(listener)
        with client:
            await loop.sock_sendall(client, answer)
        with pytest.raises(ConnectionLostError, match="cannot reach the browser's DevTools"):
            await connecting
    with pytest.raises(ConnectionLostError, match="cannot reach the browser's DevTools"):
        await DevTools.connect(f"ws://127.0.0.1:{port}/", timeout=5)


# Calling


async def test_call_returns_the_result_and_addresses_the_session() -> None:
    async with connected() as (browser, devtools):
        browser.answers["A.b"] = lambda message: {"got": message["params"]}
        assert await devtools.call("A.b", {"x": 1}, session="S") == {"got": {"x": 1}}
        assert await devtools.call("A.b") == {"got": {}}
        with_session, without = browser.calls
        assert with_session["sessionId"] == "S"
        assert "sessionId" not in without


async def test_calls_may_be_answered_in_any_order() -> None:
    async with connected() as (browser, devtools):
        browser.answers["slow"] = lambda _: None
        slow = asyncio.create_task(devtools.call("slow"))
        (asked,) = await browser.wait_for("slow")
        assert await devtools.call("fast") == {}
        await browser.reply(asked, {"late": True})
        assert await slow == {"late": True}


async def test_call_raises_the_protocols_error() -> None:
    async with connected() as (browser, devtools):
        browser.answers["A.b"] = lambda _: {"error": {"code": -32000, "message": "no such thing"}}
        with pytest.raises(CallError, match=r"refused A[.]b: no such thing") as caught:
            await devtools.call("A.b")
        assert caught.value.code == -32000


@pytest.mark.parametrize("error", [{}, "text", {"code": "x"}, 0])
async def test_call_survives_a_malformed_error(error: object) -> None:
    async with connected() as (browser, devtools):
        browser.answers["A.b"] = lambda _: {"error": error}
        with pytest.raises(CallError):
            await devtools.call("A.b")


async def test_call_times_out_and_a_late_answer_harms_nobody() -> None:
    async with connected() as (browser, devtools):
        browser.answers["slow"] = lambda _: None
        with pytest.raises(CallTimeoutError, match=r"did not answer slow within 0[.]05 s"):
            await devtools.call("slow", timeout=0.05)
        await browser.reply(browser.calls[0], {"late": True})
        assert await devtools.call("fast") == {}
        assert not devtools._pending  # a connection lives for weeks: nothing may stay behind


async def test_call_cancelled_leaves_the_connection_usable() -> None:
    async with connected() as (browser, devtools):
        browser.answers["slow"] = lambda _: None
        task = asyncio.create_task(devtools.call("slow"))
        await browser.wait_for("slow")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await devtools.call("fast") == {}


async def test_calls_fail_when_the_connection_ends() -> None:
    async with connected() as (browser, devtools):
        browser.answers["slow"] = lambda _: None
        calls = [asyncio.create_task(devtools.call("slow")) for _ in range(3)]
        await browser.wait_for("slow", 3)
        browser.hang_up()
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(outcome, ConnectionLostError)
        await devtools.wait_closed()
        assert devtools.closed
        with pytest.raises(ConnectionLostError, match="was not sent"):
            await devtools.call("A.b")


async def test_a_frame_cut_in_half_fails_the_call() -> None:
    async with connected() as (browser, devtools):

        def half(message: dict[str, Any]) -> None:
            assert browser.connection is not None
            body = json.dumps({"id": message["id"], "result": {"x": "y" * 50}}).encode()
            browser.connection.transport.write(bytes([0x81, len(body)]) + body[:20])
            browser.connection.transport.close()

        browser.answers["A.b"] = half
        with pytest.raises(ConnectionLostError):
            await devtools.call("A.b")


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "not json",
        "[1, 2]",
        "null",
        "[" * 100_000,
        '{"id": [1]}',
        '{"id": "1", "result": {}}',
        '{"id": 999, "result": {}}',
        '{"method": 5}',
        '{"method": "E.x", "params": [1]}',
        '{"method": "Target.detachedFromTarget", "params": {"sessionId": {}}}',
        b"\xff\xfe",
    ],
)
async def test_garbage_is_dropped_and_the_connection_goes_on(garbage: str | bytes) -> None:
    async with connected() as (browser, devtools):
        assert await devtools.call("A.b") == {}
        assert browser.connection is not None
        await browser.connection.send(garbage)
        assert await devtools.call("A.b") == {}


async def test_an_answer_given_twice_is_taken_once() -> None:
    async with connected() as (browser, devtools):
        browser.answers["A.b"] = lambda _: None
        call = asyncio.create_task(devtools.call("A.b"))
        (asked,) = await browser.wait_for("A.b")
        await browser.send_together(*({"id": asked["id"], "result": {"n": n}} for n in (1, 2)))
        assert await call == {"n": 1}
        assert await devtools.call("A.c") == {}


@pytest.mark.parametrize("body", [{}, {"result": None}, {"result": [1]}])
async def test_an_answer_without_a_result_is_an_error(body: dict[str, Any]) -> None:
    async with connected() as (browser, devtools):
        browser.answers["A.b"] = lambda _: None
        call = asyncio.create_task(devtools.call("A.b"))
        (asked,) = await browser.wait_for("A.b")
        await browser.send({"id": asked["id"], **body})
        with pytest.raises(CallError, match="has no result"):
            await call


async def test_a_frame_that_is_no_text_ends_the_connection_and_fails_the_call() -> None:
    async with connected() as (browser, devtools):

        def invalid(_: dict[str, Any]) -> None:
            assert browser.connection is not None
            browser.connection.transport.write(b"\x81\x02\xff\xfe")

        browser.answers["A.b"] = invalid
        with pytest.raises(ConnectionLostError):
            await devtools.call("A.b")
        await devtools.wait_closed()


async def test_a_large_message_passes_and_one_past_the_limit_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_MESSAGE_BYTES", 3_000_000)
    async with connected() as (browser, devtools):
        browser.answers["A.b"] = lambda message: {"x": "y" * message["params"]["size"]}
        assert len((await devtools.call("A.b", {"size": 2_900_000}))["x"]) == 2_900_000
        with pytest.raises(ConnectionLostError):
            await devtools.call("A.b", {"size": 3_100_000})


async def test_calls_of_a_lost_session_fail_and_others_do_not() -> None:
    async with connected() as (browser, devtools):
        browser.answers["slow"] = lambda _: None
        lost = asyncio.create_task(devtools.call("slow", session="S1"))
        kept = asyncio.create_task(devtools.call("slow", session="S2"))
        _, second = await browser.wait_for("slow", 2)
        await browser.emit("Target.detachedFromTarget", sessionId="S1")
        with pytest.raises(SessionLostError, match="the page is gone"):
            await lost
        await browser.reply(second, {"x": 1})
        assert await kept == {"x": 1}


async def test_a_session_that_the_browser_does_not_know_is_lost() -> None:
    async with connected() as (browser, devtools):
        browser.answers["A.b"] = lambda _: {"error": {"code": -32001, "message": "Session not found."}}
        with pytest.raises(SessionLostError):
            await devtools.call("A.b", session="S")


# Events


async def test_events_reach_their_subscribers_in_order() -> None:
    async with connected() as (browser, devtools):
        seen: list[tuple[dict[str, Any], str | None]] = []
        unsubscribe = devtools.subscribe("E.x", lambda params, session: seen.append((params, session)))
        await devtools.call("A.b")
        await browser.emit("E.x", n=1)
        await browser.send({"method": "E.x", "params": {"n": 2}, "sessionId": "S"})
        await browser.emit("E.y", n=3)
        await devtools.call("A.b")
        assert seen == [({"n": 1}, None), ({"n": 2}, "S")]
        unsubscribe()
        await browser.emit("E.x", n=4)
        await devtools.call("A.b")
        assert len(seen) == 2


async def test_a_subscribers_fault_is_reported_and_ends_nothing() -> None:
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    async with connected() as (browser, devtools):
        devtools.subscribe("E.x", lambda params, _: params["missing"])
        await devtools.call("A.b")
        await browser.emit("E.x")
        assert await devtools.call("A.b") == {}
    (fault,) = faults
    assert isinstance(fault["exception"], KeyError)


# Closing


async def test_close_leaves_no_task_and_may_be_repeated() -> None:
    async with fake_browser() as browser:
        before = asyncio.all_tasks()
        devtools = await DevTools.connect(browser.url, timeout=5)
        await devtools.close()
        await devtools.close()
        assert devtools.closed
        assert not {task for task in asyncio.all_tasks() - before if task.get_name() == "devtools-reader"}


async def test_close_fails_what_still_waits() -> None:
    async with connected() as (browser, devtools):
        browser.answers["slow"] = lambda _: None
        call = asyncio.create_task(devtools.call("slow"))
        await browser.wait_for("slow")
        await devtools.close()
        with pytest.raises(ConnectionLostError):
            await call


async def test_close_does_not_wait_for_a_frozen_browser() -> None:
    async with connected_to_a_frozen_browser() as devtools:
        started = asyncio.get_running_loop().time()
        await devtools.close()
        assert asyncio.get_running_loop().time() - started < module.CLOSE_GRACE + 1
        assert devtools.closed


async def test_close_cancelled_still_ends_the_connection() -> None:
    async with connected_to_a_frozen_browser() as devtools:
        closing = asyncio.create_task(devtools.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        await devtools.wait_closed()


async def test_close_browser_takes_an_answer_or_the_end_of_the_connection() -> None:
    async with fake_browser() as browser:
        await close_browser(browser.url)
        assert [call["method"] for call in browser.calls] == ["Browser.close"]
        browser.answers["Browser.close"] = lambda _: browser.hang_up()
        await close_browser(browser.url)


async def test_close_browser_reports_a_refusal_and_silence() -> None:
    async with fake_browser() as browser:
        browser.answers["Browser.close"] = lambda _: {"error": {"code": -32000, "message": "not allowed"}}
        with pytest.raises(CallError):
            await close_browser(browser.url)
        browser.answers["Browser.close"] = lambda _: None
        with pytest.raises(CallTimeoutError):
            await close_browser(browser.url, timeout=0.05)
    with pytest.raises(DevToolsError):
        await close_browser(browser.url)


@pytest.mark.parametrize(
    ("product", "version"),
    [("HeadlessChrome/156.0.8078.79", "156.0.8078.79"), ("Chrome/1.2.3.4", "1.2.3.4"), (None, "")],
)
async def test_browser_version_is_the_products(product: str | None, version: str) -> None:
    async with connected() as (browser, devtools):
        browser.answers["Browser.getVersion"] = lambda _: {"product": product} if product else {}
        assert await browser_version(devtools) == version


async def test_a_ping_is_answered_by_the_browser_and_leaves_nothing_attached() -> None:
    async with connected() as (browser, devtools):
        browser.answers["Target.attachToBrowserTarget"] = lambda _: {"sessionId": "S"}
        await ping(devtools, timeout=5)
        (detached,) = await browser.wait_for("Target.detachFromTarget")
        assert detached["params"] == {"sessionId": "S"}


async def test_a_browser_that_does_not_answer_a_ping_is_told_from_one_that_is_gone() -> None:
    async with connected() as (browser, devtools):
        browser.answers["Target.attachToBrowserTarget"] = lambda _: None
        with pytest.raises(CallTimeoutError):
            await ping(devtools, timeout=0.05)
        browser.hang_up()
        await devtools.wait_closed()
        with pytest.raises(ConnectionLostError):
            await ping(devtools, timeout=5)
