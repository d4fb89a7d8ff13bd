"""Stops and restarts through the real command: whatever the bot is like, it is never there twice and loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from supervisor.bot import stop as bot_stop
from supervisor.bot.stop import Stop, Stopped
from supervisor.browser.close import CloseResult
from supervisor.config.sections.stop import StopConfig
from supervisor.process.suspend import Suspension
from supervisor.process.table import descendants
from supervisor.process.terminate import Urgency
from supervisor.supervise.ongoing import OngoingRestart
from supervisor.supervise.restart import RestartSequence
from tests import ROOT
from tests.helpers.command import AHEAD, Project, Running
from tests.helpers.journal import lives
from tests.helpers.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: A stop that leaves the bot a moment, so that what it does in it can be seen.
GRACE = '[stop]\ngrace = "300ms"\n'


def clean_exits(project: Project) -> list[int]:
    """The browsers that wrote everything down."""
    return [note.pid for note in project.notes("browser", "clean")]


async def opened(project: Project, running: Running, count: int = 1) -> list[int]:
    """Wait until the bot has so many browsers, which the supervisor has seen; returns their pids."""

    def all_seen() -> bool:
        seen = {event["pid"] for event in running.all("browser.up")}
        return len(living := project.living("browser")) == count and seen.issuperset(living)

    await eventually(all_seen, f"{count} browsers")
    return project.living("browser")


async def restart(project: Project, running: Running) -> None:
    """Save a source file, and wait until the bot is back."""
    project.touch("index.js")
    await running.until("restart.requested", reason="change")
    await running.until("restart.done", reason="change")


# -- one restart -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["browser={profile},devtools"], id="with DevTools"),
        pytest.param(["browser={profile}"], id="without DevTools"),
        pytest.param(["deaf-term", "browser={profile},devtools"], id="ignores SIGTERM"),
        pytest.param(["browser={profile},bare-children", "orphans=2", "children=2"], id="has helpers"),
        pytest.param(["relaunch", "browser={profile}"], id="opens a lost browser again"),
        pytest.param(["relaunch-on-term", "browser={profile}"], id="opens its browser again when stopped"),
        pytest.param(["browser={profile}", "hang"], id="hangs"),
    ],
)
async def test_no_bot_starts_before_the_last_one_is_gone_and_its_browser_has_written(
    project: Project, words: list[str]
) -> None:
    project.configure(GRACE)
    words = [word.format(profile=project.profile("1")) for word in words]
    async with project.supervised("dev", *words) as running:
        (first,) = await opened(project, running)
        await restart(project, running)
        assert first in clean_exits(project)
        await opened(project, running)
        await project.noted("bot", "start", 2)
    # Also those that were opened in the middle of a stop.
    assert clean_exits(project) == [note.pid for note in project.notes("browser", "start")]
    assert running.events[-1]["clean"] is True
    assert not list(project.profile("1").glob("Singleton*"))
    assert not running.all("browser.unclean")
    assert not running.problems()


async def test_a_stop_is_no_cold_restart(project: Project) -> None:
    running = await project.start("dev", f"browser={project.profile('1')}")
    await opened(project, running)
    await running.until("restart.done")
    assert await running.stop(signal.SIGINT) == 128 + signal.SIGINT
    assert running.all("supervisor.stopped")
    assert not running.all("restart.cold")


async def test_two_browsers_of_one_bot_are_closed_side_by_side(project: Project) -> None:
    words = [f"browser={project.profile(name)},slow=0.5" for name in ("1", "2")]
    async with project.supervised("dev", *words) as running:
        await opened(project, running, 2)
    order = [note.what for note in project.notes("browser") if note.what in {"asked", "clean"}]
    assert order == ["asked", "asked", "clean", "clean"]


async def test_the_phases_of_a_restart_add_up_to_the_whole(project: Project) -> None:
    project.configure(AHEAD)
    async with project.supervised("dev", f"browser={project.profile('1')},devtools") as running:
        await opened(project, running)
        await restart(project, running)
    started, restarted = running.all("restart.done")
    for done in (started, restarted):
        assert sum(done["phases_ms"].values()) == done["total_ms"]
    assert {"freeze", "close", "stop", "prove", "check", "settle", "boot"} <= restarted["phases_ms"].keys()
    assert restarted["target"] == "ahead"


async def test_the_bot_stands_still_while_its_browser_is_closed_and_is_asked_when_it_wakes(project: Project) -> None:
    project.configure('[stop]\ngrace = "10s"\n')
    go = project.home / "go"
    words = ["relaunch", f"browser={project.profile('1')},waits={go}", "children=1"]
    async with project.supervised("dev", *words) as running:
        (browser,) = await opened(project, running)
        bot = (await project.noted("bot", "up"))[0].pid
        project.touch("index.js")
        await project.noted("browser", "asked")
        assert bot in {process.pid for process in project.frozen()}
        go.touch()
        await running.until("restart.done", reason="change")
    of_both = [note.what for note in project.notes() if note.pid in {browser, bot}]
    assert [what for what in of_both if what in {"clean", "term", "stop"}] == ["clean", "term", "stop"]
    assert clean_exits(project) == [note.pid for note in project.notes("browser", "start")]


async def test_the_bot_learns_what_has_changed_and_how_often_it_was_restarted(project: Project) -> None:
    async with project.supervised("dev", "report-env") as running:
        await project.noted("bot", "up")
        project.touch("index.js")
        await running.until("restart.done", reason="change")
        await project.noted("bot", "changes", 2)
    notes = [note.what for note in project.notes("bot")]
    assert notes.count("SCANONCE=1") == 2
    assert [what for what in notes if "RESTARTS" in what] == ["SCANONCE_RESTARTS=0", "SCANONCE_RESTARTS=1"]
    assert len({what for what in notes if "RUN_ID" in what}) == 2
    assert [note.more for note in project.notes("bot", "changes")] == ["", "index.js"]


# -- bots that do it another way ---------------------------------------------------------------------------------------


async def test_a_bot_without_a_browser_is_asked_and_has_its_time(project: Project) -> None:
    async with project.supervised("dev"):
        await project.noted("bot", "up")
    assert [note.what for note in project.notes("bot")][-2:] == ["term", "stop"]


async def test_the_signal_to_stop_is_the_one_that_is_configured(project: Project) -> None:
    project.configure('[stop]\nsignal = "SIGINT"\n')
    async with project.supervised("dev"):
        await project.noted("bot", "up")
    assert project.notes("bot")[-1].what == "int"


async def test_a_bot_that_closes_its_own_browser_is_asked_first(project: Project) -> None:
    project.configure('[stop]\norder = "bot-first"\ngrace = "10s"\n')
    async with project.supervised("dev", "closes-browsers", f"browser={project.profile('1')}") as running:
        await opened(project, running)
        await restart(project, running)
        await opened(project, running)
    assert [note.what for note in project.notes() if note.what in {"term", "clean", "stop"}] == [
        *("term", "clean", "stop"),
        *("term", "clean", "stop"),
    ]
    assert {closed["method"] for closed in running.all("browser.closed")} == {"bot"}


async def test_a_bot_that_should_close_its_browser_and_does_not_is_helped(project: Project) -> None:
    project.configure('[stop]\norder = "bot-first"\nclose_timeout = "2s"\ngrace = "50ms"\n')
    async with project.supervised("dev", "deaf-term", f"browser={project.profile('1')}") as running:
        await opened(project, running)
    assert len(clean_exits(project)) == 1
    assert running.events[-1]["clean"] is True


async def test_behind_a_shell_the_bot_itself_is_asked(project: Project) -> None:
    # Its cleanup shows that it was asked, whatever the machine is busy with; and it is there once it has said a word.
    project.configure('[stop]\ngrace = "10s"\n[ready]\noutput = "here"\n')
    script = subprocess.list2cmdline(project.bot(f"browser={project.profile('1')}", "write=here"))
    async with project.supervised("dev", command=["sh", "-c", f"{script}; true"]) as running:
        await opened(project, running)
        await project.noted("bot", "up")
    assert project.notes("bot")[-1].what == "stop"
    assert len(clean_exits(project)) == 1
    assert len(running.all("npm.between")) == 1


async def test_a_shell_that_has_not_started_the_bot_yet_is_told_of_when_it_has(project: Project) -> None:
    project.configure('[ready]\noutput = "here"\n')
    flag, never = project.home / "flag", project.home / "never"
    os.mkfifo(never)
    bot = subprocess.list2cmdline(project.bot("write=here"))
    script = f"if test -e {flag}; then {bot}; else echo here; read line < {never}; fi; true"
    running = await project.start("dev", command=["sh", "-c", script])
    await running.until("restart.done")
    assert not running.all("npm.between")
    flag.touch()
    project.touch("index.js")
    await running.until("restart.done", reason="change")
    assert [event["command"] for event in running.all("npm.between")] == [project.bot("write=here")]
    assert await running.stop() == 143
    project.is_left_alone()


async def test_a_bot_that_forks_away_is_found_and_ended(project: Project) -> None:
    running = await project.start("dev", "escape", f"browser={project.profile('1')}")
    await running.until("bot.exited")
    detached = await running.until("bot.detached")
    assert detached["pids"]
    assert running.all("bot.started")[0]["pid"] not in detached["pids"]
    await running.until("bot.waiting")
    assert {p.pid for p in project.processes()} == {running.process.pid}
    assert [note.what for note in project.notes("bot")][-1] in {"stop", "start"}
    project.touch("index.js")
    await running.until("bot.starting")
    assert await running.stop() == 143
    project.is_left_alone()


async def test_a_bot_that_is_started_in_the_background_is_named_as_it_is_ended(project: Project) -> None:
    line = f"{shlex.join(project.bot())} & sleep 600 & until grep -qs up '{project.home}/journal'; do sleep 0.01; done"
    running = await project.start("run", command=["sh", "-c", line])
    detached = await running.until("bot.detached")
    assert project.notes("bot", "start")[0].pid in detached["pids"]
    assert len(detached["pids"]) == 2
    assert "sleep" in detached["programs"]
    assert await running.stop() == 143
    project.is_left_alone()


@pytest.mark.parametrize("words", [["exit=0"], ["children=1", "exit=1"], ["browser={profile}", "exit=0"]])
async def test_a_bot_that_just_ends_is_not_called_a_detached_one(project: Project, words: list[str]) -> None:
    running = await project.start("dev", *(word.format(profile=project.profile("1")) for word in words))
    await running.until("bot.waiting")
    assert not running.all("bot.detached")
    assert await running.stop() == 143


async def test_a_bot_that_forks_all_the_time_is_ended(project: Project) -> None:
    async with project.supervised("dev", f"browser={project.profile('1')}", "bomb=0.35") as running:
        await eventually(lambda: len(project.processes()) > 8)
    assert not running.all("bot.stuck")


async def test_a_process_that_forks_and_exits_all_the_time_is_not_taken_for_gone(project: Project) -> None:
    """It has another pid at every moment, so that a walk through the process table misses it most of the time."""
    async with project.supervised("dev", "hop=0.8"):
        await project.noted("bot", "up")


# -- browsers that do not do as they are asked -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        pytest.param("deaf-int", "SIGTERM", id="ignores SIGINT"),
        pytest.param("devtools,deaf-close,deaf-int", "SIGTERM", id="never answers"),
        pytest.param("deaf-int,deaf-term", "SIGKILL", id="ignores everything"),
    ],
)
async def test_a_browser_that_does_not_close_is_ended_and_said_to_be(project: Project, words: str, reason: str) -> None:
    patience = "300ms" if reason == "SIGKILL" else "1min"
    project.configure(f'[stop]\nclose_timeout = "300ms"\nterm_timeout = "{patience}"\n')
    async with project.supervised("dev", f"browser={project.profile('1')},{words}") as running:
        await opened(project, running)
    (unclean,) = running.all("browser.unclean")
    assert unclean["reason"] == reason
    assert running.events[-1]["clean"] is False
    assert not clean_exits(project)


async def test_a_browser_whose_devtools_do_not_answer_is_asked_by_signal(project: Project) -> None:
    project.configure('[stop]\nclose_timeout = "2s"\n')
    async with project.supervised("dev", f"browser={project.profile('1')},devtools,deaf-close") as running:
        await running.until("session.linked")
    assert len(clean_exits(project)) == 1
    assert running.events[-1]["clean"] is True


async def test_a_bot_that_opens_its_browsers_again_does_not_use_up_its_grace(project: Project) -> None:
    project.configure('[stop]\ngrace = "120s"\nidle = "off"\n')
    words = ["relaunch-on-term", f"browser={project.profile('1')},devtools", f"browser={project.profile('2')}"]
    running = await project.start("run", *words)
    await opened(project, running, 2)
    assert await running.stop() == 143
    assert running.events[-1]["clean"] is True
    starts = project.notes("browser", "start")
    assert len(starts) > 2
    # One that has begun just when the bot is ended may not have come as far as to say so.
    assert len(starts) - len(clean_exits(project)) <= 1
    project.is_left_alone()


async def test_a_browser_that_is_lost_and_comes_back_needs_no_restart(project: Project) -> None:
    project.configure('[browser]\nlost_patience = "2500ms"\n')
    words = ["relaunch=0.2", f"browser={project.profile('1')}", f"browser={project.profile('2')}"]
    async with project.supervised("dev", *words) as running:
        first, _ = await opened(project, running, 2)
        psutil.Process(first).kill()
        await running.until("browser.lost")
        # It is looked for before the patience is over, however seldom a running bot is looked at.
        await asyncio.sleep(2.8)
        assert not running.all("restart.requested")
        assert len(project.notes("bot", "start")) == 1
        assert len(project.living("browser")) == 2


async def test_a_browser_that_is_lost_for_good_restarts_the_bot(project: Project) -> None:
    """Lost before the bot counts as ready, which must not be forgotten when it does."""
    project.configure('[browser]\nlost_patience = "500ms"\n[ready]\nmethod = "up"\nsettle = "200ms"\n', quick=False)
    running = await project.start("dev", f"browser={project.profile('1')},devtools")
    (browser,) = await opened(project, running)
    psutil.Process(browser).kill()
    await running.until("browser.lost")
    await running.until("restart.done", reason="browser lost")
    assert await running.stop() == 143
    project.is_left_alone()


@pytest.mark.parametrize(("words", "told"), [("die=9", {"signal": 9}), ("exit=1", {"code": 1})])
async def test_what_a_dead_bot_leaves_is_closed_before_the_next_one_starts(
    project: Project, words: str, told: dict[str, int]
) -> None:
    """As after a kill for lack of memory: the browser goes on, and the profile stays locked."""
    project.configure('[restart]\nbackoff_initial = "20ms"\n')
    flag = project.touch("die")
    running = await project.start("run", f"browser={project.profile('1')}", f"when={flag}:after=0.2:{words}")
    crashed = await running.until("bot.crashed")
    assert crashed.items() >= told.items()
    await running.until("browser.closed")
    flag.unlink()
    await running.until("restart.done", reason="crash")
    await project.noted("browser", "start", 2)
    await project.noted("bot", "up")
    assert await running.stop() == 143
    assert len(clean_exits(project)) == len(project.notes("browser", "start"))
    project.is_left_alone()


FELLED = """
[restart]
backoff_initial = "20ms"
limit = 3
[browser]
lost_patience = "60s"
"""


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL], ids=["fault", "out of memory"])
async def test_a_bot_that_ends_because_its_browser_crashed_is_started_again(
    project: Project, number: signal.Signals
) -> None:
    """As a stock puppeteer bot does it, with status 0: nothing is left for node to do."""
    project.configure(FELLED)
    async with project.supervised("dev", "falls=0", f"browser={project.profile('1')},devtools") as running:
        (browser,) = await opened(project, running)
        psutil.Process(browser).send_signal(number)
        crashed = await running.until("bot.crashed", code=0)
        assert crashed["profile"] == str(project.profile("1"))
        await running.until("bot.backoff", crashes=1)
        done = await running.until("restart.done", reason="browser lost")
        assert done["clean"] is False
        await project.noted("browser", "start", 2)
    assert not running.all("bot.waiting")


async def test_a_browser_that_crashes_again_and_again_ends_in_waiting_for_a_change(project: Project) -> None:
    project.configure(FELLED)
    words = ["falls=0", f"browser={project.profile('1')},devtools"]
    running = await project.start("dev", *words)
    for number in range(1, 4):
        await running.until("restart.done")
        (browser,) = await opened(project, running)
        psutil.Process(browser).kill()
        await running.until("bot.crashed")
        await running.until(*(("bot.backoff",) if number < 3 else ("bot.given_up",)))
    await running.until("bot.waiting")
    assert len(project.notes("bot", "start")) == 3
    project.touch("index.js")
    await running.until("restart.done", reason="change")
    assert await running.stop() == 143
    project.is_left_alone()


@pytest.mark.parametrize("words", ["exit-killing=0", "exit-killing=1", "exit=1"])
async def test_a_bot_that_ends_by_itself_in_development_waits_for_a_change(project: Project, words: str) -> None:
    """Also if its browser is dead before it is: puppeteer kills it on the way out."""
    project.configure(FELLED)
    flag = project.folder / "flag.txt"
    running = await project.start("dev", f"browser={project.profile('1')},devtools", f"until={flag}", words)
    await running.until("restart.done")
    await opened(project, running)
    flag.touch()
    await running.until("bot.waiting")
    assert not running.all("bot.backoff")
    assert not [event for event in running.all("bot.crashed") if "profile" in event]
    assert await running.stop() == 143
    project.is_left_alone()


async def test_a_bot_whose_browser_crashed_before_it_could_be_reaped_is_started_again(project: Project) -> None:
    """A rejected promise ends node before it has heard of its browser's end; what ended the browser tells then."""
    project.configure(FELLED)
    async with project.supervised("dev", f"browser={project.profile('1')},devtools") as running:
        (browser,) = await opened(project, running)
        (bot,) = project.living("bot")
        psutil.Process(bot).suspend()
        psutil.Process(browser).send_signal(signal.SIGSEGV)
        await running.until("browser.lost")
        psutil.Process(bot).kill()
        await running.until("bot.crashed", profile=str(project.profile("1")))
        await running.until("restart.done", reason="browser lost")


