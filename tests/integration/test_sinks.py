"""A bot in production is never held up by what becomes of its output, and its output is kept."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supervisor.config.modes import Mode
from supervisor.config.sections.log import LogConfig
from supervisor.log.segments.reader import Line, LogReader, Note
from supervisor.log.sinks import OutputSinks
from supervisor.system.async_writer import AsyncWriter, Loss, LossCounter
from supervisor.system.runtime_dir import project_key
from tests.helpers.command import Project, Running
from tests.helpers.waiting import eventually

MEMORY_KB = 75_000


def peak(running: Running) -> int:
    """The most memory that a process ever held, in KiB."""
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def kept(project: Project) -> tuple[bytes, list[str]]:
    """The bot's output, and the names of the events, that the project's log holds."""
    reader = LogReader(project.home / "state" / "scanonce" / "log", project_key(project.folder))
    entries = list(reader.read(flush=True))
    reader.close()
    lines = [entry.data for entry in entries if isinstance(entry, Line)]
    return b"\n".join(lines), [entry.fields["event"] for entry in entries if isinstance(entry, Note)]


@pytest.fixture
def unread() -> Iterator[int]:
    """The end for writers of a pipe that nobody reads."""
    reader, writer = os.pipe()
    yield writer
    os.close(reader)
    os.close(writer)


@pytest.fixture
def full_disk() -> Iterator[int]:
    """A file on a disk that is full."""
    with Path("/dev/full").open("wb") as file:
        yield file.fileno()


async def test_a_bot_that_floods_an_output_that_nobody_reads_is_not_held_up(project: Project, unread: int) -> None:
    project.configure('[restart]\nbackoff_initial = "20ms"\n')
    flag = project.touch("crash")
    running = await project.start("run", "flood=0.7", f"when={flag}:die=9", stdout=unread)
    await running.until("bot.crashed")
    flag.unlink()
    await project.noted("bot", "up")
    # Nobody ever reads: a bot that waited for it would never have come to the end of its flood. How long a write may
    # take is for `python -m benchmarks output`.
    assert len(project.notes("bot", "flooded")) == 2, "the restart is as it always is"
    assert peak(running) < MEMORY_KB
    assert await running.stop() == 143
    assert running.events[-1]["clean"] is True
    assert running.all("output.dropping")[0]["where"] in {"stdout", "log"}
    dropped = {event["where"]: event["bytes"] for event in running.all("output.dropped")}
    assert dropped["stdout"] > 10**6
    project.is_left_alone()


async def test_our_own_lines_on_the_same_clogged_stream_hold_nobody_up(project: Project, unread: int) -> None:
    project.configure('[restart]\nbackoff_initial = "20ms"\n')
    flag = project.touch("crash")
    joined = ["sh", "-c", 'exec "$@" 2>&1', "sh"]
    words = ["flood=0.1", "flood=0.1,2", f"when={flag}:die=9"]
    running = await project.start("run", *words, stdout=unread, prefix=joined)
    await project.noted("bot", "flooded", 2)
    flag.unlink()
    await project.noted("bot", "up")
    assert await running.stop() == 143
    _, events = kept(project)
    assert events[-1] == "supervisor.stopped", "the log has what could not be said"
    project.is_left_alone()


async def test_what_the_bot_writes_is_kept_with_what_happens_to_it(project: Project) -> None:
    async with project.supervised("run", "write=hello", "raw=ff00fe0a", "err=oh") as running:
        await running.until_output(b"hello\n\xff\x00\xfe\n")
    text, events = kept(project)
    assert sorted(text.split(b"\n")) == sorted([b"hello", b"\xff\x00\xfe", b"oh"])
    assert events[0] == "supervisor.starting"
    assert events[-1] == "supervisor.stopped"


async def test_in_development_nothing_is_kept_unless_it_is_asked_for(project: Project) -> None:
    in_development, in_production = (
        OutputSinks(project.folder, "key", LogConfig(files=mode is Mode.RUN), mode) for mode in Mode
    )
    assert len(in_development.listeners()) == len(in_production.listeners()) - 1
    project.configure("[log]\nfiles = true\n")
    async with project.supervised("dev", "write=hello") as running:
        await running.until_output(b"hello\n")
    assert kept(project)[0] == b"hello"


async def test_a_log_that_cannot_be_written_is_told_and_changes_nothing(project: Project) -> None:
    project.touch("file")
    project.configure('[log]\nfolder = "file/log"\n')
    async with project.supervised("run", "write=hello") as running:
        await running.until_output(b"hello\n")
        await eventually(lambda: running.all("output.dropping"))
        assert "Not a directory" in running.all("output.dropping")[0]["problem"]


async def test_standard_output_on_a_full_disk_is_told_and_changes_nothing(project: Project, full_disk: int) -> None:
    async with project.supervised("run", "write=hello", stdout=full_disk) as running:
        await eventually(lambda: running.all("output.dropping"))
        (event,) = running.all("output.dropping")
        assert (event["where"], event["problem"]) == ("stdout", "No space left on device")
    assert kept(project)[0] == b"hello"


# -- the outlet itself -------------------------------------------------------------------------------------------------


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            continue


def put_all(outlet: AsyncWriter, count: int, size: int = 10_000) -> float:
    """Put so many pieces; returns the longest time that one took, in seconds."""
    longest = 0.0
    for _ in range(count):
        began = time.monotonic()
        outlet.put(bytes(size))
        longest = max(longest, time.monotonic() - began)
    return longest


def drain(fd: int, wanted: Callable[[int], bool]) -> int:
    """Read until enough has been read; returns how much that is."""
    read = 0
    while not wanted(read):
        read += len(os.read(fd, 65536))
    return read


def test_what_finds_no_room_is_counted_and_the_rest_arrives_whole(pipe: tuple[int, int]) -> None:
    told: list[Loss] = []
    outlet = AsyncWriter(pipe[1], LossCounter("stdout", told.append, calm=0.0), room=100_000, patience=0.02)
    assert put_all(outlet, 100) < 10, "none of them waits for the reader"
    assert told == [Loss("stdout", "it is not being read", 0)]
    # The pipe has 65536 bytes, and what is being written is among the 100 000 that wait.
    taken = drain(pipe[0], lambda read: read >= 100_000)
    outlet.flush(10.0)
    os.set_blocking(pipe[0], False)
    taken += sum(len(piece) for piece in iter(lambda: _read(pipe[0]), b""))
    outlet.close(10.0)
    assert told[-1] == Loss("stdout", None, 1_000_000 - taken)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except BlockingIOError:
        return b""


def test_a_reader_that_is_merely_slow_is_waited_for(pipe: tuple[int, int]) -> None:
    told: list[Loss] = []
    outlet = AsyncWriter(pipe[1], LossCounter("stdout", told.append), room=100_000, patience=10.0)
    reading = threading.Thread(target=drain, args=(pipe[0], lambda read: read == 1_000_000))
    reading.start()
    put_all(outlet, 100)
    outlet.close(10.0)
    reading.join(10.0)
    assert not reading.is_alive()
    assert told == []


def test_a_reader_that_has_gone_costs_nothing_and_is_no_loss(pipe: tuple[int, int]) -> None:
    told: list[Loss] = []
    outlet = AsyncWriter(pipe[1], LossCounter("stdout", told.append), room=100_000, patience=1.0)
    os.close(pipe[0])
    assert put_all(outlet, 1000) < 1.0
    outlet.close(10.0)
    assert told == []


def test_a_piece_larger_than_the_room_is_taken_if_nothing_else_waits(pipe: tuple[int, int]) -> None:
    outlet = AsyncWriter(pipe[1], room=1000)
    outlet.put(bytes(200_000))
    assert drain(pipe[0], lambda read: read == 200_000)
    outlet.close(10.0)
