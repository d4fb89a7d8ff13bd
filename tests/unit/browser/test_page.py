from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from supervisor.browser import page as module
from supervisor.browser.devtools import CallError, DevTools
from supervisor.browser.page import PageWatcher, pause_after
from supervisor.browser.presets import PagePreset, PageState, SessionStatus, interpret_custom
from tests.unit.browser.fake import FakeBrowser, fake_browser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.timeout(120)

URL = "https://bot.example/"
PRESET = PagePreset("test", re.compile(r"https://bot\.example/.*"), "read()", interpret_custom)
READY, LOGIN, NEITHER = ({"ready": r, "needs_login": n} for r, n in ((True, False), (False, True), (False, False)))


def reading(value: object, url: str = URL) -> dict[str, Any]:
    """The answer to an evaluation."""
    return {"result": {"type": "object", "value": [url, value]}}


class Watched:
    """A fake browser, a watcher on it, and the states that the watcher reported."""

    def __init__(self, browser: FakeBrowser, devtools: DevTools, preset: PagePreset = PRESET) -> None:
        self.browser = browser
        self.devtools = devtools
        self.states: list[PageState] = []
        self.reported = asyncio.Event()
        self.readings: dict[str, dict[str, Any]] = {}
        """What the page behind each session says; absent: no answer."""
        browser.answers["Target.attachToTarget"] = lambda m: {"sessionId": "session-" + m["params"]["targetId"]}
        browser.answers["Runtime.evaluate"] = self._evaluate
        self.watcher = PageWatcher(devtools, preset, self._on_state, interval=0.05, ready_interval=3600)

    def _evaluate(self, message: dict[str, Any]) -> dict[str, Any] | None:
        value = self.readings.get(message["sessionId"])
        return None if value is None else reading(value)

    def _on_state(self, state: PageState) -> None:
        self.states.append(state)
        self.reported.set()

    async def expect(self, status: SessionStatus) -> PageState:
        """Wait until the last state reported has this status."""
        while not self.states or self.states[-1].status is not status:
            self.reported.clear()
            await self.reported.wait()
        return self.states[-1]

    @property
    def statuses(self) -> list[SessionStatus]:
        return [state.status for state in self.states]

    async def page(self, event: str, target: str, url: str = URL, kind: str = "page") -> None:
        await self.browser.emit(f"Target.{event}", targetInfo={"targetId": target, "type": kind, "url": url})


@asynccontextmanager
async def watching() -> AsyncIterator[Watched]:
    async with fake_browser() as browser, await DevTools.connect(browser.url, timeout=5) as devtools:
        watched = Watched(browser, devtools)
        task = asyncio.create_task(watched.watcher.run())
        await browser.wait_for("Target.setDiscoverTargets")
        yield watched
        await devtools.close()
        await task


async def test_states_are_reported_only_when_they_change() -> None:
    async with watching() as watched:
        watched.readings["session-A"] = NEITHER
        await watched.page("targetCreated", "A")
        await watched.browser.wait_for("Runtime.evaluate", 3)
        watched.readings["session-A"] = LOGIN
        await watched.expect(SessionStatus.NEEDS_LINK)
        watched.readings["session-A"] = READY
        await watched.expect(SessionStatus.READY)
        assert watched.statuses == [SessionStatus.STARTING, SessionStatus.NEEDS_LINK, SessionStatus.READY]


async def test_the_reading_is_read_only_and_silent() -> None:
    async with watching() as watched:
        watched.readings["session-A"] = READY
        await watched.page("targetCreated", "A")
        await watched.expect(SessionStatus.READY)
        (asked,) = watched.browser.named("Runtime.evaluate")
        assert asked["params"]["expression"] == "[location.href, read()]"
        assert asked["params"]["returnByValue"] is True
        assert asked["params"]["silent"] is True
        assert {call["method"] for call in watched.browser.calls} == {
            "Target.setDiscoverTargets",
            "Target.attachToTarget",
            "Runtime.evaluate",
        }


async def test_other_pages_and_other_targets_are_left_alone() -> None:
    async with watching() as watched:
        watched.readings["session-D"] = READY
        await watched.page("targetCreated", "A", "https://example.org/")
        await watched.page("targetCreated", "B", "about:blank")
        await watched.page("targetCreated", "C", kind="service_worker")
        await watched.page("targetCreated", "D")
        await watched.expect(SessionStatus.READY)
        attached = [call["params"]["targetId"] for call in watched.browser.named("Target.attachToTarget")]
        assert attached == ["D"]