# -- what a dead supervisor leaves behind ------------------------------------------------------------------------------


async def killed(project: Project, running: Running) -> None:
    """The supervisor dies at once and can do nothing about it."""
    running.process.kill()
    await running.ends()


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["browser={profile},devtools,bare-children"], id="with DevTools"),
        pytest.param(["browser={profile},bare-children", "orphans=2", "deaf-term"], id="with orphans"),
        pytest.param(["browser={profile}", "hang"], id="frozen"),
    ],
)
async def test_what_a_killed_supervisor_left_is_closed_before_the_next_start(
    project: Project, words: list[str]
) -> None:
    words = [word.format(profile=project.profile("1")) for word in words]
    first = await project.start("dev", *words)
    await opened(project, first)
    (browser,) = await project.noted("browser", "start")
    await killed(project, first)
    assert lives(browser.pid)
    async with project.supervised("dev", *words) as running:
        (leftovers,) = running.all("supervisor.leftovers")
        assert browser.pid in leftovers["pids"]
        assert clean_exits(project) == [browser.pid]
        await project.noted("browser", "start", 2)


@pytest.mark.parametrize("moment", ["at a change", "at the end", "closing what was left"])
async def test_a_supervisor_that_is_killed_during_a_stop_leaves_nothing_frozen(project: Project, moment: str) -> None:
    slow = f"browser={project.profile('1')},waits={project.home / 'go'}"
    # Without the check that comes before a stop: its own guard would thaw the bot at once.
    running = await project.start("dev", slow, options=["--no-preflight"])
    (browser,) = await opened(project, running)
    (bot,) = await project.noted("bot", "up")
    if moment == "closing what was left":
        await killed(project, running)
        running = await project.start("dev", slow)
    elif moment == "at a change":
        project.touch("index.js")
    else:
        running.process.send_signal(signal.SIGTERM)
    await eventually(lambda: bot.pid in {process.pid for process in project.frozen()}, "the bot is frozen")
    await killed(project, running)
    await eventually(lambda: not project.frozen(), "the bot goes on")
    (project.home / "go").touch()
    async with project.supervised("dev", slow):
        assert browser in clean_exits(project)
    assert bot.pid in {note.pid for note in project.notes("bot", "stop")}, "its own cleanup has run"


