"""Bots on other libraries than whatsapp-web.js, as they are: found, stopped, and restored."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

from supervisor.demo.offline_bot import find_chromium
from supervisor.session.store import SessionStore
from tests.helpers import account
from tests.helpers.command import Project
from tests.helpers.waiting import eventually

LIBRARIES = Path(__file__).parent / "libraries"
ROOT = LIBRARIES.parents[2]


@pytest.fixture(scope="session")
def packages() -> Path:
    """The libraries, installed."""
    with FileLock(LIBRARIES / ".npm-ci.lock"):
        subprocess.run([ROOT / "scripts" / "setup", "libraries"], check=True, timeout=300)
    return LIBRARIES / "node_modules"


def bot(project: Project, packages: Path, name: str) -> Path:
    """Put a bot of ours into the project, beside the real packages."""
    (project.folder / "node_modules").symlink_to(packages)
    shutil.copyfile(LIBRARIES / name, project.folder / name)
    return project.folder / name


def edit(source: Path) -> None:
    source.write_text(f"{source.read_text()}// edited\n")


async def test_baileys_keeps_its_account_through_an_edit_a_tear_and_a_loss(project: Project, packages: Path) -> None:
    source, folder = bot(project, packages, "baileys.mjs"), project.folder / "auth"
    project.configure('[ready]\nmethod = "output"\noutput = "^wrote"\n')  # the packages hold Playwright, too
    running = await project.start("dev", command=["node", source.name])
    await running.until("restart.done")
    await running.until_output(b"wrote 20\n")
    assert running.all("restart.requested") == []
    wanted = account.identity(folder)
    edit(source)
    await running.until("restart.done", reason="change")
    assert await running.stop() == 143
    [known] = SessionStore(project.folder).sessions()
    assert known.state.is_linked is True
    assert known.snapshots[0].good

    last = int(re.findall(rb"wrote (\d+)", bytes(running.out))[-1])
    os.truncate(folder / "creds.json", 0)
    os.truncate(folder / "session-15551234567.0.json", 10)
    running = await project.start("dev", command=["node", source.name])
    await running.until("session.restored")
    await running.until_output(f"account {wanted}\n".encode())
    assert (folder / f"pre-key-{last}.json").is_file(), "no key went back"
    assert await running.stop() == 143

    shutil.rmtree(folder)
    running = await project.start("dev", command=["node", source.name])
    await running.until("session.restored")
    await running.until_output(f"account {wanted}\n".encode())
    assert await running.stop() == 143


async def test_playwright_is_closed_with_nothing_lost_and_its_profile_comes_back(
    project: Project, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHROMIUM", str(find_chromium()))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    source = bot(project, packages, "playwright.mjs")
    command = ["node", source.name, str(port)]
    running = await project.start("dev", command=command)
    await running.until_output(b"counted")
    edit(source)
    closed = await running.until("browser.closed")
    assert (closed["method"], closed["asked_by"]) == ("asked", "SIGINT")
    await running.until("restart.done", reason="change")
    await eventually(lambda: len(re.findall(rb"began \d+\n", bytes(running.out))) == 2)
    first, second = bytes(running.out).split(b"began ")[1:]
    assert int(second.split()[0]) >= int(re.findall(rb"counted (\d+)", first)[-1])
    assert await running.stop() == 143

    shutil.rmtree(project.folder / "profile")
    running = await project.start("dev", command=command)
    await running.until("session.restored")
    await running.until_output(b"began ")
    assert int(re.findall(rb"began (\d+)", bytes(running.out))[0]) > 0
    assert await running.stop() == 143
