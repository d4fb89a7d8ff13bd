"""`scanonce status`, `restart`, `stop` and `ps`, against supervisors that run, that are gone, and that hang."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import pytest

from supervisor.control.transport import listen
from tests.helpers.control import socket_of
from tests.helpers.shell import Ended, invoke, invoke_anywhere, make_session

if TYPE_CHECKING:
    from tests.helpers.command import Project

Shell = Callable[..., Coroutine[Any, Any, Ended]]

#: A bot that crashes before it says that it is ready has never been so.
_TOLD = '[ready]\nmethod = "notify"\n'


@pytest.fixture
def shell(project: Project, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Run a command in the project: in this process, which spares its start, and beside what else goes on."""
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)

    async def run(*words: str) -> Ended:
        if words[0] == "ps":
            return await asyncio.to_thread(invoke_anywhere, *words)
        return await asyncio.to_thread(invoke, project.folder, *words)

    return run


async def test_where_no_scanonce_runs_the_commands_say_so(project: Project, shell: Shell) -> None:
    for words in (["status"], ["restart", "--json"], ["stop"]):
        said = await shell(*words)
        assert (said.status, said.out) == (1, "")
        assert said.err == (
            f"scanonce: no scanonce runs in {project.folder}; start one with: scanonce dev -- node index.js\n"
        )
    said = await shell("ps")
    assert (said.status, said.out) == (0, "No scanonce of this user runs.\n")
    assert (await shell("ps", "--json")).json == {"version": 1, "supervisors": []}


async def test_how_the_last_one_ended_is_told_unless_it_was_stopped(project: Project, shell: Shell) -> None:
    async with project.supervised("run"):
        pass
    plain = f"scanonce: no scanonce runs in {project.folder}; start one with: scanonce dev -- node index.js"
    assert (await shell("status")).err == f"{plain}\n"
    project.configure('[restart]\nlimit = 2\nbackoff_initial = "10ms"\n', quick=False)
    running = await project.start("run", "exit=7")
    assert await running.ends() == 3
    said = (await shell("status")).err
    told = r"\. The last one ended \d+ s ago with exit code 3: the bot failed 2 times and was never ready"
    assert re.match(re.escape(plain) + told, said), said
    project.configure("")
    running = await project.start("run", f"browser={project.profile('1')}")
    await running.until("restart.done")
    running.process.kill()
    await running.ends()
    said = (await shell("status")).err
    told = r"\. The last one was killed, or the machine was; its last event was \d+ s ago\. But .+ run live"
    assert re.match(re.escape(plain) + told, said), said


async def test_a_history_that_tells_nothing_keeps_nobody_from_asking(project: Project, shell: Shell) -> None:
    history = project.folder / ".session-cache" / "history.db"
    history.parent.mkdir()
    for content in (b"", b"no database", b"SQLite format 3\0" + bytes(100)):
        history.write_bytes(content)
        said = await shell("status")
        assert said.status == 1
        assert said.err.endswith("start one with: scanonce dev -- node index.js\n")
        assert [path.name for path in history.parent.iterdir()] == ["history.db"]


async def test_a_bot_that_outlived_its_scanonce_is_not_passed_over_in_silence(project: Project, shell: Shell) -> None:
    running = await project.start("run", f"browser={project.profile('1')}")
    await running.until("restart.done")
    await project.noted("browser", "start")
    running.process.kill()
    await running.ends()
    for words in (["status"], ["stop"]):
        said = await shell(*words)
        assert said.status == 1
        assert "processes of an earlier run live: the next start closes" in said.err, said
    async with project.supervised("run", f"browser={project.profile('1')}"):
        pass
    assert (await shell("stop")).err.endswith("start one with: scanonce dev -- node index.js\n")


async def test_a_bot_is_looked_at_restarted_and_stopped_from_another_shell(project: Project, shell: Shell) -> None:
    running = await project.start("run", f"browser={project.profile('1')}")
    await running.until("restart.done")
    await running.until("browser.up") if not running.all("browser.up") else None
    # A configuration that somebody is just editing keeps nobody from asking.
    (project.folder / "scanonce.toml").write_text("[ready\n")
    said = await shell("status")
    assert said.status == 0, said
    assert f"(process {project.living('bot')[0]})" in said.out.splitlines()[0]
    assert "session 1 " in said.out
    assert "last start " in said.out
    status = (await shell("status", "--json", "-C", ".")).json
    assert (status["version"], status["pid"]) == (1, running.process.pid)

    said = await shell("restart", "--detail", "by hand")
    assert said.status == 0, said
    assert said.out.startswith("back online in ")
    assert re.search(r" s  \(slowest: [a-z]+ \d+\.\d\)", said.out)
    assert (await running.until("restart.requested"))["detail"] == "by hand"
    await running.until("restart.done", reason="control")
    accepted = await shell("restart", "--no-wait", "--json")
    assert (accepted.status, accepted.json["restart"]) == (0, None)
    await running.until("restart.done", reason="control")

    (found,) = (await shell("ps", "--json")).json["supervisors"]
    assert (found["pid"], found["socket"]) == (running.process.pid, str(socket_of(project)))
    assert found["status"]["project"] == found["project"] == str(project.folder)
    assert str(project.folder) in (await shell("ps")).out

    said = await shell("stop")
    assert (said.status, said.out) == (0, "stopped\n"), said
    assert await running.ends() == 0
    project.is_left_alone()


