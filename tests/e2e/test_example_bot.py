"""The example bot run by node alone, with no supervisor: what a supervisor has to work with, and against."""

from __future__ import annotations

import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from supervisor.demo.offline_bot import SetupError, ensure_node_modules, find_chromium, profile_of
from supervisor.demo.phone import DEFAULT_NUMBER, SocketState, Tally
from tests.e2e.unsupervised import QR_PROMPT, link, link_and_close, running
from tests.helpers.processes import others_gone

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


async def test_scanning_the_qr_code_makes_the_bot_ready_and_it_answers(bot_folder: Path) -> None:
    async with running(bot_folder) as (bot, phone):
        await link(bot, phone)
        assert QR_PROMPT in bot.printed
        assert "authenticated" in bot.printed
        assert f"ready: {DEFAULT_NUMBER}" in bot.printed
        assert await phone.ask("!ping") == "pong"
        await bot.close_cleanly(phone)


async def test_a_browser_closed_over_devtools_loses_nothing(bot_folder: Path) -> None:
    written = await link_and_close(bot_folder)
    assert not list(profile_of(bot_folder, DEFAULT_NUMBER).glob("Singleton*"))
    async with running(bot_folder) as (bot, phone):
        await bot.until("ready")
        assert QR_PROMPT not in bot.printed
        assert written.lost_in((await phone.counters()).found) == Tally(0, 0, 0)
        assert await phone.messages() == 500
        await bot.close_cleanly(phone)


async def test_sigterm_to_node_soon_after_linking_loses_the_link(bot_folder: Path) -> None:
    """Puppeteer answers with SIGKILL to Chromium, which first writes localStorage after 5 s and cookies after 30 s."""
    async with running(bot_folder) as (bot, phone):
        await link(bot, phone)
        written = (await phone.counters()).written
        bot.process.send_signal(signal.SIGTERM)
        await others_gone(bot_folder, bot.process.pid)
    async with running(bot_folder) as (bot, phone):
        await bot.until(QR_PROMPT)
        found = (await phone.counters()).found
        assert (found.local_storage, found.cookie) == (0, 0)
        assert found.indexed_db >= written.indexed_db
        await bot.close_cleanly(phone)


async def test_a_logout_by_the_phone_ends_in_a_qr_code_at_post_logout(bot_folder: Path) -> None:
    async with running(bot_folder) as (bot, phone):
        await link(bot, phone)
        await phone.logout()
        await bot.until("disconnected: LOGOUT")
        await bot.until(QR_PROMPT)
        assert await phone.state() == SocketState.UNPAIRED
        assert "post_logout=1" in await phone.url()
        await bot.close_cleanly(phone)


@pytest.mark.parametrize("half", ["IndexedDB", "Local Storage"])
async def test_half_a_link_is_no_link(bot_folder: Path, half: str) -> None:
    await link_and_close(bot_folder)
    shutil.rmtree(profile_of(bot_folder, DEFAULT_NUMBER) / "Default" / half)
    async with running(bot_folder) as (bot, phone):
        await bot.until(QR_PROMPT)
        await bot.close_cleanly(phone)


@pytest.mark.parametrize(
    ("present", "missing", "remedy"),
    [
        ([], "node", "Install Node.js 18 or newer"),
        (["node"], "npm", "Install Node"),
    ],
)
def test_a_missing_program_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, present: list[str], missing: str, remedy: str
) -> None:
    for name in present:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=rf"^{missing} is not there or may not be run\. {remedy}"):
        ensure_node_modules()


@pytest.mark.parametrize("named", [None, "/nowhere/chromium"])
def test_a_missing_browser_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str | None
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if named is None:
        monkeypatch.delenv("PUPPETEER_EXECUTABLE_PATH", raising=False)
    else:
        monkeypatch.setenv("PUPPETEER_EXECUTABLE_PATH", named)
    with pytest.raises(SetupError, match=rf"^{named or 'None of chromium'}.*Install Chromium"):
        find_chromium()
