"""The supervisor as its user meets it: signals and exit statuses, crashes, readiness, input and output."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import fcntl
import os
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from supervisor.bot.ownership import Territory
from supervisor.bot.run import Run
from supervisor.bot.stop import Stop
from supervisor.log import logger
from supervisor.log.events.registry import EVENTS
from supervisor.process import handle
from supervisor.process.spawn import CommandError
from supervisor.supervise import state_machine
from supervisor.supervise.inbox import Message, StepFailed
from supervisor.supervise.leftovers import Leftovers
from supervisor.supervise.preflight_gate import PreflightGate
from supervisor.supervise.restart import RestartSequence
from supervisor.supervise.session_tracker import SessionTracker
from supervisor.supervise.state_machine import Event, EventKind, Policy
from tests.helpers.command import Project, Running
from tests.helpers.inside import MakeInside
from tests.helpers.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

#: In production a bot that crashes three times is given up; the pauses are short.
CRASHES = """
[restart]
limit = 3
backoff_initial = "20ms"
"""


# -- signals -----------------------------------------------------------------------------------------------------------


#: Starts a command as a thread of a JVM does, for instance, with signals blocked or ignored.
_DEAF = """
import os, signal, sys
how, *command = sys.argv[1:]
if how == "blocked":
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
else:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)
os.execvp(command[0], command)
"""


@pytest.mark.parametrize("how", ["blocked", "ignored"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signals_are_received_whatever_our_caller_has_done_to_them(
    project: Project, how: str, number: signal.Signals
) -> None:
    deaf = [sys.executable, "-I", "-S", "-c", _DEAF, how]
    running = await project.start("run", f"browser={project.profile('1')}", prefix=deaf)
    await running.until("restart.done")
    await project.noted("bot", "up")
    assert await running.stop(number) == 128 + number
    assert project.notes("bot", "stop"), "the bot has received its signal too"
    assert running.events[-1]["clean"] is True
    project.is_left_alone()


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=lambda v: str(v)
)
async def test_each_signal_ends_in_the_same_clean_stop(project: Project, number: signal.Signals, status: int) -> None:
    running = await project.start("run", f"browser={project.profile('1')}")
    await running.until("restart.done")
    await project.noted("browser", "start")
    assert await running.stop(number) == status
    assert running.events[-1] | {"exit_code": status, "clean": True} == running.events[-1]
    assert running.all("supervisor.stopping")[0]["reason"] == number.name
    assert [note.what for note in project.notes() if note.what in {"clean", "stop"}] == ["clean", "stop"]
    project.is_left_alone()


@pytest.mark.parametrize("moment", ["supervisor.starting", "bot.starting", "bot.started"])
async def test_a_signal_is_not_lost_however_early_it_comes(project: Project, moment: str) -> None:
    running = await project.start("run")
    await running.until(moment)
    assert await running.stop() == 143
    project.is_left_alone()


def pending(pid: int, number: signal.Signals) -> bool:
    """Whether a signal has been sent to a process and not been taken yet."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    words = [line.split() for line in lines if line.startswith(("SigPnd:", "ShdPnd:"))]
    return any(int(mask, 16) >> (number - 1) & 1 for _, mask in words)


#: Neither the bot nor its browser does as it is asked, and both have all the time in the world.
DEAF = '[stop]\ngrace = "60s"\nidle = "off"\nclose_timeout = "60s"\nterm_timeout = "60s"\n'


@pytest.mark.parametrize(("requests", "least"), [(2, 0.7), (3, 0.0)], ids=["second", "third"])
async def test_the_second_ctrl_c_shortens_the_stop_and_the_third_kills(
    project: Project, requests: int, least: float
) -> None:
    project.configure(DEAF)
    browser = f"browser={project.profile('1')},deaf-int,deaf-term"
    running = await project.start("run", "deaf-term", *([browser] if requests == 3 else []))
    await running.until("restart.done")
    await project.noted("bot", "up")
    if requests == 3:
        await project.noted("browser", "start")
    began = time.monotonic()
    for _ in range(requests):
        running.process.send_signal(signal.SIGINT)
        await running.until("supervisor.stopping") if not running.all("supervisor.stopping") else None
        # Two signals of one kind that nobody has taken yet are one.
        await eventually(lambda: not pending(running.process.pid, signal.SIGINT))
    assert await running.ends() == 130
    assert time.monotonic() - began >= least
    assert running.events[-1]["clean"] is (requests == 2)
    project.is_left_alone()


