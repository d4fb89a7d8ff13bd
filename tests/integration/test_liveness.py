"""A bot that runs and is of no use: what is seen of it, and what is done."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.helpers.command import Project
from tests.helpers.waiting import eventually

#: Short, so that a test lasts for moments. A fake bot has no use for long pauses after a failure.
HEALTH = """
[restart]
backoff_initial = "20ms"
[ready]
method = "up"
settle = "20ms"
[stop]
grace = "100ms"
[browser]
lost_patience = "300ms"
[health]
timeout = "600ms"
stuck = "600ms"
"""


def page(profile: Path, state: str) -> None:
    """Have the page of a fake browser say this from now on."""
    profile.mkdir(parents=True, exist_ok=True)
    file = profile / "page.new"
    file.write_text(state)
    file.replace(profile / "page")


@pytest.mark.parametrize("who", ["bot", "browser"])
async def test_a_process_that_was_stopped_leads_to_one_clean_restart(project: Project, who: str) -> None:
    """SIGSTOP: it lives, and does nothing. A browser that stands still is woken for its end, and writes all down."""
    project.configure(HEALTH)
    async with project.supervised("run", f"browser={project.profile('1')},devtools") as running:
        await project.noted("bot", "up")
        await project.noted("browser", "start")
        (pid,) = project.living(who)
        os.kill(pid, signal.SIGSTOP)
        told = await running.until("bot.unhealthy", reason="hang")
        assert f"process {pid} " in told["detail"]
        assert "stopped" in told["detail"]
        done = await running.until("restart.done", reason="hang")
        assert done["clean"] is True
        assert pid not in project.living(who)
        assert len(running.all("bot.unhealthy")) == 1


async def test_what_a_bot_has_started_beside_may_stand_still(project: Project) -> None:
    """It may be the bot that has stopped it: a player that pauses."""
    project.configure(HEALTH)
    async with project.supervised("run", "children=1", f"browser={project.profile('1')},devtools") as running:
        await project.noted("browser", "start")
        (player,) = [one for one in project.processes() if one.cmdline()[:1] == ["fake-idle"]]
        player.suspend()
        await asyncio.sleep(1.5)
        assert not running.all("bot.unhealthy")


async def test_a_process_that_a_debugger_holds_is_no_process_that_hangs() -> None:
    from supervisor.process.table import descendants

    child = await asyncio.create_subprocess_exec("sleep", "100")
    try:
        assert not next(entry for entry in descendants() if entry.pid == child.pid).stopped
        child.send_signal(signal.SIGSTOP)
        await eventually(lambda: next(entry for entry in descendants() if entry.pid == child.pid).stopped)
    finally:
        child.kill()
        await child.wait()


async def test_in_development_nobody_minds_a_bot_that_stands_still(project: Project) -> None:
    project.configure(HEALTH)
    async with project.supervised("dev", f"browser={project.profile('1')},devtools") as running:
        await project.noted("bot", "up")
        (pid,) = project.living("bot")
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(1.0)
        assert not running.all("bot.unhealthy")


@pytest.mark.parametrize("state", ["OPENING", "TIMEOUT"])
async def test_a_page_that_does_not_get_connected_is_stuck(project: Project, state: str) -> None:
    project.configure(HEALTH)
    profile = project.profile("1")
    async with project.supervised("run", f"browser={profile},devtools") as running:
        await running.until("session.linked")
        page(profile, state)
        told = await running.until("bot.unhealthy", reason="stuck")
        assert "1" in told["detail"]
        page(profile, "CONNECTED")
        await running.until("restart.done", reason="stuck")
        assert len(running.all("bot.unhealthy")) == 1


async def test_a_page_that_waits_for_a_person_is_not_stuck(project: Project) -> None:
    project.configure(HEALTH)
    profile = project.profile("1")
    page(profile, "UNPAIRED")
    async with project.supervised("run", f"browser={profile},devtools") as running:
        await running.until("session.needs_link")
        await asyncio.sleep(1.2)
        assert not running.all("bot.unhealthy")


@pytest.mark.parametrize("mode", ["dev", "run"])
async def test_a_page_that_has_crashed_leads_to_a_restart_also_in_development(project: Project, mode: str) -> None:
    project.configure(HEALTH)
    profile = project.profile("1")
    async with project.supervised(mode, f"browser={profile},devtools") as running:
        await running.until("session.linked")
        page(profile, "CRASHED")
        await running.until("bot.unhealthy", reason="page crash")
        page(profile, "CONNECTED")
        await running.until("restart.done", reason="page crash")


async def test_a_bot_that_keeps_its_promise_is_left_alone_until_it_does_not(project: Project) -> None:
    project.configure(HEALTH + 'watchdog = "400ms"\n')
    async with project.supervised("run", "tell=READY=1", "pings=6", "report-env") as running:
        assert not running.all("bot.unhealthy"), "it is ready once it is up, and sends more than ready"
        told = await running.until("bot.unhealthy", reason="watchdog")
        assert "0.4 s" in told["detail"]
        await running.until("restart.done", reason="watchdog")
        assert any(note.what == "WATCHDOG_USEC=400000" for note in project.notes("bot"))


async def test_a_bot_that_says_that_it_is_unwell_is_believed(project: Project) -> None:
    project.configure(HEALTH + 'watchdog = "60s"\n')
    flag = project.folder / "unwell"
    async with project.supervised("run", f"until={flag}", "tell=WATCHDOG=trigger") as running:
        flag.touch()
        await running.until("bot.unhealthy", reason="watchdog")
        flag.unlink()
        await running.until("restart.done", reason="watchdog")


async def test_a_url_that_fails_too_often_in_a_row_leads_to_a_restart(project: Project) -> None:
    statuses = [b"204 No Content", b"500 No", b"200 OK", b"500 No", b"503 No", b"200 OK"]
    asked = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 " + statuses[min(asked, len(statuses) - 1)] + b"\r\nConnection: close\r\n\r\n")
        asked += 1
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        more = f'http = "{url}"\nhttp_interval = "500ms"\nhttp_timeout = "500ms"\nhttp_failures = 2\n'
        project.configure(HEALTH + more)
        async with project.supervised("run") as running:
            told = await running.until("bot.unhealthy", reason="http")
            assert told["detail"] == f"{url} has not answered well 2 times in a row"
            assert asked == 5, "one bad answer alone is none"
            await running.until("restart.done", reason="http")


async def test_a_tree_that_holds_too_much_memory_for_too_long_is_restarted(project: Project) -> None:
    project.configure(HEALTH + 'max_memory = "60MB"\nmemory_patience = "300ms"\n')
    flag = project.touch("leak")
    async with project.supervised("run", "children=1", f"when={flag}:after=0.3:hold=100000000") as running:
        told = await running.until("bot.unhealthy", reason="memory")
        assert "may hold 60 MB" in told["detail"]
        flag.unlink()
        await running.until("restart.done", reason="memory")
        await asyncio.sleep(0.5)
        assert len(running.all("bot.unhealthy")) == 1


async def test_what_processes_share_counts_once(project: Project) -> None:
    from supervisor.process.memory import total_pss, total_rss

    bot = project.spawn("hold=50000000")
    try:
        await project.noted("bot", "up")
        assert 50_000_000 < total_pss([bot.pid]) < total_rss([bot.pid]), "its interpreter is ours as well"
        assert total_pss([2**22 + 1]) == 0
    finally:
        bot.kill()
        bot.wait()


async def test_a_bot_that_hangs_at_each_start_is_given_up(project: Project) -> None:
    project.configure(HEALTH.replace("[restart]", "[restart]\nlimit = 3"))
    running = await project.start("run", f"browser={project.profile('1')},devtools")
    for _ in range(3):
        await running.until("restart.done")
        await running.until("browser.up")
        (pid,) = project.living("bot")
        os.kill(pid, signal.SIGSTOP)
        await running.until("bot.unhealthy")
    assert await running.ends() == 4
    assert [told["reason"] for told in running.all("bot.unhealthy")] == ["hang"] * 3
    assert running.all("bot.given_up")[0]["failures"] == 3
    assert [note.what for note in project.notes("browser")].count("clean") == 3, "its session is as good as ever"
    project.is_left_alone()


async def test_a_restart_that_is_planned_is_an_ordinary_one(project: Project) -> None:
    project.configure(HEALTH.replace("[restart]", '[restart]\nschedule = "1s"\nlimit = 1'))
    async with project.supervised("run", f"browser={project.profile('1')},devtools") as running:
        for _ in range(2):
            done = await running.until("restart.done", reason="schedule")
            assert (done["outcome"], done["clean"]) == ("ready", True)
        assert not running.all("bot.backoff"), "it was asked for, and is no failure"
