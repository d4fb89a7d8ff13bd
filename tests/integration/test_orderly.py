"""What a living bot takes away in good order is its own doing; what happens to it otherwise is a loss."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from pathlib import Path

import psutil
import pytest

from supervisor.session.profiles.profile import Profile
from supervisor.session.state_file import REMOVED
from supervisor.session.store import SessionStore
from tests.helpers import build
from tests.helpers.command import Project, Running
from tests.helpers.waiting import eventually

PATIENCE = 0.3
IMPATIENT = f'[browser]\nlost_patience = "{PATIENCE * 1000:.0f}ms"\n'
A, B = "sessions/session-a", "sessions/session-b"
BOTH = (f"browser={A},devtools", f"browser={B},devtools")


def linked(project: Project, path: str) -> Profile:
    """A linked session, whose page says so, and a good snapshot of it."""
    profile = Profile.at(project.folder / path)
    build.profile(profile.path)
    (profile.path / "page").write_text("CONNECTED")
    store = SessionStore(project.folder)
    store.state.update(profile.id, is_linked=True, profile=path)
    store.capture(profile, linked=True, browser_version="156").publish()
    return profile


async def told(running: Running, name: str, **fields: object) -> None:
    """Wait until an event has been reported, now or earlier."""
    await eventually(lambda: any(fields.items() <= event.items() for event in running.all(name)), f"{name} {fields}")


async def patience_is_over(project: Project, running: Running) -> None:
    """Nothing has come of it by the time at which a lost browser would have been missed."""
    await asyncio.sleep(PATIENCE + 0.3)
    assert [done["reason"] for done in running.all("restart.done")] == ["start"]
    assert len(project.notes("bot", "start")) == 1
    assert not running.all("browser.lost")


TAKEN_AWAY = {
    "one is closed": [f"close={B}"],
    "both are closed": [f"close={A}", f"close={B}"],
    "one is closed and opened again": [f"close={B}", BOTH[1]],
    "one is removed": [f"close={B}", f"remove={B}"],
    "one is removed some time later": [f"close={B}", "after=0.5", f"remove={B}"],
    "one is emptied": [f"close={B}", f"empty={B}"],
    "one is removed and made anew": [f"close={B}", f"remove={B}", BOTH[1]],
}


@pytest.mark.parametrize("words", TAKEN_AWAY.values(), ids=TAKEN_AWAY)
async def test_what_a_bot_takes_away_in_good_order_is_not_brought_back(project: Project, words: list[str]) -> None:
    project.configure(IMPATIENT)
    profiles = [linked(project, path) for path in (A, B)]
    once, now = project.touch("once"), project.folder / "now"
    async with project.supervised("dev", *BOTH, f"when={once}:until={now}:{':'.join(words)}") as running:
        for profile in profiles:
            await told(running, "browser.up", profile=str(profile.path))
        project.touch("now")
        await told(running, "browser.closed", method="bot")
        await project.noted("bot", "up")
        await patience_is_over(project, running)
        once.unlink()
        project.touch("index.js")
        await running.until("restart.done", reason="change")
        for unwanted in ("session.restored", "session.damaged", "snapshot.failed", "error"):
            assert not running.all(unwanted)
        removed = words[-1].startswith(("remove", "empty"))
        seen = [event["session"] for event in running.all("session.removed")]
        # One that is made anew at once may have been looked at in between: it was gone then.
        assert seen == ["b"] * removed or (words == TAKEN_AWAY["one is removed and made anew"] and seen == ["b"])
    kept = SessionStore(project.folder)
    assert all(any(one.good for one in kept.snapshots(profile.id)) for profile in profiles)


async def test_an_account_that_was_removed_stays_so_even_if_the_supervisor_is_killed(project: Project) -> None:
    project.configure(IMPATIENT)
    linked(project, A), linked(project, B)
    running = await project.start("run", *BOTH, f"close={B}", f"remove={B}")
    await told(running, "session.removed", session="b")
    await eventually(lambda: SessionStore(project.folder).state.get("b").last_state == REMOVED)
    running.process.kill()
    await running.ends()
    async with project.supervised("run", BOTH[0]) as after:
        assert not after.all("session.restored")
        assert not (project.folder / B).exists()


async def test_an_account_that_is_linked_anew_is_looked_after_again(project: Project) -> None:
    project.configure(IMPATIENT + '[ready]\nmethod = "page"\n')
    linked(project, B)
    now, again = project.folder / "now", project.folder / "again"
    words = [BOTH[1], f"until={now}", f"close={B}", f"remove={B}", f"until={again}", BOTH[1]]
    async with project.supervised("run", *words) as running:
        project.touch("now")
        await told(running, "session.removed")
        project.touch("again")
        await running.until("session.linked", session="b")  # the new page says so at once
    async with project.supervised("run", BOTH[1]):
        pass
    shutil.rmtree(project.folder / B)
    async with project.supervised("run", BOTH[1]) as running:
        assert running.all("session.restored")


ACCIDENTS = {
    "killed": signal.SIGKILL,
    "crashed": signal.SIGSEGV,
    "terminated": signal.SIGTERM,  # Chromium leaves without its cookies, and its locks behind
}


@pytest.mark.parametrize("number", ACCIDENTS.values(), ids=ACCIDENTS)
async def test_a_profile_that_is_gone_after_an_accident_is_restored(project: Project, number: signal.Signals) -> None:
    project.configure(IMPATIENT)
    profile = linked(project, B)
    async with project.supervised("dev", *BOTH) as running:
        await told(running, "browser.up", profile=str(profile.path))
        await project.noted("browser", "start", 2)
        [browser] = [note.pid for note in project.notes("browser", "start") if note.more == B]
        psutil.Process(browser).send_signal(number)
        await running.until("browser.lost")
        shutil.rmtree(profile.path)
        await running.until("restart.done", reason="browser lost")
        assert running.all("session.restored")[0]["session"] == "b"
        assert not running.all("session.removed")


async def test_a_profile_that_is_gone_while_no_bot_runs_is_restored_although_its_bot_had_closed_it(
    project: Project,
) -> None:
    profile = linked(project, B)
    now = project.folder / "now"
    async with project.supervised("run", *BOTH, f"until={now}", f"close={B}") as running:
        await told(running, "browser.up", profile=str(profile.path))
        project.touch("now")
        await told(running, "browser.closed", method="bot")
    now.unlink()
    shutil.rmtree(profile.path)
    async with project.supervised("run", *BOTH) as running:
        assert [event["session"] for event in running.all("session.restored")] == ["b"]


@pytest.mark.parametrize("way", ["remove", "empty"])
async def test_a_profile_that_its_bot_empties_at_each_start_is_not_restored_for_ever(
    project: Project, way: str
) -> None:
    project.configure('[ready]\nmethod = "page"\n[session]\nqr_patience = "100ms"\n')
    linked(project, A)
    one = f"browser={A},devtools,page=UNPAIRED"
    running = await project.start("dev", f"{way}={A}", one)
    await running.until("session.emptied", session="a")
    await running.until("restart.done", outcome="needs_link")
    assert len(running.all("session.restored")) == 1, "for it may have been a mistake, once"
    assert not running.all("session.not_recovered")
    project.touch("index.js")
    await running.until("restart.done", outcome="needs_link")
    assert len(running.all("session.restored")) == 1
    assert len(running.all("session.emptied")) == 1
    assert await running.stop() == 143
    project.is_left_alone()


async def test_the_profile_of_remote_auth_is_not_restored_at_all(project: Project) -> None:
    project.configure('[ready]\nmethod = "page"\n[session]\nqr_patience = "100ms"\n')
    path = "sessions/RemoteAuth-1"
    linked(project, path)
    running = await project.start("dev", f"remove={path}", f"browser={path},devtools,page=UNPAIRED")
    told = await running.until("restart.done", outcome="needs_link")
    assert told["reason"] == "start"
    assert running.all("session.emptied")
    assert not running.all("session.restored")
    assert not running.all("session.not_recovered")
    assert await running.stop() == 143


# -- throw-away profiles -----------------------------------------------------------------------------------------------

NAMES = ["puppeteer_dev_chrome_profile-XYzk3a", "org.chromium.Chromium.AbC123", "scoped_dir12_345", "of-its-own"]


@pytest.mark.parametrize("name", NAMES)
async def test_a_profile_to_throw_away_is_no_session(project: Project, name: str) -> None:
    project.configure(IMPATIENT)
    now = project.folder / "now"
    with tempfile.TemporaryDirectory(prefix="t-") as temporary:
        profile = f"{temporary}/{name}"
        words = [f"browser={profile},devtools", f"until={now}", f"close={profile}", f"remove={profile}"]
        async with project.supervised("dev", *words, environment={"TMPDIR": temporary}) as running:
            project.touch("now")
            await told(running, "browser.closed", method="bot")
            await project.noted("bot", "up")
            await patience_is_over(project, running)
            now.unlink()
            project.touch("index.js")
            await running.until("restart.done", reason="change")
            await project.noted("browser", "start", 2)
            project.touch("now")
        assert not list(Path(temporary).glob(".scanonce*"))  # noqa: ASYNC240
    assert not running.all("snapshot.taken")
    assert not running.all("snapshot.failed")
    assert not SessionStore(project.folder).state.load()


async def test_a_new_profile_in_the_temporary_folder_is_to_throw_away_and_an_old_one_is_not(project: Project) -> None:
    with tempfile.TemporaryDirectory(prefix="t-") as temporary:
        old, new = f"{temporary}/old", f"{temporary}/new"
        Path(old).mkdir()  # noqa: ASYNC240
        words = [f"browser={old}", f"browser={new}"]
        async with project.supervised("dev", *words, environment={"TMPDIR": temporary}) as running:
            await project.noted("browser", "start", 2)
            await told(running, "browser.up", profile=new)
            project.touch("index.js")
            await running.until("restart.done", reason="change")
            await told(running, "snapshot.taken", session="old")
            assert not running.all("snapshot.failed")


# -- waiting for a person ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ends", [["close={profile}", "exit=0"], ["exit=1"], ["exit-killing=0"]], ids=["closes", "fails", "kills"]
)
async def test_a_bot_whose_code_nobody_scans_is_started_again_and_never_given_up(
    project: Project, ends: list[str]
) -> None:
    project.configure(
        '[ready]\nmethod = "page"\n[restart]\nlimit = 2\nbackoff_initial = "20ms"\nbackoff_max = "20ms"\n'
    )
    now = project.folder / "now"
    words = [f"browser={A},devtools,page=UNPAIRED", f"until={now}", *(word.format(profile=A) for word in ends)]
    running = await project.start("run", *words)
    for _ in range(3):
        await running.until("restart.done", outcome="needs_link")
        project.touch("now")
        await running.until("bot.exited")
        now.unlink()
    await running.until("restart.done", outcome="needs_link")
    assert not running.all("bot.crashed")
    assert not running.all("bot.given_up")
    assert not running.all("bot.ready")
    assert {event["crashes"] for event in running.all("bot.backoff")} == {0}
    assert {done["reason"] for done in running.all("restart.done")} <= {"start", "no scan"}
    assert await running.stop() == 143


async def test_a_bot_that_never_was_more_than_unscanned_is_given_up_as_one_that_never_was_ready(
    project: Project,
) -> None:
    project.configure('[ready]\nmethod = "page"\n[restart]\nlimit = 2\nbackoff_initial = "20ms"\n')
    now = project.folder / "now"
    running = await project.start("run", f"browser={A},devtools,page=UNPAIRED", f"until={now}", "die=9")
    await told(running, "restart.done", outcome="needs_link")
    project.touch("now")
    assert await running.ends() == 3
    assert running.all("bot.given_up")[0]["ever_ready"] is False
