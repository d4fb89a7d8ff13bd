"""The DevTools client, the watcher and the locks against a real Chromium."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
import signal
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from supervisor.browser import page as module
from supervisor.browser.devtools import (
    CallTimeoutError,
    DevTools,
    browser_version,
    close_browser,
    read_endpoint,
)
from supervisor.browser.page import PageWatcher
from supervisor.browser.presets import WHATSAPP, PagePreset, PageState, SessionStatus, custom_preset
from supervisor.session.profiles import singleton
from tests.e2e.browsers import Chromium, chromium, pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

CUSTOM = """<title>x</title><script>
  const query = new URLSearchParams(location.search);
  window.app = {ready: query.has('ready'), login: query.has('login')};
</script>"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def site() -> Iterator[dict[str, str]]:
    with pages() as documents:
        documents["/app"] = CUSTOM
        yield documents


class Bot:
    """What a bot does: it opens pages and drives them over a connection of its own."""

    def __init__(self, devtools: DevTools) -> None:
        self.devtools = devtools
        self.pages: list[str] = []

    async def open(self, url: str) -> tuple[str, str]:
        """Open a page, attach to it and wait until it has loaded; returns its target and session."""
        target = (await self.devtools.call("Target.createTarget", {"url": "about:blank"}))["targetId"]
        self.pages.append(target)
        attached = await self.devtools.call("Target.attachToTarget", {"targetId": target, "flatten": True})
        session = attached["sessionId"]
        await self.devtools.call("Page.enable", session=session)
        await self.navigate(session, url)
        return target, session

    async def evaluate(self, session: str, expression: str) -> Any:
        parameters = {"expression": expression, "returnByValue": True}
        return (await self.devtools.call("Runtime.evaluate", parameters, session=session))["result"].get("value")

    async def navigate(self, session: str, url: str) -> None:
        loaded = asyncio.Event()
        unsubscribe = self.devtools.subscribe("Page.loadEventFired", lambda *_: loaded.set())
        await self.devtools.call("Page.navigate", {"url": url}, session=session)
        await loaded.wait()
        unsubscribe()

    async def close(self, target: str) -> None:
        self.pages.remove(target)
        await self.devtools.call("Target.closeTarget", {"targetId": target})


class Watch:
    """The states that a watcher reports over a second connection."""

    def __init__(self) -> None:
        self.states: list[PageState] = []
        self._news = asyncio.Event()

    def take(self, state: PageState) -> None:
        self.states.append(state)
        self._news.set()

    async def expect(self, status: SessionStatus, detail: str = "") -> PageState:
        """Wait until the last state reported has this status, and this text in its detail."""
        try:
            async with asyncio.timeout(60):
                while not self.states or self.states[-1].status is not status or detail not in self.states[-1].detail:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pytest.fail(f"{status} {detail!r} did not come, but {self.states}")
        return self.states[-1]


@asynccontextmanager
async def watching(browser: Chromium, preset: PagePreset) -> AsyncIterator[tuple[Bot, Watch]]:
    url = browser.endpoint()
    async with await DevTools.connect(url, timeout=5) as first, await DevTools.connect(url, timeout=5) as second:
        bot, watch = Bot(first), Watch()
        task = asyncio.create_task(PageWatcher(second, preset, watch.take, ready_interval=0.1).run())
        try:
            yield bot, watch
        finally:
            for target in list(bot.pages):
                await bot.close(target)
            await second.close()
            await task


def app(site: dict[str, str]) -> PagePreset:
    return custom_preset(site["base"] + "/app*", ready="app.ready;", needs_login="app.login // a comment")


# The whatsapp preset's expression, on pages that resemble WhatsApp Web in its various states

BOOTED = "window.Debug = {VERSION: '2.3000.1'};"
SOCKET = "window.require = (name) => { if (name !== 'WAWebSocketModel') throw Error(name); return {Socket: %s}; };"
QR = "<div data-ref='2@code,key'><div><canvas></canvas></div></div>"


