"""The control socket's place: private, found again, replaced when its supervisor is gone, and never another's."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.control import transport
from supervisor.control.transport import (
    AddressError,
    connect,
    is_stale,
    listen,
    remove_stale,
)
from supervisor.http1.peer import Peer, may_enter, peer_of


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not under tmp_path: a socket's path may have 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="control-") as name:
        yield Path(name)


@contextlib.contextmanager
def abandoned(folder: Path) -> Iterator[Path]:
    """A socket whose supervisor was killed."""
    listener = listen(folder)
    listener.socket.close()
    yield listener.path


def test_it_is_for_its_owner_alone_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0)
    try:
        listener = listen(folder)
    finally:
        os.umask(before)
    status = listener.path.lstat()
    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600
    listener.close()
    assert not listener.path.exists()


def test_one_that_answers_is_not_replaced(folder: Path) -> None:
    first = listen(folder)
    with pytest.raises(AddressError, match="another process listens"):
        listen(folder)
    assert first.intact
    connect(first.path, 1.0)[0].close()
    first.close()


def test_one_that_was_left_behind_is_recognised_and_replaced(folder: Path) -> None:
    with abandoned(folder) as path:
        assert is_stale(path)
        listener = listen(folder)
        assert not is_stale(path)
        listener.close()


def test_one_that_was_left_behind_is_removed_by_whoever_meets_it(folder: Path) -> None:
    with abandoned(folder) as path:
        assert remove_stale(path)
        assert not path.exists()
        assert not remove_stale(path)


def test_one_whose_supervisor_is_too_busy_to_accept_is_not_stale(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_BACKLOG", 0)
    monkeypatch.setattr(transport, "_PATIENCE", 0.1)
    listener = listen(folder)
    waiting = connect(listener.path, 1.0)[0]
    assert not is_stale(listener.path)
    assert not remove_stale(listener.path)
    waiting.close()
    listener.close()


def test_what_is_no_socket_is_left_alone(folder: Path) -> None:
    (folder / "control").write_text("mine")
    with pytest.raises(AddressError, match="it is not a socket"):
        listen(folder)
    assert (folder / "control").read_text() == "mine"


def test_closing_does_not_remove_the_one_that_took_its_place(folder: Path) -> None:
    first = listen(folder)
    first.path.unlink()
    assert not first.intact
    second = listen(folder)
    first.close()
    assert second.intact
    second.close()


def test_closing_does_not_bring_a_folder_back_that_was_removed(folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir(mode=0o700)
    listener = listen(inner)
    for path in inner.iterdir():
        path.unlink()
    inner.rmdir()
    assert not listener.intact
    listener.close()
    assert not inner.exists()


def test_a_path_longer_than_a_sockets_address_can_be_is_no_obstacle(folder: Path) -> None:
    deep = folder / ("d" * 200) / ("e" * 200)
    deep.mkdir(mode=0o700, parents=True)
    listener = listen(deep)
    assert stat.S_ISSOCK((deep / "control").lstat().st_mode)
    connect(listener.path, 1.0)[0].close()
    assert not is_stale(listener.path)
    listener.socket.close()
    assert remove_stale(listener.path)


def test_a_folder_that_is_not_there_is_told(folder: Path) -> None:
    file = folder / "file"
    file.write_text("")
    with pytest.raises(AddressError, match="cannot listen"):
        listen(file / "below")


def test_the_kernel_names_the_peer(folder: Path) -> None:
    listener = listen(folder)
    client = connect(listener.path, 1.0)[0]
    server, _ = listener.socket.accept()
    assert peer_of(server) == Peer(os.getpid(), os.geteuid())
    assert peer_of(client) == Peer(os.getpid(), os.geteuid())
    for one in (server, client):
        one.close()
    listener.close()


def test_our_own_user_and_root_are_let_in_and_nobody_else() -> None:
    assert may_enter(Peer(1, os.geteuid()))
    assert may_enter(Peer(1, 0))
    assert not may_enter(Peer(1, os.geteuid() + 1))
    assert may_enter(Peer()), "where the kernel does not tell, the folder has decided"


# -- where there are no Unix sockets -----------------------------------------------------------------------------------


def test_without_unix_sockets_a_file_for_its_owner_has_port_and_token(folder: Path) -> None:
    listener = listen(folder, unix=False)
    assert listener.socket.getsockname()[0] == "127.0.0.1"
    assert stat.S_IMODE(listener.path.stat().st_mode) == 0o600
    known = json.loads(listener.path.read_text())
    assert known == {"port": listener.socket.getsockname()[1], "token": listener.token}
    assert len(known["token"]) >= 40
    connection, token = connect(listener.path, 1.0)
    assert token == listener.token
    assert peer_of(connection) == Peer()
    connection.close()
    listener.close()
    assert not listener.path.exists()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"port": "x", "token": ""}', "gone"])
def test_a_file_that_leads_nowhere_is_stale(folder: Path, text: str) -> None:
    if text == "gone":
        with socket.create_server(("127.0.0.1", 0)) as closed:
            text = json.dumps({"port": closed.getsockname()[1], "token": "x"})
    path = folder / "control.json"
    path.write_text(text)
    assert is_stale(path)
    assert remove_stale(path)