@pytest.mark.parametrize(
    ("url", "elsewhere"),
    [
        ("about:blank", False),
        ("chrome://newtab/", False),
        ("devtools://devtools/x", False),
        (URL, False),
        ("https://example.org/", True),
        ("file:///x.html", True),
    ],
)
async def test_a_page_of_another_application_is_noticed(url: str, elsewhere: bool) -> None:
    async with watching() as watched:
        await watched.page("targetCreated", "A", url)
        await watched.page("targetCreated", "B", "about:blank")
        await watched.devtools.call("Any.call")
        assert watched.watcher.elsewhere is elsewhere


@pytest.mark.parametrize("info", [None, [], "x", {}, {"type": "page"}, {"type": "page", "url": 5, "targetId": {}}])
async def test_a_malformed_announcement_is_ignored(info: object) -> None:
    async with watching() as watched:
        watched.readings["session-A"] = READY
        await watched.browser.emit("Target.targetCreated", targetInfo=info)
        await watched.browser.emit("Target.targetDestroyed")
        await watched.page("targetCreated", "A")
        await watched.expect(SessionStatus.READY)


async def test_the_document_before_the_announced_one_is_not_taken_for_it() -> None:
    async with watching() as watched:
        watched.browser.answers["Runtime.evaluate"] = lambda _: reading(READY, "about:blank")
        await watched.page("targetCreated", "A")
        assert (await watched.expect(SessionStatus.STARTING)).detail == "the page is loading"
        watched.browser.answers["Runtime.evaluate"] = lambda _: reading(READY)
        await watched.expect(SessionStatus.READY)
        assert watched.statuses == [SessionStatus.STARTING, SessionStatus.READY]


async def test_a_page_that_comes_to_match_is_read_at_once() -> None:
    async with watching() as watched:
        watched.readings["session-A"] = READY
        await watched.page("targetCreated", "A", "about:blank")
        await watched.page("targetInfoChanged", "A")
        await watched.expect(SessionStatus.READY)


async def test_a_navigation_is_read_at_once_even_when_ready() -> None:
    async with watching() as watched:  # here a ready page is read once an hour
        watched.readings["session-A"] = READY
        await watched.page("targetCreated", "A")
        await watched.expect(SessionStatus.READY)
        watched.readings["session-A"] = LOGIN
        await watched.page("targetInfoChanged", "A", URL + "login")
        await watched.expect(SessionStatus.NEEDS_LINK)
        assert len(watched.browser.named("Target.attachToTarget")) == 1


async def test_the_first_matching_page_wins_and_the_next_takes_over() -> None:
    async with watching() as watched:
        watched.readings |= {"session-A": READY, "session-B": LOGIN}
        await watched.page("targetCreated", "A")
        await watched.page("targetCreated", "B")
        await watched.expect(SessionStatus.READY)
        assert len(watched.browser.named("Target.attachToTarget")) == 1
        await watched.browser.emit("Target.targetDestroyed", targetId="A")
        await watched.expect(SessionStatus.NEEDS_LINK)
        assert watched.statuses == [SessionStatus.READY, SessionStatus.UNKNOWN, SessionStatus.NEEDS_LINK]


async def test_another_page_closing_changes_nothing() -> None:
    async with watching() as watched:
        watched.readings |= {"session-A": READY}
        await watched.page("targetCreated", "A")
        await watched.page("targetCreated", "B")
        await watched.expect(SessionStatus.READY)
        await watched.browser.emit("Target.targetDestroyed", targetId="B")
        await watched.devtools.call("Any.call")
        assert watched.statuses == [SessionStatus.READY]


