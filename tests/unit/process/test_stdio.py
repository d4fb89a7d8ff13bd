"""What the bot writes arrives as it was written, whatever our own streams are and whoever reads them."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from supervisor.process.child import Child
from supervisor.process.reaper import Reaper
from supervisor.process.spawn import SpawnSpec
from tests import ROOT
from tests.helpers.waiting import DEADLINE
from tests.unit.process.conftest import python

_DRIVER = Path(__file__).with_name("passing.py")

Pass = Callable[..., subprocess.Popen[bytes]]


class Terminal:
    """A terminal of ours: the end that a terminal program would have, and the end that programs have."""

    def __init__(self) -> None:
        self.ours, self.theirs = os.openpty()

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read_until(self, text: bytes) -> bytes:
        """Read what arrives until it holds a text."""
        read = b""
        while text not in read:
            read += os.read(self.ours, 65536)
        return read

    def close(self) -> None:
        os.close(self.ours)
        os.close(self.theirs)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal()
    yield opened
    opened.close()


@pytest.fixture
def passing(tmp_path: Path) -> Iterator[Pass]:
    """Start a command with its streams wired through the driver."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str, **streams: int | None) -> subprocess.Popen[bytes]:
        driver = [sys.executable, str(_DRIVER), str(tmp_path / "report"), *command]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(driver, cwd=tmp_path, env=environment, **({"stdin": -3} | streams))  # type: ignore[call-overload]
        started.append(process)
        return process  # type: ignore[no-any-return]

    yield start
    for process in started:
        for descendant in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else ():
            descendant.kill()
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def report(folder: Path) -> tuple[float, int]:
    """How many seconds letting go took, and the most memory that was used, in KiB."""
    took, peak = (folder / "report").read_text().split()
    return float(took), int(peak)


ALL_BYTES = bytes(range(256)) * 300


def test_bytes_pass_through_pipes_untouched(passing: Pass) -> None:
    code = "import sys; sys.stderr.buffer.write(b'err\\xff\\n'); sys.stdout.buffer.write(bytes(range(256)) * 300)"
    process = passing(*python(code), stdout=-1, stderr=-1)
    assert process.communicate(timeout=DEADLINE) == (ALL_BYTES, b"err\xff\n")
    assert process.returncode == 0


def test_a_gigabyte_without_a_newline_takes_no_memory(passing: Pass, tmp_path: Path) -> None:
    process = passing("head", "-c", "1000000000", "/dev/zero", stdout=-1)
    assert process.stdout is not None
    read = 0
    while chunk := os.read(process.stdout.fileno(), 1 << 20):
        read += len(chunk)
    assert process.wait(DEADLINE) == 0
    assert read == 10**9
    assert report(tmp_path)[1] < 60_000


def test_a_bot_goes_on_when_our_reader_has_gone(passing: Pass, tmp_path: Path) -> None:
    code = "import os; [os.write(fd, bytes(65536)) for fd in (1, 2) for _ in range(100)]; open('done', 'w')"
    process = passing(*python(code), stdout=-1, stderr=-1)
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()
    assert process.wait(DEADLINE) == 0
    assert (tmp_path / "done").exists()


def test_a_reader_that_does_not_read_does_not_hold_up_the_end(passing: Pass, tmp_path: Path) -> None:
    """The bot dies while its output is stuck on the way."""
    code = "import os; open('on', 'w'); [os.write(1, bytes(65536)) for _ in range(100)]"
    process = passing(*python(code), stdout=-1)
    deadline = time.monotonic() + DEADLINE
    while not (tmp_path / "on").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (bot,) = psutil.Process(process.pid).children()
    bot.kill()
    assert process.wait(DEADLINE) == 256 - signal.SIGKILL
    assert report(tmp_path)[0] < 10, "it would wait for ever"


