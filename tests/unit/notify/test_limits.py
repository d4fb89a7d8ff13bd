"""What is worth a message, and how often the same is told; by a clock of the test's own."""

from __future__ import annotations

import asyncio

from supervisor.config.sections.notify import NotifyConfig
from supervisor.notify.dispatcher import Dispatcher
from supervisor.notify.message import Message


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Told:
    """A dispatcher and what it has sent."""

    def __init__(self, **options: object) -> None:
        self.clock = Clock()
        self.messages: list[Message] = []
        config = NotifyConfig.model_validate({"webhooks": ["http://x/"], **options})
        self.dispatcher = Dispatcher(config, "/srv/bot", self.messages.append, clock=self.clock, code_patience=0.02)

    def hear(self, name: str, **fields: object) -> None:
        self.dispatcher.handle_event(name, fields)

    def kinds(self) -> list[str]:
        return [message.kind for message in self.messages]


RESTORED = {"session": "1", "profile": "/p", "problem": "damaged", "snapshot": "backup-1-5", "age_s": 60.0}
DONE = {
    "reason": "change",
    "outcome": "ready",
    "phases_ms": {"boot": 12000},
    "total_ms": 12000,
    "clean": True,
    "kind": "cold",
}
DONE |= {"target_low_s": 5.0, "target_high_s": 10.0}


async def test_each_kind_has_its_event_and_nothing_else_is_told() -> None:
    told = Told()
    told.hear("session.restored", **RESTORED)
    told.hear("bot.given_up", failures=10, ever_ready=True)
    told.hear("session.logged_out", session="1")
    told.hear("restart.done", **DONE, target="over")
    told.hear("restart.done", **DONE, target="ahead")
    told.hear("session.needs_link", session="1", qr="2@abc")
    told.hear("bot.crashed", pid=1, ran_s=1.0, code=1)
    told.hear("notify.failed", target="a", kind="recovered", problem="b", attempts=1)
    assert told.kinds() == ["recovered", "crash_loop", "logged_out", "over_target", "needs_link"]
    recovered, *_, link = told.messages
    assert recovered.title == "bot: a session was recovered from a snapshot"
    assert recovered.fields == RESTORED
    assert (link.qr, link.session, "qr" in link.fields) == ("2@abc", "1", False)
    assert told.dispatcher.urgent
    told.dispatcher.close()


async def test_only_the_kinds_that_are_wanted() -> None:
    told = Told(kinds=["logged_out"])
    told.hear("session.needs_link", session="1", qr="2@abc")
    told.hear("session.restored", **RESTORED)
    told.hear("session.logged_out", session="1")
    assert told.kinds() == ["logged_out"]


async def test_the_same_is_told_once_within_the_time_and_the_rest_is_summed_up() -> None:
    told = Told(every="10min")
    for _ in range(5):
        told.hear("session.restored", **RESTORED)
        told.clock.now += 60
    told.hear("session.restored", **RESTORED | {"session": "2"})
    assert [message.session for message in told.messages] == ["1", "2"]
    told.clock.now += 299
    told.dispatcher.summarize()
    assert len(told.messages) == 2
    told.clock.now += 1
    told.dispatcher.summarize()
    [*_, summary] = told.messages
    assert (summary.session, summary.suppressed) == ("1", 3)
    assert "and 3 more like this" in summary.body
    assert summary.id not in {message.id for message in told.messages[:-1]}
    # The summary is a message like any other: the next one waits its time, too.
    told.hear("session.restored", **RESTORED)
    assert len(told.messages) == 3
    told.clock.now += 600
    told.dispatcher.summarize()
    assert [message.suppressed for message in told.messages] == [0, 0, 3, 0]
    told.clock.now += 3600
    told.dispatcher.summarize()
    told.hear("session.restored", **RESTORED)
    assert len(told.messages) == 5
    told.dispatcher.close()


async def test_a_summary_comes_by_itself() -> None:
    sent: asyncio.Queue[Message] = asyncio.Queue()
    config = NotifyConfig.model_validate({"webhooks": ["http://x/"], "every": "50ms"})
    dispatcher = Dispatcher(config, "/srv/bot", sent.put_nowait)
    for _ in range(3):
        dispatcher.handle_event("session.restored", RESTORED)
    async with asyncio.timeout(60):
        assert [(await sent.get()).suppressed for _ in range(2)] == [0, 1]
    dispatcher.close()


async def test_without_a_time_everything_is_told() -> None:
    told = Told(every="0s")
    for _ in range(3):
        told.hear("session.restored", **RESTORED)
    assert len(told.messages) == 3


async def test_a_code_that_is_renewed_is_told_once() -> None:
    told = Told()
    told.hear("session.needs_link", session="1", qr="2@0")
    for number in range(1, 100):
        told.clock.now += 20
        told.hear("session.qr", session="1", qr=f"2@{number}")
    told.dispatcher.summarize()
    assert [message.qr for message in told.messages] == ["2@0"]


async def test_whoever_wants_to_be_reminded_gets_the_code_that_is_valid_by_then() -> None:
    told = Told(remind="30min")
    told.hear("session.needs_link", session="1", qr="2@0")
    for number in range(1, 200):
        told.clock.now += 20
        told.hear("session.qr", session="1", qr=f"2@{number}")
    assert [message.qr for message in told.messages] == ["2@0", "2@90", "2@180"]
    told.hear("session.linked", session="1")
    told.clock.now += 7200
    told.hear("session.qr", session="1", qr="2@x")
    assert len(told.messages) == 3


async def test_a_message_waits_for_the_code_but_not_for_ever() -> None:
    told = Told()
    told.hear("session.needs_link", session="1")
    told.hear("session.needs_link", session="2")
    assert told.messages == []
    told.hear("session.qr", session="1", qr="2@1")
    assert [message.qr for message in told.messages] == ["2@1"]
    async with asyncio.timeout(60):
        while len(told.messages) < 2:  # noqa: ASYNC110  nothing tells of a timer that has run
            await asyncio.sleep(0.005)
    assert (told.messages[1].session, told.messages[1].qr) == ("2", None)


async def test_a_session_that_is_linked_meanwhile_is_not_told_of_any_more() -> None:
    told = Told()
    told.hear("session.needs_link", session="1")
    told.hear("session.linked", session="1")
    told.hear("session.needs_link", session="2", qr="2@1")
    told.hear("session.needs_link", session="2", qr="2@2")
    told.hear("session.linked", session="2")
    told.clock.now += 3600
    told.dispatcher.summarize()
    await asyncio.sleep(0.05)  # longer than a message waits for its code
    assert [message.qr for message in told.messages] == ["2@1"]


async def test_no_code_leaves_if_none_shall() -> None:
    told = Told(qr=False)
    told.hear("session.needs_link", session="1", qr="2@secret")
    [message] = told.messages
    assert message.qr is None
    assert "secret" not in str(message.document(None))