@pytest.mark.parametrize("gone", ["targetDestroyed", "targetCrashed", "targetInfoChanged"])
async def test_an_answer_that_comes_together_with_the_pages_end_does_not_outlive_it(gone: str) -> None:
    async with watching() as watched:
        await watched.page("targetCreated", "A")
        (asked,) = await watched.browser.wait_for("Runtime.evaluate")
        # Both in one turn of the watcher's loop: the answer settles its future at once, the news has its turn after.
        elsewhere = {"targetId": "A", "type": "page", "url": "https://example.org/"}
        end = {"method": f"Target.{gone}", "params": {"targetId": "A", "targetInfo": elsewhere}}
        await watched.browser.send_together(end, {"id": asked["id"], "result": reading(READY)})
        await watched.expect(SessionStatus.STUCK if gone == "targetCrashed" else SessionStatus.UNKNOWN)
        await watched.devtools.call("Any.call")
        assert watched.statuses[-1] is not SessionStatus.READY


async def test_a_page_that_closes_and_comes_back_is_found_again() -> None:
    async with watching() as watched:
        watched.readings |= {"session-A": READY, "session-B": READY}
        await watched.page("targetCreated", "A")
        await watched.expect(SessionStatus.READY)
        await watched.browser.emit("Target.targetDestroyed", targetId="A")
        assert (await watched.expect(SessionStatus.UNKNOWN)).detail == "the page was closed"
        await watched.page("targetCreated", "B")
        await watched.expect(SessionStatus.READY)


async def test_a_page_that_goes_elsewhere_is_let_go() -> None:
    async with watching() as watched:
        watched.readings["session-A"] = READY
        await watched.page("targetCreated", "A")
        await watched.expect(SessionStatus.READY)
        await watched.page("targetInfoChanged", "A", "https://example.org/")
        await watched.expect(SessionStatus.UNKNOWN)
        (detached,) = await watched.browser.wait_for("Target.detachFromTarget")
        assert detached["params"] == {"sessionId": "session-A"}
        await watched.page("targetInfoChanged", "A")
        await watched.expect(SessionStatus.READY)


async def test_a_crash_ends_the_reading_and_a_reload_resumes_it() -> None:
    async with watching() as watched:
        await watched.page("targetCreated", "A")  # says nothing: the reading is under way when the page crashes
        await watched.browser.wait_for("Runtime.evaluate")
        await watched.browser.emit("Target.targetCrashed", targetId="A", status="crashed", errorCode=5)
        assert (await watched.expect(SessionStatus.STUCK)).detail == "the page has crashed"
        watched.readings["session-A"] = READY
        await watched.page("targetInfoChanged", "A")
        await watched.expect(SessionStatus.READY)


async def test_a_frozen_page_is_stuck_and_readings_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STUCK_AFTER", 0.05)
    async with watching() as watched:
        await watched.page("targetCreated", "A")
        assert "has not answered" in (await watched.expect(SessionStatus.STUCK)).detail
        (asked,) = watched.browser.named("Runtime.evaluate")
        watched.readings["session-A"] = READY
        await watched.browser.reply(asked, reading(NEITHER))
        await watched.expect(SessionStatus.READY)
        assert SessionStatus.STARTING in watched.statuses


async def test_a_page_that_answers_is_never_called_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STUCK_AFTER", 1.0)
    async with watching() as watched:
        watched.readings["session-A"] = NEITHER
        await watched.page("targetCreated", "A")
        await watched.browser.wait_for("Runtime.evaluate", 25)  # 0.05 s apart: past the time to be stuck
        assert watched.statuses == [SessionStatus.STARTING]


async def test_an_answer_lost_for_good_is_overcome_by_attaching_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GIVE_UP_AFTER", 0.05)
    async with watching() as watched:
        await watched.page("targetCreated", "A")
        await watched.browser.wait_for("Target.attachToTarget", 2)
        assert watched.browser.named("Target.detachFromTarget")
        watched.readings["session-A"] = READY
        await watched.expect(SessionStatus.READY)


async def test_a_session_taken_away_is_attached_anew() -> None:
    async with watching() as watched:
        await watched.page("targetCreated", "A")
        await watched.browser.wait_for("Runtime.evaluate")
        await watched.browser.emit("Target.detachedFromTarget", sessionId="session-A", targetId="A")
        watched.readings["session-A"] = READY
        await watched.expect(SessionStatus.READY)
        assert len(watched.browser.named("Target.attachToTarget")) == 2


