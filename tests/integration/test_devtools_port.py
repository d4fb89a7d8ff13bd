"""A browser whose DevTools port is on its command line is read, closed and judged like one that chooses its own."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from supervisor.session.store import SessionStore
from tests.helpers.command import Project

PAGE = '[ready]\nmethod = "page"\n'


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture
def profile(project: Project) -> Path:
    path = project.profile("1")
    path.mkdir(parents=True)
    return path


async def test_its_page_is_read_and_it_is_closed_by_devtools(project: Project, profile: Path) -> None:
    project.configure(PAGE)
    async with project.supervised("dev", f"browser={profile},port={free_port()}") as running:
        assert running.all("bot.ready")[0]["method"] == "page"
        assert running.all("session.linked")
    assert not running.all("browser.blind")
    [closed] = running.all("browser.closed")
    assert (closed["method"], closed["asked_by"]) == ("asked", "DevTools")
    [snapshot] = SessionStore(project.folder).snapshots("1")
    assert snapshot.linked is True


async def test_a_qr_code_on_it_is_seen(project: Project, profile: Path) -> None:
    (profile / "page").write_text("UNPAIRED")
    project.configure("", quick=False)
    async with project.supervised("dev", f"browser={profile},port={free_port()}") as running:
        assert running.all("restart.done")[0]["outcome"] == "needs_link"


async def test_another_program_on_that_port_is_not_taken_for_it(project: Project, profile: Path) -> None:
    """As the second of two browsers that were told the same port."""
    other = project.profile("2")
    port = free_port()
    project.configure("")
    async with project.supervised("dev", f"browser={other},port={port}", f"browser={profile},port={port}") as running:
        if not running.all("session.linked"):
            await running.until("session.linked")
    assert [told["session"] for told in running.all("session.linked")] == ["2"]
    ways = {Path(closed["profile"]).name: closed["asked_by"] for closed in running.all("browser.closed")}
    assert ways == {"session-1": "SIGINT", "session-2": "DevTools"}


async def test_one_on_a_pipe_is_known_to_be_unreadable_at_once(project: Project, profile: Path) -> None:
    project.configure("")
    async with project.supervised("dev", f"browser={profile},pipe") as running:
        if not running.all("browser.blind"):
            await running.until("browser.blind", deadline=2.5)  # without the switch it would take 3 s
    assert running.all("browser.closed")[0]["asked_by"] == "SIGINT"
    assert SessionStore(project.folder).state.get("1").last_state == "unknown"
