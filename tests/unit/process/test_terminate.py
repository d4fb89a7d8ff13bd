"""Asked first, killed last, and never waited for longer than the user likes."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from supervisor.process.handle import Handle
from supervisor.process.terminate import HURRIED_TIMEOUT, TerminationStep, Urgency, escalate, kill, terminate
from tests.helpers.waiting import DEADLINE, eventually
from tests.unit.process.conftest import DEAF, KILLED, STOPPED, TERMINATED, Ready, Spawn, held, state

#: A rung that nobody waits for to its end in these tests.
LONG = 60.0


def ladder(patience: float = LONG) -> list[TerminationStep]:
    return [TerminationStep("asked", terminate, patience), TerminationStep("killed", kill, DEADLINE)]


async def test_what_goes_when_asked_is_not_killed(handle_type: type[Handle], spawn: Spawn) -> None:
    process = spawn()
    assert await escalate([held(process.pid)], ladder(), Urgency()) == ("asked", [])
    assert process.wait() == TERMINATED


async def test_what_does_not_go_when_asked_is_killed(handle_type: type[Handle], ready: Ready) -> None:
    process = ready(DEAF)
    assert await escalate([held(process.pid)], ladder(0.05), Urgency()) == ("killed", [])
    assert process.wait() == KILLED


async def test_only_those_that_are_left_go_on_to_the_next_rung(ready: Ready, spawn: Spawn) -> None:
    polite, deaf = spawn(), ready(DEAF)
    used, alive = await escalate([held(polite.pid), held(deaf.pid)], ladder(0.3), Urgency())
    assert (used, alive) == ("killed", [])
    assert (polite.wait(), deaf.wait()) == (TERMINATED, KILLED)


async def test_nothing_is_done_where_nothing_lives(spawn: Spawn) -> None:
    process = spawn("true")
    one = held(process.pid)
    process.wait()
    assert await escalate([one], ladder(), Urgency()) == (None, [])
    assert await escalate([], ladder(), Urgency()) == (None, [])


async def test_a_frozen_process_can_be_killed(spawn: Spawn) -> None:
    process = spawn()
    one = held(process.pid)
    one.suspend()
    await eventually(lambda: state(process.pid) == STOPPED)
    assert await escalate([one], ladder(0.05), Urgency()) == ("killed", [])
    assert process.wait() == KILLED


async def timed(climbing: asyncio.Task[tuple[str | None, list[Handle]]]) -> float:
    began = time.monotonic()
    async with asyncio.timeout(DEADLINE):
        await climbing
    return time.monotonic() - began


async def test_the_second_request_cuts_every_patience_to_a_second(ready: Ready) -> None:
    process, urgency = ready(DEAF), Urgency()
    climbing = asyncio.create_task(escalate([held(process.pid)], ladder(), urgency))
    await asyncio.sleep(0)
    urgency.hurry()
    assert await timed(climbing) > 0.9
    assert climbing.result() == ("killed", [])


async def test_the_third_request_kills_at_once(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supervisor.process.terminate.HURRIED_TIMEOUT", LONG)
    process, urgency = ready(DEAF), Urgency()
    climbing = asyncio.create_task(escalate([held(process.pid)], ladder(), urgency))
    await asyncio.sleep(0)
    urgency.hurry()
    urgency.kill()
    await timed(climbing)
    assert process.wait() == KILLED


async def test_who_is_in_that_much_of_a_hurry_from_the_start_asks_nothing(spawn: Spawn) -> None:
    process, urgency = spawn(), Urgency()
    urgency.kill()
    assert await escalate([held(process.pid)], ladder(), urgency) == ("killed", [])
    assert process.wait() == KILLED


async def test_a_hurry_never_makes_a_short_patience_longer(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supervisor.process.terminate.HURRIED_TIMEOUT", LONG)
    process, urgency = ready(DEAF), Urgency()
    urgency.hurry()
    async with asyncio.timeout(DEADLINE):
        await urgency.wait_all([held(process.pid)], 0.05)
    assert not urgency.ruthless


async def test_a_hurry_that_began_while_waiting_is_not_lengthened_by_more_of_it(ready: Ready) -> None:
    process, urgency = ready(DEAF), Urgency()
    waiting = asyncio.create_task(urgency.wait_all([held(process.pid)], LONG))
    async with asyncio.timeout(DEADLINE):
        while not waiting.done():  # if each of them began a patience of its own, it would never be over
            urgency.hurry()
            await asyncio.wait([waiting], timeout=HURRIED_TIMEOUT / 4)
    assert len(waiting.result()) == 1


class Immortal:
    """A process that may not be signalled, and does not go."""

    pid = 7
    alive = True

    def kill(self) -> bool:
        raise PermissionError(1, "Operation not permitted")

    terminate = kill

    async def wait(self, timeout: float | None = None) -> bool:
        await asyncio.sleep(LONG if timeout is None else timeout)
        return False


async def test_one_that_may_not_be_signalled_is_named_and_the_others_are_ended(ready: Ready) -> None:
    process = ready(DEAF)
    immortal: Handle = Immortal()  # type: ignore[assignment]
    rungs = [TerminationStep("asked", terminate, 0.05), TerminationStep("killed", kill, 0.2)]
    assert await escalate([immortal, held(process.pid)], rungs, Urgency()) == ("killed", [immortal])
    assert process.wait() == KILLED


async def test_a_cancelled_climb_leaves_no_task_behind(ready: Ready) -> None:
    process = ready(DEAF)
    climbing = asyncio.create_task(escalate([held(process.pid)], ladder(), Urgency()))
    await asyncio.sleep(0.02)
    climbing.cancel()
    await asyncio.wait([climbing])
    assert climbing.cancelled()
    await asyncio.sleep(0)  # for those that were cancelled with it
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_acts_of_the_rungs_reach_the_process(spawn: Spawn, number: signal.Signals) -> None:
    process = spawn()
    {signal.SIGTERM: terminate, signal.SIGKILL: kill}[number](held(process.pid))
    assert process.wait(DEADLINE) == -number
