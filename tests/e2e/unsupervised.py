"""The example bot run by node alone, with no supervisor."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from supervisor.demo.offline_bot import profile_of
from supervisor.demo.phone import DEFAULT_NUMBER, Phone, SocketState, Tally
from tests.helpers.processes import others_gone

QR_PROMPT = "Scan this with WhatsApp"


class Bot:
    """The bot's process and what it has printed so far."""

    def __init__(self, process: Process, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.printed = ""

    async def until(self, text: str, timeout: float = 120) -> None:
        """Read the bot's output until a line that begins with `text`."""
        assert self.process.stdout is not None
        async with asyncio.timeout(timeout):
            while line := (await self.process.stdout.readline()).decode():
                self.printed += line
                if line.startswith(text):
                    return
        pytest.fail(f"the bot's output ended without {text!r}:\n{self.printed}")

    async def close_cleanly(self, phone: Phone) -> None:
        """Freeze the bot so that it cannot react, close its browser, then end it."""
        psutil.Process(self.process.pid).suspend()
        await phone.devtools.close_browser()
        await others_gone(self.folder, self.process.pid)
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Bot, Phone]]:
    """The bot started in `folder`, and the phone in reach of its page."""
    process = await asyncio.create_subprocess_exec(
        "node", "index.js", cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with await Phone.connect(profile_of(folder, DEFAULT_NUMBER)) as phone:
            yield Bot(process, folder), phone
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def link(bot: Bot, phone: Phone) -> None:
    await phone.wait_state(SocketState.UNPAIRED)
    await bot.until(QR_PROMPT)  # the page may be scanned before the bot has heard that there is a code
    await phone.scan()
    await bot.until("ready")


async def link_and_close(folder: Path) -> Tally:
    """Link the bot in `folder`, write 500 messages, close it cleanly. Returns what the page saw written."""
    async with running(folder) as (bot, phone):
        await link(bot, phone)
        await phone.fill(500)
        written = (await phone.counters()).written
        await bot.close_cleanly(phone)
    return written
