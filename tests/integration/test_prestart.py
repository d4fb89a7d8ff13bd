"""The next bot's node is started before its time, and not a line of the bot runs before the last one is gone.

The bot is a real node, which starts the fake bot; its browser closes when a file says so.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections.abc import Sequence

import psutil
import pytest

from tests.helpers.command import Project, Running
from tests.helpers.waiting import eventually

NODE = shutil.which("node") or "node"

#: Notes its start in the journal, with what it was told, and runs the fake bot that its arguments are the command of.
BOT = """
const fs = require('node:fs');
const { NODE_OPTIONS, SCANONCE_HELD, SCANONCE_RESTARTS, SCANONCE_CHANGES, FAKE_JOURNAL } = process.env;
const lines = fs.readFileSync(SCANONCE_CHANGES, 'utf8').split('\\n').filter(Boolean);
const changed = lines.map((path) => path.split('/').pop());
const told = [SCANONCE_RESTARTS, NODE_OPTIONS ?? 'none', SCANONCE_HELD ?? 'none', 'VERSION', ...changed].join(' ');
fs.appendFileSync(FAKE_JOURNAL, `${process.hrtime.bigint()} node ${process.pid} start ${told}\\n`);
require('node:child_process').spawn(process.argv[2], process.argv.slice(3), { stdio: 'inherit' });
"""


class Held:
    """A project whose bot is node; its browser closes when there is the file `go`."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.go = project.home / "go"
        self.write("first")
        browser = f"browser={project.profile('1')},waits={self.go}"
        self.command = [NODE, "index.js", *project.bot(browser)]

    def write(self, version: str) -> None:
        """Write the bot's program."""
        self.project.touch("index.js", BOT.replace("VERSION", version))

    def starts(self) -> Sequence[str]:
        """What each start of the program has been told."""
        return [note.more for note in self.project.notes("node", "start")]

    def waiting(self, running: Running) -> list[psutil.Process]:
        """The nodes that live, have the bot's command, and are none of the running bot's."""
        found = []
        for child in psutil.Process(running.process.pid).children():
            with contextlib.suppress(psutil.Error):  # it has just ended
                if child.pid != running.all("bot.started")[-1]["pid"] and child.cmdline() == self.command:
                    found.append(child)
        return found

    async def closing(self, running: Running, version: str = "second") -> None:
        """Change the program, and wait until the browser has been asked to close."""
        asked = len(self.project.notes("browser", "asked"))
        self.write(version)
        await self.project.noted("browser", "asked", asked + 1)


@pytest.fixture
def held(project: Project) -> Held:
    return Held(project)


async def begun(held: Held, running: Running, count: int = 1) -> psutil.Process:
    """Wait until the browser of the bot's `count`th run is up, and the next node waits; that one."""
    await held.project.noted("browser", "start", count)
    await eventually(lambda: held.waiting(running), "a node that waits")
    (ahead,) = held.waiting(running)
    return ahead


async def test_the_node_waits_beside_the_bot_and_its_program_runs_after_the_browser_is_gone(held: Held) -> None:
    async with held.project.supervised("dev", command=held.command) as running:
        for number in (1, 2):
            ahead = await begun(held, running, number)
            await held.closing(running, f"version-{number}")
            assert len(held.starts()) == number
            held.go.touch()
            await running.until("restart.done", reason="change")
            assert running.all("bot.started")[-1]["pid"] == ahead.pid
            held.go.unlink()
        await held.project.noted("browser", "start", 3)
        held.go.touch()
    ends = [note.at for note in held.project.notes("browser", "clean")]
    begins = [note.at for note in held.project.notes("node", "start")]
    assert len(ends) == len(begins) == 3
    assert all(end < begin for end, begin in zip(ends, begins[1:], strict=False))
    assert held.starts() == [
        "0 none none first",
        "1 none none version-1 index.js",
        "2 none none version-2 index.js",
    ]