async def test_a_supervisor_under_nohup_goes_on_when_its_terminal_is_closed(project: Project) -> None:
    async with project.supervised("dev", prefix=["sh", "-c", 'trap "" HUP; exec "$@"', "sh"]) as running:
        running.process.send_signal(signal.SIGHUP)
        project.touch("index.js")
        await running.until("restart.done", reason="change")


async def test_more_signals_than_needed_change_nothing_about_the_end(project: Project) -> None:
    running = await project.start("run", f"browser={project.profile('1')},slow=0.1")
    await project.noted("browser", "start")
    await running.until("browser.up")
    running.process.send_signal(signal.SIGINT)
    await running.until("supervisor.stopped")
    while running.process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.process.pid, signal.SIGINT)
        await asyncio.sleep(0.01)
    assert await running.ends() == 130
    assert not running.err, running.err.decode()


# -- one supervisor per project ----------------------------------------------------------------------------------------


async def test_a_second_supervisor_is_turned_away_and_the_first_is_not_disturbed(project: Project) -> None:
    async with project.supervised("run", f"browser={project.profile('1')}") as first:
        await project.noted("browser", "start")
        second = await project.start("dev", "write=never")
        assert await second.ends() == 5
        assert str(first.process.pid) in second.problems()
        assert not second.all("bot.starting")
        assert len(project.notes("bot", "start")) == 1
        assert len(first.all("bot.starting")) == 1


async def test_the_project_is_free_again_after_a_sudden_end(project: Project) -> None:
    first = await project.start("run")
    await first.until("restart.done")
    first.process.kill()
    await first.ends()
    async with project.supervised("run"):
        pass


# -- bots that end by themselves ---------------------------------------------------------------------------------------


async def recorded(project: Project, *options: str) -> list[tuple[str, str, str]]:
    """The restarts of the history: reason, detail and outcome."""
    command = [*project.scanonce("timings"), "--csv", "--starts", *options]
    done = await asyncio.to_thread(subprocess.run, command, cwd=project.folder, capture_output=True, check=True)
    rows = csv.DictReader(done.stdout.decode().splitlines())
    return [(row["reason"], row["detail"], row["outcome"]) for row in rows]


@pytest.mark.parametrize("words", ["die=9", "exit=1"])
async def test_a_restart_that_ends_in_a_crash_is_recorded_as_failed(project: Project, words: str) -> None:
    project.configure('[ready]\nmethod = "notify"\n')
    flag = project.home / "flag"
    script = f"when={flag}:{words.format(profile=project.profile('1'))}"
    running = await project.start("dev", script, "notify")
    await running.until("restart.done")
    flag.touch()
    project.touch("index.js")
    await running.until("bot.waiting")
    flag.unlink()
    project.touch("index.js")
    await running.until("restart.done", reason="change")
    assert await running.stop() == 143
    assert await recorded(project, "--outcome", "failed") == [("change", "index.js", "failed")]
    assert [outcome for *_, outcome in await recorded(project)] == ["ready", "failed", "ready"]


async def test_every_failed_try_in_production_is_recorded(project: Project) -> None:
    project.configure(CRASHES + '[ready]\nmethod = "notify"\n')
    running = await project.start("run", "exit=1")
    assert await running.ends() == 3
    crash = ("crash", "exit code 1", "failed")
    assert await recorded(project, "--outcome", "failed") == [("start", "", "failed"), crash, crash]


async def test_a_restart_that_is_overtaken_or_wanted_to_end_has_not_failed(project: Project) -> None:
    project.configure('[ready]\nmethod = "notify"\n')
    flag = project.home / "flag"
    running = await project.start("dev", f"when={flag}:exit=0")
    await project.noted("bot", "up")
    project.touch("index.js")  # before it is ready
    await running.until("bot.started")
    await running.until("bot.started")
    await project.noted("bot", "up", 2)
    flag.touch()
    project.touch("index.js")
    await running.until("bot.waiting")
    assert await running.stop() == 143
    assert await recorded(project) == []


