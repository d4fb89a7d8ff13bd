"""The real command `scanonce` with the fake bot under it, in a project of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.helpers.journal import VARIABLE as JOURNAL_VARIABLE
from tests.helpers.journal import lives
from tests.helpers.processes import FOLDER_VARIABLE, end_processes_of, processes_of
from tests.helpers.waiting import DEADLINE, eventually

_RUN = Path(__file__).with_name("run.py")
_PYTHON = Path(sys.executable).resolve()

#: What most tests want: nobody waits for a bot that has no page to tell that it is ready.
QUICK = """
[ready]
method = "up"
settle = "20ms"
"""


#: A target that every restart is ahead of, however busy the machine is.
AHEAD = """
[timing]
target_low = "1h"
target_high = "2h"
"""


@dataclass(frozen=True)
class Note:
    """One line of the journal; `at` in nanoseconds of the monotonic clock."""

    at: int
    who: str
    pid: int
    what: str
    more: str = ""


@dataclass
class Running:
    """One supervisor that has been started, and what it has said so far.

    `awake` tells of a pid whether a bot that has it has come so far as to note its start.
    """

    process: asyncio.subprocess.Process
    awake: Callable[[int], bool] = lambda _: True
    events: list[dict[str, Any]] = field(default_factory=list)
    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)
    _seen: int = 0
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _readers: list[asyncio.Task[None]] = field(default_factory=list)

    def listen(self) -> None:
        """Begin to read what it says."""
        self._readers = [asyncio.create_task(self._read_out()), asyncio.create_task(self._read_err())]

    async def until(self, name: str, deadline: float = DEADLINE, **fields: object) -> dict[str, Any]:
        """The next event of this name, with these fields, after the one that was last waited for.

        After `restart.done` the bot has noted its start as well, unless it is dead: a bot is up for its supervisor as
        soon as it is there, which on a busy machine is long before it has run a line and hears signals.
        """

        def found() -> dict[str, Any] | None:
            while self._seen < len(self.events):
                event = self.events[self._seen]
                self._seen += 1
                if event["event"] == name and fields.items() <= event.items():
                    return event
            if self.process.stderr is None or all(reader.done() for reader in self._readers):
                raise AssertionError(f"it ended without {name}: {self.told()}")
            return None

        try:
            async with asyncio.timeout(deadline), self._news:
                while (event := found()) is None:
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {name} within {deadline:g} s: {self.told()}") from None
        if name == "restart.done":
            pid = next(one["pid"] for one in reversed(self.events[: self._seen]) if one["event"] == "bot.started")
            await eventually(lambda: self.awake(pid), f"the start of bot {pid}", deadline)
        return event

    async def until_output(self, text: bytes, deadline: float = DEADLINE) -> None:
        """Wait until the bot's output holds a text."""
        await eventually(lambda: text in self.out, f"output {text!r}", deadline)

    async def ends(self, deadline: float = DEADLINE) -> int:
        """Wait until it has ended and all that it said is read; returns the exit status."""
        try:
            async with asyncio.timeout(deadline):
                code = await self.process.wait()
                await asyncio.gather(*self._readers)
        except TimeoutError:
            raise AssertionError(f"still running after {deadline:g} s: {self.told()}") from None
        return code

    async def stop(self, number: signal.Signals = signal.SIGTERM, deadline: float = DEADLINE) -> int:
        """Ask it to end, and wait for that."""
        self.process.send_signal(number)
        return await self.ends(deadline)

    def all(self, name: str) -> list[dict[str, Any]]:
        """Every event of this name."""
        return [event for event in self.events if event["event"] == name]

    def problems(self) -> str:
        """The sentences of all errors, one a line."""
        return "\n".join(f"{event['problem']} {event.get('remedy', '')}".strip() for event in self.all("error"))

    def told(self) -> str:
        """What it has said, for the message of a failed test."""
        lines = [json.dumps(event) for event in self.events]
        return "\n".join([*lines, self.err.decode(errors="replace"), self.out[-2000:].decode(errors="replace")])

    async def _read_out(self) -> None:
        if self.process.stdout is not None:
            while chunk := await self.process.stdout.read(65536):
                self.out += chunk
        await self._tell()

    async def _read_err(self) -> None:
        if self.process.stderr is not None:
            while line := await self.process.stderr.readline():
                self._sort(line)
                await self._tell()
        await self._tell()

    def _sort(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if isinstance(event, dict) and "event" in event:
            self.events.append(event)
        else:
            self.err += line

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()


class Project:
    """A bot's folder, the journal of its processes, and the command that supervises it.

    `runtime` is a folder with a short path, for sockets.
    """

    def __init__(self, folder: Path, runtime: Path) -> None:
        self.home = folder
        self.folder = folder / "project"
        self.folder.mkdir()
        self.runtime = runtime
        self._journal = folder / "journal"
        self.chromium = folder / "bin" / "chromium"
        self.chromium.parent.mkdir()
        self.chromium.symlink_to(_PYTHON)
        self.configure("")
        self._started: list[Running] = []

    # -- what it stands on -------------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which everything here is started."""
        private = {"XDG_RUNTIME_DIR": str(self.runtime), "XDG_CACHE_HOME": str(self.runtime), "HOME": str(self.home)}
        private["XDG_STATE_HOME"] = str(self.home / "state")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SCANONCE", "NOTIFY_"))}
        return (
            kept
            | private
            | {
                FOLDER_VARIABLE: str(self.home),
                JOURNAL_VARIABLE: str(self._journal),
                "FAKE_CHROMIUM": str(self.chromium),
                "PYTHONUNBUFFERED": "1",
            }
        )

    def configure(self, text: str, *, quick: bool = True) -> None:
        """Write scanonce.toml."""
        (self.folder / "scanonce.toml").write_text(text + (QUICK if quick and "[ready]" not in text else ""))

    def profile(self, name: str) -> Path:
        """The folder of a session's profile; not made."""
        return self.folder / "sessions" / f"session-{name}"

    def touch(self, name: str, text: str = "") -> Path:
        """Write a file of the project's."""
        file = self.folder / name
        file.write_text(text or f"// {os.urandom(4).hex()}\n")
        return file

    # -- the bot -----------------------------------------------------------------------------------------------------

    @staticmethod
    def bot(*words: str) -> list[str]:
        """The command line of a fake bot."""
        return [str(_PYTHON), "-I", "-S", str(_RUN), "bot", *words]

    def spawn(self, *words: str, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a fake bot that nobody supervises."""
        return subprocess.Popen(
            self.bot(*words), cwd=cwd or self.folder, env=self.environment, stdin=subprocess.DEVNULL
        )

    def notes(self, who: str = "", what: str = "") -> list[Note]:
        """The lines of the journal, all or some, in their order."""
        if not self._journal.exists():
            return []
        notes = []
        for line in self._journal.read_text().splitlines():
            at, one, pid, did, *more = line.split(" ", 4)
            if who in ("", one) and what in ("", did):
                notes.append(Note(int(at), one, int(pid), did, *more))
        return notes

    async def noted(self, who: str, what: str, count: int = 1, deadline: float = DEADLINE) -> list[Note]:
        """Wait until the journal has so many such lines; returns them."""
        await eventually(lambda: len(self.notes(who, what)) >= count, f"{count} x {who} {what}", deadline)
        return self.notes(who, what)

    def living(self, who: str) -> list[int]:
        """The pids of all bots, or browsers, that live."""
        return sorted({note.pid for note in self.notes(who, "start") if lives(note.pid)})

    def _is_awake(self, pid: int) -> bool:
        return not lives(pid) or pid in {note.pid for note in self.notes("bot", "start")}

    def processes(self) -> list[psutil.Process]:
        """Every process of this project that lives, the supervisor included."""
        return processes_of(self.home)

    def frozen(self) -> list[psutil.Process]:
        """The processes that stand still."""
        return [p for p in self.processes() if p.is_running() and p.status() == psutil.STATUS_STOPPED]

    # -- the command -------------------------------------------------------------------------------------------------

    async def start(
        self,
        mode: str,
        *words: str,
        options: Sequence[str] = (),
        command: Sequence[str] | None = None,
        prefix: Sequence[str] = (),
        stdin: int | None = subprocess.DEVNULL,
        stdout: int | None = subprocess.PIPE,
        environment: dict[str, str] | None = None,
    ) -> Running:
        """Start `scanonce MODE OPTIONS -- COMMAND`; the command is the fake bot unless another is given."""
        process = await asyncio.create_subprocess_exec(
            *prefix,
            *self.scanonce(mode, *options),
            *self.command(words, command),
            cwd=self.folder,
            env=self.environment | (environment or {}),
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            limit=1 << 20,
        )
        running = Running(process, self._is_awake if command is None else lambda _: True)
        running.listen()
        self._started.append(running)
        return running

    @staticmethod
    def scanonce(*words: str) -> list[str]:
        """The command line of our own, with events as JSON."""
        program = Path(sys.executable).with_name("scanonce")
        return [sys.executable, str(program), *words, *(["--log-format", "json"] if words[0] in {"dev", "run"} else [])]

    def command(self, words: Sequence[str], command: Sequence[str] | None = None) -> list[str]:
        """What stands after the options."""
        given = self.bot(*words) if command is None else list(command)
        return ["--", *given] if given else []

    @contextlib.asynccontextmanager
    async def supervised(self, mode: str, *words: str, **more: Any) -> AsyncIterator[Running]:
        """A supervisor whose bot is up; it must still run at the end of the block, and then stop with nothing left."""
        running = await self.start(mode, *words, **more)
        await running.until("restart.done")
        yield running
        assert running.process.returncode is None, running.told()
        assert await running.stop() == 128 + signal.SIGTERM, running.told()
        self.is_left_alone()

    def is_left_alone(self) -> None:
        """Assert that no process of this project is left, and that there never were two bots, or two browsers."""
        left = [f"{p.pid} {' '.join(p.cmdline())[:160]}" for p in self.processes()]
        assert not left, left
        assert not self.notes("bot", "overlap"), self.notes()
        assert not self.notes("browser", "conflict"), self.notes()

    async def close(self) -> None:
        """End the supervisors that were started, and everything else that still runs for this project."""
        for running in self._started:
            with contextlib.suppress(ProcessLookupError):
                running.process.kill()
            await running.process.wait()
        end_processes_of(self.home)
        for running in self._started:
            await running.ends()

    @staticmethod
    def without(*capabilities: str) -> list[str]:
        """A command prefix that drops capabilities, so that a test run by root meets what other users meet."""
        if os.geteuid() != 0:
            return []
        setpriv = shutil.which("setpriv")
        assert setpriv is not None, "setpriv (util-linux) is needed to run these tests as root"
        return [setpriv, "--bounding-set", ",".join(f"-{name}" for name in capabilities)]
