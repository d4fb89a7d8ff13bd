"""What a bot takes away in good order stays away, with whatsapp-web.js on Chromium: no restart, no restore."""

from __future__ import annotations

import asyncio
import re
import shutil
import urllib.request
from pathlib import Path

import pytest

from supervisor.demo.offline_bot import prepare, profile_of
from supervisor.demo.phone import DEFAULT_NUMBER
from tests.e2e.supervised import Supervised, snapshots, supervised

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

BOTS = Path(__file__).with_name("bots")
OTHER = "971505760057"
IMPATIENT = '[browser]\nlost_patience = "500ms"\n'


async def command(bot: Supervised, path: str) -> None:
    """Have the bot do something, and wait until it is done."""
    await bot.until_printed("listening ")
    port = re.findall(r"^listening (\d+)$", bot.stdout, re.MULTILINE)[-1]
    url = f"http://127.0.0.1:{port}/{path}"
    answer = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=60).read())
    assert answer == b"done"


@pytest.fixture
def orderly_folder(linked_folder: Path) -> Path:
    """A bot with two linked accounts."""
    prepare(linked_folder, source=BOTS / "orderly.js")
    shutil.copytree(profile_of(linked_folder, DEFAULT_NUMBER), profile_of(linked_folder, OTHER), symlinks=True)
    (linked_folder / "scanonce.toml").write_text(IMPATIENT)
    return linked_folder


@pytest.mark.parametrize("way", ["close", "remove", "logout"])
async def test_an_account_that_its_bot_takes_away_stays_away(orderly_folder: Path, way: str) -> None:
    async with supervised(orderly_folder) as bot:
        await bot.until_ready()
        bot.save()
        await bot.until_ready()
        for _ in range(2):
            await bot.until("snapshot.taken")
        kept = snapshots(orderly_folder, OTHER)
        await command(bot, f"{way}/{OTHER}")
        closed = await bot.until("browser.closed", method="bot")
        assert closed["profile"] == str(profile_of(orderly_folder, OTHER))
        if way != "close":
            await bot.until("session.removed", session=OTHER)
        await asyncio.sleep(1)  # longer than a browser that is lost would be waited for
        # After a logout whatsapp-web.js removes the folder, and may make an empty one: the order is a race there.
        made_anew = profile_of(orderly_folder, OTHER).exists()
        bot.stdout = ""
        bot.save()
        await bot.until("restart.done")
        assert [done["reason"] for done in bot.named("restart.done")] == ["start", "change", "change"]
        assert not bot.named("session.restored")
        assert not bot.named("session.not_recovered")
        assert not bot.named("browser.lost")
        match way:
            case "close":
                await bot.until_printed(f"{OTHER} ready")
            case "logout" if made_anew:
                await bot.until_printed(f"{OTHER} qr")
            case _:
                assert not made_anew
                assert OTHER not in bot.stdout
        if way != "close":
            assert snapshots(orderly_folder, OTHER) == kept


async def test_a_browser_for_a_while_is_no_session(orderly_folder: Path) -> None:
    shutil.rmtree(profile_of(orderly_folder, OTHER))
    async with supervised(orderly_folder, "run") as bot:
        await bot.until_ready()
        await command(bot, "draw/7000")  # long enough to be seen: other browsers are looked for every 5 s
        await bot.until("browser.closed", method="bot")
        await asyncio.sleep(1)
        assert len(bot.named("restart.done")) == 1
        assert not bot.named("browser.lost")
    assert {event["session"] for event in bot.named("session.found")} == {DEFAULT_NUMBER}
    assert "puppeteer_dev" not in (orderly_folder / "session-state.json").read_text()
    assert len(list((orderly_folder / ".session-cache").glob("backup-*"))) == 1


async def test_a_bot_that_opens_its_browser_again_while_it_is_stopped_is_ended_at_once(
    orderly_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOVER", "1")
    async with supervised(orderly_folder, "run") as bot:
        await bot.until_ready()
        await bot.stop_cleanly()
        assert bot.named("supervisor.stopped")[0]["total_ms"] < 10_000 / 2