async def test_a_crash_in_development_waits_for_the_next_change(project: Project) -> None:
    flag = project.touch("crash")
    running = await project.start("dev", f"when={flag}:exit=3")
    await running.until("bot.crashed", code=3)
    await running.until("bot.waiting")
    flag.unlink()
    project.touch("index.js")
    await running.until("restart.done", reason="change")
    await project.noted("bot", "up")
    assert await running.stop() == 143
    project.is_left_alone()


async def test_a_bot_that_has_done_its_work_in_development_has_not_crashed(project: Project) -> None:
    running = await project.start("dev", "exit=0")
    await running.until("bot.exited", code=0)
    await running.until("bot.waiting")
    assert await running.stop() == 143
    assert not running.all("bot.crashed")


@pytest.mark.parametrize(("ready", "status"), [(False, 3), (True, 4)], ids=["never ready", "ready before"])
async def test_a_crash_loop_in_production_is_given_up(project: Project, ready: bool, status: int) -> None:
    project.configure(CRASHES + '[ready]\nmethod = "notify"\n')
    running = await project.start("run", "notify" if ready else "exit=1")
    for _ in range(3 if ready else 0):
        await running.until("restart.done")
        os.kill(running.all("bot.started")[-1]["pid"], signal.SIGKILL)
    assert await running.ends() == status
    assert len(running.all("bot.crashed")) == 3
    first, second = (event["pause_s"] for event in running.all("bot.backoff"))
    assert [event["crashes"] for event in running.all("bot.backoff")] == [1, 2]
    assert first <= 0.1 <= 0.1 + second
    stopped = running.all("supervisor.stopped")[0]
    assert stopped["exit_code"] == status
    begun, ended = (datetime.fromisoformat(event["ts"]) for event in (running.all("bot.crashed")[0], stopped))
    assert timedelta(milliseconds=stopped["total_ms"]) < ended - begun, "the duration of the stop, not of the whole run"
    project.is_left_alone()


async def test_the_pauses_between_crashes_grow(project: Project) -> None:
    project.configure('[restart]\nlimit = 5\nbackoff_initial = "100ms"\nbackoff_max = "300ms"\n')
    running = await project.start("run", "die=9")
    await running.ends()
    pauses = [event["pause_s"] for event in running.all("bot.backoff")]
    assert len(pauses) == 4
    for pause, expected in zip(pauses, [0.1, 0.2, 0.3, 0.3], strict=True):
        assert abs(pause - expected) <= 0.2 * expected + 0.05
    assert [event["signal"] for event in running.all("bot.crashed")] == [9] * 5
    starts = [note.at / 1e9 for note in project.notes("bot", "start")]
    for earlier, later, pause in zip(starts, starts[1:], pauses, strict=False):
        assert later - earlier >= pause - 0.1


async def test_a_bot_that_never_becomes_ready_in_production_is_a_failure_like_a_crash(project: Project) -> None:
    text = '[ready]\nmethod = "output"\noutput = "never"\ntimeout = "200ms"\n[stop]\ngrace = "100ms"\n'
    project.configure(text + CRASHES)
    running = await project.start("run", f"browser={project.profile('1')}")
    assert await running.ends() == 3
    assert len(running.all("bot.not_ready")) == 3
    assert {event["outcome"] for event in running.all("restart.done")} == {"failed"}
    assert not running.problems()
    project.is_left_alone()


async def test_a_bot_that_becomes_ready_late_in_development_is_told_of_both_times(project: Project) -> None:
    project.configure('[ready]\nmethod = "output"\noutput = "come"\ntimeout = "100ms"\n')
    running = await project.start("dev", "after=0.5", "write=come")
    await running.until("bot.not_ready")
    await running.until("bot.ready")
    assert await running.stop() == 143
    assert len(running.all("restart.done")) == 1


