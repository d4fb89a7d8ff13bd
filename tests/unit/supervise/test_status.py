"""How a running supervisor stands, as the model and as text."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from supervisor.supervise.status import (
    LastRestart,
    Memory,
    Planned,
    SessionView,
    Status,
    _span,
    describe,
)
from supervisor.timing.record import Target

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def status(**changes: object) -> Status:
    fields: dict[str, object] = {
        "project": "/bot",
        "pid": 7,
        "mode": "dev",
        "command": ("/usr/bin/node", "index.js"),
        "phase": "up",
        "since": NOW - timedelta(hours=2),
        "bot_pid": 8,
        "uptime_s": 3720.5,
        "restarts": 2,
        "sessions": (
            SessionView("971", "/bot/sessions/session-971", "needs_link", NOW - timedelta(seconds=5), True, 1, NOW),
            SessionView("972", "/bot/sessions/session-972", "closed", None, None, 0, None),
        ),
        "last_restart": LastRestart(
            NOW - timedelta(minutes=62), "change", "a.js", "ready", {"close": 80, "boot": 1900}, 1980, "ahead", True
        ),
        "memory": Memory(46_000_000, 512_000_000, 9),
        "planned": (Planned("snapshot", 59.5, "971"),),
    }
    return Status(**(fields | changes))  # type: ignore[arg-type]  # one field at a time is changed


def told(one: Status) -> list[str]:
    return list(describe(one, Target(5, 10), NOW))


def test_a_status_in_words() -> None:
    assert told(status()) == [
        "bot up, process 8, for 1 h 2 min, restarted twice",
        "session 971: needs link for 5 s; 1 snapshot, the last 0 s ago",
        "session 972: closed; no snapshot",
        "last restart 1 h 2 min ago (change: a.js): back online in 1.98 s  (close 0.08  boot 1.90)  "
        "target 5-10 s: ahead",
        "memory: the bot's 9 processes 512 MB, scanonce (process 7) 46 MB",
        "next: snapshot of session 971 in 59 s",
    ]


def test_a_bot_of_one_process_has_one() -> None:
    line = "memory: the bot's process 38 MB, scanonce (process 7) 46 MB"
    assert line in told(status(memory=Memory(46_000_000, 38_000_000, 1)))


def test_a_status_of_a_bot_that_waits_to_be_started_again() -> None:
    waiting = status(
        phase="backoff", bot_pid=None, uptime_s=None, sessions=(), last_restart=None, planned=(Planned("start", 1.2),)
    )
    assert told(waiting)[0] == "bot down, waiting to be started again, restarted twice"
    assert told(waiting)[-1] == "next: start the bot again in 1 s"


def test_a_status_as_json() -> None:
    document = status().document()
    assert json.loads(json.dumps(document)) == document
    assert document["since"] == "2026-01-02T01:04:05.000Z"
    assert document["sessions"][0]["last_snapshot_at"] == "2026-01-02T03:04:05.000Z"
    assert document["last_restart"]["phases_ms"] == {"close": 80, "boot": 1900}
    assert document["memory"] == {"supervisor": 46_000_000, "tree": 512_000_000, "processes": 9}


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
