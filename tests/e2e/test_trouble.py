"""Browsers that do not open, pages that do not come up, links that are gone: a clear line, and nothing is lost."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from supervisor.demo.offline_bot import WEB_VERSION, profile_of
from supervisor.demo.phone import DEFAULT_NUMBER
from tests.e2e.supervised import snapshots, supervised

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

NEVER_BECAME_READY = 3


def configure(folder: Path, text: str) -> None:
    (folder / "scanonce.toml").write_text(text)


def change_page(folder: Path, old: str, new: str) -> None:
    """Make the stand-in page behave otherwise."""
    page = folder / ".wwebjs_cache" / f"{WEB_VERSION}.html"
    text = page.read_text()
    assert old in text
    page.write_text(text.replace(old, new))


def fingerprint(folder: Path) -> dict[str, str]:
    """What every file below a folder holds."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


async def test_a_browser_that_does_not_exist_ends_production_with_its_own_status(
    linked_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUPPETEER_EXECUTABLE_PATH", "/nowhere/chromium")
    configure(linked_folder, '[restart]\nlimit = 2\nbackoff_initial = "100ms"\n')
    before = fingerprint(profile_of(linked_folder, DEFAULT_NUMBER))
    async with supervised(linked_folder, "run") as bot:
        assert await bot.ended() == NEVER_BECAME_READY
        assert [event["code"] for event in bot.named("bot.crashed")] == [1, 1]
        assert "/nowhere/chromium" in bot.stderr
    assert fingerprint(profile_of(linked_folder, DEFAULT_NUMBER)) == before


async def test_a_browser_that_hangs_before_it_opens_is_never_called_ready(
    linked_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is there, with all its arguments, but it gets nowhere."""
    hanging = "#!/bin/bash\nexec -a /usr/lib/chromium/chromium node -e 'setInterval(() => {}, 1e6)' -- \"$@\"\n"
    monkeypatch.setenv("PUPPETEER_EXECUTABLE_PATH", str(program(linked_folder / "hangs", hanging)))
    configure(linked_folder, '[ready]\ntimeout = "12s"\n')
    before = fingerprint(profile_of(linked_folder, DEFAULT_NUMBER))
    async with supervised(linked_folder) as bot:
        await bot.until("browser.up")
        await bot.until("bot.not_ready")
        assert not bot.named("bot.ready")
    assert fingerprint(profile_of(linked_folder, DEFAULT_NUMBER)) == before


async def test_a_browser_that_is_never_started_is_missed(linked_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUPPETEER_EXECUTABLE_PATH", str(program(linked_folder / "sleeps", "#!/bin/sh\nsleep 1000\n")))
    configure(linked_folder, '[browser]\nstart_timeout = "1s"\n')
    async with supervised(linked_folder) as bot:
        problem = await bot.until("error")
        assert "not opened its browser in 1 s" in problem["problem"]
        assert "browser.start_timeout" in problem["remedy"]
        await bot.stop_cleanly()


async def test_a_page_that_never_becomes_ready_is_said_to_and_stays_linked(linked_folder: Path) -> None:
    page = linked_folder / ".wwebjs_cache" / f"{WEB_VERSION}.html"
    sound = page.read_text()
    change_page(linked_folder, "socket.set('hasSynced', true);", "")
    configure(linked_folder, '[ready]\ntimeout = "16s"\n[restart]\nlimit = 1\n')
    async with supervised(linked_folder, "run", options=["--grace=50ms"]) as bot:
        not_ready = await bot.until("bot.not_ready")
        assert bot.named("session.linked")
        assert not_ready["state"] == "connected, still catching up with the phone"
        assert await bot.ended() == NEVER_BECAME_READY
        assert bot.named("browser.closed")
    page.write_text(sound)
    async with supervised(linked_folder) as bot:
        await bot.until_ready()


async def test_a_session_that_shows_a_qr_code_is_not_copied_over_a_linked_one(linked_folder: Path) -> None:
    configure(linked_folder, '[session]\nrecovery_attempts = 0\nqr_patience = "500ms"\n')
    async with supervised(linked_folder) as bot:
        await bot.until_ready()
    linked = snapshots(linked_folder)
    page = linked_folder / ".wwebjs_cache" / f"{WEB_VERSION}.html"
    sound = page.read_text()
    change_page(linked_folder, "const wid = await loadLink();", "const wid = undefined;")
    async with supervised(linked_folder) as bot:
        await bot.until("restart.done", outcome="needs_link")
        assert bot.named("session.not_recovered")[0]["reason"] == "session.recovery_attempts is 0"
        bot.save()
        await bot.until("restart.done", outcome="needs_link")
        assert bot.named("snapshot.skipped")
    assert snapshots(linked_folder) == linked
    page.write_text(sound)
    shutil.rmtree(profile_of(linked_folder, DEFAULT_NUMBER))
    async with supervised(linked_folder) as bot:
        await bot.until("session.restored")
        await bot.until_ready()


async def test_a_logout_by_the_phone_is_final_and_keeps_the_snapshots(linked_folder: Path) -> None:
    async with supervised(linked_folder) as bot:
        await bot.until_ready()
        bot.save()
        await bot.until_ready()
        await bot.until("snapshot.taken")
        linked = snapshots(linked_folder)
        async with await bot.phone() as phone:
            await phone.logout()
        await bot.until("session.logged_out")
        await bot.until_printed("disconnected: LOGOUT")
        bot.save()
        await bot.until("restart.done", outcome="needs_link")
        assert not bot.named("session.restored")
    assert snapshots(linked_folder) == linked
