from __future__ import annotations

import socket
import tempfile
from typing import TYPE_CHECKING

import pytest

from supervisor.session.profiles.singleton import ProfileHolder, clear, holder, remaining

if TYPE_CHECKING:
    from pathlib import Path

HOST = socket.gethostname()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of this test's own, where its "Chromium" keeps the socket."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def profile(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A profile as a killed Chromium leaves it."""
    profile = tmp_path / "profile"
    profile.mkdir()
    private = temporary / "org.chromium.Chromium.AbCdEf"
    private.mkdir(mode=0o700)
    monkeypatch.chdir(private)  # a socket's address is short, and the path of a test's folder may be long
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("SingletonSocket")
    (private / "SingletonCookie").symlink_to("7592509977969634454")
    (profile / "SingletonSocket").symlink_to(private / "SingletonSocket")
    (profile / "SingletonCookie").symlink_to("7592509977969634454")
    (profile / "SingletonLock").symlink_to(f"{HOST}-7541")
    (profile / "Local State").write_text("{}")
    return profile


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("vm-7541", ProfileHolder("vm", 7541, 0)),
        ("my-bot-7f9c-1", ProfileHolder("my-bot-7f9c", 1, 0)),
        ("-12", ProfileHolder("", 12, 0)),
        ("vm-", None),
        ("vm-0", None),
        ("vm-x1", None),
        ("vm-²", None),
        ("vm", None),
        ("12", None),
    ],
)
def test_the_holder_is_what_the_lock_names(tmp_path: Path, target: str, expected: ProfileHolder | None) -> None:
    (tmp_path / "SingletonLock").symlink_to(target)
    assert holder(tmp_path) == expected


def test_no_lock_has_no_holder(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    assert holder(tmp_path / "missing") is None
    (tmp_path / "SingletonLock").write_text("vm-1")  # a file, such as a careless copy makes of the link
    assert holder(tmp_path) is None


def test_a_lock_of_another_host_is_foreign(tmp_path: Path, profile: Path) -> None:
    named = holder(profile)
    assert named is not None
    assert not named.foreign
    (tmp_path / "SingletonLock").symlink_to(f"{HOST}x-1")
    named = holder(tmp_path)
    assert named is not None
    assert named.foreign
    assert not named.alive


def test_every_mark_is_seen_and_cleared(profile: Path, temporary: Path) -> None:
    (profile / "lockfile").touch()
    assert remaining(profile) == ["SingletonLock", "SingletonSocket", "SingletonCookie", "lockfile"]
    assert sorted(clear(profile)) == sorted(["SingletonLock", "SingletonSocket", "SingletonCookie", "lockfile"])
    assert remaining(profile) == []
    assert list(temporary.iterdir()) == []
    assert [entry.name for entry in profile.iterdir()] == ["Local State"]


def test_the_lock_goes_last(profile: Path) -> None:
    assert clear(profile)[-1] == "SingletonLock"


def test_clearing_what_is_clear_does_nothing(tmp_path: Path) -> None:
    assert clear(tmp_path) == []
    assert clear(tmp_path / "missing") == []


def test_a_folder_of_a_marks_name_is_kept(tmp_path: Path) -> None:
    (tmp_path / "SingletonLock").mkdir()
    assert clear(tmp_path) == []
    assert remaining(tmp_path) == ["SingletonLock"]


def test_what_a_link_points_to_is_kept(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("x")
    (tmp_path / "SingletonLock").symlink_to(precious)
    assert clear(tmp_path) == ["SingletonLock"]
    assert precious.read_text() == "x"


@pytest.mark.parametrize("doubt", ["content", "mode", "cookie", "no cookie", "place", "link", "name", "gone"])
def test_a_socket_folder_that_is_not_surely_ours_is_kept(
    tmp_path: Path, profile: Path, temporary: Path, doubt: str
) -> None:
    (private,) = temporary.iterdir()
    mark = profile / "SingletonSocket"
    match doubt:
        case "content":
            (private / "precious").touch()
        case "mode":
            private.chmod(0o750)
        case "cookie":
            (private / "SingletonCookie").unlink()
            (private / "SingletonCookie").symlink_to("1")
        case "no cookie":
            (profile / "SingletonCookie").unlink()
        case "place":
            mark.unlink()
            private = private.rename(tmp_path / "elsewhere")
            mark.symlink_to(private / "SingletonSocket")
        case "link":
            moved = private.rename(tmp_path / "elsewhere")
            private.symlink_to(moved)
        case "name":
            mark.unlink()
            mark.symlink_to(private / "other")
        case _:
            mark.unlink()
            mark.symlink_to(temporary / "gone" / "SingletonSocket")
    before = sorted(private.iterdir())
    clear(profile)
    assert remaining(profile) == []
    assert sorted(private.iterdir()) == before
