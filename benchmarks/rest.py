"""The supervisor at rest: processor time and wake-ups beside the linked example bot.

    python -m benchmarks rest --seconds 60

Runs `scanonce dev` and `scanonce run` at once, and reports every thread that wakes up. The measurement begins some time
after the start, when the first live snapshot has been taken.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.launchers import Launched, link_once
from tests.helpers.shell import SCANONCE

#: The commands that stay.
MODES = ("dev", "run")


@dataclass(frozen=True, slots=True)
class Work:
    """The work of one thread so far."""

    wakes: int
    seconds: float


def work(pid: int) -> dict[int, Work]:
    """The work of each thread of a process, by its id (proc_pid_status(5), `schedstat`)."""
    found = {}
    for folder in Path(f"/proc/{pid}/task").iterdir():
        status = (folder / "status").read_text()
        wakes = int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
        found[int(folder.name)] = Work(wakes, int((folder / "schedstat").read_text().split()[0]) / 1e9)
    return found


def compare(pid: int, before: Mapping[int, Work], after: Mapping[int, Work], seconds: float) -> str:
    """The work done between two samples as text, the main thread first."""
    none = Work(0, 0.0)
    share = 100 * sum(work.seconds - before.get(thread, none).seconds for thread, work in after.items()) / seconds
    wakes = {thread: (work.wakes - before.get(thread, none).wakes) * 60 / seconds for thread, work in after.items()}
    others = [f"{number:.0f}" for thread, number in wakes.items() if thread != pid and number]
    return (
        f"{share:.3f} % of one core; wake-ups a minute: {wakes[pid]:.0f} of the main thread, "
        f"{' + '.join(others) or 0} of {len(after) - 1} others"
    )


async def run(home: Path, after: float, seconds: float) -> None:
    """Start both commands, wait, and measure."""
    linked = await link_once(home / "linked", home / "linked-tmp")
    async with AsyncExitStack() as stack:
        launched = {}
        for mode in MODES:
            command = (str(SCANONCE), mode, "--log-format=json", "--", "node", "index.js")
            one = await Launched.start("scanonce", home / mode, linked, home / f"{mode}-tmp", command=command)
            stack.push_async_callback(one.stop)
            launched[mode] = one
        await asyncio.sleep(after)
        pids = {mode: one.process.pid for mode, one in launched.items()}
        before = {mode: work(pid) for mode, pid in pids.items()}
        await asyncio.sleep(seconds)
        for mode, pid in pids.items():
            print(f"{mode}: {compare(pid, before[mode], work(pid), seconds)}; {launched[mode].rss():.1f} MB")


def main(arguments: list[str]) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks rest", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--after", type=float, default=90.0, help="seconds from the start until the measurement (%(default)s)"
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="duration of the measurement in seconds (%(default)s)"
    )
    options = parser.parse_args(arguments)
    print(f"load before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        asyncio.run(run(Path(home), options.after, options.seconds))
    print(f"load after: {os.getloadavg()[0]:.2f}")