def page(*, script: str = "", body: str = "") -> str:
    return f"<!doctype html><body>{body}<script>{script}</script>"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(page(), PageState(SessionStatus.STARTING, "the page is loading"), id="empty"),
        pytest.param(
            page(script=BOOTED + SOCKET % "{state: 'CONNECTED', hasSynced: true}"),
            PageState(SessionStatus.READY, "connected"),
            id="ready",
        ),
        pytest.param(
            page(script=BOOTED + SOCKET % "{state: 'CONNECTED', hasSynced: false}"),
            PageState(SessionStatus.LINKED, "connected, still catching up with the phone"),
            id="linked",
        ),
        pytest.param(
            page(script=BOOTED + SOCKET % "{state: 'UNPAIRED'}", body=QR),
            PageState(SessionStatus.NEEDS_LINK, "the page shows a QR code", "2@code,key"),
            id="qr",
        ),
        pytest.param(
            page(script=SOCKET % "{state: 'CONNECTED', hasSynced: true}"),
            PageState(SessionStatus.STARTING, "the page is loading"),
            id="not booted: its modules are left alone",
        ),
        pytest.param(
            page(script=BOOTED, body=QR),
            PageState(SessionStatus.NEEDS_LINK, "the page shows a QR code", "2@code,key"),
            id="no require, but a QR",
        ),
        pytest.param(
            page(script=BOOTED, body="<div id='pane-side'></div>"),
            PageState(SessionStatus.READY, "the list of chats is there"),
            id="no require, but chats",
        ),
        pytest.param(
            page(script=BOOTED + "window.require = () => { throw Error('renamed'); };", body=QR),
            PageState(SessionStatus.NEEDS_LINK, "the page shows a QR code", "2@code,key"),
            id="require throws",
        ),
        pytest.param(
            page(script=BOOTED + SOCKET % "{get state() { throw Error('no'); }}", body=QR),
            PageState(SessionStatus.NEEDS_LINK, "the page shows a QR code", "2@code,key"),
            id="a getter throws",
        ),
        pytest.param(
            page(
                script=BOOTED + SOCKET % "{state: 'UNPAIRED'}" + "document.querySelector = () => { throw 1; };"
                "Object.defineProperty(window, 'localStorage', {get() { throw 2; }});",
                body=QR,
            ),
            PageState(SessionStatus.NEEDS_LINK, "the page is about to show a QR code"),
            id="nothing else can be read",
        ),
        pytest.param(
            page(script=BOOTED + SOCKET % "{state: 'UNPAIRED'}" + "localStorage.setItem('last-wid-md', '1')"),
            PageState(SessionStatus.NEEDS_LINK, "this profile was linked before, yet the page wants a new link"),
            id="linked before",
        ),
        pytest.param(
            page(script=BOOTED + SOCKET % "{state: 'UNPAIRED'}" + "localStorage.setItem('old-logout-cred', '1')"),
            PageState(SessionStatus.NEEDS_LINK, "the page holds the session for invalid and wants a new link"),
            id="invalid",
        ),
    ],
)
async def test_the_whatsapp_expression_reads_what_the_page_shows(
    browser: Chromium, site: dict[str, str], document: str, expected: PageState
) -> None:
    # A storage per document, and a record of all that a reader could change or cause.
    origin = site["base"].replace("127.0.0.1", "localhost")
    site["/"] = "<script>localStorage.clear()</script>"
    site["/wa"] = document
    readings = asyncio.Semaphore(0)

    def interpret(reading: Mapping[str, Any]) -> PageState:
        readings.release()
        return WHATSAPP.interpret(reading)

    preset = dataclasses.replace(WHATSAPP, url=re.compile(re.escape(origin) + "/wa"), interpret=interpret)
    record = "JSON.stringify([Object.getOwnPropertyNames(window).sort(), document.documentElement.outerHTML])"
    async with watching(browser, preset) as (bot, watch):
        _, session = await bot.open(origin + "/")
        await bot.devtools.call("Runtime.enable", session=session)
        events: list[dict[str, Any]] = []
        bot.devtools.subscribe("Runtime.consoleAPICalled", lambda params, _: events.append(params))
        bot.devtools.subscribe("Runtime.exceptionThrown", lambda params, _: events.append(params))
        await bot.navigate(session, origin + "/wa")
        await watch.expect(expected.status, expected.detail)
        while not readings.locked():  # those made while it was loading
            await readings.acquire()
        before = await bot.evaluate(session, record)
        for _ in range(2):  # one reading may have been under way; the second is of the page that is loaded
            await readings.acquire()
        assert watch.states[-1] == expected
        assert await bot.evaluate(session, record) == before
        assert events == []


async def test_the_whatsapp_expression_stands_a_page_without_storage(browser: Chromium) -> None:
    preset = dataclasses.replace(WHATSAPP, url=re.compile("data:.*"))
    async with watching(browser, preset) as (bot, watch):
        await bot.open("data:text/html," + QR)  # localStorage throws here
        assert (await watch.expect(SessionStatus.NEEDS_LINK)).qr == "2@code,key"


# Watching


