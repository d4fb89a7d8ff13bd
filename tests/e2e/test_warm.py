"""Warm restarts: the program is replaced, the browser and its page are kept."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from supervisor.demo.offline_bot import profile_of
from supervisor.demo.phone import DEFAULT_NUMBER
from tests.e2e.supervised import PATIENCE, Supervised, supervised
from tests.helpers.processes import end_processes_of
from tests.helpers.shell import SCANONCE
from tests.helpers.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

#: A bot that writes kind and number of each event to a file as the first thing.
RECORDS = """
const text = {
    message_edit: (_, body) => body, message_reaction: (one) => one.reaction, call: (one) => one.id,
};
for (const kind of ['message', 'message_ack', 'message_edit', 'message_revoke_everyone', 'message_revoke_me',
    'media_uploaded', 'group_join', 'group_update', 'message_reaction', 'call']) {
    client.on(kind, (...values) => {
        const number = (text[kind] ?? ((one) => one.body))(...values);
        if (number[0] === '#') require('node:fs').appendFileSync('seen.txt', `${kind} ${number.slice(1)}\\n`);
    });
}
"""

RATE = 200  # events a second


async def page(bot: Supervised, expression: str, number: str = DEFAULT_NUMBER) -> object:
    async with await bot.phone(number) as phone:
        value: object = await phone.devtools.evaluate(expression)
        return value


async def loaded(bot: Supervised, number: str = DEFAULT_NUMBER) -> object:
    """When the page was loaded: another number after each load."""
    return await page(bot, "performance.timeOrigin", number)


async def keepable(bot: Supervised, count: int = 1) -> None:
    """Wait until the bot is ready itself, on so many pages: scanonce may see that a page is ready before or after."""
    await eventually(lambda: len(bot.named("browser.keepable")) >= count, "the page can be kept", PATIENCE)


async def feed(bot: Supervised) -> None:
    """Have the page send events of every kind."""
    async with await bot.phone() as phone:
        assert len(await phone.feed(RATE)) == 10


async def every_event_once(bot: Supervised) -> None:
    """End the feed: each event that the page has sent must have come once, in order."""
    async with await bot.phone() as phone:
        sent = await phone.end_feed()
    seen = bot.folder / "seen.txt"
    await eventually(lambda: seen.exists() and len(seen.read_text().splitlines()) >= len(sent), "all events have come")
    assert seen.read_text().splitlines() == [f"{kind} {number}" for kind, number in sent]
    assert {kind for kind, _ in sent} == {line.split()[0] for line in seen.read_text().splitlines()}


def add(folder: Path, code: str) -> str:
    """Add code to the bot's program; returns what that was before."""
    program = folder / "index.js"
    before = program.read_text()
    program.write_text(before + code)
    return before


@contextlib.asynccontextmanager
async def ready(folder: Path) -> AsyncIterator[Supervised]:
    """A bot whose page can be kept from now on."""
    async with supervised(folder, warm=True) as bot:
        await bot.until_ready()
        await keepable(bot)
        yield bot


async def restarted(bot: Supervised, kind: str) -> None:
    done = await bot.until_ready()
    assert done["kind"] == kind, f"{done}\n{bot.transcript()}"


async def test_a_save_keeps_the_page_and_loses_no_event(linked_folder: Path) -> None:
    add(linked_folder, RECORDS)
    async with ready(linked_folder) as bot:
        before, listeners = await loaded(bot), await page(bot, "__standin.listeners()")
        [browser] = bot.named("browser.up")
        await feed(bot)
        for pause in (0.0, 0.3, 2.5, 0.1):
            await asyncio.sleep(pause)
            bot.save()
            await restarted(bot, "warm")
        await every_event_once(bot)
        assert (await loaded(bot), await page(bot, "__standin.listeners()")) == (before, listeners)
        assert {one["pid"] for one in bot.named("browser.up")} == {browser["pid"]}
        assert len(bot.named("session.needs_link")) == 0
        async with await bot.phone() as phone:
            assert await phone.ask("!ping") == "pong"


@pytest.mark.parametrize(
    "broken",
    [
        "throw new Error('at load');",
        "client.on('ready', () => { setImmediate(() => { throw new Error('after'); }); });",
    ],
    ids=["at load", "after ready"],
)
async def test_a_program_that_fails_costs_no_page_and_no_event(linked_folder: Path, broken: str) -> None:
    add(linked_folder, RECORDS)
    async with ready(linked_folder) as bot:
        before = await loaded(bot)
        await feed(bot)
        sound = add(linked_folder, broken)
        await bot.until("bot.crashed")
        await bot.until("bot.waiting")
        (linked_folder / "index.js").write_text(sound)
        await restarted(bot, "warm")
        await every_event_once(bot)
        assert await loaded(bot) == before


async def test_a_program_that_never_launches_is_replaced_and_nothing_is_lost(linked_folder: Path) -> None:
    add(linked_folder, RECORDS)
    async with ready(linked_folder) as bot:
        before = await loaded(bot)
        await feed(bot)
        program = linked_folder / "index.js"
        sound = program.read_text()
        program.write_text("console.log('hangs'); for (;;);\n")
        await bot.until_printed("hangs")
        program.write_text(sound)
        await restarted(bot, "warm")
        await every_event_once(bot)
        assert await loaded(bot) == before