async def test_a_bot_that_ends_on_purpose_ends_the_supervisor(project: Project) -> None:
    project.configure("[restart]\nno_restart_codes = [0, 78]\n")
    running = await project.start("run", "exit=78")
    assert await running.ends() == 78
    assert running.all("bot.exited")[0]["code"] == 78
    assert not running.all("bot.crashed")


async def test_a_pause_after_a_crash_ends_at_a_signal(project: Project) -> None:
    project.configure('[restart]\nbackoff_initial = "60s"\n')
    running = await project.start("run", "exit=1")
    await running.until("bot.backoff")
    assert await running.stop() == 143
    project.is_left_alone()


# -- readiness ---------------------------------------------------------------------------------------------------------


async def test_the_bots_own_word_counts(project: Project) -> None:
    project.configure("", quick=False)
    async with project.supervised("run", "notify") as running:
        pass
    assert running.all("bot.ready")[0]["method"] == "notify"


#: As xvfb-run does: starts a server that has something to say, and then the command.
_LAUNCHER = """#!/bin/sh
shift
PYTHON RUN bot child-tells=READY=1 child-tells=WATCHDOG=1 &
sleep 0.2
"$@"
kill $!
"""


@pytest.mark.parametrize("word", ["READY=1", "READY=1\nSTATUS=x", "STOPPING=1\nREADY=1\nMAINPID=1"])
@pytest.mark.parametrize("method", ["auto", "notify"])
async def test_the_word_of_a_program_that_the_bot_uses_does_not_count(project: Project, word: str, method: str) -> None:
    project.configure(f'[ready]\nmethod = "{method}"\nsettle = "1h"\n')
    running = await project.start("run", f"child-tells={word}", f"until={project.home / 'go'}", "notify")
    ignored = await running.until("bot.notification_ignored")
    assert ignored["pid"] != running.all("bot.started")[0]["pid"]
    assert not running.all("bot.ready")
    (project.home / "go").touch()
    assert (await running.until("bot.ready"))["method"] == "notify"
    assert await running.stop() == 143


async def test_behind_a_launcher_the_bots_own_word_counts_and_that_of_its_server_does_not(project: Project) -> None:
    project.configure('[ready]\nmethod = "notify"\n')
    launcher = project.home / "launch"
    run = project.bot()[-2]
    launcher.write_text(_LAUNCHER.replace("PYTHON", f"{project.bot()[0]} -I -S").replace("RUN", run))
    launcher.chmod(0o755)
    command = [str(launcher), "-a", *project.bot(f"until={project.home / 'go'}", "notify")]
    running = await project.start("run", command=command)
    await running.until("bot.notification_ignored")
    assert not running.all("bot.ready")
    (project.home / "go").touch()
    await running.until("bot.ready")
    assert await running.stop() == 143
    assert project.notes("bot", "term"), "the bot itself was asked"


async def test_behind_a_script_the_word_of_the_bot_counts_once_its_browser_is_there(project: Project) -> None:
    project.configure('[ready]\nmethod = "notify"\n')
    script = project.touch(
        "start.sh", shlex.join(project.bot("notify", f"until={project.home / 'go'}", f"browser={project.profile('1')}"))
    )
    running = await project.start("run", command=["sh", str(script)])
    await running.until("bot.notification_ignored")
    assert not running.all("bot.ready")
    (project.home / "go").touch()
    assert (await running.until("bot.ready"))["method"] == "notify"
    assert await running.stop() == 143


