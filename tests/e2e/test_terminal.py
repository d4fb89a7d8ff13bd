"""Keys, signals and the look of it on a terminal, and the stops that signals ask for."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from supervisor.demo.offline_bot import profile_of
from supervisor.demo.phone import DEFAULT_NUMBER, Phone, SocketState
from tests.e2e.supervised import BOT, NOTHING, PATIENCE, assert_nothing_left, supervised
from tests.helpers.command import AHEAD
from tests.helpers.terminal import COLUMNS, Terminal, on_terminal

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

GREEN = "\x1b[32m"
CTRL_C = "\x03"


async def test_on_a_terminal_the_qr_code_is_drawn_and_keys_restart_and_quit(bot_folder: Path) -> None:
    (bot_folder / "scanonce.toml").write_text(AHEAD)
    program = bot_folder / "index.js"
    look = "console.log(`sees ${process.stdout.columns} columns, ${process.stdout.getColorDepth()} bits of colour`);\n"
    program.write_text(look + program.read_text())
    async with on_terminal(bot_folder, BOT) as terminal:
        await terminal.shows(f"sees {COLUMNS} columns, 8 bits of colour")
        await terminal.shows("Scan this with WhatsApp")
        await terminal.shows(f"session {DEFAULT_NUMBER} needs a link")
        async with await Phone.connect(profile_of(bot_folder, DEFAULT_NUMBER), PATIENCE) as phone:
            await phone.wait_state(SocketState.UNPAIRED)
            await phone.scan()
            await phone.wait_state(SocketState.READY)
        await terminal.shows(f"{GREEN}session {DEFAULT_NUMBER} is linked")
        assert_qr_drawn(terminal)
        terminal.type("rs\n")
        await terminal.shows(f"{GREEN}back online in ")
        terminal.type("q\n")
        assert await terminal.ended() == 0
    assert_nothing_left(bot_folder)


def assert_qr_drawn(terminal: Terminal) -> None:
    """The QR code's lines are all there, whole and of one width."""
    drawn = [line.rstrip("\r") for line in terminal.screen.splitlines() if line[:1] in {"▄", "█"}]
    assert len(drawn) >= 30
    assert {len(line) for line in drawn} == {len(drawn[0])}


@pytest.mark.parametrize(("way", "status"), [("ctrl+c", 128 + signal.SIGINT), ("hang up", 128 + signal.SIGHUP)])
async def test_ctrl_c_and_a_closed_window_end_in_a_clean_stop(linked_folder: Path, way: str, status: int) -> None:
    async with on_terminal(linked_folder, BOT) as terminal:
        await terminal.shows("online in ")
        async with await Phone.connect(profile_of(linked_folder, DEFAULT_NUMBER), PATIENCE) as phone:
            written = (await phone.counters()).written
        if way == "ctrl+c":
            terminal.type(CTRL_C)
        else:
            terminal.hang_up()
        assert await terminal.ended() == status
    assert_nothing_left(linked_folder)
    async with supervised(linked_folder) as bot:
        await bot.until_ready()
        assert written.lost_in(await bot.found()) == NOTHING
