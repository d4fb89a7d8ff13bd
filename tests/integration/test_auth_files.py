"""A bot without a browser, whose account is a folder of files: it is left alone, copied, and comes back."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from supervisor.session.store import SessionStore
from tests.helpers import account
from tests.helpers.command import Project, Running
from tests.helpers.shell import run
from tests.helpers.waiting import eventually

BOT = Path(account.__file__)


def command(*words: str, folder: str = "auth") -> list[str]:
    return [sys.executable, str(BOT), folder, *words]


async def written(running: Running, count: int) -> None:
    await running.until_output(f"wrote {count}\n".encode())


async def test_its_writes_restart_nothing_and_an_edit_keeps_the_account(project: Project) -> None:
    running = await project.start("dev", command=command())
    await running.until("restart.done")
    await written(running, 30)
    assert running.all("restart.requested") == []
    wanted = account.identity(project.folder / "auth")
    project.touch("index.js")
    await running.until("restart.done", reason="change")
    await eventually(lambda: account.identity(project.folder / "auth") == wanted)
    refused = run(project.folder, "snapshot", "take")
    assert refused.status != 0
    assert "copied while no bot runs" in refused.err
    assert len(running.all("restart.requested")) == 1
    assert len(running.all("browser.lost") + running.all("error")) == 0
    assert await running.stop() == 143
    assert account.identity(project.folder / "auth") == wanted
    [known] = SessionStore(project.folder).sessions()
    assert known.state.is_linked is True
    assert known.snapshots[0].good
    project.is_left_alone()


async def test_files_torn_by_a_kill_do_not_end_the_account(project: Project) -> None:
    account.make(project.folder / "data" / "alice")
    wanted = account.identity(project.folder / "data" / "alice")
    running = await project.start("run", command=command("tear", folder="data/alice"))
    for count in (20, 40):
        await written(running, count)
        run(project.folder, "restart")
        restored = await running.until("session.restored")
        assert restored["session"] == "alice"
        assert "creds.json" in str(restored["problem"])
    await running.until_output(f"account {wanted}\n".encode())
    assert await running.stop() == 143
    assert b"".join(path.read_bytes() for path in sorted((project.folder / "data" / "alice").glob("session-*")))
    running = await project.start("run", command=command(folder="data/alice"))
    await running.until("restart.done")
    assert account.identity(project.folder / "data" / "alice") == wanted
    assert await running.stop() == 143


async def test_what_the_bot_removes_itself_is_not_brought_back_and_what_goes_otherwise_is(project: Project) -> None:
    folder = account.make(project.folder / "auth")
    wanted = account.identity(folder)
    running = await project.start("run", command=command("logout", "new"))
    await written(running, 5)
    run(project.folder, "restart")
    await running.until("session.remark", check="profile")
    await running.until("restart.done", reason="control")
    assert running.all("session.restored") == []
    assert await running.stop() == 143
    shutil.rmtree(folder, ignore_errors=True)
    assert run(project.folder, "snapshot", "restore", "--yes").status == 0
    assert account.identity(folder) == wanted
    shutil.rmtree(folder)
    running = await project.start("run", command=command())
    await running.until("session.restored")
    await running.until_output(f"account {wanted}\n".encode())
    assert await running.stop() == 143
