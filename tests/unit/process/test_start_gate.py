"""A node that waits before its program: read not a line too early, and without a trace once it goes on."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor.process import start_gate
from supervisor.process.child import Child
from supervisor.process.reaper import Reaper
from supervisor.process.spawn import CommandError, SpawnSpec
from tests.helpers.waiting import DEADLINE, eventually
from tests.unit.process.conftest import descriptors, python, state

NODE = shutil.which("node") or "node"

Start = Callable[..., Child]

#: Writes down what it and those that it starts can see of having been held.
REPORT = """
const { execFileSync } = require('node:child_process');
const { Worker } = require('node:worker_threads');
const seen = () => [process.env.NODE_OPTIONS ?? null, process.env.SCANONCE_HELD ?? null];
const child = execFileSync(process.execPath, ['-p', `JSON.stringify((${seen})())`]);
const worker = new Worker(`require('node:worker_threads').parentPort.postMessage((${seen})())`, { eval: true });
worker.on('message', (message) => {
  const arguments_ = [process.execArgv, process.argv.slice(2)];
  const found = { own: seen(), child: JSON.parse(child), worker: message, arguments: arguments_ };
  found.loaded = Object.keys(require.cache).filter((name) => name !== __filename);
  require('node:fs').writeFileSync('report', JSON.stringify(found));
});
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a program held: `start(*command, **environment)`; without a command, node on `index.js`."""
    started: list[Child] = []

    def begin(*command: str, **environment: str) -> Child:
        given = {name: value for name, value in os.environ.items() if name != "NODE_OPTIONS"} | environment
        spawned = Child(SpawnSpec(command or (NODE, "index.js"), tmp_path, given), Reaper(), gated=True)
        started.append(spawned)
        return spawned

    yield begin
    for spawned in started:
        spawned.discard()


def write(folder: Path, text: str, name: str = "index.js") -> None:
    """Write a program, in one step."""
    (folder / f"{name}.new").write_text(text)
    (folder / f"{name}.new").rename(folder / name)


def reached(spawned: Child) -> bool:
    """Whether it waits."""
    assert spawned.gate is not None
    return spawned.gate.reached


async def goes_on(spawned: Child) -> int:
    """Let it go on; its exit status."""
    assert spawned.gate is not None
    spawned.gate.open()
    return await ends(spawned)


async def ends(spawned: Child) -> int:
    """Its exit status."""
    async with asyncio.timeout(DEADLINE):
        return await spawned.wait()


async def test_the_program_is_read_when_the_node_is_let_go_and_not_before(tmp_path: Path, start: Start) -> None:
    write(tmp_path, "require('node:fs').writeFileSync('ran', 'too early')")
    held = start()
    await eventually(lambda: reached(held))
    await eventually(lambda: state(held.pid) == "sleeping")
    assert not (tmp_path / "ran").exists()
    write(tmp_path, "require('node:fs').writeFileSync('ran', 'as it is now')")
    assert await goes_on(held) == 0
    assert (tmp_path / "ran").read_text() == "as it is now"


async def test_a_linked_package_finds_what_lies_beside_its_real_place(tmp_path: Path, start: Start) -> None:
    """As pnpm and `npm link` place packages."""
    for name, text in {
        "alone": "import 'beside'",
        "beside": "import { writeFileSync as w } from 'fs'; w('ran', '')",
    }.items():
        package = tmp_path / "store" / "node_modules" / name
        package.mkdir(parents=True)
        write(package, json.dumps({"name": name, "type": "module", "main": "index.js"}), "package.json")
        write(package, text)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "alone").symlink_to(tmp_path / "store" / "node_modules" / "alone")
    write(tmp_path, "import 'alone'", "index.mjs")
    held = start(NODE, "index.mjs")
    await eventually(lambda: reached(held))
    assert await goes_on(held) == 0
    assert (tmp_path / "ran").exists()


async def test_what_is_preloaded_for_the_program_waits_as_well(tmp_path: Path, start: Start) -> None:
    for name in ("own.js", "of-the-environment.js"):
        write(tmp_path, "require('node:fs').appendFileSync('ran', 'early ')", name)
    write(tmp_path, "import { appendFileSync } from 'node:fs'; appendFileSync('ran', 'early ')", "own.mjs")
    write(tmp_path, "")
    options = {"NODE_OPTIONS": "--require ./of-the-environment.js"}
    held = start(NODE, "-r", "./own.js", "--import", "./own.mjs", "index.js", **options)
    await eventually(lambda: reached(held))
    for name in ("own.js", "of-the-environment.js"):
        write(tmp_path, "require('node:fs').appendFileSync('ran', 'late ')", name)
    write(tmp_path, "import { appendFileSync } from 'node:fs'; appendFileSync('ran', 'late ')", "own.mjs")
    assert await goes_on(held) == 0
    assert (tmp_path / "ran").read_text() == "late late late "


@pytest.mark.parametrize("options", [None, "", "--no-warnings", '--no-warnings --require "./with space.js"'])
async def test_the_program_and_all_that_it_starts_find_the_environment_that_was_given(
    tmp_path: Path, start: Start, options: str | None
) -> None:
    write(tmp_path, "", "with space.js")
    write(tmp_path, REPORT)
    held = start(NODE, "index.js", "word", **({} if options is None else {"NODE_OPTIONS": options}))
    assert await goes_on(held) == 0
    found: dict[str, Any] = json.loads((tmp_path / "report").read_text())
    for who in ("own", "child", "worker"):
        assert found[who] == [options, None], who
    assert found["arguments"] == [[], ["word"]]
    assert [Path(name).name for name in found["loaded"]] == (
        ["with space.js"] if options and "space" in options else []
    )


async def test_a_byte_that_is_there_before_it_is_waited_for_is_enough(tmp_path: Path, start: Start) -> None:
    write(tmp_path, "process.exit(7)")
    held = start()
    assert await goes_on(held) == 7
    assert reached(held)
    assert reached(held)


async def test_the_time_that_was_waited_is_not_the_programs(tmp_path: Path, start: Start) -> None:
    report = "JSON.stringify([performance.now() / 1000, process.uptime()])"
    write(tmp_path, f"require('node:fs').writeFileSync('report', {report})")
    held = start()
    await eventually(lambda: reached(held))
    since = time.monotonic()
    await eventually(lambda: time.monotonic() > since + 0.5)
    assert await goes_on(held) == 0
    since_its_start, uptime = json.loads((tmp_path / "report").read_text())
    assert 0 < uptime < since_its_start - 0.5


@pytest.mark.parametrize("before", [True, False])
async def test_whoever_is_left_alone_ends_without_its_program(tmp_path: Path, start: Start, before: bool) -> None:
    write(tmp_path, "require('node:fs').writeFileSync('ran', '')")
    held = start()
    if not before:
        await eventually(lambda: reached(held))
    assert held.gate is not None
    held.gate.close()
    assert await ends(held) == 0
    assert not (tmp_path / "ran").exists()


async def test_one_that_was_let_go_goes_on_even_if_it_is_left_alone_then(tmp_path: Path, start: Start) -> None:
    write(tmp_path, "process.exit(7)")
    held = start()
    assert held.gate is not None
    held.gate.open()
    held.gate.close()
    assert await ends(held) == 7


async def test_the_socket_is_nothing_that_the_program_holds(tmp_path: Path, start: Start) -> None:
    write(tmp_path, "require('node:fs').readSync(0, Buffer.alloc(1))")
    held = start()
    assert held.gate is not None
    held.gate.open()
    await eventually(lambda: reached(held))
    await eventually(lambda: "socket" not in "".join(links(held.pid)))


def links(pid: int) -> list[str]:
    """What a process has open beyond its three streams."""
    folder = Path(f"/proc/{pid}/fd")
    return [str(one.readlink()) for one in folder.iterdir() if int(one.name) > 2]


#: Closes whatever it does not know and becomes node, as some version managers do.
CLOSES = "import os, sys; os.closerange(3, 1024); os.execvp(sys.argv[1], sys.argv[1:])"
#: The same, but the socket's number is another one's by then; 1 if somebody has written to that.
REPLACES = """
import os, socket, subprocess, sys
ours, theirs = socket.socketpair()
number = int(os.environ["SCANONCE_HELD"].split()[0])
os.dup2(theirs.fileno(), number)
theirs.close()
status = subprocess.run(sys.argv[1:], pass_fds=(number,)).returncode
os.close(number)
sys.exit(status or len(ours.recv(1)))
"""


@pytest.mark.parametrize("wrapper", [CLOSES, REPLACES])
async def test_a_node_that_does_not_get_the_socket_waits_for_nobody(tmp_path: Path, start: Start, wrapper: str) -> None:
    write(tmp_path, "require('node:fs').writeFileSync('ran', '')")
    held = start(*python(wrapper), NODE, "index.js")
    assert await ends(held) == 0
    assert (tmp_path / "ran").exists()
    assert not reached(held)


async def test_a_program_that_is_no_node_never_comes_there(start: Start) -> None:
    held = start("/bin/true")
    assert await goes_on(held) == 0
    assert not reached(held)


async def test_what_cannot_be_run_leaves_nothing_open(tmp_path: Path, start: Start) -> None:
    before = descriptors()
    with pytest.raises(CommandError):
        start(str(tmp_path / "nothing"))
    assert descriptors() == before


async def test_an_odd_place_of_installation_can_be_told_to_node(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "a \"b' \\c"
    odd.mkdir()
    preload = shutil.copy(start_gate._PRELOAD, odd)
    monkeypatch.setattr(start_gate, "_PRELOAD", Path(preload))
    assert start_gate.can_gate_start()
    write(tmp_path, "process.exit(7)")
    assert await goes_on(held := start()) == 7
    assert reached(held)
    monkeypatch.setattr(start_gate, "_PRELOAD", tmp_path / "gone.cjs")
    assert not start_gate.can_gate_start()