async def test_a_page_is_followed_from_its_opening_to_ready(browser: Chromium, site: dict[str, str]) -> None:
    async with watching(browser, app(site)) as (bot, watch):
        _, session = await bot.open(site["base"] + "/app")
        await watch.expect(SessionStatus.STARTING)
        await bot.evaluate(session, "app.login = true")
        await watch.expect(SessionStatus.NEEDS_LINK)
        await bot.evaluate(session, "app.ready = true")
        await watch.expect(SessionStatus.READY)
        await bot.evaluate(session, "app.ready = app.login = false")
        await watch.expect(SessionStatus.STARTING)


async def test_what_a_page_lacks_while_it_loads_does_not_make_it_ready(browser: Chromium, site: dict[str, str]) -> None:
    preset = custom_preset(site["base"] + "/app*", ready="!window.app?.login")
    async with watching(browser, preset) as (bot, watch):
        for _ in range(10):
            opened = await bot.devtools.call("Target.createTarget", {"url": site["base"] + "/app?login"})
            bot.pages.append(opened["targetId"])
            await watch.expect(SessionStatus.STARTING)
            await bot.close(opened["targetId"])
            await watch.expect(SessionStatus.UNKNOWN)
        assert SessionStatus.READY not in [state.status for state in watch.states]


async def test_a_page_that_is_open_already_is_found(browser: Chromium, site: dict[str, str]) -> None:
    async with await DevTools.connect(browser.endpoint(), timeout=5) as devtools:
        bot = Bot(devtools)
        target, _ = await bot.open(site["base"] + "/app?ready")
        async with watching(browser, app(site)) as (_, watch):
            await watch.expect(SessionStatus.READY)
        await bot.close(target)


async def test_navigation_and_closing_are_survived(browser: Chromium, site: dict[str, str]) -> None:
    async with watching(browser, app(site)) as (bot, watch):
        first, session = await bot.open(site["base"] + "/app?ready")
        await watch.expect(SessionStatus.READY)
        await bot.navigate(session, site["base"] + "/app?login")
        await watch.expect(SessionStatus.NEEDS_LINK)
        await bot.navigate(session, site["base"].replace("127.0.0.1", "localhost") + "/app")  # another process
        await watch.expect(SessionStatus.UNKNOWN, "the page has gone to another address")
        await bot.navigate(session, site["base"] + "/app?ready")
        await watch.expect(SessionStatus.READY)
        await bot.close(first)
        await watch.expect(SessionStatus.UNKNOWN, "the page was closed")
        await bot.open(site["base"] + "/app?login")
        await watch.expect(SessionStatus.NEEDS_LINK)


async def test_a_second_page_takes_over_when_the_first_closes(browser: Chromium, site: dict[str, str]) -> None:
    async with watching(browser, app(site)) as (bot, watch):
        first, _ = await bot.open(site["base"] + "/app?ready")
        await watch.expect(SessionStatus.READY)
        await bot.open(site["base"] + "/app?login")
        await bot.close(first)
        await watch.expect(SessionStatus.NEEDS_LINK)


async def test_a_crashed_page_is_told_and_resumed_after_its_reload(browser: Chromium, site: dict[str, str]) -> None:
    async with watching(browser, app(site)) as (bot, watch):
        _, session = await bot.open(site["base"] + "/app?ready")
        await watch.expect(SessionStatus.READY)
        with pytest.raises(CallTimeoutError):
            await bot.devtools.call("Page.crash", session=session, timeout=0.2)
        await watch.expect(SessionStatus.STUCK, "the page has crashed")
        await bot.devtools.call("Page.reload", session=session)
        await watch.expect(SessionStatus.READY)


