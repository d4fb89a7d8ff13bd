"""A bot that floods its output while nobody reads, or the disk is full: how long is it held up, and at what cost?

    python -m benchmarks output --seconds 10 --rate 200

The scripted bot writes 64 KiB at a time, at the given rate, in turns with: a reader that reads, none that reads, one
stream for the bot's output and ours that nobody reads, log files that cannot be written, and a webhook whose endpoint
hangs. Its every write is timed.
In the midst of it all the bot crashes once and is started again. The first line is for comparison: the same bot in a
pipe to `cat`, with no supervisor. The status is 1 if a write took longer than `--bar`, or a stop was not clean.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.launchers import describe
from tests.fake.command import Note, Project

_RETRY = '[restart]\nbackoff_initial = "20ms"\n'
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Case:
    """One way for output to go wrong."""

    name: str
    read: bool = False
    joined: bool = False
    configuration: str = ""
    told: bool = False
    """A webhook is to be told of each start, and its endpoint takes the connection and never answers."""


CASES = (
    Case("a reader that reads", read=True),
    Case("nobody reads"),
    Case("nobody reads, one stream for both", joined=True),
    Case("nobody reads, no room for log files", configuration='[log]\nfolder = "/dev/full/log"\n'),
    Case("a webhook whose endpoint hangs", read=True, told=True),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a case: of each flood the longest write in milliseconds, and the megabytes that were written."""

    longest: list[float]
    written: list[float]
    peak: float
    """MB that the supervisor held at most."""
    stop: float
    """Seconds from SIGTERM to its exit."""
    status: int


@contextlib.contextmanager
def hanging() -> Iterator[str]:
    """The configuration for an endpoint that never answers, and for a message at each start."""
    with socket.create_server(("127.0.0.1", 0)) as server:  # the system takes connections, and nobody the requests
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        yield (
            f'[notify]\nwebhooks = ["{url}"]\nevery = "0s"\ntimeout = "1min"\n'
            '[timing]\ntarget_low = "1ms"\ntarget_high = "2ms"\n'
        )


@contextlib.contextmanager
def output(*, read: bool) -> Iterator[int]:
    """The end of a pipe to write to; somebody reads it, or nobody."""
    reader, writer = os.pipe()
    process = subprocess.Popen(["cat"], stdin=reader, stdout=subprocess.DEVNULL) if read else None
    try:
        yield writer
    finally:
        os.close(writer)
        os.close(reader)
        if process is not None:
            process.wait()


async def measure(case: Case, seconds: float, rate: float) -> Result:
    """Run one case in a folder of its own."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="output-")))
        project = Project(folder, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="o-"))))
        notify = stack.enter_context(hanging()) if case.told else ""
        project.configure(_RETRY + case.configuration + notify)
        writer = stack.enter_context(output(read=case.read))
        flag = project.touch("crash")
        prefix = ["sh", "-c", 'exec "$@" 2>&1', "sh"] if case.joined else []
        words = [f"flood={seconds},1,{rate}", f"when={flag}:die=9"]
        running = await project.start("run", *words, stdout=writer, prefix=prefix)
        try:
            await project.noted("bot", "flooded", deadline=seconds + _PATIENCE)
            flag.unlink()
            floods = await project.noted("bot", "flooded", 2, deadline=seconds + _PATIENCE)
            peak = _peak(running.process.pid)
            began = time.monotonic()
            status = await running.stop(deadline=_PATIENCE)
            return Result(*_numbers(floods), peak, time.monotonic() - began, status)
        finally:
            await project.close()


def alone(seconds: float, rate: float) -> tuple[list[float], list[float]]:
    """The same bot without a supervisor, in a pipe to `cat`."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="output-")))
        project = Project(folder, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="o-"))))
        writer = stack.enter_context(output(read=True))
        command = project.bot(f"flood={seconds},1,{rate}", "exit=0")
        subprocess.run(command, env=project.environment, stdout=writer, check=True)
        return _numbers(project.notes("bot", "flooded"))


def _numbers(floods: list[Note]) -> tuple[list[float], list[float]]:
    pairs = [note.more.split() for note in floods]
    return [float(longest) for longest, _ in pairs], [float(written) for _, written in pairs]


def _peak(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1000 for line in status.splitlines() if line.startswith("VmHWM"))


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks output", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each flood; two for each case (%(default)s)")
    parser.add_argument("--rate", type=float, default=200.0, help="megabytes a second that the bot tries (%(default)s)")
    parser.add_argument("--bar", type=float, default=100.0, help="milliseconds a write may take (%(default)s)")
    options = parser.parse_args(arguments)
    print(f"load before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores")
    longest, written = alone(options.seconds, options.rate)
    print(f"in a pipe to cat: longest write {max(longest):.0f} ms, {sum(written):.0f} MB")
    good = True
    for case in CASES:
        result = asyncio.run(measure(case, options.seconds, options.rate))
        clean = result.status == 143
        good &= clean and max(result.longest) < options.bar
        print(
            f"{case.name}: longest write, ms: {describe(result.longest, '.0f')}; {sum(result.written):.0f} MB; "
            f"peak {result.peak:.1f} MB; {'clean' if clean else 'unclean'} stop in {result.stop:.2f} s"
        )
    print(f"load after: {os.getloadavg()[0]:.2f}")
    return 0 if good else 1
