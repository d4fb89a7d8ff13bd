"""Warm restarts: the program is replaced, the browser and its page are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.supervised import Supervised, supervised

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


async def loaded(bot: Supervised) -> float:
    """When the page was loaded: another number after each load."""
    async with await bot.phone() as phone:
        return float(await phone.devtools.evaluate("performance.timeOrigin"))


async def test_a_save_keeps_the_page(linked_folder: Path) -> None:
    async with supervised(linked_folder, warm=True) as bot:
        await bot.until_ready()
        await bot.until("browser.keepable")
        before = await loaded(bot)
        for _ in range(3):
            bot.save()
            done = await bot.until_ready()
            assert done["kind"] == "warm", bot.transcript()
        assert await loaded(bot) == before
        async with await bot.phone() as phone:
            assert await phone.ask("!ping") == "pong"