async def test_a_reading_refused_during_navigation_is_tried_again() -> None:
    async with watching() as watched:
        refusals = iter([{"error": {"code": -32000, "message": "Inspected target navigated or closed"}}])
        watched.readings["session-A"] = READY
        answer = watched.browser.answers["Runtime.evaluate"]
        watched.browser.answers["Runtime.evaluate"] = lambda m: next(refusals, None) or answer(m)
        await watched.page("targetCreated", "A")
        await watched.expect(SessionStatus.READY)
        assert watched.statuses == [SessionStatus.READY]


async def test_an_expression_that_had_to_be_ended_is_told_and_not_repeated_at_once() -> None:
    async with watching() as watched:
        watched.browser.answers["Runtime.evaluate"] = lambda _: {
            "error": {"code": -32000, "message": "Execution was terminated"}
        }
        await watched.page("targetCreated", "A")
        assert "did not come to an end" in (await watched.expect(SessionStatus.UNKNOWN)).detail
        watched.browser.answers["Runtime.evaluate"] = lambda _: reading(READY)
        await watched.page("targetInfoChanged", "A", URL + "next")  # only another document is read before its time
        await watched.expect(SessionStatus.READY)
        assert len(watched.browser.named("Runtime.evaluate")) == 2


UNREADABLE = [
    pytest.param({"error": {"code": -32000, "message": "Execution was terminated"}}, id="cut short"),
    pytest.param({"result": {"type": "undefined"}}, id="empty"),
    pytest.param({"result": {}, "exceptionDetails": {"text": "Uncaught"}}, id="an exception"),
]


@pytest.mark.parametrize("answer", UNREADABLE)
async def test_a_reading_that_fails_does_not_hide_what_stands_on_the_page(
    answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ENDED_PAUSE", 0.02)
    async with watching() as watched:
        watched.readings["session-A"] = LOGIN
        await watched.page("targetCreated", "A")
        await watched.expect(SessionStatus.NEEDS_LINK)
        watched.browser.answers["Runtime.evaluate"] = lambda _: answer
        await watched.browser.wait_for("Runtime.evaluate", 6)
        watched.browser.answers["Runtime.evaluate"] = lambda _: reading(READY)
        await watched.expect(SessionStatus.READY)
        assert watched.statuses == [SessionStatus.NEEDS_LINK, SessionStatus.READY]


@pytest.mark.parametrize("answer", UNREADABLE)
async def test_a_page_that_cannot_be_read_for_long_is_unknown_in_the_end(
    answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ENDED_PAUSE", 0.02)
    monkeypatch.setattr(module, "UNREAD_AFTER", 0.1)
    async with watching() as watched:
        watched.readings["session-A"] = LOGIN
        await watched.page("targetCreated", "A")
        await watched.expect(SessionStatus.NEEDS_LINK)
        watched.browser.answers["Runtime.evaluate"] = lambda _: answer
        await watched.expect(SessionStatus.UNKNOWN)
        watched.browser.answers["Runtime.evaluate"] = lambda _: reading(LOGIN)
        await watched.expect(SessionStatus.NEEDS_LINK)


async def test_an_expression_that_ends_is_tried_again_at_once_on_a_busy_machine() -> None:
    async with fake_browser() as browser, await DevTools.connect(browser.url, timeout=5) as devtools:
        watched = Watched(browser, devtools, replace(PRESET, ends=True))
        task = asyncio.create_task(watched.watcher.run())
        await browser.wait_for("Target.setDiscoverTargets")
        busy = {"error": {"code": -32000, "message": "Execution was terminated"}}
        browser.answers["Runtime.evaluate"] = lambda _: busy
        await watched.page("targetCreated", "A")
        await browser.wait_for("Runtime.evaluate", 3)  # the pause of an expression that may hang is 20 s
        browser.answers["Runtime.evaluate"] = lambda _: reading(LOGIN)
        await watched.expect(SessionStatus.NEEDS_LINK)
        await devtools.close()
        await task


async def test_a_page_gone_before_it_was_attached_is_forgotten() -> None:
    async with watching() as watched:
        attach = watched.browser.answers["Target.attachToTarget"]
        gone = {"error": {"code": -32602, "message": "No target with given id found"}}
        watched.browser.answers["Target.attachToTarget"] = lambda m: (
            gone if m["params"]["targetId"] == "A" else attach(m)
        )
        watched.readings["session-B"] = READY
        await watched.page("targetCreated", "A")
        await watched.page("targetCreated", "B")
        await watched.expect(SessionStatus.READY)
        assert watched.statuses == [SessionStatus.READY]


async def test_a_browser_slow_to_attach_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BROWSER_TIMEOUT", 0.05)
    async with watching() as watched:
        attach = watched.browser.answers["Target.attachToTarget"]
        watched.browser.answers["Target.attachToTarget"] = lambda _: None
        watched.browser.answers["Target.detachFromTarget"] = lambda _: None
        await watched.page("targetCreated", "A")
        await watched.browser.wait_for("Target.attachToTarget", 2)
        watched.browser.answers["Target.attachToTarget"] = attach
        watched.readings["session-A"] = READY
        await watched.expect(SessionStatus.READY)
        await watched.page("targetInfoChanged", "A", "about:blank")  # and slow to detach
        await watched.browser.wait_for("Target.detachFromTarget")
        await watched.page("targetInfoChanged", "A")
        await watched.expect(SessionStatus.READY)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"result": None},
        {"result": {"type": "undefined"}},
        {"result": {"value": []}},
        {"result": {"value": [1, {}]}},
        {"result": {"value": [URL]}},
        {"result": {"value": {"ready": True}}},
        reading(None),
        reading([1, 2]),
        {"exceptionDetails": {}},
        {"exceptionDetails": {"text": "Uncaught"}},
        {"exceptionDetails": {"exception": {"description": "SyntaxError: x"}}},
    ],
)
async def test_a_reading_that_makes_no_sense_is_unknown(answer: dict[str, Any]) -> None:
    async with watching() as watched:
        watched.browser.answers["Runtime.evaluate"] = lambda _: answer
        await watched.page("targetCreated", "A")
        await watched.expect(SessionStatus.UNKNOWN)


