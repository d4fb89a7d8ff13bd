"""`scanonce logs`: what is shown of a log, as text and as JSON, from the past and as it comes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from supervisor.cli.moments import parse_moment
from supervisor.log.segments.format import OutputEncoder, encode_event
from supervisor.log.segments.rotation import Segments
from supervisor.system.runtime_dir import project_key
from tests.helpers import shell

pytestmark = pytest.mark.usefixtures("_signals_as_in_a_shell")

Put = Callable[..., None]


@pytest.fixture
def put(tmp_path: Path) -> Iterator[Put]:
    """Write output, or an event, so many seconds ago, to the log of the project `tmp_path`."""
    (tmp_path / "scanonce.toml").write_text('[log]\nfolder = "log"\n')
    segments = Segments(tmp_path / "log", project_key(tmp_path), max_size=5000, max_files=9)
    encoder = OutputEncoder("stdout")

    def write(what: bytes | str, *, ago: float = 0.0, **fields: object) -> None:
        at = time.time() - ago
        if isinstance(what, bytes):
            segments.write(encoder.encode(at, what))
        else:
            segments.write(encode_event(at, "info", what, fields))

    yield write
    segments.close()


def test_output_and_events_are_shown_with_their_local_time(tmp_path: Path, put: Put) -> None:
    put("bot.starting", command=["node", "index.js"], restarts=0)
    put("bot.started", pid=7)
    put(b"\x1b[32mhello\x1b[0m\n")
    ended = shell.invoke(tmp_path, "logs")
    first, second = ended.out.splitlines()
    assert first[24:] == " scanonce  starting node index.js"
    assert second[24:] == " \x1b[32mhello\x1b[0m", "the bot's colours are the bot's"
    moment = datetime.strptime(second[:23], "%Y-%m-%d %H:%M:%S.%f").astimezone()
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
    assert (ended.status, ended.err) == (0, "")


def test_what_is_asked_for_is_shown(tmp_path: Path, put: Put) -> None:
    put("bot.starting", command=["node"], restarts=0)
    put("bot.started", pid=7)
    put(b"hello\n")
    put("log.gap", bytes=5_000_000, problem="the disk was full")
    gap = "scanonce  5.0 MB of output missing here: the disk was full\n"
    assert shell.invoke(tmp_path, "logs", "--no-times", "--output").out == f"hello\n{gap}"
    assert shell.invoke(tmp_path, "logs", "--no-times", "--events").out == f"scanonce  starting node\n{gap}"
    assert "process 7" in shell.invoke(tmp_path, "logs", "--verbose").out
    assert shell.invoke(tmp_path, "logs", "--events", "--output").status == 2


def test_json_is_one_object_a_line(tmp_path: Path, put: Put) -> None:
    put("bot.started", pid=7)
    put(b"caf\xc3\xa9\n\xff\x1b\nrest")
    ended = shell.invoke(tmp_path, "logs", "--json", "--verbose")
    event, *lines = map(json.loads, ended.out.splitlines())
    assert list(event) == ["version", "ts", "level", "event", "pid"]
    for line in lines:
        assert line.pop("version") == 1
        assert datetime.fromisoformat(line.pop("ts")).tzinfo is not None
    assert lines == [
        {"stream": "stdout", "text": "caf\u00e9", "partial": False},
        {"stream": "stdout", "base64": "/xs=", "partial": False},
        {"stream": "stdout", "text": "rest", "partial": True},
    ]


def test_the_last_hundred_lines_are_shown_unless_told_otherwise(tmp_path: Path, put: Put) -> None:
    for number in range(150):
        put(b"%d\n" % number, ago=(150 - number) * 60)

    def numbers(*words: str) -> list[int]:
        return [int(number) for number in shell.invoke(tmp_path, "logs", "--no-times", *words).out.split()]

    assert numbers() == list(range(50, 150))
    assert numbers("-n", "3") == [147, 148, 149]
    assert numbers("-n", "all") == list(range(150))
    assert numbers("-n", "0") == []
    assert numbers("--since", "149.5min") == list(range(1, 150))
    assert numbers("--since", "90s") == [149]
    assert numbers("--since", "10min ago", "-n", "2") == [148, 149]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("10min", "2026-11-24T11:50"),
        ("1.5h", "2026-11-24T10:30"),
        ("2d ago", "2026-11-22T12:00"),
        ("2026-11-24", "2026-11-24T00:00"),
        ("2026-11-24T10:00", "2026-11-24T10:00"),
        ("2026-11-24 10:00:30", "2026-11-24T10:00:30"),
        ("10:30", "2026-11-24T10:30"),
        ("9:30:15", "2026-11-24T09:30:15"),
        ("13:00", "2026-11-23T13:00"),
    ],
)
def test_moments_are_written_as_people_do(text: str, moment: str) -> None:
    now = datetime(2026, 11, 24, 12).astimezone()
    assert parse_moment(text, now) == datetime.fromisoformat(moment).astimezone()


def test_a_moment_with_a_zone_is_taken_at_its_word() -> None:
    now = datetime(2026, 11, 24, 12).astimezone()
    assert parse_moment("2026-11-24T10:00:00Z", now) == datetime(2026, 11, 24, 10, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "10", "25:00", "2026-13-01", "10min10"])
def test_a_moment_that_is_none_is_refused_with_examples(tmp_path: Path, text: str) -> None:
    ended = shell.invoke(tmp_path, "logs", "--since", text)
    assert (ended.status, "such as 10min" in " ".join(ended.err.split())) == (2, True)


def test_a_number_that_is_none_is_refused(tmp_path: Path) -> None:
    ended = shell.invoke(tmp_path, "logs", "-n", "-5")
    assert ended.status == 2
    assert "expected a number" in ended.err


def test_without_a_log_it_says_how_to_have_one(tmp_path: Path, put: Put) -> None:
    ended = shell.invoke(tmp_path, "logs")
    assert (ended.status, ended.out) == (0, "")
    assert "There is no log of this project" in ended.err
    put(b"old\n", ago=60)
    assert "try another --since" in shell.invoke(tmp_path, "logs", "--since", "1s").err


def test_an_event_of_another_version_is_shown_as_it_stands(tmp_path: Path, put: Put) -> None:
    put("bot.new", text="a\x1b[2J")
    put("bot.crashed", other=1)
    out = shell.invoke(tmp_path, "logs", "--no-times").out
    assert out == 'scanonce  bot.new {"text": "a\\u001b[2J"}\nscanonce  bot.crashed {"other": 1}\n'


# -- following ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def following(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [shell.SCANONCE, "logs", "-f", "--no-times", *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        yield process
        process.kill()


def test_following_goes_on_across_files_until_ctrl_c(tmp_path: Path, put: Put) -> None:
    put(b"before\n")
    with following(tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"before\n"
        for number in range(200):
            put(b"%d\n" % number)
        assert [int(process.stdout.readline()) for _ in range(200)] == list(range(200))
        put(b"prompt: ")
        assert process.stdout.readline() == b"prompt: \n", "also what has no end, once nothing more comes"
        process.send_signal(signal.SIGINT)
        assert process.wait(shell.PATIENCE) == 130
        assert process.stderr.read() == b""


def test_following_can_begin_before_there_is_a_log(tmp_path: Path, put: Put) -> None:
    with following(tmp_path, "--json") as process:
        assert process.stdout is not None
        time.sleep(0.3)  # most likely it waits for the folder now; if not, the test is only easier to pass
        put(b"first\n")
        assert json.loads(process.stdout.readline())["text"] == "first"


def test_following_ends_when_its_own_reader_has_gone(tmp_path: Path, put: Put) -> None:
    put(b"one\n")
    with following(tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"one\n"
        process.stdout.close()
        process.wait(shell.PATIENCE)
        assert b"Traceback" not in process.stderr.read()


def test_a_pipe_that_is_closed_early_ends_it_quietly(tmp_path: Path, put: Put) -> None:
    for _ in range(2000):
        put(b"x" * 100 + b"\n")
    done = subprocess.run(
        f'"{shell.SCANONCE}" logs -n all | head -1',
        shell=True,
        cwd=tmp_path,
        env=dict(os.environ),
        capture_output=True,
        timeout=shell.PATIENCE,
        check=True,
    )
    assert done.stdout.endswith(b"x\n")
    assert done.stderr == b""
