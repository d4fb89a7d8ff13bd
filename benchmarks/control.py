"""The control API under load: 10,000 requests from 50 clients while the bot is restarted repeatedly.

    python -m benchmarks control --clients 50 --requests 200 --restarts 20

One request in four is malformed, oversized or for something that does not exist. Each client sometimes breaks off in
the middle of a request, and a fifth as many connections stay half open. The bot is the scripted one, with a browser.
The status is 1 if an answer differs from its description, a restart did not end ready and clean, or the supervisor
has grown.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from benchmarks.launchers import describe
from supervisor.system.runtime_dir import project_key
from tests.helpers.command import Project, Running

#: What is sent, the status that must come back, and how often it is sent.
_GET = b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
_POST = b"POST /v1/restart HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
REQUESTS: tuple[tuple[bytes, int, int], ...] = (
    (_GET % b"/v1/status", 200, 75),
    (_GET % b"/v1/nothing", 404, 4),
    (_GET % b"/v1/stop", 405, 4),
    (_GET % b"/v1/status?x=1", 400, 4),
    (b"\x16\x03\x01nonsense\r\n\r\n", 400, 4),
    (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20_000, 431, 3),
    (_POST + b"Content-Type: application/json\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000, 413, 3),
    (_POST + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415, 3),
)
#: Megabytes that the supervisor may be larger afterwards than after its first request.
GROWTH = 3.0


class Load:
    """The clients' results."""

    def __init__(self, socket: Path) -> None:
        self._socket = str(socket)
        self.statuses: Counter[int] = Counter()
        self.wrong: Counter[str] = Counter()
        self.times: list[float] = []

    async def client(self, number: int, requests: int) -> None:
        """Run one client, which sends one request after the other."""
        dice = random.Random(number)
        kinds = [(data, status) for data, status, _ in REQUESTS]
        weights = [weight for _, _, weight in REQUESTS]
        for data, expected in dice.choices(kinds, weights, k=requests):
            if dice.random() < 0.02:
                await self._break_off(data)
            began = time.monotonic()
            status = await self._send(data)
            self.times.append((time.monotonic() - began) * 1000)
            self.statuses[status] += 1
            if status != expected:
                self.wrong[f"{status} for {expected}"] += 1

    async def half_open(self) -> None:
        """Send half a request, wait until it is refused, and repeat, until cancelled."""
        while True:
            reader, writer = await asyncio.open_unix_connection(self._socket)
            try:
                writer.write(b"GET /v1/status HTTP/1.1\r\nHost")
                status = _status(await reader.read())
                if status not in {408, 503}:
                    self.wrong[f"{status} for a half-open connection"] += 1
            finally:
                writer.close()

    async def _send(self, data: bytes) -> int:
        reader, writer = await asyncio.open_unix_connection(self._socket)
        try:
            with contextlib.suppress(
                OSError
            ):  # refused before it was sent completely: the answer is there all the same
                writer.write(data)
                await writer.drain()
            return _status(await reader.read())
        except OSError:
            return 0
        finally:
            writer.close()

    async def _break_off(self, data: bytes) -> None:
        _, writer = await asyncio.open_unix_connection(self._socket)
        writer.write(data[: len(data) // 2])
        writer.close()


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


async def restart(socket: Path) -> dict[str, object]:
    """Request one restart and wait for it; returns its record."""
    reader, writer = await asyncio.open_unix_connection(str(socket))
    writer.write(b"POST /v1/restart?wait=ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    record = json.loads(answer.partition(b"\r\n\r\n")[2]).get("restart")
    assert isinstance(record, dict), answer
    return record


def measured(running: Running) -> tuple[float, int, int]:
    """The supervisor's memory in megabytes, its descriptors and threads."""
    process = psutil.Process(running.process.pid)
    return process.memory_info().rss / 1e6, process.num_fds(), process.num_threads()


def _highest(one: tuple[float, int, int], other: tuple[float, int, int]) -> tuple[float, int, int]:
    """The maximum of each figure: they do not peak at the same time."""
    return max(one[0], other[0]), max(one[1], other[1]), max(one[2], other[2])


async def run(project: Project, clients: int, requests: int, restarts: int) -> bool:
    """Run the benchmark and print the results; returns whether every condition held."""
    # Long enough for the scripted browser to be up: closing one that is still starting is not part of this benchmark.
    project.configure('[ready]\nmethod = "up"\nsettle = "300ms"\n')
    running = await project.start("run", f"browser={project.profile('1')}")
    await running.until("restart.done")
    socket = project.runtime / "scanonce" / project_key(project.folder.resolve()) / "control"
    rest = measured(running)
    quiet = [await restart(socket) for _ in range(min(restarts, 5))]
    first = measured(running)
    load, peak = Load(socket), first
    holding = [asyncio.create_task(load.half_open()) for _ in range(max(1, clients // 5))]
    asking = [asyncio.create_task(load.client(number, requests)) for number in range(clients)]
    began = time.monotonic()
    loaded: list[dict[str, object]] = []
    while len(loaded) < restarts or not all(task.done() for task in asking):
        if len(loaded) < restarts:
            loaded.append(await restart(socket))
        else:
            await asyncio.sleep(0.1)
        peak = _highest(peak, measured(running))
    await asyncio.gather(*asking)
    took = time.monotonic() - began
    for task in holding:
        task.cancel()
    await asyncio.gather(*holding, return_exceptions=True)
    await asyncio.sleep(3)
    last = measured(running)
    errors = [event["event"] for event in running.events if event.get("level") == "error"]
    status = await running.stop()
    unclean = [one for one in (*quiet, *loaded) if (one["outcome"], one["clean"]) != ("ready", True)]
    print(f"{sum(load.statuses.values())} requests in {took:.1f} s: " + _counted(load.statuses))
    print(f"answers other than described: {_counted(load.wrong) or 0}")
    print(f"milliseconds for an answer: {describe(load.times, '.0f')}")
    print(f"restarts under load: {len(loaded)}, not ready or not clean: {len(unclean)}; errors told: {len(errors)}")
    print(f"a restart, ms, before and under load: {_total(quiet)} and {_total(loaded)}")
    for name, (megabytes, descriptors, threads) in (("rest", rest), ("first", first), ("peak", peak), ("last", last)):
        print(f"supervisor at {name}: {megabytes:.1f} MB, {descriptors} descriptors, {threads} threads")
    project.is_left_alone()
    grown = last[0] - first[0] > GROWTH or last[1] > first[1] + 2
    return not (load.wrong or unclean or errors or grown) and status == 143


def _counted(counter: Counter[int] | Counter[str]) -> str:
    return ", ".join(f"{number} x {name}" for name, number in sorted(counter.items(), key=lambda item: -item[1]))


def _total(records: list[dict[str, object]]) -> str:
    return describe([float(str(one["total_ms"])) for one in records], ".0f")


async def _in_a_new_project(clients: int, requests: int, restarts: int) -> bool:
    with tempfile.TemporaryDirectory(prefix="bench-") as home, tempfile.TemporaryDirectory(prefix="run-") as runtime:
        project = Project(Path(home), Path(runtime))
        try:
            return await run(project, clients, requests, restarts)
        finally:
            await project.close()


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks control", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--clients", type=int, default=50, help="number of clients at the same time (%(default)s)")
    parser.add_argument("--requests", type=int, default=200, help="requests of each client (%(default)s)")
    parser.add_argument("--restarts", type=int, default=20, help="restarts meanwhile (%(default)s)")
    options = parser.parse_args(arguments)
    print(f"load before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores")
    return 0 if asyncio.run(_in_a_new_project(options.clients, options.requests, options.restarts)) else 1
