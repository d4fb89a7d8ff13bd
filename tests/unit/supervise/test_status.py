"""The status of a running supervisor, as models, as JSON and as text."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from supervisor.supervise.status import Memory, Planned, SessionView, Status, StatusCache
from supervisor.supervise.status_text import _span, describe
from supervisor.timing.record import Restart, Target

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RESTART = Restart(
    started_at=(NOW - timedelta(minutes=62)).timestamp(),
    run_id="1",
    reason="change",
    detail="a.js",
    outcome="ready",
    phases_ms={"close": 80, "boot": 1900},
    total_ms=1980,
    target="ahead",
    clean=True,
)
SESSION = SessionView(
    id="971",
    profile="/bot/sessions/session-971",
    state="needs_link",
    since=NOW - timedelta(seconds=5),
    linked=True,
    snapshots=1,
    last_snapshot_at=NOW,
)
CLOSED = SESSION.model_copy(
    update={"id": "972", "state": "closed", "since": None, "linked": None, "snapshots": 0, "last_snapshot_at": None}
)


def status(**changes: object) -> Status:
    fields: dict[str, object] = {
        "project": "/bot",
        "pid": 7,
        "mode": "dev",
        "command": ["/usr/bin/node", "index.js"],
        "phase": "up",
        "since": NOW - timedelta(hours=2),
        "bot_pid": 8,
        "uptime_s": 3720.5,
        "restarts": 2,
        "sessions": [SESSION, CLOSED],
        "last_restart": RESTART,
        "memory": Memory(supervisor=46_000_000, tree=512_000_000, processes=9),
        "planned": [Planned(what="snapshot", in_s=59.5, session="971")],
    }
    return Status.model_validate(fields | changes)


def document(one: Status) -> dict[str, Any]:
    return one.model_dump(mode="json")


def told(one: Status) -> list[str]:
    return list(describe(document(one), Target(5, 10), NOW))


def test_a_status_on_a_narrow_terminal_has_no_narrow_column() -> None:
    lines = list(describe(document(status()), Target(5, 10), NOW, columns=50))
    assert lines[:2] == [
        "bot: up for 1 h 2 min (process 8), restarted twice",
        "session 971: needs link for 5 s; 1 snapshot, the last 0 s ago",
    ]


def test_a_status_in_words() -> None:
    assert told(status()) == [
        "bot           up for 1 h 2 min (process 8), restarted twice",
        "session 971   needs link for 5 s; 1 snapshot, the last 0 s ago",
        "session 972   closed; no snapshot",
        "last restart  1 h 2 min ago (change: a.js): back online in 2.0 s  (slowest: boot 1.9)",
        "next          snapshot of session 971 in 59 s",
        "memory        bot 512 MB (9 processes), scanonce 46 MB",
        "command       /usr/bin/node index.js",
        "project       /bot (scanonce dev, process 7)",
    ]


def test_a_bot_of_one_process_has_one() -> None:
    line = "memory        bot 38 MB (1 process), scanonce 46 MB"
    assert line in told(status(memory=Memory(supervisor=46_000_000, tree=38_000_000, processes=1)))


def test_a_status_of_a_bot_that_waits_to_be_started_again() -> None:
    waiting = status(
        phase="backoff",
        bot_pid=None,
        uptime_s=None,
        sessions=[],
        last_restart=None,
        planned=[Planned(what="start", in_s=1.2)],
    )
    assert told(waiting)[0] == "bot      down, waiting to be started again, restarted twice"
    assert told(waiting)[1] == "next     start the bot again in 1 s"


def test_a_status_as_json() -> None:
    found = document(status())
    assert found == json.loads(status().model_dump_json())
    assert found["version"] == 1
    assert found["since"] == "2026-01-02T01:04:05.000Z"
    assert found["sessions"][0]["last_snapshot_at"] == "2026-01-02T03:04:05.000Z"
    assert found["last_restart"] == {
        "at": "2026-01-02T02:02:05.000Z",
        "reason": "change",
        "detail": "a.js",
        "outcome": "ready",
        "phases_ms": {"close": 80, "boot": 1900},
        "total_ms": 1980,
        "target": "ahead",
        "clean": True,
        "kind": "cold",
        "why": "",
    }
    assert found["memory"] == {"supervisor": 46_000_000, "tree": 512_000_000, "processes": 9}
    assert document(status(project="/bot-\udcff"))["project"] == r"/bot-\udcff"


async def test_requests_that_come_together_share_one_status_and_later_ones_do_not() -> None:
    gathered = 0

    async def gather() -> Status:
        nonlocal gathered
        gathered += 1
        await asyncio.sleep(0)
        return status(restarts=gathered)

    cache = StatusCache(gather, fresh=3600)
    given_up = asyncio.create_task(cache.get())
    others = [asyncio.create_task(cache.get()) for _ in range(3)]
    await asyncio.sleep(0)
    given_up.cancel()
    assert [one.restarts for one in [*await asyncio.gather(*others), await cache.get()]] == [1] * 4
    expired = StatusCache(gather, fresh=-1)
    assert [(await expired.get()).restarts for _ in range(2)] == [2, 3]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-5, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3720, "1 h 2 min"),
        (86_405, "1 d"),
        (200_000, "2 d 7 h"),
    ],
)
def test_lengths_of_time(seconds: float, text: str) -> None:
    assert _span(seconds) == text
