"""The control API of a real supervisor. Every answer here is also held to `docs/openapi.json`."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import psutil

from supervisor.control.client import Client
from tests.helpers.command import QUICK
from tests.helpers.control import Ask, connected, socket_of, validator
from tests.helpers.waiting import DEADLINE, eventually

if TYPE_CHECKING:
    from tests.helpers.command import Project

#: A bot that is ready when it says so, which the test decides.
_TOLD = '[ready]\nmethod = "notify"\n'
_EVENT = {"$ref": "#/components/schemas/EventLine"}


async def arrived(asked: Ask) -> None:
    """Wait until what was asked before this has reached the supervisor: it takes connections in their order."""
    for _ in range(2):
        await asked("GET", "/v1/status")


# -- status ------------------------------------------------------------------------------------------------------------


async def test_the_status_tells_how_everything_stands(project: Project, asked: Ask) -> None:
    async with project.supervised("run", f"browser={project.profile('1')}") as running:
        await project.noted("browser", "start")
        status = (await asked("GET", "/v1/status")).json
        assert status["version"] == 1
        assert status["project"] == str(project.folder)
        assert status["pid"] == running.process.pid
        assert status["phase"] == "up"
        assert status["mode"] == "run"
        assert status["bot_pid"] == project.living("bot")[0]
        assert [session["id"] for session in status["sessions"]] == ["1"]
        assert status["last_restart"]["reason"] == "start"
        assert sum(status["last_restart"]["phases_ms"].values()) == status["last_restart"]["total_ms"]
        assert status["memory"]["supervisor"] > 10_000_000
        assert status["memory"]["processes"] >= 2
        # Many who ask at once are told of one look at the machine.
        replies = await asyncio.gather(*(asked("GET", "/v1/status") for _ in range(30)))
        assert {reply.status for reply in replies} == {200}
        assert len({reply.body for reply in replies}) < 10


async def test_names_that_are_not_utf_8_are_spelled_out(project: Project, asked: Ask) -> None:
    command = [*project.bot(), b"\xff".decode("utf-8", "surrogateescape")]
    running = await project.start("dev", command=command)
    await running.until("control.on")
    status = (await asked("GET", "/v1/status")).json
    assert status["command"][-1] == r"\udcff"
    await running.stop()


# -- restart -----------------------------------------------------------------------------------------------------------


async def test_a_restart_is_told_of_at_once_or_waited_for_and_returns_its_record(project: Project, asked: Ask) -> None:
    async with project.supervised("run", f"browser={project.profile('1')}") as running:
        reply = await asked("POST", "/v1/restart", {"detail": "deploy 7"})
        assert reply.status == 202
        assert reply.json == {"version": 1, "joined": False, "restart": None, "problem": None}
        done = await running.until("restart.done", reason="control")
        assert done["outcome"] == "ready"
        assert running.all("restart.requested")[0]["detail"] == "deploy 7"
        reply = await asked("POST", "/v1/restart?wait=ready")
        assert reply.status == 200
        restart = reply.json["restart"]
        assert (restart["reason"], restart["outcome"], restart["clean"]) == ("control", "ready", True)
        assert sum(restart["phases_ms"].values()) == restart["total_ms"]
        assert restart["detail"].startswith("process ")
        assert reply.json["problem"] is None
        await running.until("restart.done", reason="control")  # the answer may be read before the events are
        assert len(running.all("bot.started")) == 3


async def test_restarts_that_are_asked_for_during_one_are_served_by_it(project: Project, asked: Ask) -> None:
    project.configure(_TOLD)
    go = project.touch("go")
    async with project.supervised("run", f"until={go}", "notify") as running:
        go.unlink()
        first = asyncio.create_task(asked("POST", "/v1/restart?wait=ready"))
        await running.until("restart.requested")
        others = [asyncio.create_task(asked("POST", "/v1/restart?wait=ready")) for _ in range(3)]
        await running.until("bot.started")
        others.append(asyncio.create_task(asked("POST", "/v1/restart?wait=ready")))
        await arrived(asked)
        go.touch()
        replies = [await first, *(await asyncio.gather(*others))]
        assert [reply.json["joined"] for reply in replies] == [False, True, True, True, True]
        assert len({json.dumps(reply.json["restart"]) for reply in replies}) == 1
        assert len(project.notes("bot", "start")) == 2
        # One whose outcome takes too long goes on.
        go.unlink()
        assert (await asked("POST", "/v1/restart?wait=ready&timeout=0.1")).status == 504
        go.touch()
        assert (await running.until("restart.done", reason="control"))["outcome"] == "ready"


async def test_a_bot_that_crashes_on_the_way_up_is_told_of(project: Project, asked: Ask) -> None:
    flag = project.folder / "crash"
    project.configure(_TOLD + '[restart]\nbackoff_initial = "60s"\n')
    running = await project.start("run", f"when={flag}:exit=3", "notify")
    await running.until("restart.done")
    flag.touch()
    reply = await asked("POST", "/v1/restart?wait=ready")
    assert reply.status == 200
    assert reply.json["restart"] is None
    assert "3" in reply.json["problem"]
    flag.unlink()
    again = await asked("POST", "/v1/restart?wait=ready")
    assert again.json["restart"]["outcome"] == "ready", "a request ends the pause"
    assert await running.stop() == 143


async def test_a_bot_that_does_not_become_ready_is_told_of(project: Project, asked: Ask) -> None:
    project.configure('[ready]\nmethod = "output"\noutput = "come"\ntimeout = "300ms"\n')
    running = await project.start("dev", "write=never")
    await running.until("bot.not_ready")
    reply = await asked("POST", "/v1/restart?wait=ready")
    assert reply.json["restart"]["outcome"] == "failed"
    assert "not ready" in reply.json["problem"]
    assert await running.stop() == 143


# -- stop --------------------------------------------------------------------------------------------------------------


async def test_a_stop_that_is_waited_for_tells_how_it_ended(project: Project, asked: Ask) -> None:
    running = await project.start("run", f"browser={project.profile('1')}")
    await running.until("restart.done")
    reply = await asked("POST", "/v1/stop?wait=stopped")
    assert reply.status == 200
    assert reply.json == {"version": 1, "pid": running.process.pid, "exit_code": 0, "clean": True}
    assert await running.ends() == 0
    assert running.all("supervisor.stopping")[0]["reason"] == "control"
    assert not socket_of(project).exists()
    project.is_left_alone()


async def test_asking_for_a_stop_again_does_not_hurry_it_and_nothing_else_is_begun(
    project: Project, asked: Ask
) -> None:
    project.configure('[stop]\ngrace = "10min"\n' + QUICK)
    let_go = asyncio.Event()

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await let_go.wait()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        running = await project.start("run", f"asks-on-term={port}", f"browser={project.profile('1')}")
        await running.until("restart.done")
        assert (await asked("POST", "/v1/stop")).status == 202
        await running.until("supervisor.stopping")
        assert (await asked("POST", "/v1/restart")).status == 409
        assert (await asked("POST", "/v1/snapshots")).status == 409
        assert (await asked("GET", "/v1/status")).json["phase"] == "closing"
        stops = [asyncio.create_task(asked("POST", "/v1/stop?wait=stopped")) for _ in range(3)]
        await arrived(asked)
        await project.noted("bot", "term")
        let_go.set()
        assert {stop.json["exit_code"] for stop in await asyncio.gather(*stops)} == {0}
        await running.ends()
    assert project.notes("bot", "stop"), "it had its time"


# -- events ------------------------------------------------------------------------------------------------------------


async def test_events_are_followed_to_the_end(project: Project, asked: Ask) -> None:
    running = await project.start("run")
    await running.until("restart.done")
    async with connected(socket_of(project)) as (reader, writer):
        writer.write(b"GET /v1/events HTTP/1.0\r\n\r\n")
        assert b"200" in await reader.readline()
        await reader.readuntil(b"\r\n\r\n")
        await asked("POST", "/v1/restart?wait=ready")
        await asked("POST", "/v1/stop?wait=stopped")
        lines = [json.loads(line) for line in (await reader.read()).splitlines()]
    for line in lines:
        validator(_EVENT).validate(line)
    names = [line["event"] for line in lines]
    assert names[0] == "restart.requested"
    assert names[-1] == "supervisor.stopped"
    assert names.count("restart.done") == 1
    await running.ends()


async def test_only_so_many_can_follow_and_one_that_goes_makes_room(project: Project, asked: Ask) -> None:
    async with project.supervised("run"):
        followers = []
        for _ in range(16):
            reader, writer = await asyncio.open_unix_connection(str(socket_of(project)))
            writer.write(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            followers.append(writer)
        refused = await asked("GET", "/v1/events")
        assert refused.status == 503
        assert refused.headers["retry-after"] == "10"
        assert (await asked("GET", "/v1/status")).status == 200
        for writer in followers:
            writer.close()
            await writer.wait_closed()

        async def follow() -> bool:
            reader, writer = await asyncio.open_unix_connection(str(socket_of(project)))
            writer.write(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            status = await reader.readline()
            writer.close()
            await writer.wait_closed()
            return b"200" in status

        async with asyncio.timeout(DEADLINE):
            while not await follow():
                pass


# -- what is refused ---------------------------------------------------------------------------------------------------


_REFUSED = [
    ("GET", "/", 404),
    ("GET", "/v1", 404),
    ("GET", "/v1/status/", 404),
    ("GET", "/v1/../v1/status", 404),
    ("GET", "/V1/status", 404),
    ("GET", "/v1/restart", 405),
    ("PUT", "/v1/restart", 405),
    ("DELETE", "/v1/status", 405),
    ("OPTIONS", "/v1/status", 405),
    ("POST", "/v1/events", 405),
    ("NONSENSE", "/v1/stop", 405),
    ("GET", "/v1/status?x=1", 400),
    ("POST", "/v1/restart?wait=maybe", 400),
    ("POST", "/v1/restart?wait=ready&timeout=soon", 400),
    ("POST", "/v1/restart?timeout=0", 400),
    ("POST", "/v1/restart?timeout=nan", 400),
    ("POST", "/v1/restart?timeout=inf", 400),
    ("POST", "/v1/restart?timeout=100000", 400),
    ("POST", "/v1/restart?command=rm", 400),
    ("POST", "/v1/stop?wait=ready", 400),
    ("POST", "/v1/snapshots", 409),
]
_REFUSED_BODIES: list[tuple[bytes, str, int]] = [
    (b"{}", "text/plain", 415),
    (b"{}", "", 415),
    (b"{", "application/json", 400),
    (b"\xff", "application/json", 400),
    (b"[]", "application/json", 400),
    (b"null", "application/json", 400),
    (b"[" * 50_000, "application/json", 400),
    (b'{"detail": 7}', "application/json", 400),
    (b'{"detail": "' + b"a" * 201 + b'"}', "application/json", 400),
    (b'{"command": ["rm"]}', "application/json; charset=utf-8", 400),
    (b'{"detail": "\\udcff"}', "application/json", 400),
    (b" " * 70_000, "application/json", 413),
]


async def test_what_is_not_in_the_description_is_refused_and_changes_nothing(project: Project, asked: Ask) -> None:
    async with project.supervised("run"):
        for method, target, status in _REFUSED:
            reply = await asked(method, target)
            assert reply.status == status, (method, target, reply)
            assert ("allow" in reply.headers) == (status == 405)
        for raw, kind, status in _REFUSED_BODIES:
            reply = await asked("POST", "/v1/restart", raw=raw, headers={"content-type": kind})
            assert reply.status == status, (raw[:40], kind, reply)
        assert (await asked("POST", "/v1/stop", {"now": True})).status == 400
        assert (await asked("POST", "/v1/snapshots", {"session": "no"})).status == 404
        assert (await asked("GET", "/v1/status")).json["restarts"] == 0
        assert len(project.notes("bot", "start")) == 1


# -- the socket --------------------------------------------------------------------------------------------------------


async def test_a_runtime_folder_that_is_removed_comes_back_with_the_socket(project: Project, asked: Ask) -> None:
    async with project.supervised("run") as running:
        socket = socket_of(project)
        for path in [*socket.parent.iterdir()]:
            path.unlink()
        socket.parent.rmdir()
        socket.parent.parent.rmdir()
        await running.until("control.on")
        assert (await asked("GET", "/v1/status")).status == 200
        assert socket.parent.stat().st_mode & 0o777 == 0o700


async def test_the_socket_of_a_supervisor_that_was_killed_is_replaced_by_the_next(project: Project, asked: Ask) -> None:
    first = await project.start("run")
    await first.until("restart.done")
    first.process.kill()
    await first.ends()
    assert socket_of(project).exists()
    async with project.supervised("run") as second:
        assert (await asked("GET", "/v1/status")).json["pid"] == second.process.pid


async def test_a_supervisor_without_a_socket_runs_all_the_same_and_gets_one_later(project: Project, asked: Ask) -> None:
    socket = socket_of(project)
    socket.parent.mkdir(mode=0o700, parents=True)
    socket.write_text("in the way")
    async with project.supervised("run") as running:
        assert "in the way" in running.all("control.off")[0]["problem"]
        socket.unlink()
        await running.until("control.on")
        assert (await asked("GET", "/v1/status")).status == 200
        assert len(running.all("control.off")) == 1


async def test_a_project_and_a_runtime_folder_with_very_long_paths_are_no_obstacle(project: Project) -> None:
    deep, runtime = project.folder / ("d" * 120) / ("e" * 120), project.runtime / ("r" * 120)
    deep.mkdir(parents=True)
    runtime.mkdir(mode=0o700)
    (deep / "scanonce.toml").write_text(QUICK)
    running = await project.start("run", options=["-C", str(deep)], environment={"XDG_RUNTIME_DIR": str(runtime)})
    await running.until("restart.done")
    (socket,) = runtime.glob("scanonce/*/control")
    status = await asyncio.to_thread(Client(socket).status)
    assert (status["pid"], status["project"]) == (running.process.pid, str(deep))
    assert await running.stop() == 143


async def test_the_supervisor_stays_small_and_quick_under_load(project: Project, asked: Ask) -> None:
    """A small version of `benchmarks/control.py`."""
    project.configure(QUICK)
    async with project.supervised("run", f"browser={project.profile('1')}") as running:
        await asked("POST", "/v1/restart?wait=ready")
        process = psutil.Process(running.process.pid)
        before = process.memory_info().rss, process.num_fds(), process.num_threads()
        half_open = [await asyncio.open_unix_connection(str(socket_of(project))) for _ in range(5)]
        for _, writer in half_open:
            writer.write(b"GET /v1/status HTTP/1.1\r\nHost")

        async def client(number: int) -> set[int]:
            seen = set()
            for _ in range(10):
                seen.add((await asked("GET", "/v1/status")).status)
                seen.add((await asked("GET", f"/{number}")).status)
                seen.add((await asked("POST", "/v1/restart", raw=b"x" * 70_000)).status)
            return seen

        clients = [asyncio.create_task(client(number)) for number in range(20)]
        restarted = await asked("POST", "/v1/restart?wait=ready")
        assert restarted.json["restart"]["outcome"] == "ready"
        assert set().union(*await asyncio.gather(*clients)) == {200, 404, 413}
        for _, writer in half_open:
            writer.close()
            await writer.wait_closed()
        await eventually(lambda: process.num_fds() <= before[1] + 8)
        assert process.memory_info().rss - before[0] < 6_000_000
        assert process.num_threads() <= before[2] + 4


async def test_runtime_folders_that_cannot_be_used_are_passed_over_or_told_of(project: Project) -> None:
    # Not by their mode: root may write anywhere. A file in the place of a folder is as much in the way.
    blocked = project.runtime / "file"
    blocked.write_text("")
    running = await project.start("run", environment={"XDG_RUNTIME_DIR": str(blocked)})
    await running.until("restart.done")
    (socket,) = (project.runtime / "scanonce").glob("run/*/control")
    assert (await asyncio.to_thread(Client(socket).status))["pid"] == running.process.pid
    assert await running.stop() == 143
    both = {"XDG_RUNTIME_DIR": str(blocked), "XDG_CACHE_HOME": str(blocked)}
    refused = await project.start("run", environment=both)
    assert await refused.ends() == 2
    assert "set XDG_RUNTIME_DIR to a folder that only you may enter" in refused.problems()
