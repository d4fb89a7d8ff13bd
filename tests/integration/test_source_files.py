"""What is watched and what goes wrong with that, as the user of `scanonce dev` meets it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from supervisor.bot.slot import Slot
from supervisor.config.schema import Config
from supervisor.preflight.checker import Preflight
from supervisor.supervise.triggers import source_files as watching
from supervisor.supervise.triggers.source_files import WatchedFiles
from supervisor.watch.rules import WatchRules
from tests.helpers.command import Project, Running
from tests.helpers.shell import run
from tests.helpers.waiting import eventually

#: Writes another file at each start, as bots do that keep what they have received.
_WRITER = """
const fs = require('node:fs');
fs.mkdirSync('outputs', { recursive: true });
setTimeout(() => fs.writeFileSync(`outputs/${Date.now()}.json`, '{}'), 100);
setInterval(() => {}, 1e6);
"""

#: Rights that root has beyond those of the owner of a file.
_RIGHTS = ("dac_override", "dac_read_search")


def notices(running: Running) -> list[str]:
    return [str(event["notice"]) for event in running.all("watch.notice")]


async def test_a_bot_that_writes_a_new_file_at_each_start_is_found_out(project: Project) -> None:
    project.touch("bot.js", _WRITER)
    running = await project.start("dev", command=["node", "bot.js"])
    storm = await running.until("watch.storm")
    assert storm["line"] == 'ignore = ["/outputs/"]'
    restarts = len(running.all("restart.requested"))
    project.touch("bot.js", f"{_WRITER}// saved\n")
    await running.until("restart.requested", reason="change", detail="bot.js")
    await running.until("restart.done", reason="change")
    assert len(running.all("restart.requested")) == restarts + 1
    assert await running.stop() == 143
    project.is_left_alone()
    await found_out_for_good(project)


async def found_out_for_good(project: Project) -> None:
    """The next run knows it from the start, says so, and is told otherwise by the configuration."""
    running = await project.start("dev", command=["node", "bot.js"])
    await running.until("watch.notice")
    assert notices(running) == [
        "not watched, since the bot was seen writing there: /outputs/. To watch it all the same, put "
        'ignore = ["!/outputs/"] under [watch]'
    ]
    await running.until("restart.done")
    await eventually(lambda: len(list((project.folder / "outputs").iterdir())) > len(running.all("bot.starting")) + 3)
    project.touch("bot.js", f"{_WRITER}// saved again\n")
    await running.until("restart.requested", reason="change", detail="bot.js")
    assert len(running.all("restart.requested")) == 1
    assert await running.stop() == 143
    ended = run(project.folder, "dev", "--explain-watch")
    assert '  outputs/  the pattern "/outputs/" ignores it' in ended.out.splitlines()
    project.configure('[watch]\nignore = ["!/outputs/"]\n')
    assert "  outputs/  the pattern" not in run(project.folder, "dev", "--explain-watch").out


async def test_what_is_not_there_yet_is_said_once_and_watched(project: Project) -> None:
    options = ["-w", "index.js", "-w", "lib", "-w", "views/*.html"]
    running = await project.start("dev", options=options)
    await running.until("restart.done")
    assert notices(running) == [
        f"{project.folder}/index.js does not exist; it is watched as soon as it does",
        f"{project.folder}/lib does not exist; it is watched as soon as it does",
        'no file matches "views/*.html" yet; it is watched all the same',
    ]
    await project.noted("bot", "up")
    for name in ("lib/a.js", "views/a.html", "index.js"):
        (project.folder / name).parent.mkdir(exist_ok=True)
        project.touch(name)
        await running.until("restart.done", reason="change")
    assert len(notices(running)) == 3
    assert await running.stop() == 143


async def test_a_watched_folder_that_goes_and_comes_back(project: Project) -> None:
    lib = project.folder / "lib"
    lib.mkdir()
    project.touch("lib/a.js")
    running = await project.start("dev", options=["-w", "lib"])
    await running.until("restart.done")
    await project.noted("bot", "up")
    (lib / "a.js").unlink()
    lib.rmdir()
    await running.until("restart.done", reason="change")
    await project.noted("bot", "up", 2)
    lib.mkdir()
    project.touch("lib/a.js")
    await running.until("restart.done", reason="change")
    assert await running.stop() == 143
    project.is_left_alone()


async def test_a_folder_that_may_not_be_read_is_said_once_and_the_rest_is_watched(project: Project) -> None:
    closed = project.folder / "closed"
    closed.mkdir(0)
    try:
        running = await project.start("dev", prefix=project.without(*_RIGHTS))
        await running.until("restart.done")
        await project.noted("bot", "up")
        project.touch("index.js")
        await running.until("restart.done", reason="change")
        assert notices(running) == [f"{closed} cannot be watched (Permission denied): changes in it go unnoticed"]
        assert await running.stop() == 143
    finally:
        closed.chmod(0o700)


async def test_a_name_that_is_not_utf8_restarts_the_bot_and_can_be_read(project: Project) -> None:
    running = await project.start("dev", "report-env")
    await running.until("restart.done")
    await project.noted("bot", "up")
    (project.folder / os.fsdecode(b"caf\xe9.js")).touch()
    change = await running.until("watch.change")
    assert change["paths"] == ["caf\\udce9.js"]
    await running.until("restart.done", reason="change")
    assert [note.more for note in await project.noted("bot", "changes", 2)] == ["", "caf\\xe9.js"]
    assert await running.stop() == 143
    project.is_left_alone()


async def test_links_that_lead_in_circles_hold_nothing_up(project: Project) -> None:
    (project.folder / "a").mkdir()
    (project.folder / "a" / "back").symlink_to(project.folder)
    (project.folder / "self").symlink_to("self")
    (project.folder / "one").symlink_to("two")
    (project.folder / "two").symlink_to("one")
    async with project.supervised("dev") as running:
        await project.noted("bot", "up")
        project.touch("a/b.js")
        await running.until("restart.done", reason="change")
    assert len(running.all("restart.requested")) == 1


@pytest.mark.parametrize("limit", ["max_inotify_watches", "max_inotify_instances"])
async def test_without_room_in_inotify_the_line_says_which_limit_and_the_bot_is_restarted_all_the_same(
    project: Project, limit: str
) -> None:
    """In a user namespace, which has limits of its own."""
    for number in range(4):
        (project.folder / "lib" / f"d{number}").mkdir(parents=True)
    allowed = 1 if limit == "max_inotify_watches" else 0
    setup = f'echo {allowed} > /proc/sys/user/{limit} && exec "$@"'
    prefix = ["unshare", "--user", "--map-root-user", "sh", "-c", setup, "sh"]
    if not await _works([*prefix, "true"]):
        pytest.skip("user namespaces are not permitted here")
    running = await project.start("dev", prefix=prefix)
    await running.until("restart.done")
    (notice,) = notices(running)
    sysctl = f"fs.inotify.{limit.replace('inotify', 'user')}"
    present = Path("/proc/sys", *sysctl.split(".")).read_text().strip()  # noqa: ASYNC240  a file of the kernel's
    assert f"the limit {sysctl} = {present} is used up, and 6 folders are to be watched" in notice
    assert f"the largest folder is {project.folder}/lib with 5" in notice
    assert f"sudo sysctl {sysctl}=" in notice
    await project.noted("bot", "up")
    project.touch("lib/d3/a.js")
    await running.until("restart.done", reason="change")
    assert await running.stop() == 143


async def _works(command: list[str]) -> bool:
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait() == 0


class Deaf:
    """Stands in for a supervisor that is between a check and what follows from it; notes what it is told."""

    def __init__(self) -> None:
        self.bot = SimpleNamespace(spawned_at=0.0)
        self.told: list[str] = []

    def changed(self, name: str) -> None:
        self.told.append(name)


@pytest.mark.parametrize("running", [True, False], ids=["running", "down"])
async def test_a_change_that_comes_when_a_check_has_just_ended_is_heard_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, running: bool
) -> None:
    inbox: Any = Deaf()

    def checks(*_: object) -> Preflight:
        async def run(*_: object, **__: object) -> Any:
            raise AssertionError("JSON needs no program")

        return Preflight(run, node=None, asks_node=lambda: False, command=(), timeout=60)

    monkeypatch.setattr(watching, "preflight", checks)
    spec: Any = SimpleNamespace(config=Config())
    file = tmp_path / "a.json"
    file.write_text("{}")
    files = WatchedFiles(tmp_path, WatchRules(tmp_path, ext=frozenset({"json"})), spec, Slot(), inbox)
    try:
        await files.armed()
        file.write_text("{")
        await eventually(lambda: inbox.told == ["a.json"])
        assert not await files.examined(running=running)
        files.hear_again()
        assert len(inbox.told) == 1, "nothing has come since"

        file.write_text("{,")
        await eventually(lambda: len(inbox.told) == 2)
        assert not await files.examined(running=running)
        file.write_text("[]")
        await eventually(lambda: len(inbox.told) == 3, "to one who does not listen")
        files.hear_again()
        assert len(inbox.told) == 4
        files.hear_again()
        assert len(inbox.told) == 4
    finally:
        await files.close()
