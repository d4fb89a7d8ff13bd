"""Whoever gives something to the recorder never waits, whatever the disk does; and what is lost is counted."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supervisor.log.segments import writer as module
from supervisor.log.segments.reader import Line, LogReader, Note
from supervisor.log.segments.rotation import Segments
from supervisor.log.segments.writer import LogWriter
from supervisor.system.async_writer import Loss, LossCounter
from tests.unit.log.segments.conftest import KEY

PATIENCE = 60.0


class Disk(Segments):
    """Files on a disk that can be held up, or be full."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, KEY, max_size=10**8, max_files=2)
        self.goes = threading.Event()
        self.goes.set()
        self.full = False
        self.refused = threading.Event()
        self.fails = threading.Event()
        self.fails.set()

    def write(self, line: bytes) -> None:
        assert self.goes.wait(PATIENCE)
        if self.full:
            self.refused.set()
            assert self.fails.wait(PATIENCE)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write(line)


@pytest.fixture
def disk(folder: Path) -> Disk:
    return Disk(folder)


@pytest.fixture
def losses() -> list[Loss]:
    return []


@pytest.fixture
def recorder(disk: Disk, losses: list[Loss], monkeypatch: pytest.MonkeyPatch) -> Iterator[LogWriter]:
    monkeypatch.setattr(module, "_RETRY", 0.01)
    made = LogWriter(disk, LossCounter("log", losses.append, calm=0.0), room=100_000)
    yield made
    disk.goes.set()
    made.close(PATIENCE)


def read(folder: Path) -> tuple[bytes, list[Note]]:
    reader = LogReader(folder, KEY)
    entries = list(reader.read(flush=True))
    reader.close()
    return b"".join(entry.data for entry in entries if isinstance(entry, Line)), [
        entry for entry in entries if isinstance(entry, Note)
    ]


def until(met: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_output_and_events_are_kept_in_their_order(recorder: LogWriter, folder: Path) -> None:
    recorder.event("info", "bot.started", {"pid": 7})
    recorder.output("stdout", b"caf\xc3")
    recorder.output("stderr", b"\xff")
    recorder.close(PATIENCE)
    text, notes = read(folder)
    assert text == b"caf\xff\xc3" or sorted(text) == sorted(b"caf\xff\xc3")
    assert [note.fields["pid"] for note in notes] == [7]


def test_a_disk_that_hangs_holds_nobody_up_and_the_gap_is_marked(
    recorder: LogWriter, disk: Disk, losses: list[Loss], folder: Path
) -> None:
    disk.goes.clear()
    longest = 0.0
    for _ in range(1000):
        began = time.monotonic()
        recorder.output("stdout", b"x" * 1000)
        longest = max(longest, time.monotonic() - began)
    assert longest < 10, "it hangs for ever"
    assert [(loss.where, loss.problem) for loss in losses] == [("log", "the disk is slower than the bot")]
    disk.goes.set()
    until(lambda: recorder._size == 0)
    recorder.output("stdout", b"after")
    recorder.close(PATIENCE)
    text, (gap,) = read(folder)
    kept = text.count(b"x")
    assert 50_000 < kept <= 100_000, "as much as there is room for"
    assert gap.fields["bytes"] == 1_000_000 - kept
    assert text.endswith(b"after")
    assert losses[-1] == Loss("log", None, 1_000_000 - kept)


def test_a_full_disk_is_told_once_and_what_waits_is_written_when_there_is_room(
    recorder: LogWriter, disk: Disk, losses: list[Loss], folder: Path
) -> None:
    disk.full = True
    for number in range(50):
        recorder.output("stdout", b"%d\n" % number)
    assert disk.refused.wait(PATIENCE)
    until(lambda: losses)
    time.sleep(0.05)  # several tries; a shorter time would only make the test easier to pass
    assert losses == [Loss("log", "No space left on device", 0)]
    disk.full = False
    until(lambda: len(losses) == 2)
    assert losses[1] == Loss("log", None, 0)
    recorder.close(PATIENCE)
    assert read(folder)[0] == b"".join(b"%d" % number for number in range(50))


def test_a_disk_that_stays_full_does_not_hold_up_the_end(recorder: LogWriter, disk: Disk) -> None:
    disk.full = True
    recorder.output("stdout", b"lost")
    assert disk.refused.wait(PATIENCE)
    recorder.close(3600.0)  # or the test would not end


def test_the_end_is_one_more_try(
    recorder: LogWriter, disk: Disk, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RETRY", 3600.0)
    disk.full = True
    recorder.output("stdout", b"kept")
    assert disk.refused.wait(PATIENCE)
    disk.full = False
    recorder.close(PATIENCE)
    assert read(folder)[0] == b"kept"


def test_an_end_that_comes_while_a_try_fails_is_one_more(
    recorder: LogWriter, disk: Disk, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RETRY", 3600.0)
    disk.full = True
    disk.fails.clear()
    recorder.output("stdout", b"kept")
    assert disk.refused.wait(PATIENCE)
    disk.full = False
    end = threading.Thread(target=recorder.close, args=(PATIENCE,))
    end.start()
    until(lambda: recorder._closed)
    disk.fails.set()
    end.join()
    assert read(folder)[0] == b"kept"


def test_floods_of_the_smallest_pieces_are_bounded_too(recorder: LogWriter, disk: Disk) -> None:
    disk.goes.clear()
    for _ in range(5000):
        recorder.output("stdout", b"x")
        recorder.event("info", "bot.started", {"pid": 7})
    assert len(recorder._items) < 1000
