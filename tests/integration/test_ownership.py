"""Which processes are ours, by real processes: those of our bot, what an earlier supervisor left, and nobody else's."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from supervisor.bot import ownership
from supervisor.bot.ownership import Territory
from supervisor.process.table import ENVIRONMENT_MARK, descendants
from tests.helpers.command import Project
from tests.helpers.waiting import eventually

#: Starts a program that is nobody's child any more.
_DETACH = "import os, sys; os.fork() and os._exit(0); os.setsid(); os.execv(sys.argv[1], sys.argv[1:])"

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def ours(project: Project) -> Territory:
    return Territory(project.folder, contained=False)


@pytest.fixture
def start(project: Project) -> Iterator[Start]:
    """Start a fake bot: `start(*words, mark=..., detached=...)`. A detached one is nobody's child when this returns."""
    started = []

    def begin(*words: str, mark: str = "", detached: bool = False) -> subprocess.Popen[bytes]:
        environment = project.environment | ({ENVIRONMENT_MARK: mark} if mark else {})
        command = [sys.executable, "-I", "-S", "-c", _DETACH, *project.bot(*words)] if detached else project.bot(*words)
        process = subprocess.Popen(command, cwd=project.home, env=environment, stdin=subprocess.DEVNULL)
        started.append(process)
        if detached or "escape" in words:
            process.wait()
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


async def test_what_a_bot_that_was_left_behind_starts_later_is_found_by_the_next_look(
    project: Project, ours: Territory, start: Start
) -> None:
    profile = project.profile("1")
    start("relaunch", f"browser={profile}", mark=ours.new_mark(), detached=True)
    (first,) = await project.noted("browser", "start")
    look = ours.leftovers([profile])
    assert first.pid in {entry.pid for entry in look()}
    os.kill(first.pid, signal.SIGKILL)
    _, second = await project.noted("browser", "start", 2)
    found = {entry.pid for entry in look()}
    assert second.pid in found
    assert first.pid not in found


def test_a_mark_names_the_project_and_the_run(tmp_path: Path) -> None:
    one, other = Territory(tmp_path / "a", contained=False), Territory(tmp_path / "b", contained=False)
    assert one.key != other.key
    assert one.key == Territory(tmp_path / "a", contained=False).key
    marks = [one.new_mark() for _ in range(100)]
    assert len(set(marks)) == 100
    assert all(mark.startswith(f"{one.key}-") for mark in marks)


async def test_our_descendants_are_ours(project: Project, ours: Territory, start: Start) -> None:
    bot = start("children=2")
    await project.noted("bot", "up")
    living = [entry.pid for entry in ours.living()]
    assert living[0] == bot.pid
    assert len(living) == 3


async def test_where_orphans_leave_the_tree_they_are_found_by_their_mark(
    project: Project, ours: Territory, start: Start
) -> None:
    start("escape", mark=ours.new_mark())
    start("escape", mark=Territory(project.home, contained=False).new_mark())
    mine, other = (note.pid for note in await project.noted("bot", "up", 2))
    contained = Territory(project.folder, contained=True)
    await eventually(
        lambda: not {entry.pid for entry in contained.living()} & {mine, other},
        "they have left the tree, and there a walk of it suffices",
    )
    marked = {entry.pid for entry in ours.living()}
    by_mark = {int(pid) for pid in (mine, other) if ours.key in _environment(pid).get(ENVIRONMENT_MARK, "")}
    assert len(by_mark) == 1
    assert marked & {mine, other} == by_mark


def _environment(pid: int) -> dict[str, str]:
    words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return {name.decode(): value.decode() for name, _, value in (word.partition(b"=") for word in words)}


