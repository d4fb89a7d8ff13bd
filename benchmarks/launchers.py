"""Launchers under measurement: each runs the same linked bot in its own folder, observed in the same way.

The observer is a DevTools client beside the launcher. It waits for a new `DevToolsActivePort`, attaches to the page
once, and lets the page itself record the time at which it was ready. So the observation adds the same few milliseconds
of load for each launcher, and nothing to the figure.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import psutil

from supervisor.demo.offline_bot import SetupError, find_chromium, prepare, profile_of
from supervisor.demo.page_connection import PageConnection, PageError
from supervisor.demo.phone import DEFAULT_NUMBER, PAGE_URL, Phone, Tally
from tests.helpers.processes import end_processes_of, variables
from tests.helpers.shell import SCANONCE

NODEMON = "3.1.10"
CACHE = Path(__file__).parent / ".cache"
PATIENCE = 60.0
"""Seconds after which a start counts as failed."""

_POLL = 0.005
_OUTCOME = """new Promise((done) => {
    const look = () => {
        const socket = window.require?.('WAWebSocketModel').Socket;
        if (socket?.hasSynced) done(['READY', Date.now()]);
        else if (socket?.state === 'UNPAIRED') done(['QR', Date.now()]);
        else setTimeout(look, 5);
    };
    look();
})"""


def scanonce() -> list[str]:
    """scanonce in development with cold restarts, with JSON output."""
    return [str(SCANONCE), "dev", "--cold", "--log-format=json", "--", "node", "index.js"]


def scanonce_unchecked() -> list[str]:
    """The same without preflight checks."""
    return [str(SCANONCE), "dev", "--cold", "--no-preflight", "--log-format=json", "--", "node", "index.js"]


def scanonce_warm() -> list[str]:
    """scanonce in development as it is by default: restarts keep the page."""
    return [str(SCANONCE), "dev", "--verbose", "--log-format=json", "--", "node", "index.js"]


def cached(name: str, program: str, install: Callable[[Path], Sequence[Sequence[str]]]) -> Path:
    """A program in a folder of the cache; if it is missing, the commands, given that folder, install it."""
    folder = CACHE / name
    found = folder / program
    if not found.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (CACHE / ".gitignore").write_text("*\n")
        for command in install(folder):
            if subprocess.run(command, stdout=subprocess.DEVNULL).returncode != 0:
                raise SetupError(f"could not install {name} into {folder}; try it by hand: {shlex.join(command)}")
    return found


def from_npm(name: str, version: str, script: str) -> Path:
    """A script of an npm package in that version."""
    quiet = ("--no-save", "--no-audit", "--no-fund")
    return cached(
        f"{name}-{version}",
        f"node_modules/{name}/{script}",
        lambda folder: [["npm", "install", *quiet, "--prefix", str(folder), f"{name}@{version}"]],
    )


def nodemon() -> list[str]:
    """nodemon in a fixed version; it watches only the one edited file, which is the least possible work."""
    program = from_npm("nodemon", NODEMON, "bin/nodemon.js")
    return ["node", str(program), "--quiet", "--watch", "index.js", "index.js"]


def node_watch() -> list[str]:
    """node's own watch mode, available since version 18."""
    return ["node", "--watch", "index.js"]


LAUNCHERS: Mapping[str, Callable[[], list[str]]] = {
    "scanonce": scanonce,
    "scanonce --no-preflight": scanonce_unchecked,
    "scanonce, warm": scanonce_warm,
    "nodemon": nodemon,
    "node --watch": node_watch,
}


@dataclass(frozen=True, slots=True)
class Restart:
    """One edit and its result. `seconds` is the time from just before the write until the page was ready."""

    seconds: float
    linked: bool
    lost: Tally
    phases: Mapping[str, int]
    """Milliseconds by phase, if the launcher reports them; `notice` lasts until it has noticed the edit."""


