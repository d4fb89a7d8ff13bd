"""scanonce's own lines: what they look like, and that nothing that happens to the output reaches the caller."""

import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor.log import logger
from supervisor.log.logger import configure, emit, flush, subscribe
from supervisor.log.stream import LineWriter

pty = pytest.importorskip("pty", reason="the terminals and pipes of these tests are POSIX")

DONE: dict[str, Any] = {
    "reason": "change",
    "outcome": "ready",
    "phases_ms": {"close": 80, "boot": 300},
    "total_ms": 380,
    "target": "ahead",
    "target_low_s": 5.0,
    "target_high_s": 10.0,
    "clean": True,
    "kind": "cold",
}


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Leave the output as the other tests expect it: not yet configured."""
    yield
    logger._log = logger._writer = None


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


# -- the console -----------------------------------------------------------------------------------------------------


def test_the_console_has_one_short_line_for_each_event(output: io.StringIO) -> None:
    configure("console", output)
    emit("session.linked", session="15551234567")
    emit("restart.done", **DONE)
    assert output.getvalue() == (
        "scanonce  session 15551234567 is linked\nscanonce  back online in 0.4 s  (slowest: boot 0.3)\n"
    )


def test_all_phases_are_for_those_who_ask_for_details(output: io.StringIO) -> None:
    configure("console", output, verbose=True)
    emit("restart.done", **DONE)
    assert output.getvalue() == "scanonce  back online in 0.38 s  (close 0.08  boot 0.30)  target 5-10 s: ahead\n"


@pytest.mark.parametrize(
    ("written", "between"),
    [
        (b"done\n", ""),
        (b"password? ", "\n"),
        (b"done\n\x1b[0m", ""),
        (b"\x1b[31mpassword? \x1b[0m", "\n"),
        (b"loading 90%\r", "\n"),
        (b"\x1b[0m", ""),
    ],
)
@pytest.mark.parametrize("form", ["console", "json"])
def test_a_line_begins_on_a_line_of_its_own(tmp_path: Path, written: bytes, between: str, form: Any) -> None:
    with (tmp_path / "log").open("w+") as file:
        configure(form, file)
        note = logger.note_output(file.fileno())
        assert note is not None
        os.write(file.fileno(), written)
        note(written)
        emit("session.linked", session="1")
        emit("session.linked", session="2")
        flush(1.0)
    lines = (tmp_path / "log").read_bytes().removeprefix(written).decode()
    assert re.fullmatch(between + r"[^\n]+\n[^\n]+\n", lines)


def test_output_to_another_place_does_not_matter(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file, (tmp_path / "other").open("w") as other:
        configure("console", file)
        assert logger.note_output(other.fileno()) is None
        other.close()
        assert logger.note_output(file.fileno()) is not None


def test_a_long_line_is_broken_between_words_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "24")
    master, slave = pty.openpty()
    with os.fdopen(master, "rb") as screen, os.fdopen(slave, "w") as terminal:
        configure("console", terminal, color=False)
        emit(
            "error",
            problem="a few words and then /a/path/that/is/longer/than/all/of/the/columns/of/this/terminal",
            remedy="go",
        )
        shown = os.read(screen.fileno(), 4096).decode().split("\r\n")
    assert shown == [
        "scanonce  a few words and then",
        "          /a/path/that/is/longer/than/all/of/the/columns/of/this/terminal;",
        "          go",
        "",
    ]


def test_automatic_is_plain_on_a_terminal_and_json_elsewhere(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    with os.fdopen(master, "rb") as screen, os.fdopen(slave, "w") as terminal:
        configure("auto", terminal, color=False)
        assert logger.for_people()
        emit("session.linked", session="1")
        assert os.read(screen.fileno(), 4096).startswith(b"scanonce  ")
    with (tmp_path / "log").open("w+") as file:
        configure("auto", file)
        assert not logger.for_people()
        emit("session.linked", session="1")
    assert json.loads((tmp_path / "log").read_text())["event"] == "session.linked"


@pytest.mark.parametrize(
    ("code", "said"), [(0, "stopped"), (130, "stopped"), (143, "stopped"), (3, "stopped, exit code 3")]
)
def test_a_stop_that_was_asked_for_is_no_failure(output: io.StringIO, code: int, said: str) -> None:
    configure("console", output)
    emit("supervisor.stopped", exit_code=code, clean=True, total_ms=5)
    assert output.getvalue() == f"scanonce  {said}\n"


def test_details_are_for_the_log_unless_asked_for(output: io.StringIO) -> None:
    configure("console", output)
    emit("bot.started", pid=7)
    emit("session.state", session="1", state="OPENING")
    assert output.getvalue() == ""
    configure("console", output, verbose=True)
    emit("bot.started", pid=7)
    emit("session.state", session="1", state="OPENING")
    assert output.getvalue().count("\n") == 2


@pytest.mark.parametrize(
    ("event", "fields", "tint"),
    [
        ("bot.stuck", {"pids": [1]}, "31"),
        ("browser.lost", {"pid": 1, "profile": "p"}, "33"),
        ("session.linked", {"session": "1"}, "32"),
        ("watch.started", {"paths": ["."], "poll": False}, None),
        ("restart.done", DONE, "32"),
        ("restart.done", {**DONE, "target": "over"}, "33"),
        ("restart.done", {**DONE, "target": None, "outcome": "needs_link"}, "33"),
        ("restart.done", {**DONE, "target": None, "outcome": "failed"}, "31"),
    ],
)
def test_colour_tells_good_news_from_bad(output: io.StringIO, event: Any, fields: Any, tint: str | None) -> None:
    configure("console", output, color=True)
    emit(event, **fields)
    prefix, _, sentence = output.getvalue().partition("  ")
    assert prefix == "\x1b[2mscanonce\x1b[0m"
    assert re.findall(r"\x1b\[(\d+)m", sentence) == ([tint, "0"] if tint else [])


@pytest.mark.parametrize(
    ("environment", "colored"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_only_a_terminal_gets_colour_and_only_if_it_wants_it(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], colored: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, os.fdopen(ours, "rb", buffering=0) as screen:
        configure("console", terminal)
        emit("session.linked", session="1")
        assert (b"\x1b[" in screen.read(1000)) is colored


def test_a_file_gets_no_colour(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+") as file:
        configure("console", file)
        emit("bot.stuck", pids=[1])
        assert "\x1b" not in (tmp_path / "log").read_text()


def test_progress_stays_in_one_line_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, os.fdopen(ours, "rb", buffering=0) as screen:
        configure("console", terminal, color=False)
        for done in (500_000_000, 1_500_000_000):
            emit("session.progress", session="1", doing="restoring", bytes_done=done, bytes_total=2_000_000_000)
        emit("session.linked", session="1")
        shown = ""
        while not shown.endswith("\n"):
            shown += screen.read(1000).decode()
    erase = "\r\x1b[K"
    assert shown == (
        f"{erase}scanonce  session 1: restoring [#####...............] 25% o\r"
        f"{erase}scanonce  session 1: restoring [###############.....] 75% o\r"
        f"{erase}scanonce  session 1 is linked\r\n"
    )


def test_progress_in_a_file_is_a_line_like_any_other(output: io.StringIO) -> None:
    configure("console", output)
    emit("session.progress", session="1", doing="restoring", bytes_done=5, bytes_total=0)
    assert output.getvalue() == "scanonce  session 1: restoring [####################] 100% of 0 MB\n"


def test_text_from_outside_cannot_drive_the_terminal(output: io.StringIO) -> None:
    configure("console", output)
    emit("watch.change", paths=["x"])
    emit("restart.requested", reason="change", detail="a\x1b]0;title\x07\n\u202e\udcffb.js é")
    assert output.getvalue() == "scanonce  restarting (change: a\\x1b]0;title\\x07\\n\\u202e\\udcffb.js é)\n"


def test_in_the_journal_each_line_carries_its_level_and_no_colour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file stands for the journal's socket: what counts is that it is the one that JOURNAL_STREAM names."""
    for name, told in (("journal", "<3>scanonce  "), ("file", "scanonce  ")):
        with (tmp_path / name).open("w") as stream:
            if name == "journal":
                status = os.fstat(stream.fileno())
                monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
            configure("console", stream, color=True if name == "journal" else None)
            emit("error", problem="p")
            configure("json", stream)
            emit("error", problem="p")
        said, as_json = (tmp_path / name).read_text().splitlines()
        assert said == f"{told}p"
        assert json.loads(as_json)["problem"] == "p"


