"""Parts of a running bot die or hang: it is back, linked, in one restart whose reason is told.

A selection of what `python -m benchmarks chaos` does to every part, many times.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.e2e.supervised import NOTHING, Supervised, supervised
from tests.e2e.victims import victim

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

#: Everything is borne for moments only.
IMPATIENT = """
[restart]
backoff_initial = "50ms"
[browser]
lost_patience = "500ms"
[health]
timeout = "5s"
"""

#: A bot that hangs when it is told to: its event loop never turns again.
HANGS = "process.on('SIGUSR2', () => { for (;;); });\n"


async def back(bot: Supervised, *reasons: str) -> None:
    """It comes back by one restart for one of these reasons, without a QR code."""
    done = await bot.until_ready()
    assert done["reason"] in reasons
    assert not bot.named("session.needs_link")


async def test_whatever_dies_or_hangs_the_bot_is_back_without_a_qr_code(linked_folder: Path) -> None:
    (linked_folder / "scanonce.toml").write_text(IMPATIENT)
    with (linked_folder / "index.js").open("a") as file:
        file.write(HANGS)
    async with supervised(linked_folder, "run", options=["--grace=50ms"]) as bot:
        await bot.until_ready()

        written = await bot.written()
        victim(linked_folder, "renderer").send_signal(signal.SIGKILL)
        await bot.until("bot.unhealthy", reason="page crash")
        await back(bot, "page crash")
        assert written.lost_in(await bot.found()) == NOTHING, "the page has died, its browser not"

        written = await bot.written()
        victim(linked_folder, "node").send_signal(signal.SIGUSR2)
        told = await bot.until("bot.unhealthy", reason="hang")
        assert "does not read" in told["detail"]
        await back(bot, "hang")
        assert written.lost_in(await bot.found()) == NOTHING

        before, written = await bot.found(), await bot.written()
        victim(linked_folder, "browser").send_signal(signal.SIGSEGV)
        # This library lets its process end when the browser does; another may live on without.
        await back(bot, "browser lost")
        found = await bot.found()
        assert before.lost_in(found) == NOTHING, "what was on disk is there still"
        assert found.indexed_db >= written.indexed_db, "and so is every write that the page saw complete"
