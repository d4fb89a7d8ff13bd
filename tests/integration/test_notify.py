"""A real supervisor and who it tells: what each has got, and that neither bot nor restart waits for them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from supervisor.config.sections.notify import NotifyConfig
from supervisor.notify import signature
from supervisor.notify.factory import make_targets
from supervisor.notify.service import LAST_OF_GIVEN_UP
from supervisor.process.helper import HelperRunner
from supervisor.process.reaper import Reaper
from supervisor.system.runtime_dir import project_key
from tests.helpers.command import Project
from tests.helpers.endpoint import endpoint
from tests.helpers.shell import Ended, invoke
from tests.helpers.waiting import eventually

SECRET = "a-secret-of-the-environment"


CODE = "2@abcdefgh,ijklmnop,qrstuv=="
Shell = Callable[..., Coroutine[Any, Any, Ended]]


@pytest.fixture
def shell(project: Project, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Run a command in the project: in this process, which spares its start, and beside what else goes on."""
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)

    async def run(*words: str) -> Ended:
        return await asyncio.to_thread(invoke, project.folder, *words)

    return run


def needs_link(project: Project, session: str) -> Path:
    """The profile of a session whose page shows a code."""
    profile = project.profile(session)
    profile.mkdir(parents=True)
    (profile / "page").write_text("UNPAIRED")
    (profile / "qr").write_text(CODE)
    return profile


def configuration(*, webhooks: list[str] | None = None, apprise: list[str] | None = None, more: str = "") -> str:
    return f"[notify]\nwebhooks = {json.dumps(webhooks or [])}\napprise = {json.dumps(apprise or [])}\n{more}\n"


async def test_a_session_that_needs_a_link_is_told_of_with_its_code(project: Project) -> None:
    profile = needs_link(project, "15551234567")
    async with endpoint() as server:
        project.configure(configuration(webhooks=["env:HOOK"], more='webhook_secret = "env:HOOK_SECRET"'), quick=False)
        given = {"HOOK": server.url, "HOOK_SECRET": SECRET}
        async with project.supervised("run", f"browser={profile},devtools", environment=given) as running:
            [received] = await server.until(1)
            sent = await running.until("notify.sent")
            assert sent["target"] == "webhook 1 (env:HOOK)"
            document = received.json
            assert (document["kind"], document["session"]) == ("needs_link", "15551234567")
            assert document["qr"]["text"] == CODE
            assert document["project"] == str(project.folder.resolve())
            assert received.headers["webhook-signature"].startswith("v1,")
            said = running.told()
    assert SECRET not in said
    assert SECRET not in received.body.decode()
    assert str(server.port) not in said
    kept = {
        file.name: file.read_bytes()
        for folder in (project.home / "state", project.folder / ".session-cache")
        for file in folder.rglob("*")
        if file.is_file()
    }
    assert "history.db" in kept
    assert any(b"notify.sent" in content for content in kept.values())
    assert not [name for name, content in kept.items() if SECRET.encode() in content or server.url.encode() in content]


async def test_each_webhook_may_have_a_secret_and_a_timeout_of_its_own(project: Project) -> None:
    async with endpoint() as one, endpoint() as other, endpoint("hang") as slow:
        table = f'{{ url = "{other.url}", secret = "env:OTHER_SECRET" }}'
        hasty = f'{{ url = "{slow.url}", timeout = "50ms" }}'
        project.configure(
            f'[notify]\nwebhooks = ["{one.url}", {table}, {hasty}]\nwebhook_secret = "env:SECRET"\ntimeout = "1h"\n'
            'retry_for = "1ms"\n'
            '[restart]\nlimit = 1\nbackoff_initial = "10ms"\n',
            quick=False,
        )
        running = await project.start(
            "run", "exit=3", environment={"SECRET": "the common one", "OTHER_SECRET": "its own"}
        )
        await running.ends()
    [failed] = running.all("notify.failed")
    assert (failed["target"], failed["problem"]) == ("webhook 3 (127.0.0.1)", "it gave no answer in 0.05 s")
    for received, secret in ((one.received[0], "the common one"), (other.received[0], "its own")):
        identity, at = received.headers["webhook-id"], float(received.headers["webhook-timestamp"])
        expected = signature.headers(secret.encode(), identity, at, received.body)
        assert received.headers["webhook-signature"] == expected["webhook-signature"]


