"""A change is checked before a bot that is well is stopped for it: the whole supervisor, real processes, real node."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess

import psutil
import pytest

from tests.helpers.command import QUICK, Project, Running
from tests.helpers.waiting import eventually

#: The fake bot is no node, so node is asked because it is said so.
CHECKED = f"{QUICK}\n[preflight]\njavascript = true\n"
GOOD, BAD = "const a = 1;\n", "const a = 1;\nfoo(;\n"


def configure(project: Project, **options: object) -> None:
    """Check with node, and with what else is given."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in options.items()]
    project.configure(CHECKED + "\n".join(lines))


def runs(project: Project, name: str) -> bool:
    """Whether a program of this name runs for the project."""
    for process in project.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() == name:
                return True
    return False


async def kept(running: Running, reason: str = "failed") -> None:
    await running.until("bot.kept", reason=reason)


async def test_a_syntax_error_leaves_the_bot_running_and_the_next_good_save_restarts_it(project: Project) -> None:
    configure(project)
    project.touch("index.js", GOOD)
    async with project.supervised("dev") as running:
        await project.noted("bot", "up")
        project.touch("index.js", BAD)
        failed = await running.until("preflight.failed")
        assert (failed["path"], failed["line_number"], failed["source"]) == ("index.js", 2, "foo(;")
        assert failed["problem"].startswith("SyntaxError: ")
        await kept(running)
        await eventually(lambda: not project.frozen())
        project.touch("other.js", "// not what was wrong\n")
        await running.until("preflight.failed", path="index.js")
        await kept(running)
        assert len(project.notes("bot", "start")) == 1
        assert not running.all("restart.requested")
        project.touch("index.js", GOOD + "// mended\n")
        done = await running.until("restart.done", reason="change")
        assert sum(done["phases_ms"].values()) == done["total_ms"]
        assert done["phases_ms"]["preflight"] > 0
        await project.noted("bot", "up", 2)
    assert [event["detail"] for event in running.all("restart.requested")] == ["index.js"]


async def test_a_file_that_is_put_back_as_it_was_needs_no_restart(project: Project) -> None:
    configure(project)
    project.touch("index.js", GOOD)
    async with project.supervised("dev") as running:
        project.touch("index.js", BAD)
        await kept(running)
        project.touch("index.js", GOOD)
        await kept(running, "unchanged")
        await eventually(lambda: not project.frozen())
    assert len(project.notes("bot", "start")) == 1


async def test_without_preflight_every_save_restarts(project: Project) -> None:
    configure(project)
    async with project.supervised("dev", options=["--no-preflight"]) as running:
        project.touch("index.js", BAD)
        done = await running.until("restart.done", reason="change")
        assert "preflight" not in done["phases_ms"]


async def test_a_command_of_the_users_is_run_once_for_a_burst_and_can_refuse_it(project: Project) -> None:
    ran = project.home / "ran"
    configure(project, command=["sh", "-c", f"echo >> {ran}; echo src/a.ts: error TS1; test ! -e bad.ts"])
    async with project.supervised("dev") as running:
        for name in ("a.ts", "b.ts", "bad.ts"):
            project.touch(name)
        failed = await running.until("preflight.failed")
        assert "sh -c" in failed["problem"]
        assert "exited with code 1" in failed["problem"]
        assert (await running.until("preflight.output"))["text"] == "src/a.ts: error TS1"
        await kept(running)
        assert ran.read_text() == "\n"
        (project.folder / "bad.ts").unlink()
        await running.until("restart.done", reason="change")


async def test_a_command_that_is_not_there_is_an_error_before_anything_is_started(project: Project) -> None:
    configure(project, command=["no-such-checker"])
    running = await project.start("dev")
    assert await running.ends() == 127
    assert "preflight.command: no-such-checker was not found" in running.problems()
    assert not running.all("bot.starting")


async def test_a_check_that_takes_too_long_counts_as_passed_and_says_so(project: Project) -> None:
    configure(project, command=["sleep", "600"], timeout="200ms")
    async with project.supervised("dev") as running:
        project.touch("a.ts")
        skipped = await running.until("preflight.skipped")
        assert "sleep 600 was not checked within 0.2 s" in skipped["what"]
        await running.until("restart.done", reason="change")


async def test_a_node_waits_for_the_next_change_while_the_bot_is_up(project: Project) -> None:
    configure(project)
    async with project.supervised("dev") as running:
        await eventually(lambda: runs(project, "node"))
        project.touch("index.js", GOOD)
        done = await running.until("restart.done", reason="change")
        assert done["clean"]
        await eventually(lambda: runs(project, "node"), "and for the one after that")
        project.touch("index.js", BAD)
        failed = await running.until("preflight.failed", path="index.js", line_number=2)
        assert failed["problem"].startswith("SyntaxError: "), "in the words of node --check"
        await kept(running)
        project.touch("index.js", GOOD)
        await kept(running, "unchanged")
        assert not running.all("preflight.skipped")


