"""Sudden ends: of the profile, of the supervisor, of the browser, of the bot. None of them costs the link."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil
import pytest

from supervisor.demo.offline_bot import profile_of
from supervisor.demo.phone import DEFAULT_NUMBER, Tally
from tests.e2e.supervised import NOTHING, Supervised, snapshots, supervised
from tests.helpers.processes import end_processes_of, processes_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


async def assert_back(bot: Supervised, before: Tally) -> None:
    """The bot is ready without a new link, and its page found all that was written."""
    await bot.until_ready()
    assert before.lost_in(await bot.found()) == NOTHING
    assert not bot.named("session.needs_link")


async def test_a_profile_deleted_while_stopped_comes_back_from_the_newest_snapshot(linked_folder: Path) -> None:
    async with supervised(linked_folder) as bot:
        await bot.until_ready()
        before = await bot.written()
    newest = snapshots(linked_folder)[-1]
    shutil.rmtree(profile_of(linked_folder, DEFAULT_NUMBER))
    async with supervised(linked_folder) as bot:
        restored = await bot.until("session.restored")
        assert restored["snapshot"] == newest
        await assert_back(bot, before)


@pytest.mark.parametrize("moment", ["up", "restart.requested", "browser.closed", "bot.started", "browser.up"])
async def test_a_supervisor_killed_at_any_moment_is_taken_over_from(linked_folder: Path, moment: str) -> None:
    async with supervised(linked_folder) as bot:
        await bot.until_ready()
        before = await bot.written()
        if moment != "up":
            bot.save()
            await bot.until(moment)
        main = {event["pid"] for name in ("bot.started", "browser.up") for event in bot.named(name)}
        await bot.kill()
    left = processes_of(linked_folder)
    async with supervised(linked_folder) as bot:
        await assert_back(bot, before)
        assert not [process for process in left if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
        if moment == "up":
            [found] = bot.named("supervisor.leftovers")
            assert set(found["pids"]) >= main, "of those that they have started, one or the other may just have ended"
            assert bot.named("browser.closed")


async def test_a_browser_that_is_killed_comes_back_linked(linked_folder: Path) -> None:
    async with supervised(linked_folder, "run", options=["--grace=50ms"]) as bot:
        await bot.until_ready()
        up = bot.named("browser.up")[-1]
        psutil.Process(up["pid"]).kill()
        done = await bot.until_ready()
        assert not done["clean"]
        assert not bot.named("session.needs_link")


async def test_the_browser_that_a_killed_bot_leaves_behind_is_closed_cleanly(linked_folder: Path) -> None:
    async with supervised(linked_folder, "run", options=["--grace=50ms"]) as bot:
        await bot.until_ready()
        before = await bot.written()
        psutil.Process(bot.named("bot.started")[-1]["pid"]).kill()
        await bot.until("bot.crashed", signal=9)
        await bot.until("browser.closed")
        await assert_back(bot, before)


async def test_a_profile_that_another_host_has_locked_is_opened_as_after_a_container(linked_folder: Path) -> None:
    """All processes of a container go at once, and the next one has another name: Chromium alone would refuse."""
    async with supervised(linked_folder, "run") as bot:
        await bot.until_ready()
        await bot.kill()
        end_processes_of(linked_folder)
    lock = profile_of(linked_folder, DEFAULT_NUMBER) / "SingletonLock"
    assert lock.is_symlink()
    lock.unlink()
    lock.symlink_to("0123456789ab-42")
    async with supervised(linked_folder, "run") as bot:
        await bot.until_ready()
        assert not bot.named("session.needs_link")
        assert not bot.named("supervisor.leftovers")


@pytest.mark.parametrize("more", ["", "setInterval(() => {}, 1000);\n"], ids=["stock", "goes on for ever"])
async def test_a_bot_that_cleans_nothing_up_does_not_use_up_the_grace(linked_folder: Path, more: str) -> None:
    """How long it takes is measured by `benchmarks stop`."""
    with (linked_folder / "index.js").open("a") as program:
        program.write(more)
    (linked_folder / "scanonce.toml").write_text('[stop]\ngrace = "10min"\n')  # longer than any test waits
    async with supervised(linked_folder, "run") as bot:
        await bot.until_ready()
        before = await bot.written()
        await bot.stop_cleanly()
    async with supervised(linked_folder, "run") as bot:
        await assert_back(bot, before)