@pytest.fixture
def sleeper() -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Start a shell with this script."""
    started = []

    def begin(script: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["sh", "-c", script]))
        return started[-1]

    yield begin
    for process in started:
        for descendant in descendants(process.pid) if process.poll() is None else ():
            descendant.handle.kill()
        process.kill()
        process.wait()


def test_what_was_there_before_us_is_not_ours(
    tmp_path: Path, sleeper: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    before = sleeper("sleep 600 & wait")
    ours = Territory(tmp_path, contained=True)
    bot = sleeper("exec sleep 600")
    assert [entry.pid for entry in ours.living()] == [bot.pid]
    bot.kill()
    bot.wait()
    assert ours.living() == []
    assert ours.proven_empty(), "although it is a child of ours still"
    assert before.poll() is None


def test_what_was_there_before_us_is_not_ours_whatever_becomes_of_it(
    tmp_path: Path, sleeper: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    go = tmp_path / "go"
    before = sleeper(f"while [ ! -e {go} ]; do sleep 0.01; done; exec sleep 600")
    ours = Territory(tmp_path, contained=True)
    go.touch()
    while psutil.Process(before.pid).name() != "sleep":
        assert before.poll() is None
    assert ours.living() == []


def test_a_tree_is_proven_empty_when_the_last_child_is_reaped(
    tmp_path: Path, sleeper: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    ours = Territory(tmp_path, contained=True)
    assert ours.proven_empty()
    bot = sleeper("exec sleep 600")
    assert not ours.proven_empty()
    bot.kill()
    os.waitid(os.P_PID, bot.pid, os.WEXITED | os.WNOWAIT)
    assert ours.living() == []
    assert not ours.proven_empty(), "it has exited, and is not reaped yet"
    bot.wait()
    assert ours.proven_empty()


async def test_a_browser_whose_bot_is_gone_is_ours_to_close(project: Project, ours: Territory, start: Start) -> None:
    profile = project.profile("1")
    bot = start(f"browser={profile},bare-children")
    (browser,) = await project.noted("browser", "start")
    bot.kill()
    bot.wait()
    await eventually(lambda: ours.left_behind([profile])[0])
    left, strangers = ours.left_behind([profile])
    assert strangers == []
    assert left[0].pid == browser.pid
    assert len(left) == 3, "with its renderers, which carry no mark"
    assert ours.left_behind([project.profile("2")]) == ([], [])


async def test_a_browser_whose_bot_lives_is_somebody_elses(project: Project, ours: Territory, start: Start) -> None:
    profile = project.profile("1")
    start(f"browser={profile}", detached=True)
    (browser,) = await project.noted("browser", "start")
    try:
        left, strangers = ours.left_behind([profile])
        assert [entry.pid for entry in strangers] == [browser.pid]
        assert left == []
    finally:
        for pid in (browser.pid, *project.living("bot")):
            os.kill(pid, signal.SIGKILL)


async def test_a_browser_of_an_earlier_run_is_known_by_its_mark_though_its_bot_lives(
    project: Project, ours: Territory, start: Start
) -> None:
    profile = project.profile("1")
    start(f"browser={profile}", mark=ours.new_mark(), detached=True)
    (browser,) = await project.noted("browser", "start")
    left, strangers = ours.left_behind([])
    assert strangers == []
    assert {browser.pid, *project.living("bot")} <= {entry.pid for entry in left}
    for entry in left:
        entry.handle.kill()


@pytest.mark.parametrize("adopter", ["systemd", "tini", "init"])
async def test_who_adopts_orphans_is_not_taken_for_a_bot(
    project: Project, ours: Territory, start: Start, monkeypatch: pytest.MonkeyPatch, adopter: str
) -> None:
    profile = project.profile("1")
    start(f"browser={profile}")
    (browser,) = await project.noted("browser", "start")
    monkeypatch.setattr(ours, "living", list)
    assert [entry.pid for entry in ours.left_behind([profile])[1]] == [browser.pid]
    monkeypatch.setattr(ownership, "parent_program", lambda _pid: adopter)
    left, strangers = ours.left_behind([profile])
    assert (left[0].pid, strangers) == (browser.pid, [])


async def test_a_copied_project_is_another_one_and_neither_touches_the_other(project: Project) -> None:
    first = await project.start("run", f"browser={project.profile('1')},devtools")
    await first.until("browser.up")
    await project.noted("browser", "start")
    await first.stop()
    copy = project.home / "copy"
    shutil.copytree(project.folder, copy, symlinks=True)  # state, snapshots, locks and all
    first = await project.start("run", f"browser={project.profile('1')},devtools")
    up = await first.until("browser.up")
    second = await project.start(
        "run", f"browser={copy / 'sessions' / 'session-1'},devtools", options=["--project", str(copy)]
    )
    assert (await second.until("browser.up"))["profile"].startswith(str(copy))
    assert not second.all("supervisor.leftovers")
    assert await second.stop() == 128 + signal.SIGTERM
    assert psutil.pid_exists(up["pid"])
    assert not first.all("browser.lost")
    assert await first.stop() == 128 + signal.SIGTERM


async def test_a_bot_with_a_relative_profile_whose_project_is_removed_is_ended_with_its_browser(
    project: Project,
) -> None:
    running = await project.start("run", "browser=sessions/session-1")
    await running.until("restart.done")
    (browser,) = await project.noted("browser", "start")
    await running.until("browser.up")
    shutil.rmtree(project.folder)
    assert await running.stop() == 128 + signal.SIGTERM
    assert "internal error" not in running.problems()
    assert browser.pid in {note.pid for note in project.notes("browser", "asked")}
    project.is_left_alone()
