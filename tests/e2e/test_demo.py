"""The demo: what it shows is true, and it leaves nothing behind, however it is ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ROOT
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


async def start() -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "examples.demo"), cwd=ROOT, env=os.environ, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
    )


async def test_the_demo_keeps_what_it_promises(empty: Path) -> None:
    demo = await start()
    output = (await demo.communicate())[0].decode()
    assert demo.returncode == 0, output
    assert "IndexedDB 0, localStorage 0, cookies 0" in output
    assert output.count("[a QR code]") == 1
    assert output.count("back online in") == 3
    assert "restored backup-" in output


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
