"""Whether a program reads what comes in on its connections, seen from outside."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from supervisor.browser.backlog import unread_bytes
from tests.helpers.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")

#: Connects to a port, and reads whenever it is told to on its standard input.
PROGRAM = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print("up", flush=True)
for line in sys.stdin:
    connection.recv(65536)
    print("read", flush=True)
"""


class Reader:
    """A program that is connected to us, and reads only when it is told to."""

    def __init__(self, listener: socket.socket) -> None:
        self.port = listener.getsockname()[1]
        command = [sys.executable, "-I", "-S", "-c", PROGRAM, str(self.port)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.peer, _ = listener.accept()
        self._answer("up")

    def reads(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self._answer("read")

    def _answer(self, expected: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == expected

    def unread_bytes(self) -> int:
        return unread_bytes(self.port, [self.process.pid])


@pytest.fixture
def reader() -> Iterator[Reader]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = Reader(listener)
        yield one
        one.peer.close()
        one.process.communicate()


async def test_what_is_not_read_is_seen_until_it_is(reader: Reader) -> None:
    assert reader.unread_bytes() == 0
    reader.peer.sendall(b"x" * 700)
    await eventually(lambda: reader.unread_bytes() == 700)
    reader.reads()
    assert reader.unread_bytes() == 0


async def test_what_others_do_not_read_is_not_held_against_it(reader: Reader) -> None:
    """A debugger that is attached to the same browser may be slow, and so may we."""
    reader.peer.sendall(b"x")
    await eventually(lambda: reader.unread_bytes() == 1)
    assert unread_bytes(reader.port, [os.getpid()]) == 0
    assert unread_bytes(reader.port, []) == 0
    assert unread_bytes(reader.port + 1, [reader.process.pid]) == 0


def test_a_process_that_is_gone_has_nothing_unread() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert unread_bytes(1, [child.pid]) == 0
