"""A bot that floods its output while nothing reads it, or the disk is full: how long its writes take.

    python -m benchmarks output --seconds 10 --rate 200

The scripted bot, which has a browser, writes 64 KiB at a time, at the given rate, in each of these cases: a reader that
reads; no reader; a stopped reader (SIGSTOP); one stream, without a reader, for the bot's output and scanonce's lines;
a stopped `scanonce logs -f`; log files that cannot be written; a disk of 4 MB for the project and the log, which the
flood fills; standard output in a file on such a disk; and a webhook whose endpoint hangs. Every write is timed.

In each case the bot crashes once and is started again. The first line is for comparison: the same bot in a pipe to
`cat`, without a supervisor. The status is 1 if a write took longer than `--bar`, or a restart or the stop was not
clean. Only root can mount a small disk; other users skip the two cases that need it, which the output reports.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.launchers import describe
from tests.helpers.command import Note, Project, Running
from tests.helpers.disk import SmallDisk, small_disk
from tests.helpers.waiting import eventually

_RETRY = '[restart]\nbackoff_initial = "20ms"\n'
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of obstacle for the output."""

    name: str
    reader: Literal["cat", "nobody", "stopped", "file"] = "nobody"
    """The reader of our standard output; or it goes into a file on the small disk."""
    joined: bool = False
    configuration: str = ""
    told: bool = False
    """A webhook is configured for each start; its endpoint accepts the connection and never answers."""
    followed: bool = False
    """`scanonce logs -f` runs with a pipe that is not read, and is stopped."""
    small: bool = False
    """The project and the log are on a disk of 4 MB."""


CASES = (
    Case("a reader that reads", "cat"),
    Case("nobody reads"),
    Case("a reader that is stopped", "stopped"),
    Case("nobody reads, one stream for both", joined=True),
    Case("a reader that reads, a stopped logs -f", "cat", followed=True),
    Case("nobody reads, no room for log files", configuration='[log]\nfolder = "/dev/full/log"\n'),
    Case("nobody reads, the disk full under project and log", small=True),
    Case("output into a file on a full disk", "file", small=True),
    Case("a webhook whose endpoint hangs", "cat", told=True),
)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a case: for each flood the longest write in milliseconds, and the megabytes written."""

    longest: list[float]
    written: list[float]
    peak: float
    """Maximum memory of the supervisor in MB."""
    restart: float
    """Seconds from the crash until the bot was up again."""
    stop: float
    """Seconds from SIGTERM to its exit."""
    clean: bool
    """Whether it ended as requested, and no browser was lost."""


@contextlib.contextmanager
def hanging() -> Iterator[str]:
    """The configuration for an endpoint that never answers, with a message at each start."""
    with socket.create_server(("127.0.0.1", 0)) as server:  # the system accepts connections, but no request is read
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        yield (
            f'[notify]\nwebhooks = ["{url}"]\nevery = "0s"\ntimeout = "1min"\n'
            '[timing]\ntarget_low = "1ms"\ntarget_high = "2ms"\n'
        )


@contextlib.contextmanager
def output(reader: str, disk: SmallDisk | None) -> Iterator[int]:
    """The destination of our output: a pipe with or without a reader, or a file."""
    if reader == "file":
        assert disk is not None
        with (disk.folder / "output").open("wb") as file:
            yield file.fileno()
        return
    theirs, ours = os.pipe()
    process = None if reader == "nobody" else subprocess.Popen(["cat"], stdin=theirs, stdout=subprocess.DEVNULL)
    try:
        if process is not None and reader == "stopped":
            process.send_signal(signal.SIGSTOP)
        yield ours
    finally:
        os.close(ours)
        os.close(theirs)
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.wait()


@contextlib.contextmanager
def follower(project: Project) -> Iterator[Callable[[], None]]:
    """`scanonce logs -f` with an unread pipe; yields a function that waits for its first byte, then stops it."""
    theirs, ours = os.pipe()
    words = project.scanonce("logs", "-f", "--lines", "all")
    process = subprocess.Popen(words, cwd=project.folder, env=project.environment, stdout=ours)
    os.close(ours)

    def stop() -> None:
        os.read(theirs, 1)
        process.send_signal(signal.SIGSTOP)

    try:
        yield stop
    finally:
        process.kill()
        process.wait()
        os.close(theirs)


async def measure(case: Case, seconds: float, rate: float) -> Result | str:
    """Run one case in a folder of its own; returns the reason if it cannot be run."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="output-")))
        project = Project(folder, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="o-"))))
        configuration = _RETRY + case.configuration
        disk = stack.enter_context(small_disk(folder / "disk")) if case.small else None
        if disk is not None:
            if disk.why_not is not None:
                return f"no small disk could be mounted: {disk.why_not}"
            project.folder = disk.folder / "project"
            project.folder.mkdir()
            configuration += f'[log]\nfolder = "{disk.folder / "log"}"\n'
        notify = stack.enter_context(hanging()) if case.told else ""
        project.configure(configuration + notify)
        writer = stack.enter_context(output(case.reader, disk))
        flag = project.home / "crash"
        flag.touch()
        prefix = ["sh", "-c", 'exec "$@" 2>&1', "sh"] if case.joined else []
        words = [f"browser={project.home / 'session-1'}", f"flood={seconds},1,{rate}", f"when={flag}:die=9"]
        stop = stack.enter_context(follower(project)) if case.followed else lambda: None
        running = await project.start("run", *words, stdout=writer, prefix=prefix)
        try:
            result, _ = await asyncio.gather(_watch(project, running, flag, seconds), asyncio.to_thread(stop))
            return result
        finally:
            await project.close()