# -- JSON ------------------------------------------------------------------------------------------------------------


def test_json_is_one_object_a_line_with_the_same_keys_first(output: io.StringIO) -> None:
    configure("json", output)
    emit("restart.done", **DONE)
    emit("bot.started", pid=7)
    done, started = map(json.loads, output.getvalue().splitlines())
    assert list(done)[:3] == ["ts", "level", "event"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", done.pop("ts"))
    assert done == {"level": "info", "event": "restart.done", **DONE}
    assert (started["event"], started["pid"]) == ("bot.started", 7)


def test_json_leaves_debug_out_unless_asked_for(output: io.StringIO) -> None:
    configure("json", output)
    emit("snapshot.skipped", session="1", reason="not linked")
    configure("json", output, verbose=True)
    emit("snapshot.skipped", session="2", reason="not linked")
    (line,) = output.getvalue().splitlines()
    assert json.loads(line)["session"] == "2"


def test_fields_that_are_not_known_are_left_out(output: io.StringIO) -> None:
    configure("json", output)
    emit("restart.requested", reason="key", detail=None)
    assert set(json.loads(output.getvalue())) == {"ts", "level", "event", "reason"}


@pytest.mark.parametrize(
    "text", ["a\udcff.js", 'quote " back \\ \\udcff', "line\nend\u2028", "\U0001f600 é \x1b", "\x00"]
)
def test_json_is_strict_utf8_whatever_the_text(tmp_path: Path, text: str) -> None:
    file = tmp_path / "log"
    with file.open("w", encoding="ascii") as stream:
        configure("json", stream)
        emit("error", problem=text)
    (line, end) = file.read_bytes().split(b"\n")
    assert end == b""
    assert json.loads(line.decode("utf-8"))["problem"] == text.replace("\udcff", "\\udcff")


# -- emit ------------------------------------------------------------------------------------------------------------


def test_a_mistake_of_the_program_is_an_error(output: io.StringIO) -> None:
    configure("console", output)
    with pytest.raises(LookupError, match=r"event 'bot\.reday' is not in the registry"):
        emit("bot.reday")
    with pytest.raises(TypeError, match=r"event session\.linked: sesion unknown, session missing"):
        emit("session.linked", sesion="1")
    with pytest.raises(TypeError, match="session missing"):
        emit("session.linked", session=None)
    assert output.getvalue() == ""


def test_subscribers_hear_every_event_until_they_leave(output: io.StringIO) -> None:
    configure("console", output)
    heard: list[tuple[str, Any]] = []
    leave = subscribe(lambda name, fields: heard.append((name, fields)))
    emit("session.state", session="1", state="OPENING")
    emit("restart.requested", reason="key", detail=None)
    leave()
    emit("session.linked", session="1")
    assert heard == [
        ("session.state", {"session": "1", "state": "OPENING"}),
        ("restart.requested", {"reason": "key"}),
    ]


def test_without_configuration_lines_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    emit("session.linked", session="1")
    assert capsys.readouterr() == ("", "scanonce  session 1 is linked\n")


# -- whatever becomes of the output ----------------------------------------------------------------------------------


def closed_stream() -> io.TextIOBase:
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w")
    stream.close()
    return stream


def pipe_without_reader() -> io.TextIOBase:
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def full_disk() -> io.TextIOBase:
    return Path("/dev/full").open("w")


def closed_in_memory() -> io.TextIOBase:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("make", [closed_stream, pipe_without_reader, full_disk, closed_in_memory])
@pytest.mark.parametrize("form", ["console", "json"])
def test_a_broken_output_never_raises(make: Callable[[], Any], form: Any) -> None:
    if make is full_disk and not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    stream = make()
    configure(form, stream)
    for _ in range(3):
        emit("session.linked", session="1")
    logger.flush(0.0)
    stream.close()


def test_a_program_without_standard_error_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    configure("console")
    emit("session.linked", session="1")
    logger.flush()


def read_all(fd: int) -> bytes:
    """What is in a pipe now."""
    os.set_blocking(fd, False)
    content = b""
    try:
        while piece := os.read(fd, 65536):
            content += piece
    except BlockingIOError:
        pass
    return content


def fill(fd: int) -> int:
    """Leave no room in a pipe; returns the number of bytes it took."""
    filled = 0
    os.set_blocking(fd, False)
    try:
        while True:
            filled += os.write(fd, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(fd, True)
        return filled


@pytest.mark.parametrize("blocking", [True, False])
def test_a_reader_that_stands_still_is_not_waited_for_and_no_line_is_torn(blocking: bool) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, blocking)
    with os.fdopen(writer, "w") as stream:
        configure("json", stream)
        sent = 3000
        began = time.monotonic()
        for number in range(sent):
            emit("bot.stuck", pids=[number] * 20)
        assert time.monotonic() - began < 30
        text = b""
        while piece := read_all(reader):
            text += piece
            logger.flush(0.0)
        emit("bot.stuck", pids=[sent])
        text += read_all(reader)
    os.close(reader)
    got = [json.loads(line)["pids"][0] for line in text.splitlines()]
    assert got[-1] == sent
    assert got[:-1] == list(range(len(got) - 1)), "lines are dropped from the end only, and whole"
    assert (256 + 16) * 1024 <= len(text) < sent * 150, "some were kept, some had to go"


def test_what_waits_is_written_once_the_reader_goes_on() -> None:
    reader, writer = os.pipe()
    filled = fill(writer)
    with os.fdopen(writer, "w") as stream:
        lines = LineWriter(stream)
        lines.msg("late")
        assert len(read_all(reader)) == filled
        lines.flush(5.0)
        assert read_all(reader) == b"late\n"
    os.close(reader)


def test_a_line_longer_than_a_pipe_holds_comes_out_whole() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        lines = LineWriter(stream)
        lines.msg("é" * 100_000)
        text = b""
        while piece := read_all(reader):
            text += piece
            lines.flush(0.0)
    os.close(reader)
    assert text.decode() == "é" * 100_000 + "\n"


def test_a_stopped_terminal_is_not_waited_for() -> None:
    ours, theirs = pty.openpty()
    os.write(ours, b"\x13")  # Ctrl+S
    with os.fdopen(theirs, "w") as terminal:
        configure("console", terminal, color=False)
        began = time.monotonic()
        emit("session.linked", session="1")
        assert time.monotonic() - began < 30
        os.write(ours, b"\x11")  # Ctrl+Q
        logger.flush(60.0)
        shown = os.read(ours, 1000)
    os.close(ours)
    assert b"session 1 is linked" in shown


def test_the_last_words_are_written_at_exit() -> None:
    code = (
        "import os, sys\n"
        "from supervisor.log import logger as logs\n"
        "logs.configure('console', os.fdopen(int(sys.argv[1]), 'w'))\n"
        "logs.emit('supervisor.stopping', reason='test')\n"
        "print('said', flush=True)\n"
    )
    reader, writer = os.pipe()
    fill(writer)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(writer)], stdout=subprocess.PIPE, pass_fds=[writer]
    ) as program:
        assert program.stdout is not None
        os.close(writer)
        assert program.stdout.readline() == b"said\n"
        with os.fdopen(reader, "rb") as everything:
            assert everything.read().lstrip(b"x") == b"scanonce  stopping (test)\n"
    assert program.returncode == 0


def test_rich_stays_out_of_the_supervisor() -> None:
    code = (
        "import sys, supervisor.log.logger\n"
        "assert 'structlog' in sys.modules\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('rich', 'pygments')]\n"
        "import rich.console\n"
        "rich.console.Console(file=open('/dev/null', 'w')).print('rich still works')\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=30, check=True)