async def test_what_the_service_manager_told_us_is_not_for_the_bot(project: Project) -> None:
    ours = {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1000000", "SCANONCE_RUN_ID": "another"}
    async with project.supervised("run", "report-env", environment=ours):
        notes = [note.what for note in await project.noted("bot", "up") and project.notes("bot")]
    assert not [what for what in notes if what.startswith(("NOTIFY", "WATCHDOG"))]
    assert [what for what in notes if "RUN_ID" in what] != ["SCANONCE_RUN_ID=another"]


async def test_a_line_of_output_counts(project: Project) -> None:
    project.configure('[ready]\noutput = "^come .*d$"\n')
    async with project.supervised(
        "run", "write=come what may", "raw=636f6d6520", "after=0.05", "write=wind"
    ) as running:
        pass
    assert running.all("bot.ready")[0]["method"] == "output"
    assert bytes(running.out) == b"come what may\ncome wind\n"


async def test_a_url_that_answers_counts(project: Project) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        project.configure(f'[ready]\nhttp = "http://127.0.0.1:{port}/health"\n')
        async with project.supervised("run") as running:
            pass
    assert running.all("bot.ready")[0]["method"] == "http"


async def test_the_page_counts_and_a_qr_code_is_waited_for(project: Project) -> None:
    project.configure("", quick=False)
    profile = project.profile("1")
    profile.mkdir(parents=True)
    (profile / "page").write_text("UNPAIRED")
    async with project.supervised("run", f"browser={profile},devtools") as running:
        assert running.all("restart.done")[0]["outcome"] == "needs_link"
        assert running.all("session.needs_link")
        (profile / "page").write_text("CONNECTED")
        await running.until("session.linked")
    assert "ready" in {event["outcome"] for event in running.all("restart.done")} | {"ready"}


# -- output ------------------------------------------------------------------------------------------------------------


async def test_the_bots_output_passes_through_and_ours_stands_beside_it(project: Project) -> None:
    async with project.supervised("run", "raw=00ff80c30a", "err=heard") as running:
        await eventually(lambda: b"heard\n" in running.err)
    assert bytes(running.out) == b"\x00\xff\x80\xc3\n"
    assert bytes(running.err) == b"heard\n"
    assert {event["event"] for event in running.events} <= EVENTS.keys()


async def test_a_gigabyte_without_a_newline_is_searched_in_bounded_memory(project: Project) -> None:
    project.configure('[ready]\noutput = "never"\ntimeout = "60s"\n')
    running = await project.start("run", "fill=1000000000", stdout=subprocess.DEVNULL)
    await project.noted("bot", "up")
    assert psutil.Process(running.process.pid).memory_info().rss < 120_000_000
    assert await running.stop() == 143


async def test_a_reader_that_does_not_read_does_not_hold_up_the_stop(project: Project) -> None:
    project.configure('[stop]\ngrace = "100ms"\n')
    read, write = os.pipe()
    running = await project.start("run", f"browser={project.profile('1')}", "fill=10000000", stdout=write)
    os.close(write)
    await project.noted("browser", "start")
    await running.until("browser.up")
    assert await running.stop() == 143
    os.close(read)
    assert running.events[-1]["clean"] is True
    project.is_left_alone()


async def test_nobody_reads_what_we_say_and_still_all_goes_its_way(project: Project) -> None:
    read, write = os.pipe()
    command = [*project.scanonce("run"), *project.command([f"browser={project.profile('1')}", "fill=100000"])]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=project.folder, env=project.environment, stdin=subprocess.DEVNULL, stdout=write, stderr=write
    )
    os.close(write)
    os.close(read)
    try:
        await project.noted("browser", "start")
        await project.noted("bot", "up")
        process.terminate()
        async with asyncio.timeout(60):
            assert await process.wait() == 143
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert project.notes("browser", "clean")
    project.is_left_alone()


async def test_streams_that_our_caller_has_closed_are_nobody_elses(project: Project) -> None:
    """The next file that is opened would get the number of a closed one, and what the bot writes."""
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    running = await project.start("run", "write=out", "err=err", prefix=closed)
    await project.noted("bot", "up")
    streams = {os.readlink(f"/proc/{running.process.pid}/fd/{number}") for number in range(3)}  # noqa: PTH115
    assert streams == {os.devnull}
    assert await running.stop() == 143
    project.is_left_alone()


# -- input -------------------------------------------------------------------------------------------------------------


async def test_input_that_is_there_before_the_bot_reaches_it_and_so_does_its_end(project: Project) -> None:
    running = await project.start("run", "echo", stdin=subprocess.PIPE)
    assert running.process.stdin is not None
    running.process.stdin.write(b"hello\n")
    running.process.stdin.write_eof()
    await running.until_output(b"eof\n")
    assert bytes(running.out) == b"got hello\neof\n"
    assert await running.stop() == 143


