from __future__ import annotations

import array
import asyncio
import os
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.bot.probes.sd_notify import (
    MAX_DATAGRAM,
    MAX_STATUS,
    Notification,
    NotifyError,
    NotifySocket,
    parse,
)
from supervisor.system.runtime_dir import MAX_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OURS = os.getpid()


# Asked through plain functions: these look-ups block for no time, and the linter cannot know.
def present(path: Path) -> bool:
    return path.exists()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def remove(path: Path) -> None:
    path.unlink()


def bind(path: Path) -> None:
    """Leave a socket at `path`, as a process that was killed does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stale:
        stale.bind(str(path))


class Inbox:
    def __init__(self) -> None:
        self.received: list[Notification] = []
        self._news = asyncio.Event()

    def take(self, notification: Notification) -> None:
        self.received.append(notification)
        self._news.set()

    async def wait(self, count: int = 1) -> list[Notification]:
        while len(self.received) < count:
            self._news.clear()
            await self._news.wait()
        return self.received


@pytest.fixture
def path(tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    directory.mkdir(mode=0o700)
    return directory / "notify"


@contextmanager
def listening(path: Path, *, trusted: bool = True) -> Iterator[tuple[Inbox, socket.socket]]:
    inbox = Inbox()
    with (
        NotifySocket(path, inbox.take, trusted=lambda pid: trusted and pid == OURS),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
    ):
        sender.connect(str(path))
        yield inbox, sender


async def test_ready_reaches_the_caller_with_its_sender(path: Path) -> None:
    with listening(path) as (inbox, sender):
        sender.send(b"READY=1\nSTATUS=Serving 3 chats\n")
        assert await inbox.wait() == [Notification(OURS, ready=True, status="Serving 3 chats")]


async def test_a_process_that_is_trusted_is_heard(path: Path) -> None:
    inbox, pids = Inbox(), set[int]()
    code = "import os,socket; input(); socket.socket(1, 2).sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])"
    with NotifySocket(path, inbox.take, trusted=lambda pid: pid in pids):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, env={**os.environ, "NOTIFY_SOCKET": str(path)}, stdin=asyncio.subprocess.PIPE
        )
        pids.add(child.pid)
        await child.communicate(b"\n")
        assert child.returncode == 0
        assert await inbox.wait() == [Notification(child.pid, ready=True)]


async def test_a_process_that_is_not_trusted_is_not_heard(path: Path) -> None:
    asked: list[int] = []
    inbox = Inbox()

    def refuse_first(pid: int) -> bool:
        asked.append(pid)
        return len(asked) > 1

    with (
        NotifySocket(path, inbox.take, trusted=refuse_first),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
    ):
        sender.connect(str(path))
        sender.send(b"READY=1")
        sender.send(b"STOPPING=1")
        assert await inbox.wait() == [Notification(OURS, stopping=True)]
        assert asked == [OURS, OURS]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"READY=1", Notification(1, ready=True)),
        (b"STOPPING=1", Notification(1, stopping=True)),
        (b"WATCHDOG=1", Notification(1, watchdog=True)),
        (b"WATCHDOG=trigger", Notification(1, unwell=True)),
        (b"STATUS=a=b", Notification(1, status="a=b")),
        (b"STATUS=", Notification(1, status="")),
        (b"READY=1\nMAINPID=7\nX_UNKNOWN=1\nSTOPPING=1", Notification(1, ready=True, stopping=True)),
        (b"junk\nREADY=1\n=\n\n", Notification(1, ready=True)),
        (b"STATUS=\xff\xfe", Notification(1, status="\ufffd\ufffd")),
        (b"STATUS=\x1b[2Jx\ty", Notification(1, status=" [2Jx y")),
        (b"STATUS=" + b"x" * 4000, Notification(1, status="x" * MAX_STATUS)),
        (b"READY=0", None),
        (b"READY=11", None),
        (b"ready=1", None),
        (b" READY=1", None),
        (b"READY", None),
        (b"MAINPID=1", None),
        (b"", None),
        (b"\0" * 100, None),
    ],
)
def test_a_message_is_parsed_as_sd_notify_defines_it(data: bytes, expected: Notification | None) -> None:
    assert parse(data, 1) == expected


@given(st.binary())
def test_no_message_upsets_the_parser(data: bytes) -> None:
    notification = parse(data, 1)
    assert notification is None or notification.status is None or notification.status.isprintable()


async def test_malformed_and_oversized_messages_are_dropped(path: Path) -> None:
    with listening(path) as (inbox, sender):
        sender.send(b"")
        sender.send(b"\xff" * 100)
        sender.send(b"READY=1\n" + b"x" * MAX_DATAGRAM)
        sender.send(b"STOPPING=1\n" + b"x" * (MAX_DATAGRAM - 11))
        assert await inbox.wait() == [Notification(OURS, stopping=True)]


async def test_a_flood_is_taken_in_turns(path: Path) -> None:
    with listening(path) as (inbox, sender):
        sender.setblocking(False)
        sent, turns = 0, 0
        while sent < 500:
            try:
                sender.send(b"WATCHDOG=1")
                sent += 1
            except BlockingIOError:  # the queue is full: the receiver's turn
                turns += 1
                await asyncio.sleep(0)
        assert turns
        assert len(await inbox.wait(500)) == 500


async def test_descriptors_that_come_along_are_closed(path: Path) -> None:
    with listening(path) as (inbox, sender):
        reader, writer = os.pipe()
        try:  # sd_notify_barrier(3): the sender waits until its pipe is closed at our end
            fds = array.array("i", [writer] * 5)
            sender.sendmsg([b"READY=1\nBARRIER=1"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        finally:
            os.close(writer)
        assert await inbox.wait() == [Notification(OURS, ready=True)]
        assert os.read(reader, 1) == b""
        os.close(reader)


async def test_the_socket_is_the_owners_alone_and_goes_when_done(path: Path) -> None:
    with listening(path):
        assert mode(path) == 0o600
    assert not present(path)


async def test_a_callback_may_close_the_socket(path: Path) -> None:
    done = asyncio.Event()

    def close(_: Notification) -> None:
        notify.__exit__()
        done.set()

    notify = NotifySocket(path, close, trusted=lambda _: True)
    with notify, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(str(path))
        sender.send(b"READY=1")
        sender.send(b"READY=1")
        await done.wait()
    assert not present(path)


async def test_a_stale_socket_is_replaced(path: Path) -> None:
    bind(path)
    with listening(path) as (inbox, sender):
        sender.send(b"READY=1")
        await inbox.wait()


def test_a_file_in_the_sockets_place_is_kept(path: Path) -> None:
    path.write_text("precious")

    async def listen() -> None:
        with pytest.raises(NotifyError, match="cannot offer the notification socket"), listening(path):
            pass

    asyncio.run(listen())
    assert path.read_text() == "precious"


async def test_a_socket_that_took_our_place_is_kept(path: Path) -> None:
    with listening(path):
        remove(path)
        bind(path)
    assert present(path)


async def test_a_path_too_long_is_refused_with_its_length(path: Path) -> None:
    room = MAX_ADDRESS - len(os.fsencode(path.parent)) - 1
    if room > 0:
        with listening(path.parent / ("x" * room)):
            pass
    long = path.parent / ("x" * (max(room, 0) + 1))
    with pytest.raises(NotifyError, match=f"at most {MAX_ADDRESS}"), listening(long):
        pass


@pytest.mark.parametrize("open_mode", [0o755, 0o750, 0o710, 0o701])
async def test_a_directory_open_to_others_is_refused(path: Path, open_mode: int) -> None:
    path.parent.chmod(open_mode)
    with pytest.raises(NotifyError, match="only you may enter"), listening(path):
        pass
    assert not present(path)


async def test_a_directory_that_is_not_there_is_refused(path: Path) -> None:
    with pytest.raises(NotifyError, match="No such file"), listening(path.parent / "missing" / "notify"):
        pass