async def test_the_watch_ends_with_the_connection_at_any_moment() -> None:
    async with fake_browser() as browser:
        for answered in ("nothing", "Target.setDiscoverTargets", "Target.attachToTarget", "Runtime.evaluate"):
            devtools = await DevTools.connect(browser.url, timeout=5)
            watched = Watched(browser, devtools)
            watched.readings["session-A"] = READY
            silent = {"nothing": "Target.setDiscoverTargets"}.get(answered, answered)
            browser.calls.clear()
            browser.answers[silent] = lambda _: None
            task = asyncio.create_task(watched.watcher.run())
            await browser.wait_for("Target.setDiscoverTargets")
            await watched.page("targetCreated", "A")
            await browser.wait_for(silent)
            browser.hang_up()
            await task
            await devtools.close()
            browser.answers.clear()


async def test_the_watch_ends_with_the_connection_while_it_waits() -> None:
    async with watching() as watched:
        watched.readings["session-A"] = READY
        await watched.page("targetCreated", "A")
        await watched.expect(SessionStatus.READY)
        watched.browser.hang_up()


async def test_a_browser_that_announces_nothing_is_reported() -> None:
    async with fake_browser() as browser, await DevTools.connect(browser.url, timeout=5) as devtools:
        watched = Watched(browser, devtools)
        browser.answers["Target.setDiscoverTargets"] = lambda _: {"error": {"code": -32601, "message": "unknown"}}
        with pytest.raises(CallError):
            await watched.watcher.run()


async def test_cancelled_it_leaves_no_task_and_no_subscription() -> None:
    async with fake_browser() as browser, await DevTools.connect(browser.url, timeout=5) as devtools:
        watched = Watched(browser, devtools)
        before = asyncio.all_tasks()
        task = asyncio.create_task(watched.watcher.run())
        await browser.wait_for("Target.setDiscoverTargets")
        await watched.page("targetCreated", "A")
        await browser.wait_for("Runtime.evaluate")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() - before <= {task}
        assert not any(devtools._subscribers.values())
        assert watched.states == []