def test_a_stream_of_ours_that_somebody_made_non_blocking_loses_nothing(passing: Pass) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    process = passing("head", "-c", "5000000", "/dev/zero", stdout=write)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        time.sleep(0.1)  # the pipe fills up; a shorter time would only make the test easier to pass
        assert len(stream.read()) == 5_000_000
    assert process.wait(DEADLINE) == 0


REPORT_TERMINAL = """
import os, sys
print([os.isatty(fd) for fd in (0, 1, 2)], tuple(os.get_terminal_size(1)), end='\\x1b[32m.\\x1b[0m\\n', flush=True)
"""


def test_on_a_terminal_the_bot_has_one_too_of_the_same_size(passing: Pass, terminal: Terminal) -> None:
    terminal.resize(132, 43)
    process = passing(*python(REPORT_TERMINAL), stdin=terminal.theirs, stdout=terminal.theirs, stderr=terminal.theirs)
    expected = b"[True, True, True] (132, 43)\x1b[32m.\x1b[0m\r\n"
    assert terminal.read_until(b"\n") == expected, "with the one carriage return that our own terminal adds"
    assert process.wait(DEADLINE) == 0


def test_a_stream_that_is_no_terminal_of_ours_is_none_of_the_bots(passing: Pass, terminal: Terminal) -> None:
    code = "import os; os.write(1, b'out\\n'); os.write(2, str([os.isatty(fd) for fd in (0, 1, 2)]).encode() + b'\\n')"
    process = passing(*python(code), stdout=terminal.theirs, stderr=-1)
    assert terminal.read_until(b"\n") == b"out\r\n"
    assert process.stderr is not None
    assert process.stderr.read() == b"[False, True, False]\n"
    assert process.wait(DEADLINE) == 0


def test_the_bot_learns_the_new_size_of_our_terminal(passing: Pass, terminal: Terminal) -> None:
    terminal.resize(80, 24)
    code = (
        "import os, sys\n"
        "while sys.stdout.write(f'{os.get_terminal_size(1).columns} ') and not sys.stdout.flush():\n"
        "    import time; time.sleep(0.01)"
    )
    process = passing(*python(code), stdout=terminal.theirs)
    terminal.read_until(b"80 80")
    terminal.resize(120, 40)
    process.send_signal(signal.SIGWINCH)
    terminal.read_until(b"120 120")


def test_what_is_written_at_the_very_end_arrives(passing: Pass, terminal: Terminal) -> None:
    process = passing("sh", "-c", "printf last", stdout=terminal.theirs)
    assert terminal.read_until(b"last") == b"last"
    assert process.wait(DEADLINE) == 0


# -- input: in this process, whose standard output is a file while tests run -------------------------------------------


@pytest.fixture
def cat(tmp_path: Path) -> Child:
    """A bot that copies its input to a file, and ends with it."""
    return start("cat > copy", tmp_path)


def start(script: str, directory: Path) -> Child:
    return Child.spawn(SpawnSpec(["/bin/sh", "-c", script], directory, os.environ), reaper=Reaper())


async def test_input_reaches_the_bot_and_so_does_its_end(cat: Child, tmp_path: Path) -> None:
    cat.stdio.write(ALL_BYTES)
    cat.stdio.end_input()
    assert await cat.wait() == 0
    cat.release()
    assert (tmp_path / "copy").read_bytes() == ALL_BYTES


async def test_input_for_a_bot_that_is_gone_is_dropped(cat: Child) -> None:
    cat.handle.kill()
    await cat.wait()
    cat.stdio.write(b"x" * 200_000)
    cat.release()
    cat.stdio.write(b"x")
    cat.stdio.end_input()


async def test_a_bot_that_does_not_read_holds_up_nobody_but_its_input(tmp_path: Path) -> None:
    child = start("exec sleep 600", tmp_path)
    writing = threading.Thread(target=child.stdio.write, args=(b"x" * 500_000,))
    writing.start()
    child.handle.kill()
    await child.wait()
    child.release()
    writing.join(DEADLINE)
    assert not writing.is_alive()
