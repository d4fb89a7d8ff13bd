"""Others who want the same profile: a second supervisor, a bot that somebody started by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from supervisor.demo.offline_bot import profile_of
from supervisor.demo.phone import DEFAULT_NUMBER, Phone, SocketState
from tests.e2e.supervised import supervised

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

BUSY = 5


async def test_a_second_supervisor_is_told_who_is_there_and_touches_nothing(linked_folder: Path) -> None:
    async with supervised(linked_folder) as bot:
        await bot.until_ready()
        async with supervised(linked_folder) as second:
            assert await second.ended() == BUSY
            [error] = second.events
            assert f"process {bot.process.pid}," in error["problem"]
        written = await bot.written()
        assert written


async def test_a_bot_that_was_started_by_hand_is_reported_and_waited_for(linked_folder: Path) -> None:
    by_hand = await asyncio.create_subprocess_exec(
        "node", "index.js", cwd=linked_folder, stdout=asyncio.subprocess.DEVNULL
    )
    async with await Phone.connect(profile_of(linked_folder, DEFAULT_NUMBER)) as phone:
        await phone.wait_state(SocketState.READY)
    async with supervised(linked_folder) as bot:
        error = await bot.until("error")
        assert "a browser that scanonce did not start holds a profile" in error["problem"]
        assert by_hand.returncode is None
        assert not bot.named("bot.starting")
        by_hand.terminate()
        await by_hand.wait()
        await bot.until_ready()
        await bot.stop_cleanly()
