"""docs/snapshot-format.md is exact: a reader that was written from it alone reads what is written here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from supervisor.session.names import safe_name
from supervisor.session.profiles.profile import Profile
from supervisor.session.store import SessionStore
from tests.helpers import build
from tests.helpers.build import change, take
from tests.unit.session import format_reader
from tests.unit.session.format_reader import FormatError

if TYPE_CHECKING:
    from pathlib import Path

ODD_IDS = ["97150", "97150-1", "", ".", "../x", "a/b c%", "ünï\n", "\udcff", "x" * 200]


def test_it_reads_a_snapshot_and_the_next_one_that_shares_with_it(store: SessionStore, profile: Profile) -> None:
    (profile.path / "Default/inside").symlink_to("Preferences")
    (profile.path / "Default/outside").symlink_to("/etc/passwd")
    (profile.path / "Default/\udcff raw\n").write_bytes(b"odd")
    os.mkfifo(profile.path / "Default/fifo")
    first = take(store, profile)
    change(profile)
    second = take(store, profile)
    assert format_reader.snapshots(store.cache, profile.id) == [second.path, first.path]
    found = format_reader.read(second.path)
    assert (found.header["id"], found.header["base"], found.header["verified"]) == (profile.id, first.name, True)
    assert found.header["profile"] == "sessions/session-97150"
    sizes = {line["file"]: line["size"] for line in found.lines if "file" in line}
    assert found.header["bytes"] == sum(sizes.values())
    own = [path for path in sizes if (second.path / path).stat().st_nlink == 1]
    assert found.header["ownBytes"] == sum(sizes[path] for path in own) < found.header["bytes"]
    assert found.paths("link") == ["Default/inside"]
    assert sorted(found.paths("skipped")) == ["Default/fifo", "Default/outside"]
    assert not {path.lstat().st_ino for path in profile.path.rglob("*")} & {
        path.lstat().st_ino for path in second.path.rglob("*")
    }
    format_reader.read(first.path)


def test_what_it_restores_is_the_profile(store: SessionStore, profile: Profile) -> None:
    snapshot = take(store, profile)
    wanted = build.kept(profile.path)
    build.remove(profile.path)
    format_reader.restore(format_reader.read(snapshot.path), profile.path)
    assert build.kept(profile.path) == wanted
    assert store.check(profile).may_start


@pytest.mark.parametrize("harm", ["manifest", "contents", "added", "gone"])
def test_it_finds_what_is_not_as_it_was_written(store: SessionStore, profile: Profile, harm: str) -> None:
    folder = take(store, profile).path
    target = folder / "Default/Preferences"
    {
        "manifest": lambda: build.flip(folder / ".scanonce-manifest.jsonl", 200),
        "contents": lambda: build.flip(target, 3),
        "added": lambda: (folder / "new").touch(),
        "gone": lambda: target.unlink(),
    }[harm]()
    with pytest.raises((FormatError, FileNotFoundError)):
        format_reader.read(folder)


@pytest.mark.parametrize("session_id", ODD_IDS)
def test_it_finds_the_folder_of_any_id(store: SessionStore, project: Path, session_id: str) -> None:
    (project / "profile").mkdir()
    (project / "profile/Local State").write_text("{}")
    snapshot = take(store, Profile(session_id, project / "profile"))
    assert format_reader.folder_name(session_id) == safe_name(session_id)
    assert format_reader.snapshots(store.cache, session_id) == [snapshot.path]
    assert format_reader.read(snapshot.path).header["id"] == session_id


def test_its_checksum_is_the_one_of_the_page() -> None:
    assert format_reader.crc32c(b"123456789") == 0xE3069283