async def test_input_goes_to_the_bot_that_runs_now(project: Project) -> None:
    running = await project.start("dev", "echo", stdin=subprocess.PIPE)
    assert running.process.stdin is not None
    await running.until("restart.done")
    running.process.stdin.write(b"one\n")
    await running.until_output(b"got one\n")
    await project.noted("bot", "up")
    project.touch("index.js")
    await running.until("restart.done", reason="change")
    running.process.stdin.write(b"rs\n")
    await running.until_output(b"got rs\n")
    running.process.stdin.write_eof()
    await running.until_output(b"eof\n")
    project.touch("index.js")
    await running.until("restart.done", reason="change")
    await eventually(lambda: running.out.count(b"eof\n") == 2, "the end of input holds for every bot to come")
    assert await running.stop() == 143


class Terminal:
    """A terminal that a person sits at."""

    def __init__(self) -> None:
        self.ours, self.theirs = os.openpty()
        os.set_blocking(self.ours, False)
        self.shown = bytearray()

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, line: bytes) -> None:
        os.write(self.ours, line)

    def shows(self, text: bytes) -> bool:
        while True:
            try:
                self.shown += os.read(self.ours, 65536)
            except BlockingIOError:
                return text in self.shown


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal()
    yield opened
    os.close(opened.ours)
    os.close(opened.theirs)


async def on(terminal: Terminal, project: Project, *words: str) -> Running:
    """The supervisor on a terminal; its own lines go elsewhere."""
    return await project.start("dev", *words, stdin=terminal.theirs, stdout=terminal.theirs)


async def test_on_a_terminal_keys_are_ours_and_all_else_is_the_bots(project: Project, terminal: Terminal) -> None:
    running = await on(terminal, project, "echo", "write=on")
    await eventually(lambda: terminal.shows(b"on\r\n"))
    terminal.type(b"hello\n")
    await eventually(lambda: terminal.shows(b"got hello\r\n"))
    assert terminal.shown.count(b"hello") == 2, "once as it was typed, once as the bot's answer"
    await project.noted("bot", "up")
    terminal.type(b"rs\n")
    await running.until("restart.requested", reason="key")
    await running.until("restart.done", reason="key")
    await project.noted("bot", "up", 2)
    terminal.type(b"q\n")
    assert await running.ends() == 0
    assert b"got rs" not in terminal.shown
    project.is_left_alone()


async def test_a_line_for_no_bot_does_not_hold_up_the_keys(project: Project, terminal: Terminal) -> None:
    running = await on(terminal, project, "exit=1")
    await running.until("bot.waiting")
    terminal.type(b"hello\n")
    terminal.type(b"q\n")
    assert await running.ends() == 0


async def test_the_bot_is_told_of_the_new_size_of_the_terminal(project: Project, terminal: Terminal) -> None:
    terminal.resize(80, 24)
    running = await on(terminal, project, "report-size")
    await project.noted("bot", "up")
    terminal.resize(132, 43)
    running.process.send_signal(signal.SIGWINCH)
    await project.noted("bot", "size", 2)
    assert [note.more for note in project.notes("bot", "size")] == ["80x24", "132x43"]
    assert await running.stop() == 143


# -- faults of our own: in this process --------------------------------------------------------------------------------


async def fail(*_: object, **__: object) -> None:
    raise KeyError("a fault of our own")


