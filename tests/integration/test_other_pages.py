"""Bots whose pages are none that we can read: what is lost comes back, and what is new is kept."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supervisor.session.profiles.profile import Profile
from supervisor.session.store import SessionStore
from tests.helpers import build
from tests.helpers.command import Project, Running
from tests.helpers.journal import VARIABLE as JOURNAL
from tests.helpers.waiting import eventually

BOT = "browser=sessions/session-1,pipe"


def profile_of(project: Project) -> Profile:
    return Profile.at(project.profile("1"))


async def run_once(project: Project) -> Running:
    """A run of the bot; at its end a snapshot is taken of its session, of which nothing is known."""
    async with project.supervised("dev", BOT) as running:
        pass
    return running


def emptied(path: Path) -> None:
    shutil.rmtree(path)
    path.mkdir()


def hollow(path: Path) -> None:
    emptied(path)
    (path / "Default").mkdir()


@pytest.mark.parametrize("lose", [shutil.rmtree, emptied, hollow])
async def test_a_profile_that_is_lost_between_two_runs_is_restored(
    project: Project, lose: Callable[[Path], object]
) -> None:
    profile = profile_of(project)
    build.profile(profile.path)
    before = build.kept(profile.path)
    running = await run_once(project)
    assert running.all("snapshot.taken")
    lose(profile.path)
    running = await run_once(project)
    assert len(running.all("session.restored")) == 1
    assert build.kept(profile.path) == before
    assert not (await run_once(project)).all("session.restored")


@pytest.mark.parametrize("check", ["true", "false"])
async def test_a_new_link_is_not_thrown_away_for_an_old_one(project: Project, check: str) -> None:
    profile = profile_of(project)
    build.profile(profile.path)
    await run_once(project)
    SessionStore(project.folder).clear(profile)
    project.configure(f"[session]\ncheck = {check}\n")
    async with project.supervised("dev", BOT):
        build.profile(profile.path, records=4)
        written = build.kept(profile.path)
    project.configure("")
    for _ in range(2):
        running = await run_once(project)
        assert not running.all("session.restored"), running.told()
        assert not running.all("session.damaged"), running.told()
    assert build.kept(profile.path) == written
    store = SessionStore(project.folder)
    assert store.state.get("1").is_linked is None, "that it was cleared tells nothing of what has been linked since"
    assert store.snapshots("1")[0].sequences[build.INDEXED_DB] == 4


# -- when their bots are up -------------------------------------------------------------------------------------------

ANOTHER = "https://chat.example/"
#: A start that is waited for longer than any test, unless the page shows that it is over.
PATIENT = '[ready]\nsettle = "10min"\ntimeout = "20min"\n'


def with_page(project: Project, name: str = "1", state: str = "CONNECTED") -> Path:
    profile = project.profile(name)
    (profile / "Default").mkdir(parents=True)
    (profile / "url").write_text(ANOTHER)
    (profile / "page").write_text(state)
    return profile


@pytest.mark.parametrize("method", ["auto", "up"])
async def test_they_are_up_when_the_page_has_loaded(project: Project, method: str) -> None:
    profile = with_page(project, state="LOADING")
    project.configure(f'{PATIENT}method = "{method}"\n')
    running = await project.start("dev", f"browser={profile},devtools")
    await running.until("browser.up")
    await project.noted("bot", "up")
    assert not running.all("bot.ready")
    (profile / "page").write_text("CONNECTED")
    await running.until("restart.done", outcome="ready")
    assert running.all("bot.ready")[0]["method"] == "up"
    assert running.all("session.state")[-1]["state"] == "open"
    await eventually(lambda: SessionStore(project.folder).state.get("1").last_state == "open")
    await running.stop()
    project.is_left_alone()


async def test_two_of_them_are_up_when_both_pages_have_loaded(project: Project) -> None:
    first, second = with_page(project, state="LOADING"), with_page(project, "2", "LOADING")
    project.configure(PATIENT)
    running = await project.start("dev", f"browser={first},devtools", f"browser={second},devtools")
    # On a busy machine the second comes late, and what the bot will open nobody knows at its first start.
    await eventually(lambda: len(running.all("browser.up")) == 2)
    (first / "page").write_text("CONNECTED")
    await running.until("session.state", session="1", state="open")
    await project.noted("bot", "up")
    assert not running.all("bot.ready")
    (second / "page").write_text("CONNECTED")
    await running.until("restart.done", outcome="ready")
    await running.stop()


async def test_a_page_that_was_linked_before_is_not_taken_for_another(project: Project) -> None:
    """It opens another page first, which has loaded long before: that is not what its start is about."""
    profile = with_page(project)
    SessionStore(project.folder).state.update("1", is_linked=True, profile="sessions/session-1")
    project.configure(PATIENT)
    running = await project.start("dev", f"browser={profile},devtools")
    await running.until("session.state", state="open")
    await project.noted("bot", "up")
    assert not running.all("bot.ready")
    await running.stop()
    assert SessionStore(project.folder).state.get("1").is_linked is True


# -- browsers that come late ------------------------------------------------------------------------------------------

SETTLED = '[ready]\nsettle = "50ms"\n'


async def test_a_browser_that_comes_late_is_waited_for_from_then_on(project: Project) -> None:
    project.configure(SETTLED)
    async with project.supervised("dev", "until=go", f"browser={project.profile('1')},devtools") as running:
        with_page(project)  # only now: at its first start nothing is known of a browser
        project.touch("go")
        # What was believed is taken back: the bot is ready when its page is.
        await running.until("bot.ready")
        assert running.all("session.state")[-1]["state"] == "open"
        (project.folder / "go").unlink()
        project.touch("index.js")
        await running.until("bot.started")
        await project.noted("bot", "start", 2)
        project.touch("go")
        await running.until("restart.done")
        assert running.all("restart.done")[-1]["phases_ms"].keys() >= {"boot", "browser"}


async def test_a_second_browser_that_comes_late_is_waited_for_from_then_on(project: Project) -> None:
    """As of a bot that opens one account after the other."""
    first, second = with_page(project), with_page(project, "2")
    project.configure("", quick=False)
    words = (f"browser={first},devtools", "until=go", f"browser={second},devtools")
    async with project.supervised("dev", *words) as running:
        project.touch("go")
        await running.until("session.state", session="2")
        (project.folder / "go").unlink()
        project.touch("index.js")
        await running.until("session.state", session="1")
        await project.noted("bot", "start", 2)
        assert len(running.all("restart.done")) == 1
        project.touch("go")
        await running.until("restart.done")


async def test_a_bot_that_only_connects_to_a_browser_is_not_waited_for_to_open_one(project: Project) -> None:
    """A library says that it drives one; that it uses one of another program is seen when it runs."""
    (project.folder / "node_modules/puppeteer").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with another_browser(project, port):
        await eventually(lambda: listens(port))
        project.configure('[ready]\nsettle = "50ms"\n[browser]\nstart_timeout = "10min"\n')
        running = await project.start("dev", f"connect={port}")
        await running.until("restart.done")
        assert running.all("bot.ready")[0]["method"] == "up"
        assert not running.all("error")
        await running.stop()


@contextlib.contextmanager
def another_browser(project: Project, port: int) -> Iterator[None]:
    """A browser that neither this bot nor its supervisor has anything to do with."""
    switches = (f"--user-data-dir={project.home / 'others'}", f"--remote-debugging-port={port}", f"--fake=port={port}")
    environment = {name: value for name, value in project.environment.items() if name != JOURNAL}
    program = [str(project.chromium), "-I", "-S", str(Path(build.__file__).with_name("run.py")), "browser"]
    with subprocess.Popen([*program, *switches], env=environment) as browser:
        yield
        browser.kill()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True