@pytest.mark.parametrize(
    ("state", "waited", "expected"),
    [
        (None, 0, module.FASTEST),
        (PageState(SessionStatus.STARTING), 2, 0.1),
        (PageState(SessionStatus.NEEDS_LINK), 3600, 0.25),
        (PageState(SessionStatus.LINKED), 0, module.FASTEST),
        (PageState(SessionStatus.READY), 0, 2.0),
        (PageState(SessionStatus.UNKNOWN), 0, module.FASTEST),
        (module.EXPRESSION_ENDED, 0, module.ENDED_PAUSE),
    ],
)
def test_the_pause_grows_with_the_wait_and_follows_the_state(
    state: PageState | None, waited: float, expected: float
) -> None:
    assert pause_after(state, waited, interval=0.25, ready_interval=2.0) == pytest.approx(expected)


def test_the_pause_never_exceeds_the_interval() -> None:
    assert pause_after(None, 0, interval=0.01, ready_interval=2.0) == 0.01


# -- pages of other applications --------------------------------------------------------------------------------------

OTHER = "https://chat.example/"


@asynccontextmanager
async def watching_all() -> AsyncIterator[Watched]:
    async with watching() as watched:
        watched.watcher._read_others = True
        yield watched


def loaded(value: bool, url: str = OTHER) -> dict[str, Any]:
    return reading({"loaded": value}, url)


async def test_of_another_page_it_is_read_whether_it_has_loaded() -> None:
    async with watching_all() as watched:
        has_loaded = False
        watched.browser.answers["Runtime.evaluate"] = lambda _: loaded(has_loaded)
        await watched.page("targetCreated", "A", OTHER)
        await watched.expect(SessionStatus.UNKNOWN)
        has_loaded = True
        await watched.expect(SessionStatus.OPEN)
        (asked, *_) = watched.browser.named("Runtime.evaluate")
        assert asked["params"]["expression"] == "[location.href, ({loaded: document.readyState === 'complete'})]"


async def test_the_page_that_is_known_goes_before_others() -> None:
    async with watching_all() as watched:
        watched.browser.answers["Runtime.evaluate"] = lambda message: (
            loaded(True) if message["sessionId"] == "session-A" else reading(READY)
        )
        await watched.page("targetCreated", "A", OTHER)
        await watched.expect(SessionStatus.OPEN)
        await watched.page("targetCreated", "B", URL)
        await watched.expect(SessionStatus.READY)
        await watched.page("targetCreated", "C", OTHER)
        await watched.browser.wait_for("Runtime.evaluate", 3)
        assert watched.statuses == [SessionStatus.OPEN, SessionStatus.READY]


async def test_a_page_that_goes_on_at_once_is_followed_and_one_that_does_later_stays_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with watching_all() as watched:
        has_loaded = True
        watched.browser.answers["Runtime.evaluate"] = lambda _: loaded(has_loaded)
        await watched.page("targetCreated", "A", OTHER)
        await watched.expect(SessionStatus.OPEN)
        has_loaded = False
        await watched.page("targetInfoChanged", "A", OTHER + "next")
        await watched.expect(SessionStatus.UNKNOWN)
        has_loaded = True
        await watched.expect(SessionStatus.OPEN)
        monkeypatch.setattr(module, "OPEN_FOR", 0.0)
        has_loaded = False
        asked = len(watched.browser.named("Runtime.evaluate"))
        for number in (1, 2):  # the second reading begins when the first has been judged
            await watched.page("targetInfoChanged", "A", f"{OTHER}{number}")
            await watched.browser.wait_for("Runtime.evaluate", asked + number)
        assert watched.states[-1].status is SessionStatus.OPEN


@pytest.mark.parametrize("url", ["about:blank", "chrome-error://chromewebdata/", "data:,"])
async def test_a_page_of_the_browsers_own_is_none(url: str) -> None:
    async with watching_all() as watched:
        watched.browser.answers["Runtime.evaluate"] = lambda _: loaded(True, url)
        await watched.page("targetCreated", "A", url)
        await watched.page("targetCreated", "B", OTHER)  # the address that failed to load
        await watched.browser.wait_for("Runtime.evaluate", 2)
        assert SessionStatus.OPEN not in watched.statuses


async def test_the_context_of_the_page_is_told() -> None:
    async with watching_all() as watched:
        watched.readings["session-A"] = READY
        target = {"targetId": "A", "type": "page", "url": URL, "browserContextId": "incognito"}
        await watched.browser.emit("Target.targetCreated", targetInfo=target)
        await watched.expect(SessionStatus.READY)
        assert watched.watcher.context == "incognito"