#: Takes a snapshot of the browser with the given pid as a supervisor does, or as a command, and dies while it reads.
_READER = """
import asyncio, os, signal, sys
from types import SimpleNamespace as Fake
from supervisor.admin import operations
from supervisor.browser.processes import Browser
from supervisor.bot.live_snapshot import Seen
from supervisor.browser.presets import SessionStatus
from supervisor.config.schema import Config
from supervisor.process.helper import HelperRunner
from supervisor.process.reaper import Reaper
from supervisor.process.table import descendants, find_process
from supervisor.session.profiles.profile import Profile
from supervisor.supervise.file_worker import FileWorker
from supervisor.supervise.snapshot_queue import SnapshotQueue

who, pid, profile = sys.argv[1:]
main = find_process(int(pid))
browser = Browser(profile, main, (main, *descendants(main.pid)))

def die(*_, **__):
    while any(not entry.stopped for entry in [find_process(main.pid), *descendants(main.pid)]):
        pass
    print("frozen", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

async def supervisor():
    spec = Fake(config=Config(), helpers=HelperRunner(Reaper(), set()))
    queue = SnapshotQueue(spec, Fake(capture=die), FileWorker(), None)
    await queue.take_live(Fake(id="1"), browser, linked=True, version=None)

def command():
    operations.ask = lambda *_: Seen(SessionStatus.READY, None)
    operations._try_to_hold = lambda *_: False
    store = Fake(capture=die, state=Fake(get=lambda _: None))
    operations._take_live(store, Fake(id="1"), browser, Config(), lambda *_: None)

asyncio.run(supervisor()) if who == "supervisor" else command()
"""