async def test_a_busy_page_is_stuck_until_it_answers(
    browser: Chromium, site: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STUCK_AFTER", 0.2)
    async with watching(browser, app(site)) as (bot, watch):
        _, session = await bot.open(site["base"] + "/app?ready")
        await watch.expect(SessionStatus.READY)
        await bot.evaluate(session, "setTimeout(() => { const end = Date.now() + 800; while (Date.now() < end); })")
        await watch.expect(SessionStatus.STUCK)
        await watch.expect(SessionStatus.READY)


async def test_a_page_held_in_a_debugger_can_still_be_read(browser: Chromium, site: dict[str, str]) -> None:
    async with watching(browser, app(site)) as (bot, watch):
        _, session = await bot.open(site["base"] + "/app?ready")
        await watch.expect(SessionStatus.READY)
        paused = asyncio.Event()
        bot.devtools.subscribe("Debugger.paused", lambda *_: paused.set())
        await bot.devtools.call("Debugger.enable", session=session)
        await bot.evaluate(session, "setTimeout(() => { app.ready = false; debugger; app.ready = true; })")
        await paused.wait()
        await watch.expect(SessionStatus.STARTING)
        await bot.devtools.call("Debugger.resume", session=session)
        await watch.expect(SessionStatus.READY)


async def test_a_suspended_browser_is_stuck_and_keeps_its_connection(
    browser: Chromium, site: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STUCK_AFTER", 0.2)
    async with watching(browser, app(site)) as (bot, watch):
        await bot.open(site["base"] + "/app?ready")
        await watch.expect(SessionStatus.READY)
        os.killpg(browser.process.pid, signal.SIGSTOP)
        try:
            await watch.expect(SessionStatus.STUCK)
        finally:
            os.killpg(browser.process.pid, signal.SIGCONT)
        await watch.expect(SessionStatus.READY)


@pytest.mark.parametrize(
    ("ready", "detail"),
    [
        ("app.ready ===", "SyntaxError"),
        ("while (true);", "SyntaxError"),
        ("(() => { while (true); })()", "did not come to an end"),
    ],
)
async def test_a_faulty_expression_is_told_and_does_not_hang_the_page(
    browser: Chromium, site: dict[str, str], monkeypatch: pytest.MonkeyPatch, ready: str, detail: str
) -> None:
    monkeypatch.setattr(module, "EVALUATION_LIMIT_MS", 50)
    async with watching(browser, custom_preset(site["base"] + "/*", ready=ready)) as (bot, watch):
        _, session = await bot.open(site["base"] + "/app")
        await watch.expect(SessionStatus.UNKNOWN, detail)
        assert await bot.evaluate(session, "1 + 1") == 2


async def test_an_expression_that_throws_is_not_yet_ready(browser: Chromium, site: dict[str, str]) -> None:
    async with watching(browser, custom_preset(site["base"] + "/*", ready="later.loaded")) as (bot, watch):
        _, session = await bot.open(site["base"] + "/app")
        await watch.expect(SessionStatus.STARTING, "ReferenceError: later is not defined")
        await bot.evaluate(session, "window.later = {loaded: true}")
        await watch.expect(SessionStatus.READY)


# The browser's end, and its locks


async def test_the_version_is_the_browsers_own(browser: Chromium) -> None:
    async with await DevTools.connect(browser.endpoint(), timeout=5) as devtools:
        assert re.fullmatch(r"\d+(\.\d+){3}", await browser_version(devtools))


async def test_close_browser_ends_it_cleanly_and_the_watch_with_it(tmp_path: Path, site: dict[str, str]) -> None:
    with chromium(tmp_path) as own:
        async with await DevTools.connect(own.endpoint(), timeout=5) as devtools:
            watch = Watch()
            task = asyncio.create_task(PageWatcher(devtools, app(site), watch.take).run())
            await Bot(devtools).open(site["base"] + "/app?ready")
            await watch.expect(SessionStatus.READY)
            await close_browser(own.endpoint())
            await task
        assert await asyncio.to_thread(own.process.wait) == 0
        assert singleton.remaining(tmp_path) == []
        assert read_endpoint(tmp_path) is not None  # it outlives the browser: hence the caller's own check


def foreign(profile: Path) -> bool:
    holder = singleton.holder(profile)
    return holder is not None and holder.foreign


async def test_the_lock_names_the_browser_while_it_runs(browser: Chromium) -> None:
    assert singleton.holder(browser.profile) == singleton.ProfileHolder(socket.gethostname(), browser.process.pid, 0)
    assert singleton.remaining(browser.profile) == ["SingletonLock", "SingletonSocket", "SingletonCookie"]
    assert not foreign(browser.profile)


def test_a_killed_browsers_marks_are_cleared_to_the_last(tmp_path: Path) -> None:
    with chromium(tmp_path) as own:
        private = (tmp_path / "SingletonSocket").readlink().parent
        os.killpg(own.process.pid, signal.SIGKILL)
        own.process.wait()
        assert sorted(entry.name for entry in private.iterdir()) == ["SingletonCookie", "SingletonSocket"]
        assert sorted(singleton.clear(tmp_path)) == ["SingletonCookie", "SingletonLock", "SingletonSocket"]
        assert not private.exists()


def test_a_foreign_lock_keeps_chromium_out_until_it_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "SingletonLock").symlink_to("another-host-1234")
    assert foreign(tmp_path)
    refused = Chromium(tmp_path)
    try:
        assert refused.process.wait(timeout=60) != 0
        assert foreign(tmp_path)
    finally:
        refused.kill()  # which clears the lock
    assert singleton.remaining(tmp_path) == []
    with chromium(tmp_path):
        assert not foreign(tmp_path)