async def test_what_is_saved_while_the_browser_closes_is_what_runs(held: Held) -> None:
    async with held.project.supervised("dev", command=held.command) as running:
        await begun(held, running)
        await held.closing(running, "second")
        held.write("third")
        held.go.touch()
        await running.until("restart.done", reason="change")
        await held.project.noted("browser", "start", 2)
    assert held.starts()[-1].split()[3] == "third"
    assert len(held.starts()) == 2


async def test_it_ends_without_a_line_run_when_no_start_follows(held: Held) -> None:
    held.go.touch()
    async with held.project.supervised("dev", command=held.command) as running:
        await begun(held, running)
        psutil.Process(running.all("bot.started")[-1]["pid"]).kill()
        await running.until("bot.waiting")
        await eventually(lambda: not held.waiting(running), "its end")
        held.write("second")
        await running.until("restart.done", reason="change")
        await begun(held, running, 2)
    assert len(held.starts()) == 2


async def test_a_quit_ends_it_at_once(held: Held) -> None:
    running = await held.project.start("dev", command=held.command)
    await running.until("restart.done")
    await begun(held, running)
    running.process.send_signal(signal.SIGTERM)
    await eventually(lambda: not held.waiting(running), "its end")
    held.go.touch()
    assert await running.ends() == 128 + signal.SIGTERM, running.told()
    held.project.is_left_alone()
    assert len(held.starts()) == 1


async def test_the_death_of_the_supervisor_ends_it_without_a_line_run(held: Held) -> None:
    running = await held.project.start("dev", command=held.command)
    await running.until("restart.done")
    ahead = await begun(held, running)
    running.process.kill()
    await eventually(lambda: not ahead.is_running() or ahead.status() == psutil.STATUS_ZOMBIE, "its end")
    assert len(held.starts()) == 1


async def test_one_that_is_killed_is_replaced(held: Held) -> None:
    held.go.touch()
    async with held.project.supervised("dev", command=held.command) as running:
        ahead = await begun(held, running)
        ahead.kill()
        await eventually(lambda: ahead.status() == psutil.STATUS_ZOMBIE, "its end")
        held.write("second")
        await running.until("restart.done", reason="change")
        await held.project.noted("browser", "start", 2)
    assert len(held.starts()) == 2


async def test_a_bot_without_a_browser_has_a_head_start_too(held: Held) -> None:
    held.command = held.command[:-1]
    async with held.project.supervised("dev", command=held.command) as running:
        await eventually(lambda: held.waiting(running), "a node that waits")
        (ahead,) = held.waiting(running)
        held.write("second")
        await running.until("restart.done", reason="change")
        assert running.all("bot.started")[-1]["pid"] == ahead.pid
        await held.project.noted("bot", "start", 2)


@pytest.mark.parametrize(
    ("mode", "why", "prepared"),
    [
        ("dev", "", True),
        ("dev", "option", False),
        ("dev", "configuration", False),
        ("dev", "variable", False),
        ("dev", "no node", False),
        ("run", "production", False),
    ],
)
async def test_only_where_it_does_no_harm_is_a_node_told_to_wait(
    held: Held, mode: str, why: str, prepared: bool
) -> None:
    held.go.touch()
    match why:
        case "option":
            held.command.insert(1, "--inspect=0")
        case "configuration":
            held.project.configure("[bot]\nstart_ahead = false\n")
        case "variable":
            held.project.configure('[bot]\nenv = { NODE_OPTIONS = "--report-on-signal" }\n')
        case "no node":
            node = held.project.home / "bin" / "my-node"
            node.symlink_to(NODE)
            held.command[0] = str(node)
    async with held.project.supervised(mode, command=held.command) as running:
        bot = psutil.Process(running.all("bot.started")[0]["pid"])
        assert ("SCANONCE_HELD" in bot.environ()) is prepared
        await held.project.noted("browser", "start")
