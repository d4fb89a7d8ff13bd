"""The session commands beside a real bot in a real browser."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from supervisor.demo.offline_bot import profile_of
from supervisor.demo.phone import DEFAULT_NUMBER
from supervisor.session.store import SessionStore
from tests.e2e.supervised import Supervised, snapshots, supervised
from tests.e2e.unsupervised import running
from tests.helpers.shell import Ended, run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

MESSAGES = 2000  # of about 2 kB
LONGEST_PAUSE_MS = 10_000
"""Of what a machine that stalls may take; what it took is shown by `pytest -rP`."""


async def command(folder: Path, *words: str) -> Ended:
    return await asyncio.to_thread(run, folder, *words)


async def take_and_go_on(bot: Supervised) -> Any:
    """Take a snapshot, and see the page go on where it stood."""
    taken = await command(bot.folder, "snapshot", "take", "--json")
    assert taken.status == 0, taken.err
    snapshot = taken.json["snapshot"]
    assert (taken.json["new"], snapshot["live"], snapshot["verified"], snapshot["linked"]) == (True, True, True, True)
    assert snapshot["browser_version"]
    async with await bot.phone() as phone:
        before = (await phone.counters()).written.indexed_db
        while (await phone.counters()).written.indexed_db == before:  # noqa: ASYNC110 - the page tells nobody
            await asyncio.sleep(0.01)
    return taken.json


async def test_a_snapshot_of_the_running_bot_is_sound_and_brings_the_session_back(linked_folder: Path) -> None:
    async with supervised(linked_folder) as bot:
        await bot.until_ready()
        async with await bot.phone() as phone:
            await phone.fill(MESSAGES)
        taken = [await take_and_go_on(bot) for _ in range(3)]
        pauses = [one["pause_ms"] for one in taken]
        name = taken[-1]["snapshot"]["name"]
        print(f"the bot stood still for {pauses} ms, {taken[-1]['snapshot']['bytes'] / 1e6:.0f} MB")
        assert max(pauses) < LONGEST_PAUSE_MS
        assert (await command(linked_folder, "snapshot", "verify")).status == 0
        checked = await command(linked_folder, "session", "check", "--deep", "--json")
        assert (checked.status, checked.json["damaged"]) == (1, False)
        assert checked.json["in_use"]["supervisor_pid"] == bot.process.pid
        refused = await command(linked_folder, "session", "clear", "--yes")
        assert refused.status == 5
        assert f"scanonce runs (process {bot.process.pid})" in refused.err
    assert name in snapshots(linked_folder)

    restored = await command(linked_folder, "snapshot", "restore", "--snapshot", name, "--yes")
    assert restored.status == 0, restored.err
    checked = await command(linked_folder, "session", "check", "--deep")
    assert checked.status == 0, checked.out
    async with supervised(linked_folder) as bot:
        await bot.until_ready()
        assert not bot.named("session.needs_link")
        async with await bot.phone() as phone:
            assert await phone.messages() == MESSAGES


async def test_of_a_bot_that_shows_a_qr_code_no_snapshot_is_taken(bot_folder: Path) -> None:
    async with supervised(bot_folder) as bot:
        await bot.until("session.needs_link")
        ended = await command(bot_folder, "snapshot", "take")
    assert ended.status == 2
    assert "(its page says: needs_link)" in ended.err
    assert not snapshots(bot_folder)


async def test_a_bot_without_a_supervisor_is_asked_itself(linked_folder: Path) -> None:
    async with running(linked_folder) as (bot, phone):
        await bot.until("ready")
        ended = await command(linked_folder, "snapshot", "take", "--json")
        assert ended.status == 0, ended.err
        assert ended.json["snapshot"]["linked"] is True
        listed = await command(linked_folder, "session", "list", "--json")
        assert listed.json["sessions"][0]["in_use"]["bot_pid"] == bot.process.pid
        refused = await command(linked_folder, "snapshot", "restore", "--yes")
        assert (refused.status, f"started by process {bot.process.pid}" in refused.err) == (5, True)
        await bot.close_cleanly(phone)
    assert SessionStore(linked_folder).profile_at(profile_of(linked_folder, DEFAULT_NUMBER)).id == DEFAULT_NUMBER
    assert SessionStore(linked_folder).state.get(DEFAULT_NUMBER).last_snapshot == ended.json["snapshot"]["name"]
