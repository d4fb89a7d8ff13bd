"""What is heard of a supervisor: followers that fall behind are cut off, and what goes wrong can be said."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from supervisor.control.event_stream import BEHIND, Follower, WorstEvent
from supervisor.log.logger import emit


async def test_a_follower_that_falls_too_far_behind_is_cut_off_and_costs_no_more() -> None:
    closed: list[bool] = []
    follower = Follower(lambda: closed.append(True))
    for number in range(BEHIND + 100):
        emit("restart.requested", reason="control", detail=str(number))
    lines = [line async for line in _all(follower)]
    assert [json.loads(line)["detail"] for line in lines] == [str(number) for number in range(BEHIND)]
    follower.close()
    emit("restart.requested", reason="control")
    assert closed == [True]


async def test_the_end_of_the_supervisor_is_the_last_line() -> None:
    follower = Follower(lambda: None)
    emit("supervisor.stopped", exit_code=0, clean=True, total_ms=1)
    lines = [json.loads(line) async for line in _all(follower)]
    follower.close()
    assert [line["event"] for line in lines] == ["supervisor.stopped"]


async def _all(follower: Follower) -> AsyncIterator[bytes]:
    while (line := await follower.next()) is not None:
        yield line


def test_the_last_error_is_said_before_any_warning() -> None:
    said = []
    with WorstEvent() as worst:
        said.append(worst.sentence)
        emit("history.problem", problem="the disk is full")
        said.append(worst.sentence)
        emit("error", problem="one")
        emit("error", problem="two", remedy="mend it.")
        emit("history.problem", problem="the disk is full")
    emit("error", problem="three")
    assert said == [None, "The disk is full."]
    last = worst.sentence or ""
    assert (last[:3], last[-8:]) == ("Two", "mend it.")