async def test_a_bot_that_is_given_up_is_told_of_before_the_end(project: Project) -> None:
    async with endpoint(500, 200) as server:
        project.configure(
            configuration(webhooks=[server.url]) + '[restart]\nlimit = 2\nbackoff_initial = "10ms"\n', quick=False
        )
        running = await project.start("run", "exit=3")
        assert await running.ends() == 3
    # The first try was in vain, and scanonce had no bot any more when it made the second.
    first, second = (received.json for received in server.received)
    assert first == second
    assert (first["kind"], first["event"], first["fields"]["failures"]) == ("crash_loop", "bot.given_up", 2)
    assert running.all("notify.sent")[0]["attempts"] == 2


async def test_whoever_asks_for_the_end_again_does_not_wait_for_the_last_message(project: Project) -> None:
    async with endpoint("hang") as server:
        project.configure(
            configuration(webhooks=[server.url]) + '[restart]\nlimit = 1\nbackoff_initial = "10ms"\n', quick=False
        )
        running = await project.start("run", "exit=3")
        await running.until("supervisor.stopped")
        asked = asyncio.get_running_loop().time()
        assert await running.stop() == 3
        assert asyncio.get_running_loop().time() - asked < LAST_OF_GIVEN_UP / 2
    assert running.all("notify.dropped")[-1]["reason"] == "scanonce ends"


async def test_an_endpoint_that_hangs_holds_up_neither_a_restart_nor_the_end(project: Project, shell: Shell) -> None:
    async with endpoint("hang") as server:
        # Every restart is over this target.
        project.configure(
            configuration(webhooks=[server.url], more='every = "0s"\ntimeout = "1min"\nqueue = 2')
            + '[timing]\ntarget_low = "1ms"\ntarget_high = "2ms"\n'
        )
        async with project.supervised("run") as running:
            await server.until(1)
            for _ in range(4):
                assert (await shell("restart")).status == 0
                done = await running.until("restart.done", reason="control")
                assert (done["outcome"], done["clean"]) == ("ready", True)
            await eventually(lambda: len(running.all("notify.dropped")) == 2)  # it follows what it is about
        last = running.all("notify.dropped")[-1]
        assert (last["count"], last["reason"]) == (3, "scanonce ends")
        assert "The last one" not in (await shell("status")).err, "it was stopped, whatever came after that"
        assert len(server.received) == 1


async def test_a_target_that_cannot_be_used_is_named_and_the_others_are_told(project: Project) -> None:
    async with endpoint() as server:
        (project.folder / "hook").write_text(f"{server.url}\n")
        webhooks = ["env:NO_SUCH", "file:nowhere", "file:hook"]
        project.configure(
            configuration(webhooks=webhooks) + '[restart]\nlimit = 1\nbackoff_initial = "10ms"\n', quick=False
        )
        running = await project.start("run", "exit=3")
        await running.ends()
    assert [(event["target"], event["problem"]) for event in running.all("notify.unusable")] == [
        ("webhook 1 (env:NO_SUCH)", "the environment variable NO_SUCH is not set"),
        (
            "webhook 2 (file:nowhere)",
            f"{project.folder.resolve() / 'nowhere'} cannot be read: No such file or directory",
        ),
    ]
    assert [event["target"] for event in running.all("notify.sent")] == ["webhook 3 (file:hook)"]
    assert len(server.received) == 1


async def test_a_chat_is_told_by_a_process_that_is_gone_afterwards(project: Project) -> None:
    profile = needs_link(project, "1")
    async with endpoint() as server:
        project.configure(configuration(apprise=["env:CHAT"]), quick=False)
        given = {"CHAT": f"json://user:{SECRET}@127.0.0.1:{server.port}/{SECRET}"}
        async with project.supervised("run", f"browser={profile},devtools", environment=given) as running:
            sent = await running.until("notify.sent")
            assert sent["target"] == "apprise 1 (env:CHAT)"
            assert not list(project.runtime.rglob("notify-*"))
            said = running.told()
    assert SECRET not in said
    told = server.received[0].json
    assert told["title"] == "project: a session needs a link"
    assert told["message"].startswith("Session 1 needs a link")
    assert told["type"] == "warning"
    assert base64.b64decode(told["attachments"][0]["base64"]).startswith(b"\x89PNG")