class Launched:
    """A bot that runs under one launcher, in a folder of its own."""

    def __init__(self, name: str, folder: Path, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.folder = folder
        self.profile = profile_of(folder, DEFAULT_NUMBER)
        self.process = process
        self.restarts: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        """The launcher's own reports of its restarts, if it writes any."""
        self._noticed = 0.0
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls, name: str, folder: Path, linked: Path | None, temporary: Path, *, command: Sequence[str] = ()
    ) -> Self:
        """Set up the bot in `folder` with a copy of the profile `linked`, start it, and wait until it is up.

        `command` stands in for that of the launcher of this name.
        """
        _lay_out(folder, linked, temporary)
        process = await asyncio.create_subprocess_exec(
            *(command or LAUNCHERS[name]()),
            cwd=folder,
            env=os.environ | variables(folder, temporary, find_chromium()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        launched = cls(name, folder, process)
        await launched.outcome("")
        return launched

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            if b'"event": "restart.requested"' in line:
                self._noticed = datetime.fromisoformat(json.loads(line)["ts"]).timestamp()
            elif b'"event": "restart.done", "reason": "change"' in line:
                self.restarts.put_nowait(json.loads(line))

    # -- the observer -------------------------------------------------------------------------------------------------

    def _port(self) -> str:
        try:
            return (self.profile / "DevToolsActivePort").read_text()
        except FileNotFoundError:
            return ""

    async def outcome(self, last_port: str) -> tuple[bool, float]:
        """Whether the next page is linked, and when it was ready or showed its QR code, in seconds since the epoch.

        The next page is that of the browser after the one that wrote `last_port`.
        """
        async with asyncio.timeout(PATIENCE):
            while self._port() in {"", last_port}:  # noqa: ASYNC110 - a file, and a watch on it would weigh on the disk
                await asyncio.sleep(_POLL)
            while True:
                async with await PageConnection.attach(self.profile, PAGE_URL, timeout=PATIENCE) as page:
                    try:
                        outcome, at = await page.evaluate(_OUTCOME)
                    except PageError:  # the page has navigated meanwhile
                        continue
                return outcome == "READY", at / 1000

    async def edit(self) -> Restart:
        """Save a changed source file, and wait until the bot is back."""
        port = self._port()
        async with await Phone.connect(self.profile) as phone:
            written = (await phone.counters()).written
        began = time.time()
        with (self.folder / "index.js").open("a") as file:
            file.write("// saved\n")
        linked, at = await self.outcome(port)
        async with await Phone.connect(self.profile) as phone:
            found = (await phone.counters()).found
        phases = {}
        if self.name.startswith("scanonce"):
            async with asyncio.timeout(PATIENCE):
                phases = (await self.restarts.get())["phases_ms"]
            phases = {"notice": round((self._noticed - began) * 1000), **phases}
        return Restart(at - began, linked, written.lost_in(found), phases)

    # -- memory and the end -------------------------------------------------------------------------------------------

    def rss(self) -> float:
        """Resident memory of the launcher itself, without the bot, in megabytes."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    async def stop(self) -> list[str]:
        """End the launcher as Ctrl+C does, then end the processes that it left behind; returns those."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(PATIENCE):
                await self.process.wait()
        finally:
            self._reader.cancel()
            left = end_processes_of(self.folder)
        return left


def _lay_out(folder: Path, linked: Path | None, temporary: Path) -> None:
    prepare(folder)
    if linked is not None:
        shutil.copytree(linked, profile_of(folder, DEFAULT_NUMBER), symlinks=True)
    temporary.mkdir()


async def link_once(folder: Path, temporary: Path) -> Path:
    """A profile that was linked by the phone and closed cleanly, to be copied."""
    launched = await Launched.start("scanonce", folder, None, temporary)
    async with await Phone.connect(launched.profile) as phone:
        await phone.scan()
        await phone.devtools.evaluate(_OUTCOME)
    await launched.stop()
    return launched.profile


def describe(values: Sequence[float], form: str) -> str:
    """The minimum, median and maximum."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return " / ".join(f"{value:{form}}" for value in (ordered[0], median, ordered[-1]))
