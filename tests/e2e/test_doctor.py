"""The doctor in the real bot's folder: with the real programs, and after its supervisor was killed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.supervised import supervised
from tests.e2e.victims import victim
from tests.helpers.processes import processes_of
from tests.helpers.shell import run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


async def doctor(folder: Path, *words: str) -> tuple[int, Any, dict[str, Any]]:
    """The exit status, the document, and of each name the last finding."""
    ended = await asyncio.to_thread(run, folder, "doctor", "--json", *words)
    assert not ended.err
    return ended.status, ended.json, {one["name"]: one for one in ended.json["findings"]}


async def test_it_knows_the_real_programs_and_closes_what_a_killed_supervisor_left(linked_folder: Path) -> None:
    status, document, found = await doctor(linked_folder)
    assert (status, document["healthy"]) == (0, True), document
    assert found["node"]["seen"].startswith("Node.js ")
    assert "PUPPETEER_EXECUTABLE_PATH" in found["browser"]["seen"]
    assert found["browser"]["verdict"] == "ok"
    assert "whatsapp-web.js 1.34" in found["libraries"]["seen"]

    async with supervised(linked_folder) as bot:
        await bot.until_ready()
        status, document, found = await doctor(linked_folder)
        assert (status, found["processes"]["verdict"]) == (0, "ok"), document
        supervisor = psutil.Process(bot.process.pid)
        node = victim(linked_folder, "node")
        supervisor.kill()
        node.kill()
        await bot.process.wait()
        status, document, found = await doctor(linked_folder)
        assert (status, found["processes"]["verdict"]) == (1, "problem"), document
        status, document, found = await doctor(linked_folder, "--fix")
        assert (status, found["processes"]["verdict"], found["session"]["verdict"]) == (0, "ok", "ok"), document
        (closed,) = [fix for fix in document["fixes"] if fix["name"] == "processes"]
        assert closed["done"]
        assert "did not close cleanly" not in closed["what"]
        assert not processes_of(linked_folder)

    async with supervised(linked_folder) as bot:
        await bot.until_ready()
        assert not bot.named("session.needs_link")