async def test_no_node_waits_for_a_bot_that_is_no_node(project: Project) -> None:
    async with project.supervised("dev") as running:
        project.touch("index.js", GOOD)
        await running.until("restart.done", reason="change")
        assert not runs(project, "node")


# -- while it is checked -----------------------------------------------------------------------------------------------


async def checking(project: Project, **options: object) -> Running:
    """A supervisor whose bot stands still while a command checks, which would take for ever."""
    configure(project, **{"command": ["sleep", "600"], "timeout": "60s"} | options)
    running = await project.start("dev", f"browser={project.profile('1')}")
    await running.until("restart.done")
    await project.noted("bot", "up")  # and its browser with it
    await running.until("browser.up") if not running.all("browser.up") else None
    project.touch("index.js", GOOD)
    await eventually(lambda: project.frozen(), "the bot stands still")
    return running


async def test_the_bot_stands_still_meanwhile_and_its_browser_does_not(project: Project) -> None:
    running = await checking(project)
    assert [process.pid for process in project.frozen()] == project.living("bot")
    assert await running.stop() == 143
    assert running.events[-1]["clean"] is True
    project.is_left_alone()


async def test_a_supervisor_that_is_killed_meanwhile_leaves_nothing_frozen(project: Project) -> None:
    running = await checking(project)
    running.process.kill()
    await running.ends()
    await eventually(lambda: not project.frozen(), "the bot goes on")
    (bot,) = project.living("bot")
    async with project.supervised("dev", f"browser={project.profile('1')}") as after:
        await project.noted("bot", "up", 2)
        assert bot not in project.living("bot")
        assert after.all("supervisor.leftovers")


@pytest.mark.parametrize("then", [GOOD, BAD], ids=["well", "badly"])
async def test_a_change_meanwhile_is_checked_too(project: Project, then: str) -> None:
    configure(project, command=["sh", "-c", "test -e go || sleep 600"], timeout="60s")
    async with project.supervised("dev") as running:
        project.touch("index.js", BAD if then is GOOD else GOOD)
        await eventually(lambda: project.frozen())
        await eventually(lambda: runs(project, "sleep"), "the command runs")
        (project.folder / "go").touch()
        project.touch("index.js", then + "// later\n")
        if then is GOOD:
            await running.until("restart.done", reason="change")
            assert not running.all("preflight.failed")
        else:
            await running.until("preflight.failed", path="index.js")
            await kept(running)


async def test_a_bot_that_ends_meanwhile_is_started_on_the_change(project: Project) -> None:
    running = await checking(project, timeout="300ms")
    (bot,) = project.frozen()
    bot.kill()
    await running.until("bot.crashed", signal=9)
    await running.until("restart.done")
    assert not running.all("bot.waiting")
    await project.noted("bot", "up", 2)
    assert await running.stop() == 143
    project.is_left_alone()


# -- while no bot runs -------------------------------------------------------------------------------------------------


async def resting(project: Project) -> Running:
    flag = project.touch("crash")
    running = await project.start("dev", f"when={flag}:exit=3")
    await running.until("bot.waiting")
    flag.unlink()
    return running


async def test_a_bot_that_is_down_is_not_started_on_a_syntax_error(project: Project) -> None:
    configure(project)
    running = await resting(project)
    project.touch("index.js", BAD)
    await running.until("preflight.failed", path="index.js", line_number=2)
    await running.until("bot.waiting")
    assert len(project.notes("bot", "start")) == 1
    project.touch("index.js", GOOD)
    await running.until("restart.done", reason="change")
    assert not running.all("bot.kept")
    assert await running.stop() == 143
    project.is_left_alone()


async def test_a_late_check_does_not_hold_up_the_end(project: Project) -> None:
    configure(project, command=["sleep", "600"], timeout="60s")
    running = await resting(project)
    project.touch("index.js", GOOD)
    await eventually(lambda: runs(project, "sleep"), "the command runs")
    assert await running.stop() == 143
    project.is_left_alone()


async def test_whoever_asks_for_a_restart_does_not_wait_for_the_check(project: Project) -> None:
    running = await checking(project)
    asking = await asyncio.create_subprocess_exec(
        *project.scanonce("restart"), cwd=project.folder, env=project.environment, stdout=subprocess.DEVNULL
    )
    await running.until("restart.done", reason="control")
    await project.noted("bot", "up", 2)
    assert await asking.wait() == 0
    assert not running.all("preflight.skipped")
    assert await running.stop() == 143
    project.is_left_alone()
