"""A plain node bot under a launcher, observed from outside: when it is up, signalled, or frozen."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import IO, Any, Self

import psutil

from benchmarks.launchers import nodemon
from tests.helpers.shell import SCANONCE

PATIENCE = 30.0
"""Seconds until a launcher that says nothing is given up."""

BOT = """
const fs = require('fs');
const now = () => performance.timeOrigin + performance.now();
for (const name of ['SIGUSR2', 'SIGTERM', 'SIGINT']) {
    process.on(name, () => { fs.writeSync(1, `signal ${now()}\\n`); process.exit(0); });
}
fs.writeSync(1, `up ${process.pid}\\n`);
setInterval(() => {}, 60000);
"""

NAMES = ("scanonce", "nodemon")


def command(name: str) -> list[str]:
    """The command line of a launcher in development."""
    if name == "scanonce":
        return [str(SCANONCE), "dev", "--log-format=json", "--", "node", "index.js"]
    return [*nodemon()[:2], "--quiet", "index.js"]


class Plain:
    """One launcher with the bot in `folder`, which must contain its `index.js`."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            command(name), cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._lines: queue.Queue[tuple[float, str]] = queue.Queue()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            self._lines.put((time.monotonic(), line.decode(errors="replace").rstrip()))

    def line(self, start: str) -> tuple[float, str]:
        """The next unread line with this beginning, and the monotonic time at which it came."""
        deadline = time.monotonic() + PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            try:
                at, line = self._lines.get(timeout=left)
            except queue.Empty:
                break
            if line.startswith(start):
                return at, line
        raise TimeoutError(f"{self.name} has not said {start!r} within {PATIENCE:g} s")

    def waiting(self, start: str) -> list[str]:
        """The unread lines with this beginning; all unread lines are then dropped."""
        found = []
        while not self._lines.empty():
            found.append(self._lines.get_nowait()[1])
        return [line for line in found if line.startswith(start)]

    def event(self, name: str) -> tuple[float, dict[str, Any]]:
        """The next event of this name in scanonce's log."""
        while True:
            at, line = self.line("{")
            event = json.loads(line)
            if event["event"] == name:
                return at, event

    def up(self) -> int:
        """The pid of the next bot that is up."""
        return int(self.line("up ")[1].split()[1])

    @property
    def rss(self) -> float:
        """Resident memory of the launcher itself, in megabytes."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    def standby(self, bot: int) -> list[float]:
        """The unshared memory, in megabytes, of each waiting node beside the bot of this pid."""
        nodes = [child for child in psutil.Process(self.process.pid).children() if child.name() == "node"]
        return [node.memory_full_info().uss / 1e6 for node in nodes if node.pid != bot]

    @property
    def watches(self) -> int:
        """The number of its inotify watches."""
        found = 0
        for info in Path(f"/proc/{self.process.pid}/fdinfo").iterdir():
            found += sum(line.startswith("inotify ") for line in info.read_text().splitlines())
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End it as Ctrl+C does, and its bot with it."""
        bots = psutil.Process(self.process.pid).children(recursive=True) if self.process.poll() is None else []
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
            for bot in bots:
                if bot.is_running():
                    bot.kill()
            for stream in (self.process.stdout, self.process.stderr):
                assert stream is not None
                stream.close()


def stands_still(pid: int, until: float) -> float:
    """The monotonic time at which a process was first seen stopped; polls without pause, up to `until`."""
    file = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    try:
        while (now := time.monotonic()) < until:
            if os.pread(file, 512, 0).rpartition(b") ")[2][:1] == b"T":
                return now
    except ProcessLookupError:
        pass
    finally:
        os.close(file)
    raise TimeoutError(f"process {pid} was not seen standing still")