async def _watch(project: Project, running: Running, flag: Path, seconds: float) -> Result:
    """Wait for two floods, with a crash between them, and then for a stop."""
    await project.noted("bot", "flooded", deadline=seconds + _PATIENCE)
    flag.unlink()  # noqa: ASYNC240 - one file, and what is measured runs in other processes
    floods = await project.noted("bot", "flooded", 2, deadline=seconds + _PATIENCE)
    _, second = await project.noted("bot", "start", 2)
    peak = _peak(running.process.pid)
    began = time.monotonic()
    status = await running.stop(deadline=_PATIENCE)
    stop = time.monotonic() - began
    await eventually(lambda: not project.living("bot") and not project.living("browser"))
    opened, closed = len(project.notes("browser", "start")), len(project.notes("browser", "clean"))
    clean = status == 143 and opened == closed and len(floods) == 2
    return Result(*_numbers(floods), peak, (second.at - floods[0].at) / 1e9, stop, clean)


def alone(seconds: float, rate: float) -> tuple[list[float], list[float]]:
    """Run the same bot without a supervisor, in a pipe to `cat`."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="output-")))
        project = Project(folder, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="o-"))))
        writer = stack.enter_context(output("cat", None))
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
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="duration of each flood; two per case (%(default)s)"
    )
    parser.add_argument(
        "--rate", type=float, default=200.0, help="megabytes a second that the bot tries to write (%(default)s)"
    )
    parser.add_argument("--bar", type=float, default=100.0, help="limit for a write in milliseconds (%(default)s)")
    parser.add_argument("--only", default="", metavar="TEXT", help="run only the cases with this text in their name")
    options = parser.parse_args(arguments)
    print(f"load before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores")
    longest, written = alone(options.seconds, options.rate)
    print(f"in a pipe to cat: longest write {max(longest):.0f} ms, {sum(written):.0f} MB")
    good = True
    for case in (case for case in CASES if options.only in case.name):
        load = os.getloadavg()[0]
        result = asyncio.run(measure(case, options.seconds, options.rate))
        if isinstance(result, str):
            print(f"{case.name}: left out, {result}", flush=True)
            continue
        good &= result.clean and max(result.longest) < options.bar
        print(
            f"{case.name}: longest write, ms: {describe(result.longest, '.0f')}; {sum(result.written):.0f} MB; "
            f"peak {result.peak:.1f} MB; up again {result.restart:.2f} s after the crash; "
            f"{'clean' if result.clean else 'UNCLEAN'} stop in {result.stop:.2f} s; load {load:.1f}",
            flush=True,
        )
    print(f"load after: {os.getloadavg()[0]:.2f}")
    return 0 if good else 1