@pytest.mark.parametrize(
    ("place", "name", "failures"),
    [
        pytest.param(RestartSequence, "stop", 1, id="the stop, once"),
        pytest.param(RestartSequence, "stop", 9, id="the stop, again and again"),
        pytest.param(Stop, "suspend", 9, id="a step of the stop"),
        pytest.param(Leftovers, "plan_stop", 9, id="the plan of the stop"),
        pytest.param(Territory, "living", 9, id="the look at the bot's processes"),
        pytest.param(Leftovers, "note", 9, id="the report on the stop"),
        pytest.param(SessionTracker, "note_stop", 9, id="an action"),
        pytest.param(PreflightGate, "hand_over", 9, id="what both kinds of stop begin with"),
        pytest.param(state_machine, "step", 1, id="the table"),
    ],
)
async def test_an_error_of_our_own_ends_the_bot_cleanly_and_is_reported(
    project: Project, inside: MakeInside, monkeypatch: pytest.MonkeyPatch, place: Any, name: str, failures: int
) -> None:
    left = iter(range(failures))
    rightly = getattr(place, name)

    def fail_at_first(*args: Any, **more: Any) -> Any:
        if next(left, None) is None:
            return rightly(*args, **more)
        raise FileNotFoundError(2, "a fault of our own")

    one = inside(f"browser={project.profile('1')}")
    running = asyncio.create_task(one.run())
    (browser,) = await project.noted("browser", "start")
    await project.noted("bot", "up")
    await eventually(lambda: one.told("restart.done"), "the bot is up")
    monkeypatch.setattr(place, name, fail_at_first)
    one.supervisor.quit("SIGTERM", 143)
    assert await running == 70
    assert "internal error: FileNotFoundError" in str(one.told("error")[0]["problem"])
    assert one.told("supervisor.stopped")[0]["exit_code"] == 70
    assert one.told("supervisor.stopped")[0]["clean"] is True
    assert [note.pid for note in project.notes("browser", "clean")] == [browser.pid]
    project.is_left_alone()


@pytest.mark.parametrize("sink", ["history", "log"])
async def test_a_report_that_fails_does_not_leave_the_bot_running(
    project: Project, inside: MakeInside, sink: str
) -> None:
    def fail_to_report(name: str, _fields: object) -> None:
        if sink == "log" or name in {"browser.closed", "supervisor.stopping"}:
            raise OSError(28, "No space left on device")

    one = inside(f"browser={project.profile('1')}")
    running = asyncio.create_task(one.run())
    await project.noted("browser", "start")
    await project.noted("bot", "up")
    await eventually(lambda: one.told("restart.done"), "the bot is up")
    forget = logger.subscribe(fail_to_report)
    try:
        one.inbox.post(StepFailed(KeyError("a fault of our own")))
        with contextlib.suppress(OSError):
            assert await running == 70
    finally:
        forget()
    assert project.notes("browser", "clean")
    project.is_left_alone()


async def test_a_supervisor_that_is_cancelled_does_not_leave_the_bot_running(
    project: Project, inside: MakeInside
) -> None:
    one = inside(f"browser={project.profile('1')}")
    running = asyncio.create_task(one.run())
    await project.noted("browser", "start")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert project.notes("browser", "clean")
    project.is_left_alone()


