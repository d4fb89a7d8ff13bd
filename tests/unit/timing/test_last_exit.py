"""How the last supervisor ended, by what its history tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.timing.history import History
from supervisor.timing.last_exit import last_ending

BEGUN: tuple[str, dict[str, object]] = ("supervisor.starting", {})
STOPPED: tuple[str, dict[str, object]] = ("supervisor.stopped", {"exit_code": 143})
CRASHES: tuple[str, dict[str, object]] = ("supervisor.stopped", {"exit_code": 3})
GIVEN_UP: tuple[str, dict[str, object]] = ("bot.given_up", {"failures": 10})
DROPPED: tuple[str, dict[str, object]] = (
    "notify.dropped",
    {"target": "webhook 1", "count": 1, "reason": "scanonce ends"},
)


@pytest.mark.parametrize(
    ("events", "code", "given_up"),
    [
        pytest.param([BEGUN, STOPPED], 143, False, id="stopped"),
        pytest.param([BEGUN, STOPPED, *[DROPPED] * 100], 143, False, id="stopped, with messages left"),
        pytest.param([BEGUN, GIVEN_UP, *[DROPPED] * 100, CRASHES, DROPPED], 3, True, id="given up, with messages left"),
        pytest.param([BEGUN, GIVEN_UP, CRASHES, BEGUN, STOPPED], 143, False, id="given up before, and stopped"),
        pytest.param([BEGUN, STOPPED, DROPPED, BEGUN], None, False, id="killed at once"),
        pytest.param([BEGUN, STOPPED, BEGUN, *[DROPPED] * 100], None, False, id="killed"),
        pytest.param([DROPPED], None, False, id="killed, and its beginning is forgotten"),
    ],
)
def test_the_end_of_the_last_supervisor(
    tmp_path: Path, events: list[tuple[str, dict[str, object]]], code: int | None, given_up: bool
) -> None:
    history = History(tmp_path / "history.db", warn=pytest.fail)
    for name, fields in events:
        history.event(name, fields)
    history.close()
    ending = last_ending(tmp_path / "history.db")
    assert ending is not None
    assert ending.exit_code == code
    assert (ending.given_up is not None) == given_up
