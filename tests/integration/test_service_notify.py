"""What the init system is told, at a socket that the test opens in its place."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from supervisor.log.logger import emit
from supervisor.supervise.service_notify import InitNotifier, NotifySender, notifying, watchdog_of
from tests.helpers.command import Project
from tests.helpers.waiting import DEADLINE, eventually

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="the protocol is Unix's")


class Init:
    """The init system's end."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(DEADLINE)
        self.heard: list[dict[str, str]] = []

    async def until(self, **assignments: str) -> dict[str, str]:
        """Read until a message has these assignments."""
        while True:
            data = await asyncio.to_thread(self._socket.recv, 4096)
            message = dict(line.split("=", 1) for line in data.decode().split("\n"))
            self.heard.append(message)
            if assignments.items() <= message.items():
                return message

    async def until_status(self, part: str) -> None:
        """Read until the status has this in it."""
        while part not in (await self.until()).get("STATUS", ""):
            pass

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def init(project: Project) -> Iterator[Init]:
    """In a folder with a short path."""
    made = Init(str(project.runtime / "init"))
    yield made
    made.close()


# -- the real command --------------------------------------------------------------------------------------------------


async def test_ready_status_and_stopping_are_told_and_the_bot_hears_nothing_of_it(project: Project, init: Init) -> None:
    environment = {"NOTIFY_SOCKET": init.address, "WATCHDOG_USEC": "400000", "WATCHDOG_PID": ""}
    running = await project.start("run", "report-env", environment=environment | {"WATCHDOG_PID": "1"})
    await init.until_status("starting")
    assert not any("READY" in message for message in init.heard)
    await init.until(READY="1")
    await init.until_status("online in")
    running.process.send_signal(signal.SIGTERM)
    stopping = await init.until(STOPPING="1")
    assert stopping["STATUS"] == "stopping (SIGTERM)"
    assert await running.ends() == 143
    assert not any("WATCHDOG" in message for message in init.heard), "the watchdog was meant for another process"
    assert [message for message in init.heard if "EXTEND_TIMEOUT_USEC" in message]
    seen = [note.what for note in project.notes("bot")]
    assert f"NOTIFY_SOCKET={init.address}" not in seen
    assert not [what for what in seen if what.startswith("WATCHDOG_")]


async def test_a_bot_that_waits_for_a_scan_has_started_and_the_status_says_so(project: Project, init: Init) -> None:
    project.configure("", quick=False)
    profile = project.profile("1")
    profile.mkdir(parents=True)
    (profile / "page").write_text("UNPAIRED")
    browser = f"browser={profile},devtools"
    async with project.supervised("run", browser, environment={"NOTIFY_SOCKET": init.address}) as running:
        assert running.all("restart.done")[0]["outcome"] == "needs_link"
        await init.until(READY="1")
        assert any("QR code" in message.get("STATUS", "") for message in init.heard)


@pytest.mark.skipif(not Path("/proc/net/unix").exists(), reason="abstract sockets are Linux's")
async def test_an_abstract_socket_does_as_well(project: Project) -> None:
    init = Init(f"@scanonce-test-{os.getpid()}-{os.urandom(4).hex()}")
    with contextlib.closing(init):
        async with project.supervised("run", environment={"NOTIFY_SOCKET": init.address}):
            await init.until(READY="1")


@pytest.mark.parametrize("address", ["/nowhere/notify", "vsock:2:1234", "", "@", "/" + "x" * 200])
async def test_a_socket_that_is_none_changes_nothing(project: Project, address: str) -> None:
    with notifying(lambda: True, {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000"}):
        emit("session.linked", session="1")
        await asyncio.sleep(0.01)


# -- the herald --------------------------------------------------------------------------------------------------------


class Socket:
    """Takes messages, or does not."""

    def __init__(self) -> None:
        self.takes = True
        self.taken: list[dict[str, Any]] = []

    def send(self, assignments: Mapping[str, object]) -> bool:
        if self.takes:
            self.taken.append(dict(assignments))
        return self.takes

    def said(self, name: str) -> list[Any]:
        return [message[name] for message in self.taken if name in message]


@contextlib.asynccontextmanager
async def beating(herald: InitNotifier) -> Any:
    task = asyncio.create_task(herald.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


READY: dict[str, Any] = {"method": "page", "after_ms": 1}


async def test_the_watchdog_is_fed_only_while_the_bot_is_being_watched() -> None:
    socket, healthy = Socket(), True
    herald = InitNotifier(socket.send, watchdog=0.02, healthy=lambda: healthy)
    async with beating(herald):
        herald.hear("bot.ready", READY)
        await eventually(lambda: len(socket.said("WATCHDOG")) >= 3)
        healthy = False
        fed = len(socket.said("WATCHDOG"))
        await asyncio.sleep(0.1)  # ten times as long as between two; a shorter time only makes it easier to pass
        assert len(socket.said("WATCHDOG")) <= fed


async def test_more_time_is_asked_for_during_the_start_and_the_stop_and_not_between() -> None:
    socket = Socket()
    herald = InitNotifier(socket.send, watchdog=None, healthy=lambda: True, beat=0.01)
    async with beating(herald):
        await eventually(lambda: len(socket.said("EXTEND_TIMEOUT_USEC")) >= 3)
        herald.hear("bot.ready", READY)
        before = len(socket.said("EXTEND_TIMEOUT_USEC"))
        await asyncio.sleep(0.05)
        assert len(socket.said("EXTEND_TIMEOUT_USEC")) == before
        herald.hear("supervisor.stopping", {"reason": "SIGTERM"})
        await eventually(lambda: len(socket.said("EXTEND_TIMEOUT_USEC")) >= before + 3)
        herald.hear("bot.stuck", {"pids": [7]})
        stuck = len(socket.said("EXTEND_TIMEOUT_USEC"))
        await asyncio.sleep(0.05)
        assert len(socket.said("EXTEND_TIMEOUT_USEC")) == stuck, "a stop that does not come to an end is systemd's"
    assert set(socket.said("EXTEND_TIMEOUT_USEC")) == {30_000_000}


async def test_what_was_not_taken_is_told_later_with_the_newest_status() -> None:
    socket = Socket()
    socket.takes = False
    herald = InitNotifier(socket.send, watchdog=1.0, healthy=lambda: True, beat=0.01)
    herald.hear("bot.ready", READY)
    herald.hear("session.linked", {"session": "1"})
    herald.hear("session.ready", {"session": "2\n3"})
    async with beating(herald):
        await asyncio.sleep(0.03)
        socket.takes = True
        await eventually(lambda: socket.said("READY"))
    assert socket.said("READY") == [1]
    assert socket.said("STATUS") == ["session 2 3 is ready"]


async def test_ready_is_told_once() -> None:
    socket = Socket()
    herald = InitNotifier(socket.send, watchdog=None, healthy=lambda: True)
    for _ in range(3):
        herald.hear("bot.ready", READY)
    assert socket.said("READY") == [1]


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdog_is_ours_only_if_it_is_meant_for_us(environment: dict[str, str], seconds: float | None) -> None:
    assert watchdog_of(environment) == seconds


def test_a_message_longer_than_the_socket_takes_is_no_error(project: Project, init: Init) -> None:
    with contextlib.closing(NotifySender(init.address)) as sender:
        assert sender.send({"STATUS": "x" * 10_000_000}) is False