async def test_a_bot_that_does_not_come_back_is_status_3(project: Project, shell: Shell) -> None:
    project.configure(_TOLD)
    flag = project.folder / "crash"
    running = await project.start("run", f"when={flag}:exit=7", "notify")
    await running.until("restart.done")
    flag.touch()
    said = await shell("restart")
    assert said.status == 3
    assert "7" in said.err
    assert (await shell("restart", "--timeout", "soon")).status == 2
    said = await shell("stop", "--json")
    assert (said.json["exit_code"], said.json["clean"]) == (0, True)
    assert await running.ends() == 0


async def test_a_supervisor_that_hangs_is_told_from_one_that_is_gone(project: Project, shell: Shell) -> None:
    running = await project.start("run")
    await running.until("restart.done")
    running.process.send_signal(signal.SIGSTOP)
    said = await shell("ps")
    assert str(running.process.pid) in said.out
    assert "does not answer" in said.out
    said = await shell("status")
    assert said.status == 2
    assert "no answer in 5 s" in said.err
    running.process.send_signal(signal.SIGKILL)
    await running.ends()
    assert socket_of(project).exists()
    assert (await shell("status")).status == 1
    assert (await shell("ps", "--json")).json["supervisors"] == []
    assert not socket_of(project).exists(), "ps removes what is stale"


async def test_a_supervisor_of_another_environment_is_found_by_its_note(project: Project, shell: Shell) -> None:
    other = project.runtime / "other"
    other.mkdir(mode=0o700)
    running = await project.start("run", environment={"XDG_RUNTIME_DIR": str(other)})
    await running.until("restart.done")
    assert (await shell("status", "--json")).json["pid"] == running.process.pid
    for path in other.glob("scanonce/*/control"):
        path.unlink()
    said = await shell("status")
    assert said.status in {0, 2}, "it has come back meanwhile, or is named"
    assert await running.stop() == 143


async def test_what_answers_but_is_no_scanonce_is_told(project: Project, shell: Shell) -> None:
    folder = socket_of(project).parent
    folder.mkdir(mode=0o700, parents=True)
    listener = listen(folder)

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(nonsense, sock=listener.socket)
    said = await shell("status")
    assert said.status == 2
    assert "makes no sense" in said.err
    server.close()
    listener.close()


async def test_a_snapshot_of_a_bot_that_scanonce_runs_goes_through_it(project: Project, shell: Shell) -> None:
    project.configure('[stop]\ngrace = "700ms"\n', quick=False)
    profile = make_session(project.folder, "1").path
    async with project.supervised("run", "deaf-term", f"browser={profile},devtools") as running:
        said = await shell("snapshot", "take", "--json")
        assert said.status == 0, said
        assert said.json["snapshot"]["session"] == "1"
        assert said.json["snapshot"]["live"] is True
        assert said.json["pause_ms"] > 0
        taken = await running.until("snapshot.taken")
        assert taken["snapshot"] == said.json["snapshot"]["name"]
        # One that is asked for while a restart is under way waits for that.
        assert (await shell("restart", "--no-wait")).status == 0
        said = await shell("snapshot", "take", "--json")
        assert said.status == 0, said
        done = await running.until("restart.done", reason="control")
        asked, answered = await running.until("snapshot.taken"), await running.until("snapshot.taken")
        assert done["ts"] <= asked["ts"]
        assert said.json["snapshot"]["name"] == asked["snapshot"] == answered["snapshot"]
        assert said.json["new"] is False, "nothing has changed since the one that the restart has taken"
        (profile / "page").write_text("UNPAIRED")
        await running.until("session.needs_link")
        refused = await shell("snapshot", "take")
        assert refused.status == 2
        assert "not linked" in refused.err
        assert not project.frozen()


async def test_a_snapshot_of_a_bot_that_rests_is_of_the_quiet_profile(project: Project, shell: Shell) -> None:
    project.configure(_TOLD)
    make_session(project.folder, "1")
    flag = project.folder / "crash"
    running = await project.start("dev", f"browser={project.profile('1')}", f"when={flag}:exit=1", "notify")
    await running.until("restart.done")
    flag.touch()
    (project.folder / "index.js").write_text("// changed\n")
    await running.until("bot.waiting")
    said = await shell("snapshot", "take", "--json")
    assert said.status == 0, said
    assert (said.json["snapshot"]["live"], said.json["pause_ms"]) == (False, None)
    assert await running.stop() == 143
