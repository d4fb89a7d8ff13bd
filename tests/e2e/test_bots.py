"""Bots of other kinds than the stock one, each kept as well as it can be."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from supervisor.demo.offline_bot import prepare
from supervisor.demo.phone import DEFAULT_NUMBER, Tally
from tests.e2e.supervised import NOTHING, Supervised, snapshots, supervised

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

BOTS = Path(__file__).with_name("bots")
OTHER_NUMBER = "971505760057"


async def test_two_accounts_are_both_closed_both_copied_and_both_back(bot_folder: Path) -> None:
    prepare(bot_folder, source=BOTS / "two-accounts.js")
    numbers = (DEFAULT_NUMBER, OTHER_NUMBER)
    async with supervised(bot_folder) as bot:
        await bot.until("restart.done", outcome="needs_link")
        for number in numbers:
            await bot.link(number)
        written = {number: await bot.written(number) for number in numbers}
        bot.save()
        done = await bot.until_ready()
        assert done["clean"]
        for number in numbers:
            assert written[number].lost_in(await bot.found(number)) == NOTHING
        closed = {Path(event["profile"]).name for event in bot.named("browser.closed")}
        assert closed == {f"session-{number}" for number in numbers}
        for _ in numbers:
            await bot.until("snapshot.taken")
        assert len(bot.named("session.needs_link")) == len(numbers)
    for number in numbers:
        assert len(snapshots(bot_folder, number)) == 2


async def test_a_bot_that_speaks_to_its_browser_over_a_pipe_loses_nothing(bot_folder: Path) -> None:
    prepare(bot_folder, source=BOTS / "pipe.js")
    async with supervised(bot_folder) as bot:
        await bot.until("browser.blind")
        await bot.until_ready()
        await bot.until_printed("written")
        written = printed_tally(bot, "written")
        bot.save()
        await bot.until("browser.closed", method="asked")
        bot.stdout = ""
        await bot.until_ready()
        await bot.until_printed("found")
        assert written.lost_in(printed_tally(bot, "found")) == NOTHING
        assert "qr" not in bot.stdout
        await bot.until("snapshot.taken")


def printed_tally(bot: Supervised, name: str) -> Tally:
    """The last counters of this name that the bot has printed."""
    values = json.loads(re.findall(rf"^{name} (.*)$", bot.stdout, re.MULTILINE)[-1])
    return Tally(values["indexedDB"], values["localStorage"], values["cookie"])


async def test_a_bot_that_closes_its_browser_itself_is_let_to(linked_folder: Path) -> None:
    prepare(linked_folder, source=BOTS / "self-closing.js")
    (linked_folder / "scanonce.toml").write_text('[stop]\norder = "bot-first"\n')
    async with supervised(linked_folder) as bot:
        await bot.until_ready()
        written = await bot.written()
        bot.save()
        closed = await bot.until("browser.closed")
        assert closed["method"] == "bot"
        done = await bot.until_ready()
        assert done["clean"]
        assert written.lost_in(await bot.found()) == NOTHING
        await bot.until_printed("closing on SIGTERM")
        await bot.until_printed("closed\n")
        await bot.until("snapshot.taken")


async def test_a_bot_that_ignores_sigterm_is_ended_after_its_browser_was_closed(linked_folder: Path) -> None:
    prepare(linked_folder, source=BOTS / "ignores-sigterm.js")
    async with supervised(linked_folder) as bot:
        await bot.until_ready()
        written = await bot.written()
        bot.save()
        done = await bot.until_ready()
        assert done["clean"]
        assert "ignoring SIGTERM" in bot.stdout
        assert written.lost_in(await bot.found()) == NOTHING


async def test_a_bot_without_a_browser_is_simply_restarted(bot_folder: Path) -> None:
    prepare(bot_folder, source=BOTS / "no-browser.js")
    (bot_folder / "node_modules").unlink()  # what a bot has installed tells whether it drives a browser
    async with supervised(bot_folder) as bot:
        await bot.until_ready()
        bot.save()
        done = await bot.until_ready()
        assert "browser" not in done["phases_ms"]
        assert bot.stdout.count("listening") == 2
        assert not (bot_folder / "sessions").exists()


async def test_a_bot_without_a_browser_is_given_the_time_to_clean_up(bot_folder: Path) -> None:
    prepare(bot_folder, source=BOTS / "cleanup.js")
    async with supervised(bot_folder, "run") as bot:
        await bot.until_printed("ready")
    assert (bot_folder / "cleaned-up").read_text() == "SIGTERM\n"


async def test_a_bot_behind_npm_is_found_and_the_user_is_told_once(
    linked_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_update_notifier", "false")
    package = json.loads((linked_folder / "package.json").read_text())
    package["scripts"]["dev"] = "node index.js"
    (linked_folder / "package.json").write_text(json.dumps(package))
    async with supervised(linked_folder, command=("npm", "run", "dev")) as bot:
        await bot.until_ready()
        written = await bot.written()
        bot.save()
        assert (await bot.until_ready())["clean"]
        assert written.lost_in(await bot.found()) == NOTHING
        [told] = bot.named("npm.between")
        assert told["command"] == ["node", "index.js"]


async def test_a_bot_that_opens_its_browser_late_is_not_called_ready_before(linked_folder: Path) -> None:
    """As a bot that is compiled first, on a machine that is busy: the default of `ready.settle` is 2 s."""
    program = linked_folder / "index.js"
    program.write_text(
        program.read_text().replace("client.initialize();", "setTimeout(() => client.initialize(), 3000);")
    )
    async with supervised(linked_folder) as bot:
        done = await bot.until_ready()
        assert "browser" in done["phases_ms"]
        assert bot.named("bot.ready")[0]["method"] == "page"
