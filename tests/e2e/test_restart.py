"""The main promise: save a source file, and the bot is back with its session, nothing lost."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import psutil
import pytest

from supervisor.demo.offline_bot import profile_of
from supervisor.demo.phone import DEFAULT_NUMBER
from supervisor.timing.history_reader import read
from tests.e2e.supervised import NOTHING, Supervised, snapshots, supervised

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROUNDS = 3


def version_of_node() -> str:
    """What Node.js says itself."""
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return said.strip().removeprefix("v")


async def saved_and_back(bot: Supervised) -> None:
    """Save a source file while the page writes, and see the bot come back with every write that was acknowledged."""
    written = await bot.written()
    bot.save()
    done = await bot.until_ready()
    assert done["clean"]
    assert written.lost_in(await bot.found()) == NOTHING


async def test_a_device_linked_a_second_before_the_save_needs_no_new_link(bot_folder: Path) -> None:
    async with supervised(bot_folder) as bot:
        await bot.until("restart.done", outcome="needs_link")
        await bot.link()
        await asyncio.sleep(1)  # the promise: this soon Chromium has written neither localStorage nor cookies
        for _ in range(ROUNDS):
            await saved_and_back(bot)
        await bot.until("snapshot.taken")
        assert len(bot.named("session.needs_link")) == 1
    assert len(snapshots(bot_folder)) == ROUNDS + 1
    *_, restart = read(bot_folder / ".session-cache" / "history.db").restarts
    assert restart.setup.browser == (profile_of(bot_folder, DEFAULT_NUMBER) / "Last Version").read_text().strip()
    assert restart.setup.node in {version_of_node(), None}, "not every installation tells"


async def test_saves_that_come_thick_and_fast_never_make_two_bots(linked_folder: Path) -> None:
    async with supervised(linked_folder) as bot:
        await bot.until_ready()
        written = await bot.written()
        running = {event["pid"] for name in ("bot.started", "browser.up") for event in bot.named(name)}
        for pause in (0.0, 0.1, 0.2, 0.4, 0.8):  # into the boot, the start of the browser, the page
            bot.save()
            started = await bot.until("bot.started")
            assert not [pid for pid in running if psutil.pid_exists(pid)]
            await asyncio.sleep(pause)
            running = {started["pid"], *(event["pid"] for event in bot.named("browser.up"))}
        await bot.until_ready()
        assert written.lost_in(await bot.found()) == NOTHING
        assert not bot.named("session.needs_link")


async def test_an_edit_that_breaks_the_bot_is_mended_by_the_next(linked_folder: Path) -> None:
    program = linked_folder / "index.js"
    sound = program.read_text()
    async with supervised(linked_folder) as bot:
        await bot.until_ready()
        program.write_text(sound + "this is no JavaScript\n")
        await bot.until("preflight.failed")
        await bot.until("bot.kept")
        assert len(bot.named("bot.started")) == 1, "a bot that is well was stopped for it"
        # As when memory runs out: puppeteer does not even get to kill its browser, which is left behind.
        look = "require('node:fs').existsSync('die') && process.kill(process.pid, 'SIGKILL')"
        program.write_text(sound + f"setInterval(() => {look}, 50);\n")
        await bot.until_ready()
        written = await bot.written()
        (linked_folder / "die").touch()
        await bot.until("bot.waiting")
        assert not bot.named("browser.unclean")
        program.write_text(sound)
        await bot.until_ready()
        assert written.lost_in(await bot.found()) == NOTHING
