"""The demo: what it shows is true, and it leaves nothing behind, however it is ended."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.supervised import supervised
from tests.helpers.processes import FOLDER_VARIABLE, end_processes_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture
def empty(chromium: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which the demo makes its own; it must be empty again, and no process left, when the test ends."""
    # Not under tmp_path: a socket's path may have 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="e2e-") as name:
        monkeypatch.setenv("TMPDIR", name)
        monkeypatch.setenv(FOLDER_VARIABLE, name)
        monkeypatch.setenv("PUPPETEER_EXECUTABLE_PATH", str(chromium))
        yield Path(name)
        left = end_processes_of(Path(name))
        assert not left
        assert not list(Path(name).iterdir())


async def start(*arguments: str) -> Process:
    return await command("demo", *arguments)


async def command(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "supervisor", *arguments),
        env=os.environ,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
    )


async def test_the_demo_keeps_what_it_promises(empty: Path) -> None:
    demo = await start()
    output = (await demo.communicate())[0].decode()
    assert demo.returncode == 0, output
    assert "IndexedDB 0, localStorage 0, cookies 0" in output
    assert output.count("[a QR code]") == 1
    assert output.count("back online in") == 3
    assert "restored backup-" in output


async def test_a_kept_demo_is_a_bot_that_runs_by_itself_and_can_be_linked_again(empty: Path) -> None:
    folder = empty / "kept bot"
    demo = await start(str(folder))
    output = (await demo.communicate())[0].decode()
    assert demo.returncode == 0, output
    assert f"cd '{folder}'" in output
    async with supervised(folder, command=()) as bot:  # its scanonce.toml names command and browser
        await bot.until_ready()
    clear = await command("session", "clear", "--yes", "-C", str(folder))
    assert await clear.wait() == 0
    async with supervised(folder, command=()) as bot:
        await bot.until("session.needs_link")
        scan = await start("--scan", "-C", str(folder))
        said = (await scan.communicate())[0].decode()
        assert scan.returncode == 0, said
        await bot.until("session.linked")
    refused = await start(str(folder))
    assert "exists already" in (await refused.communicate())[0].decode()
    assert refused.returncode == 2
    shutil.rmtree(folder)


@pytest.mark.parametrize("moment", ["scanonce  starting", "scanonce  restarting", "6. "])
async def test_a_demo_that_is_interrupted_leaves_nothing(empty: Path, moment: str) -> None:
    demo = await start()
    assert demo.stdout is not None
    async for line in demo.stdout:
        if line.decode().startswith(moment):
            demo.send_signal(signal.SIGINT)
            break
    rest = (await demo.communicate())[0].decode()
    assert demo.returncode == 130, rest