async def test_a_chat_that_hangs_holds_up_no_restart_and_is_none_of_the_bots_processes(
    project: Project, shell: Shell
) -> None:
    async with endpoint("hang") as server:
        project.configure(
            configuration(apprise=[f"json://127.0.0.1:{server.port}/"], more='every = "0s"\ntimeout = "50s"')
            + '[timing]\ntarget_low = "1ms"\ntarget_high = "2ms"\n'
        )
        left = project.runtime / "scanonce" / project_key(project.folder.resolve()) / f"notify-{2**22 + 1}-x"
        left.mkdir(parents=True)
        async with project.supervised("run") as running:
            await server.until(1)
            assert not left.exists()
            assert (await shell("status", "--json")).json["memory"]["processes"] == 1
            assert (await shell("restart")).status == 0
            done = await running.until("restart.done", reason="control")
            assert (done["outcome"], done["clean"]) == ("ready", True)
            assert done["phases_ms"]["prove"] < 2000  # of 5 s that it may take
            # The message is still under way: the stop was not its end.
            assert len(server.received) == 1
            assert not running.all("notify.delayed")
        assert running.all("notify.dropped")[-1]["reason"] == "scanonce ends"
    assert not list(project.runtime.rglob("notify-*"))


async def test_everybody_is_told_of_a_test_and_the_answer_says_who_was(project: Project, shell: Shell) -> None:
    async with endpoint() as server, endpoint(404) as refusing:
        chat = f"json://127.0.0.1:{server.port}/{SECRET}"
        broken = f"json://127.0.0.1:{refusing.port}/{SECRET}"
        project.configure(
            configuration(webhooks=[server.url, refusing.url, "env:NONE"], apprise=[chat, broken, f"nochat://{SECRET}"])
        )
        said = await shell("notify", "test", "--json")
        assert said.status == 1, said
        results = {result["target"]: result for result in said.json["targets"]}
        assert {name: result["ok"] for name, result in results.items()} == {
            "webhook 1 (127.0.0.1)": True,
            "webhook 2 (127.0.0.1)": False,
            "webhook 3 (env:NONE)": False,
            "apprise 1 (json)": True,
            "apprise 2 (json)": False,
            "apprise 3 (nochat)": False,
        }
        assert results["webhook 2 (127.0.0.1)"]["problem"] == "it answered with status 404"
        assert "404" in results["apprise 2 (json)"]["problem"]
        assert "not one that apprise understands" in results["apprise 3 (nochat)"]["problem"]
        assert SECRET not in said.out + said.err
        [attached] = [one.json["attachments"] for one in server.received if "attachments" in one.json]
        assert base64.b64decode(attached[0]["base64"]).startswith(b"\x89PNG")
        assert {one.json["kind"] for one in server.received if "kind" in one.json} == {"test"}


async def test_a_test_that_everybody_got(project: Project, shell: Shell) -> None:
    async with endpoint() as server:
        project.configure(configuration(webhooks=[server.url]))
        said = await shell("notify", "test")
    assert said.status == 0, said
    assert "webhook 1 (127.0.0.1)  ok, in " in said.out


async def test_with_nobody_to_tell_the_command_says_what_to_set(shell: Shell) -> None:
    said = await shell("notify", "test")
    assert (said.status, said.out) == (2, "")
    assert "set notify.webhooks or notify.apprise" in said.err


def test_a_missing_library_is_named_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    config = NotifyConfig(apprise=("json://127.0.0.1/",))
    targets = make_targets(config, tmp_path, HelperRunner(Reaper(), set()), lambda: tmp_path)
    assert targets.usable == []
    assert [(str(one), one.remedy) for one in targets.unusable.values()] == [
        ("the library apprise is not installed", "pip install 'scanonce[notify]'")
    ]
