"""Health and metrics of a real supervisor, over HTTP."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.config.issues import ConfigError
from supervisor.config.loader import load
from supervisor.config.modes import Mode
from tests.helpers.asking import get, sample
from tests.helpers.command import Project, Running

METRICS = '[metrics]\nlisten = "127.0.0.1:0"\n'


async def url_of(running: Running) -> str:
    events = running.all("metrics.on")
    return str((events or [await running.until("metrics.on")])[0]["url"])


async def test_a_bot_that_is_ready_and_its_figures(project: Project) -> None:
    project.configure(METRICS)
    async with project.supervised("run") as running:
        url = await url_of(running)
        alive, ready, metrics = await get(f"{url}/livez"), await get(f"{url}/readyz"), await get(f"{url}/metrics")
        assert (alive.status, alive.json) == (200, {"alive": True, "reasons": []})
        assert (ready.status, ready.json) == (200, {"ready": True, "reasons": []})
        assert metrics.status == 200
        assert metrics.content_type.startswith("text/plain; version=")
        told = metrics.samples
        assert sample(told, "scanonce_ready") == 1
        assert sample(told, "scanonce_restarts_total", reason="start", outcome="ready", kind="cold") == 1
        assert sample(told, "scanonce_restart_phase_duration_seconds_count", phase="boot") == 1
        assert sample(told, "scanonce_tree_processes") == 1
        assert sample(told, "scanonce_supervisor_memory_bytes") > 10e6
        head = await get(f"{url}/metrics", "HEAD")
        assert (head.status, head.body) == (200, "")
        assert [(await get(url + path, method)).status for path, method in (("/", "GET"), ("/livez", "POST"))] == [
            404,
            405,
        ]


async def test_a_bot_that_has_ended_is_not_ready_and_its_supervisor_is_alive(project: Project) -> None:
    project.configure(METRICS + '[restart]\nbackoff_initial = "1min"\n')
    running = await project.start("run", "after=0.3", "exit=3")
    await running.until("bot.backoff")
    url = await url_of(running)
    assert (await get(f"{url}/livez")).status == 200
    ready = await get(f"{url}/readyz")
    assert (ready.status, ready.json["reasons"]) == (503, ["the bot is not up (backoff)"])
    told = (await get(f"{url}/metrics")).samples
    assert sample(told, "scanonce_crashes_total") == 1
    assert sample(told, "scanonce_phase", phase="backoff") == 1
    assert await running.stop() == 128 + 15


async def test_a_bot_whose_session_loses_its_link_is_not_ready_until_it_is_linked_again(project: Project) -> None:
    project.configure(METRICS, quick=False)
    profile = project.profile("15551234567")
    profile.mkdir(parents=True)
    page = profile / "page"
    page.write_text("CONNECTED")
    async with project.supervised("run", f"browser={profile},devtools") as running:
        url = await url_of(running)
        assert (await get(f"{url}/readyz")).status == 200
        page.write_text("UNPAIRED")
        await running.until("session.needs_link")
        ready = await get(f"{url}/readyz")
        assert ready.status == 503
        [reason] = ready.json["reasons"]
        assert reason.startswith("session 4567-")
        assert reason.endswith(": needs_link")
        metrics = await get(f"{url}/metrics")
        label = reason.split()[1].rstrip(":")
        assert sample(metrics.samples, "scanonce_links_lost_total", session=label) == 1
        assert sample(metrics.samples, "scanonce_session_state", session=label, state="needs_link") == 1
        assert "15551234567" not in metrics.body
        page.write_text("CONNECTED")
        await running.until("session.linked")
        assert (await get(f"{url}/readyz")).status == 200


async def test_a_bot_that_waits_for_its_first_scan_is_not_ready(project: Project) -> None:
    project.configure(METRICS, quick=False)
    profile = project.profile("shop")
    (profile / "Default").mkdir(parents=True)
    (profile / "page").write_text("UNPAIRED")
    async with project.supervised("run", f"browser={profile},devtools") as running:
        url = await url_of(running)
        ready = await get(f"{url}/readyz")
        assert (ready.status, ready.json["reasons"]) == (
            503,
            ["the bot is up, but not ready", "session shop: needs_link"],
        )
        told = (await get(f"{url}/metrics")).samples
        assert sample(told, "scanonce_ready") == 0
        assert sample(told, "scanonce_links_lost_total", session="shop") == 0


async def test_an_address_that_is_taken_is_told_and_the_bot_runs(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        project.configure(f'[metrics]\nlisten = "{address}"\n')
        async with project.supervised("run") as running:
            [off] = running.all("metrics.off")
    assert off["problem"] == f"cannot listen on {address}: Address already in use"


@pytest.mark.parametrize("sent", [b"", b"GET /livez HTTP/1.1\r\nHost: "], ids=["nothing", "half a request"])
@pytest.mark.parametrize("connections", [8, 16, 32, 200])
async def test_those_who_connect_and_send_no_request_hold_nobody_up(
    project: Project, connections: int, sent: bytes
) -> None:
    project.configure(METRICS)
    with contextlib.ExitStack() as stack:
        async with project.supervised("run") as running:
            url = await url_of(running)
            for _ in range(connections):
                idle = stack.enter_context(socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))))
                idle.send(sent)
            assert (await get(f"{url}/livez")).status == 200
            assert (await get(f"{url}/metrics")).status == 200


async def test_a_page_whose_name_leads_here_reads_nothing(project: Project) -> None:
    project.configure(METRICS)
    async with project.supervised("run") as running:
        url = await url_of(running)
        port = url.rpartition(":")[2]
        for host in ("evil.example", f"evil.example:{port}", f"localhost.evil.example:{port}", f"10.0.0.1:{port}"):
            for path in ("/livez", "/readyz", "/metrics", "/"):
                assert (await get(url + path, headers={"Host": host})).status == 421, host
        for host in ("localhost", f"LOCALHOST:{port}", f"127.0.0.1:{port}", "[::1]:1", "localhost."):
            assert (await get(f"{url}/livez", headers={"Host": host})).status == 200, host


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('listen = "0.0.0.0:9464"', "which other machines may reach"),
        ('listen = "[::]:9464"', "which other machines may reach"),
        ('listen = "192.168.1.7:9464"', "or public = true as well"),
        ('listen = "9464"', "expected an address and a port"),
        ('listen = "127.0.0.1"', "expected an address and a port"),
        ('listen = "127.0.0.1:70000"', "expected an address and a port"),
        ('listen = "::1:9464"', "expected an address and a port"),
        ('listen = "bot.example:9464"', "a name other than localhost"),
        ("listen = 9464", "string"),
    ],
)
def test_an_address_that_is_none_or_not_of_this_machine_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "scanonce.toml").write_text(f"[metrics]\n{text}\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, mode=Mode.RUN)
    [issue] = caught.value.issues
    assert issue.key.startswith("metrics")
    assert says in issue.message


@pytest.mark.parametrize("listen", ["127.0.0.1:9464", "localhost:9464", "[::1]:9464", "127.8.0.1:1"])
def test_an_address_of_this_machine_is_taken(tmp_path: Path, listen: str) -> None:
    (tmp_path / "scanonce.toml").write_text(f'[metrics]\nlisten = "{listen}"\n')
    assert load(tmp_path, mode=Mode.RUN).metrics.listen == listen
    (tmp_path / "scanonce.toml").write_text('[metrics]\nlisten = "0.0.0.0:9464"\npublic = true\n')
    assert load(tmp_path, mode=Mode.RUN).metrics.public


def test_what_is_off_is_not_loaded() -> None:
    program = (
        "import supervisor.bootstrap, sys; assert not {'prometheus_client', 'apprise', 'requests'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
