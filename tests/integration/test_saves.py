"""Ways of saving, by real programs, as the whole supervisor takes them: one restart each, on the final content."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from tests.helpers.command import Project, Running
from tests.helpers.editors import PROGRAMS, run
from tests.helpers.waiting import eventually

#: How often each way of saving is tried. `SCANONCE_SAVES=20` is what is promised; once shows most faults.
TIMES = int(os.environ.get("SCANONCE_SAVES", "1"))

#: Twenty times as many saves may take twenty times as long.
pytestmark = pytest.mark.timeout(180 * TIMES)

#: A bot that shows what it was started on, and stays.
SHOWS = ["sh", "-c", "cat src/*.js; echo end; exec sleep 600"]


async def starts(running: Running, number: int) -> str:
    """What the bot has shown at its start number so-and-so, which must be its last."""
    try:
        await eventually(lambda: running.out.count(b"end\n") >= number, f"start {number}")
    except AssertionError:
        raise AssertionError(f"there was no start {number}: {running.told()}") from None
    assert running.out.count(b"end\n") == number, "more restarts than saves"
    return running.out.decode().split("end\n")[number - 1]


async def test_each_way_of_saving_is_one_restart_on_the_final_content(project: Project) -> None:
    (project.folder / "src").mkdir()
    ways: list[tuple[Path, Callable[[Path], None]]] = []
    for number, param in enumerate(PROGRAMS * TIMES):
        if not any(mark.name == "skipif" and mark.args[0] for mark in param.marks):
            save = cast("Callable[[Path], None]", param.values[0])
            ways.append((project.folder / "src" / f"f{number:03}.js", save))
            ways[-1][0].write_text("// one\n")
    running = await project.start("dev", command=SHOWS)
    await running.until("restart.done")
    assert await starts(running, 1) == "// one\n" * len(ways)
    for number, (file, save) in enumerate(ways, 1):
        await asyncio.to_thread(save, file)
        shown = await starts(running, number + 1)
        assert shown == "// two\n" * number + "// one\n" * (len(ways) - number), file
        await running.until("restart.done", reason="change")
        shutil.rmtree(project.home / "elsewhere", ignore_errors=True)  # what rsync copies from
    assert await running.stop() == 143
    assert len(running.all("bot.starting")) == len(ways) + 1


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
async def test_a_checkout_of_500_files_is_one_restart(project: Project) -> None:
    (project.folder / "src").mkdir()
    many = [project.folder / "src" / f"f{number:03}.js" for number in range(500)]
    run("git", "init", "-q", "-b", "one", cwd=project.folder)
    for branch in ("one", "two"):
        for file in many:
            file.write_text(f"// {branch}\n")
        run("git", "checkout", "-q", "-B", branch, cwd=project.folder)
        run("git", "add", ".", cwd=project.folder)
        run("git", "commit", "-qm", branch, cwd=project.folder)
    running = await project.start("dev", command=SHOWS)
    await running.until("restart.done")
    await starts(running, 1)
    number = 1
    for branch in ("one", "two") * TIMES:
        await asyncio.to_thread(run, "git", "checkout", "-q", branch, cwd=project.folder)
        number += 1
        assert await starts(running, number) == f"// {branch}\n" * 500
        await running.until("restart.done", reason="change")
    assert await running.stop() == 143
    assert len(running.all("bot.starting")) == number


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
async def test_an_npm_install_is_one_restart(project: Project) -> None:
    for name, index in (("one", "1"), ("two", "2")):
        package = project.home / name
        package.mkdir()
        (package / "package.json").write_text(f'{{"name": "dependency", "version": "{index}.0.0"}}')
        (package / "index.js").write_text(f"module.exports = {index}\n")
    (project.folder / "package.json").write_text('{"name": "bot", "version": "1.0.0"}')
    install = ["npm", "install", "--offline", "--no-audit", "--no-fund", "--install-links"]
    running = await project.start("dev", command=["sh", "-c", "cat package.json; echo end; exec sleep 600"])
    await running.until("restart.done")
    await starts(running, 1)
    number = 1
    for name in ("one", "two") * TIMES:
        await asyncio.to_thread(run, *install, str(project.home / name), cwd=project.folder)
        number += 1
        assert f"file:../{name}" in await starts(running, number)
        await running.until("restart.done", reason="change")
    assert await running.stop() == 143
    assert len(running.all("bot.starting")) == number


async def test_many_writes_without_a_pause_are_one_restart(project: Project) -> None:
    (project.folder / "src").mkdir()
    file = project.folder / "src" / "a.js"
    file.write_text("// 0\n")
    project.configure('[watch]\nquiet = "1s"\n')  # longer than any pause of ours on a machine that is busy
    running = await project.start("dev", command=SHOWS)
    await running.until("restart.done")
    await starts(running, 1)
    for number in range(1, 201):
        file.write_text(f"// {number}\n")
        await asyncio.sleep(0.005)  # a thousand in five seconds, as is promised; a fifth of that here
    shown = await starts(running, 2)
    await running.until("restart.done", reason="change")
    assert shown == "// 200\n"
    assert await running.stop() == 143


async def test_a_change_while_the_bot_goes_down_is_neither_lost_nor_doubled(project: Project) -> None:
    project.touch("a.js")
    async with project.supervised("dev", f"browser={project.profile('1')},slow=0.5", "report-env") as running:
        await running.until("browser.up") if not running.all("browser.up") else None
        await project.noted("bot", "up")
        project.touch("a.js")
        await running.until("restart.requested", reason="change")
        project.touch("b.js")  # the browser takes half a second to close
        await running.until("restart.done", reason="change")
        await project.noted("bot", "up", 2)
        project.touch("c.js")
        await running.until("restart.done", reason="change")
        await project.noted("bot", "up", 3)
    assert [note.more for note in project.notes("bot", "changes")] == ["", "a.js b.js", "c.js"]


async def test_a_bot_that_crashes_leaves_its_error_and_a_browser_that_is_closed_cleanly(project: Project) -> None:
    flag = project.touch("crash")
    words = [f"browser={project.profile('1')}", "err=TypeError: it is not a function", f"when={flag}:after=0.2:exit=1"]
    running = await project.start("dev", *words)
    await running.until("bot.crashed", code=1)
    await running.until("bot.waiting")
    assert b"TypeError: it is not a function\n" in running.err
    (browser,) = await project.noted("browser", "start")
    assert [note.pid for note in project.notes("browser", "clean")] == [browser.pid]
    assert not running.all("browser.unclean")
    assert not project.living("browser")
    flag.unlink()
    project.touch("index.js")
    await running.until("restart.done", reason="change")
    await project.noted("browser", "start", 2)
    assert await running.stop() == 143
    project.is_left_alone()