async def test_work_on_the_profiles_that_fails_does_not_leave_us_waiting_for_it(
    inside: MakeInside, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = inside()
    monkeypatch.setattr(RestartSequence, "prepare", fail)
    assert await one.run() == 70
    assert not one.told("bot.starting")


async def test_a_change_that_waits_while_the_command_breaks_does_no_harm(
    project: Project, inside: MakeInside, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = inside()
    monkeypatch.setattr(Run, "_spawn", broken)
    post = one.inbox.post

    def post_with_change(message: Message) -> None:
        post(message)
        if isinstance(message, Event) and message.kind is EventKind.PREPARED:
            one.inbox.changed("index.js")

    monkeypatch.setattr(one.inbox, "post", post_with_change)
    assert await one.run() == 127
    assert [fields["problem"] for fields in one.told("error")] == ["node was not found"]


def broken(*_: object) -> None:
    raise CommandError("node was not found", 127)


async def test_a_request_to_end_from_before_the_first_step_is_kept(inside: MakeInside) -> None:
    one = inside()
    one.interrupt()
    assert await one.run() == 130
    assert not one.told("bot.starting")


async def test_a_runtime_folder_that_is_removed_does_not_keep_the_bot_from_being_restarted(
    project: Project, inside: MakeInside
) -> None:
    one = inside("report-env")
    running = asyncio.create_task(one.run())
    await project.noted("bot", "up")
    project.runtime.joinpath("changes").unlink()
    project.runtime.rmdir()
    one.supervisor.restart("key")
    await project.noted("bot", "up", 2)
    one.supervisor.quit("test")
    assert await running == 0
    assert not one.told("error")


async def test_requests_that_come_in_one_moment_count_each(project: Project, inside: MakeInside) -> None:
    project.configure(DEAF)
    one = inside("deaf-term")
    running = asyncio.create_task(one.run())
    await project.noted("bot", "up")
    for _ in range(3):
        one.interrupt()
    assert await running == 130


async def test_a_restart_and_the_end_of_a_start_in_one_moment_do_no_harm(project: Project, inside: MakeInside) -> None:
    project.configure('[ready]\nmethod = "notify"\n')
    one = inside()
    running = asyncio.create_task(one.run())
    await project.noted("bot", "up")
    run = one.slot.run
    assert run is not None
    one.supervisor.restart("key")
    run.judge()
    run._signal("notify")
    await eventually(lambda: len(project.notes("bot", "up")) == 2)
    one.supervisor.quit("test")
    assert await running == 0
    assert not one.told("error")
    assert not one.told("restart.done"), "the first start was over before it was, the second is not over yet"


async def test_the_status_of_a_bot_that_runs_and_of_one_that_waits(project: Project, inside: MakeInside) -> None:
    project.configure("", quick=False)
    one = inside(f"browser={project.profile('1')},devtools")
    running = asyncio.create_task(one.run())
    await eventually(lambda: one.told("bot.ready"))
    await eventually(lambda: list(one.supervisor._tracker.planned_snapshots()))
    run = one.slot.run
    assert run is not None
    status = await one.supervisor.status()
    assert (status.phase, status.pid, status.bot_pid, status.restarts) == ("up", os.getpid(), run.child.pid, 0)
    assert status.uptime_s is not None
    assert [(session.id, session.state) for session in status.sessions] == [("1", "ready")]
    assert status.sessions[0].since is not None
    assert status.last_restart is not None
    assert (status.last_restart.reason, status.last_restart.outcome) == ("start", "ready")
    assert status.memory.processes >= 2
    assert status.memory.tree > status.memory.processes * 100_000
    assert [(planned.what, planned.session) for planned in status.planned] == [("snapshot", "1")]
    assert 0 < status.planned[0].in_s <= 60
    one.supervisor.quit("test")
    assert await running == 0
    ended = await one.supervisor.status()
    assert (ended.bot_pid, ended.uptime_s, ended.memory.processes, ended.planned) == (None, None, 0, [])
    assert [session.state for session in ended.sessions] == ["closed"]


async def test_thousands_of_crashes_do_not_overflow_the_pause(project: Project, inside: MakeInside) -> None:
    project.configure('[restart]\nlimit = 100000\nbackoff_max = "20ms"\nbackoff_initial = "10ms"\n')
    one = inside("exit=1", policy=Policy(rest_after_exit=False, limit=100_000))
    one.supervisor._state = replace(one.supervisor._state, streak=3000)
    one.supervisor._start_backoff()
    assert one.supervisor._timers[0].when() - asyncio.get_running_loop().time() < 0.03
    one.supervisor._cancel_timers()


async def test_without_pidfds_and_without_a_subreaper_the_cycle_is_the_same(
    project: Project, inside: MakeInside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS: orphans leave the tree and are found by their mark, and processes are held by their start time."""
    monkeypatch.setattr(handle, "_HANDLE", handle.PsutilHandle)
    project.configure('[stop]\ngrace = "100ms"\n')
    one = inside(f"browser={project.profile('1')}", "orphans=1", "children=1")
    running = asyncio.create_task(one.run())
    await eventually(lambda: one.told("browser.up"))
    await project.noted("browser", "start")
    await project.noted("bot", "up")
    one.supervisor.restart("key")
    await project.noted("browser", "start", 2)
    await project.noted("bot", "up", 2)
    one.supervisor.quit("SIGTERM", 143)
    assert await running == 143
    assert [note.pid for note in project.notes("browser", "clean")] == [
        note.pid for note in project.notes("browser", "start")
    ]
    assert not one.told("error")
    project.is_left_alone()