async def test_two_accounts_are_both_kept(linked_folder: Path) -> None:
    other = "971505760057"
    shutil.copytree(profile_of(linked_folder, DEFAULT_NUMBER), profile_of(linked_folder, other), symlinks=True)
    source = (linked_folder / "index.js").read_text()
    start = source.index("const client")
    (linked_folder / "index.js").write_text(
        source[:start].replace("const number", "const numbers")
        + f"for (const number of ['{DEFAULT_NUMBER}', '{other}']) {{\n{source[start:]}\n}}\n"
    )
    async with supervised(linked_folder, warm=True) as bot:
        await bot.until_ready()
        await keepable(bot, 2)
        before = [await loaded(bot, number) for number in (DEFAULT_NUMBER, other)]
        for _ in range(2):
            bot.save()
            await restarted(bot, "warm")
        assert [await loaded(bot, number) for number in (DEFAULT_NUMBER, other)] == before
        for number in (DEFAULT_NUMBER, other):
            async with await bot.phone(number) as phone:
                assert await phone.ask("!ping") == "pong"


COLD = {
    "a lock file has changed": ("package-lock.json has changed", "", ""),
    "other launch options": ("the launch options have changed", "", "--disable-gpu"),
    "a page of its own": ("the bot has 2 pages open", "client.on('ready', () => client.pupBrowser.newPage());", ""),
    "a global of its own": (
        "the bot has defined mine in its page",
        "client.on('ready', () => setTimeout(() => client.pupPage.evaluate(() => { window.mine = 1; }), 500));",
        "",
    ),
}


@pytest.mark.parametrize(("why", "code", "argument"), COLD.values(), ids=COLD)
async def test_a_page_that_cannot_be_kept_is_loaded_anew(
    linked_folder: Path, why: str, code: str, argument: str
) -> None:
    (linked_folder / "package-lock.json").write_text("{}")
    add(linked_folder, code)
    async with ready(linked_folder) as bot:
        before = await loaded(bot)
        if "pages" in why:
            await eventually(lambda: len(processes(linked_folder, "--type=renderer")) > 1)
        if "defined" in why:
            async with await bot.phone() as phone:
                while await phone.devtools.evaluate("window.mine") is None:  # noqa: ASYNC110  the page tells nobody
                    await asyncio.sleep(0.05)
        if "lock" in why:
            (linked_folder / "package-lock.json").write_text("{ }")
        source = (linked_folder / "index.js").read_text()
        more = f"['--no-sandbox', '{argument}']" if argument else "['--no-sandbox']"
        (linked_folder / "index.js").write_text(source.replace("['--no-sandbox']", more) + "// saved\n")
        await restarted(bot, "cold")
        assert [one["why"] for one in bot.named("restart.cold")] == [why]
        assert bot.named("restart.done")[-1]["why"] == why
        assert await loaded(bot) != before
        assert not bot.named("session.needs_link")


def processes(folder: Path, word: str) -> list[psutil.Process]:
    """The bot's processes with a word in their command line."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline())
            if word in line and str(folder) in (line if "user-data-dir" in line else process.cwd()):
                found.append(process)
    return found


async def test_the_bots_own_cleanup_leaves_the_browser_and_its_own_wish_closes_it(linked_folder: Path) -> None:
    add(
        linked_folder,
        "process.on('SIGTERM', async () => { await client.destroy(); console.log('cleaned up'); process.exit(); });"
        "process.on('SIGUSR2', () => client.destroy()); setInterval(() => {}, 1e6);",
    )
    async with ready(linked_folder) as bot:
        before = await loaded(bot)
        bot.save()
        await restarted(bot, "warm")
        await bot.until_printed("cleaned up")
        assert await loaded(bot) == before
        os.kill(bot.named("bot.started")[-1]["pid"], signal.SIGUSR2)
        closed = await bot.until("browser.closed")
        assert closed["method"] == "bot"


async def test_in_production_a_restart_is_warm_when_it_is_asked_for(linked_folder: Path) -> None:
    async with supervised(linked_folder, "run") as bot:
        await bot.until_ready()
        await keepable(bot)
        before = await loaded(bot)
        for option, kind in (("--warm", "warm"), ("--detail=as ever", "cold")):
            process = await asyncio.create_subprocess_exec(
                SCANONCE,
                "restart",
                option,
                "--json",
                cwd=linked_folder,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            out, _ = await process.communicate()
            assert json.loads(out)["restart"]["kind"] == kind
            assert (await loaded(bot) == before) == (kind == "warm")
        assert not bot.named("restart.cold"), "in production nothing else is expected"


async def test_what_was_begun_and_not_finished_is_told(linked_folder: Path) -> None:
    add(
        linked_folder,
        "client.on('message', () => new Promise(() => {}));"
        "process.on('unhandledRejection', (reason) => console.log(`unhandled: ${reason}`));"
        "client.on('message', async () => { throw 'mine'; });",
    )
    async with ready(linked_folder) as bot:
        async with await bot.phone() as phone:
            assert await phone.ask("!ping") == "pong"
        await bot.until_printed("unhandled: mine")
        bot.save()
        await restarted(bot, "warm")
        [told] = bot.named("event.unfinished")
        assert told["kinds"].keys() == {"message"}, "of the two handlers one never ends"


@pytest.mark.parametrize("moment", ["restart.requested", "bot.starting", "bot.started"])
async def test_the_supervisors_death_in_the_midst_ends_in_a_cold_start_without_a_code(
    linked_folder: Path, moment: str
) -> None:
    async with supervised(linked_folder, warm=True) as bot:
        await bot.until_ready()
        await keepable(bot)
        written = await bot.written()
        bot.save()
        await bot.until(moment)
        await bot.kill()
    async with supervised(linked_folder, warm=True) as bot:
        await bot.until_ready()
        assert not bot.named("session.needs_link")
        found = await bot.found()
        assert written.lost_in(found).indexed_db == 0
    end_processes_of(linked_folder)