@pytest.mark.parametrize("who", ["supervisor", "command"])
async def test_who_is_killed_while_it_reads_a_running_browser_leaves_nothing_frozen(project: Project, who: str) -> None:
    async with project.supervised("dev", f"browser={project.profile('1')}") as running:
        (browser,) = await opened(project, running)
        reader = await asyncio.create_subprocess_exec(
            *[sys.executable, "-c", _READER, who, str(browser), str(project.profile("1"))],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        told, _ = await reader.communicate()
        assert (told, reader.returncode) == (b"frozen\n", -signal.SIGKILL)
        await eventually(lambda: not project.frozen(), "the browser goes on")


async def test_a_browser_that_was_frozen_when_its_supervisor_was_killed_still_writes(project: Project) -> None:
    """A snapshot of a running bot freezes it for a moment."""
    first = await project.start("dev", f"browser={project.profile('1')}")
    (browser,) = await opened(project, first)
    for process in (psutil.Process(browser), *psutil.Process(browser).children()):
        process.suspend()
    await killed(project, first)
    async with project.supervised("dev", f"browser={project.profile('1')}"):
        assert clean_exits(project) == [browser]


# -- what is not ours --------------------------------------------------------------------------------------------------


@pytest.fixture
def stranger(project: Project, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    """A bot on our profile that somebody else has started, working in the folder that the test names."""
    place = getattr(request, "param", ".")
    process = project.spawn(f"browser={project.profile('1')}", cwd=project.folder / place)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("stranger", [".", ".."], ids=["in our folder", "elsewhere"], indirect=True)
async def test_a_browser_of_somebody_elses_is_waited_for_and_not_touched(
    project: Project, stranger: subprocess.Popen[bytes]
) -> None:
    (browser,) = await project.noted("browser", "start")
    running = await project.start("dev", f"browser={project.profile('1')}")
    error = await running.until("error")
    assert str(browser.pid) in error["problem"]
    assert lives(browser.pid)
    assert not running.all("bot.starting")
    psutil.Process(browser.pid).send_signal(signal.SIGINT)
    await running.until("restart.done")
    assert await running.stop() == 143


async def test_a_stranger_who_comes_while_our_bot_runs_keeps_his_locks(project: Project) -> None:
    project.profile("1").mkdir(parents=True)
    running = await project.start("dev", f"browser={project.profile('2')}")
    await opened(project, running)
    stranger = project.spawn(f"browser={project.profile('1')}")
    await project.noted("browser", "start", 2)
    try:
        project.touch("index.js")
        await running.until("error")
        assert len(list(project.profile("1").glob("Singleton*"))) == 3
        assert len(project.notes("bot", "start")) == 2
        assert await running.stop() != 0
    finally:
        stranger.send_signal(signal.SIGINT)
        stranger.wait()
    assert not project.notes("browser", "conflict")


#: Debian's and Google's browsers are started by such a script.
_LAUNCHER = """#!/bin/sh
: > launching
while [ ! -e term ]; do sleep 0.01; done
exec "$CHROMIUM" "$@"
"""


async def test_a_browser_that_is_being_launched_is_closed_and_not_taken_for_a_bot(project: Project) -> None:
    """The bot ends at once and the browser comes up in its grace, which is not waited for, nor is it killed then."""
    project.configure('[stop]\ngrace = "10min"\n')
    launcher = project.home / "launcher"
    launcher.write_text(_LAUNCHER)
    launcher.chmod(0o700)
    environment = {"FAKE_CHROMIUM": str(launcher), "CHROMIUM": str(project.chromium)}
    async with project.supervised("dev", f"launch={project.profile('1')}", environment=environment) as running:
        await eventually((project.folder / "launching").exists)
        project.touch("index.js")
        await project.noted("bot", "term")
        project.touch("term")
        await running.until("restart.done", reason="change", clean=True)


async def test_a_browser_on_another_profile_is_nobody_to_us(project: Project) -> None:
    elsewhere = project.home / "elsewhere"
    stranger = project.spawn(f"browser={elsewhere}")
    await project.noted("browser", "start")
    running = await project.start("dev")
    await running.until("restart.done")
    assert await running.stop() == 143
    assert len(project.living("browser")) == 1
    stranger.kill()
    stranger.wait()


async def test_what_the_script_that_started_us_has_started_before_is_not_the_bots(project: Project) -> None:
    """An entrypoint such as `Xvfb :99 & exec scanonce run`, whose children the kernel counts as ours."""
    entrypoint = ["sh", "-c", '(sleep 600; true) >/dev/null 2>&1 & echo $! > other; exec "$@"', "sh"]
    running = await project.start("dev", prefix=entrypoint)
    await running.until("restart.done")
    await restart(project, running)
    assert await running.stop() == 143
    other = psutil.Process(int((project.folder / "other").read_text()))
    family = [*other.children(), other]
    assert [process.status() for process in family] == [psutil.STATUS_SLEEPING] * 2
    for process in family:
        process.kill()


# -- what will not die -------------------------------------------------------------------------------------------------


async def test_a_process_that_will_not_die_is_named_and_nothing_starts_beside_it(project: Project) -> None:
    project.configure('[stop]\nprove_timeout = "300ms"\n')
    words = [f"browser={project.profile('1')}", "other-user"]
    running = await project.start("dev", *words, prefix=project.without("kill"))
    (immortal,) = await project.noted("bot", "other-user")
    await running.until("restart.done")
    project.touch("index.js")
    stuck = await running.until("bot.stuck")
    assert int(immortal.more) in stuck["pids"]
    project.touch("index.js")
    psutil.Process(int(immortal.more)).kill()
    await running.until("restart.done", reason="change")
    await project.noted("bot", "other-user", 2)
    assert not project.notes("bot", "overlap")
    assert await running.stop() == 6
    assert "bot.stuck" in {event["event"] for event in running.events[-3:]}


# -- a stop that goes wrong --------------------------------------------------------------------------------------------


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[psutil.Process]:
    """A bot that does nothing."""
    with subprocess.Popen(["sleep", "600"], cwd=tmp_path) as process:
        yield psutil.Process(process.pid)
        process.kill()


def sequence(**options: str) -> RestartSequence:
    """A restart's sequences, with options of `[stop]`; no profile is looked after."""
    config = SimpleNamespace(stop=StopConfig.model_validate(options))
    spec: Any = SimpleNamespace(config=config)
    nothing: Any = None
    return RestartSequence(spec, nothing, nothing, nothing)


async def stop(sleeper: psutil.Process, **options: str) -> Stopped:
    """Stop the sleeper as a restart does."""
    suspension = Suspension()
    plan = Stop(
        StopConfig.model_validate(options),
        Urgency(),
        suspension,
        look=lambda: [entry for entry in descendants() if entry.pid == sleeper.pid],
        proven=lambda: True,
    )
    return await sequence(**options).stop(OngoingRestart("key"), None, plan, suspension)


async def test_a_stop_that_fails_leaves_nothing_frozen(
    sleeper: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.asynccontextmanager
    async def fail(self: Stop) -> AsyncIterator[None]:
        await eventually(lambda: sleeper.status() == psutil.STATUS_STOPPED)
        if sleeper.pid:
            raise KeyError("a fault of our own")
        yield

    monkeypatch.setattr(Stop, "closing_browsers", fail)
    with pytest.raises(KeyError):
        await stop(sleeper)
    await eventually(lambda: sleeper.status() != psutil.STATUS_STOPPED)


async def test_a_stop_that_is_cancelled_leaves_nothing_frozen(
    sleeper: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.asynccontextmanager
    async def never(self: Stop) -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield

    monkeypatch.setattr(Stop, "closing_browsers", never)
    stopping = asyncio.create_task(stop(sleeper))
    await eventually(lambda: sleeper.status() == psutil.STATUS_STOPPED)
    stopping.cancel()
    await asyncio.wait([stopping])
    await eventually(lambda: sleeper.status() != psutil.STATUS_STOPPED)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float | None]]:
    """The grace period and the idle time that a stop has waited for, which it does not do."""
    found = []

    async def wait_for_bot(self: Stop, handles: object, grace: float, idle: float | None) -> list[object]:
        found.append((grace, idle))
        return []

    monkeypatch.setattr(Stop, "_wait_for_bot", wait_for_bot)
    monkeypatch.setattr(bot_stop, "escalate", lambda *_: asyncio.sleep(0))
    return found


async def test_a_bot_without_a_browser_has_two_seconds_at_least(
    sleeper: psutil.Process, waits: list[tuple[float, float | None]]
) -> None:
    await stop(sleeper, grace="50ms", prove_timeout="1ms")
    assert [grace for grace, _ in waits] == [2.0]


@pytest.mark.parametrize(("grace", "idle"), [("50ms", 0.00625), ("10s", 0.3)])
async def test_a_short_grace_is_not_used_up_either_by_a_bot_that_does_nothing(
    sleeper: psutil.Process,
    waits: list[tuple[float, float | None]],
    monkeypatch: pytest.MonkeyPatch,
    grace: str,
    idle: float,
) -> None:
    @contextlib.asynccontextmanager
    async def closing(self: Stop) -> AsyncIterator[Mapping[Path, bool]]:
        self._closed.append(CloseResult(Path("profile"), 1, True, "asked", 0.1))
        yield {}

    monkeypatch.setattr(Stop, "closing_browsers", closing)
    await stop(sleeper, grace=grace, idle="300ms", prove_timeout="1ms")
    assert [asked for _, asked in waits] == [idle]


#: Longer than any test waits.
GRACIOUS = '[stop]\ngrace = "10min"\n'


async def test_a_bot_that_does_nothing_after_the_signal_is_not_waited_for(project: Project) -> None:
    project.configure(GRACIOUS)
    async with project.supervised("run", f"browser={project.profile('1')},devtools", "deaf-term") as running:
        await running.until("browser.up")
        await project.noted("browser", "start")
    assert project.notes("bot", "term")


async def test_a_bot_that_still_waits_for_an_answer_gets_its_grace(project: Project) -> None:
    project.configure(GRACIOUS)
    answered = asyncio.Event()

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1.5)  # much longer than `stop.idle`
        answered.set()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        words = (f"browser={project.profile('1')},devtools", f"asks-on-term={port}")
        async with project.supervised("run", *words) as running:
            await running.until("browser.up")
            await project.noted("browser", "start")
        assert answered.is_set()
    assert project.notes("bot", "stop"), "it came to its end by itself"
