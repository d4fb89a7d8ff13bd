"""A snapshot asks for room before it copies anything, leaves a reserve to others, and writes no holes out."""

from __future__ import annotations

import errno
import os
import random
from typing import TYPE_CHECKING

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.session.profiles.check_report import CheckContext, CheckOutcome
from supervisor.session.profiles.profile import Profile
from supervisor.session.store import SessionStore
from supervisor.system import files
from supervisor.system.errors import NoRoomError
from supervisor.system.sparse_files import allocated, extend_by_zeros
from tests.helpers import build
from tests.helpers.build import take
from tests.helpers.disk import SmallDisk, small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEGABYTE = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", "20m") as made:
        if not made.real:
            pytest.skip(str(made.why_not))
        yield made


@pytest.fixture
def small(disk: SmallDisk) -> SessionStore:
    (disk.folder / "project").mkdir()
    return SessionStore(disk.folder / "project")


def profile_of(store: SessionStore, size: int) -> Profile:
    profile = Profile.at(store.project / "sessions" / "session-1")
    build.profile(profile.path)
    (profile.path / "Default/History").write_bytes(random.Random(1).randbytes(size))
    return profile


def free(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def watched_room(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[int]:
    """What is free after each write while the test runs."""
    seen = [free(folder)]
    for name in ("sendfile", "write"):
        real = getattr(os, name)

        def call(*given: object, _real: object = real) -> object:
            assert callable(_real)
            done = _real(*given)
            seen.append(free(folder))
            return done

        monkeypatch.setattr(os, name, call)
    return seen


def test_without_room_nothing_is_written_and_the_one_before_stays(
    small: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = profile_of(small, 6 * MEGABYTE)
    first = take(small, profile)
    (profile.path / "Default/History").write_bytes(random.Random(2).randbytes(7 * MEGABYTE))
    before, room = sorted(small.cache.iterdir()), free(small.project)
    assert room < 7 * MEGABYTE
    seen = watched_room(monkeypatch, small.project)
    with pytest.raises(NoRoomError, match="not enough room on the disk"):
        take(small, profile)
    assert min(seen) == room
    assert sorted(small.cache.iterdir()) == before
    assert small.verify(first) == []
    # Of the same profile, what has not changed takes no room.
    (profile.path / "Default/History").write_bytes(b"short")
    take(small, profile)


def test_the_reserve_is_left_to_others(small: SessionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = profile_of(small, size := 97 * MEGABYTE // 10)
    there = files.room(small.project)
    assert there.free > size + 100_000
    assert there.free - size - 100_000 < there.reserve < size
    seen = watched_room(monkeypatch, small.project)
    with pytest.raises(NoRoomError, match=r"of which 1\.0 MiB are kept free"):
        take(small, profile)
    assert min(seen) > there.free - 200_000
    assert small.snapshots(profile.id) == []


def test_a_restore_that_has_no_room_leaves_the_profile_and_the_disk_alone(
    small: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = profile_of(small, 6 * MEGABYTE)
    snapshot = take(small, profile)
    (small.project / "other").write_bytes(bytes(3 * MEGABYTE))
    before, room = build.contents(profile.path), free(small.project)
    seen = watched_room(monkeypatch, small.project)
    with pytest.raises(NoRoomError, match="not enough room"):
        small.restore(profile, snapshot, free=True)
    assert room - min(seen) < 100_000  # the journal
    assert build.contents(profile.path) == before
    assert [path.name for path in profile.path.parent.iterdir()] == [profile.path.name]
    (small.project / "other").unlink()
    small.restore(profile, snapshot, free=True)  # into the reserve, if need be


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["sendfile", "write", "mkdir"])
def test_room_or_quota_that_ends_in_the_midst_leaves_nothing_half_written(
    store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch, code: int, call: str
) -> None:
    first = take(store, profile)
    build.change(profile)
    before = sorted(store.cache.iterdir())

    def fails(*_given: object, **_more: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fails)
        with pytest.raises(NoRoomError, match=r"disk is full|quota is used up"):
            take(store, profile)
    assert sorted(store.cache.iterdir()) == before
    assert store.verify(first) == []


def sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for at in (0, size // 3, size - 5):
            file.seek(at)
            file.write(b"data.")
        file.truncate(size)


def test_holes_stay_holes_in_snapshots_and_restores(store: SessionStore, profile: Profile) -> None:
    big = 1 << 40  # a terabyte, which no test could write
    sparse(profile.path / "Default/History", big)
    (profile.path / "Default/Empty").touch()
    os.truncate(profile.path / "Default/Empty", 64 * MEGABYTE)
    if not allocated((profile.path / "Default/Empty").stat()) < MEGABYTE:
        pytest.skip("no holes here")
    report = store.check(profile, context=CheckContext(linked=True, free=True))
    assert [check.outcome for check in report.checks if check.name == "disk"] == [CheckOutcome.OK]
    snapshot = take(store, profile)
    assert snapshot.verified
    assert snapshot.bytes < MEGABYTE  # so that it does not push others out
    assert store.verify(snapshot) == []
    build.remove(profile.path)
    store.restore(profile, snapshot, free=True)
    for root in (snapshot.path, profile.path):
        status = (root / "Default/History").stat()
        assert (status.st_size, allocated(status) < MEGABYTE) == (big, True)
        with (root / "Default/History").open("rb") as file:
            for at in (0, big // 3, big - 5):
                file.seek(at)
                assert file.read(5) == b"data."
        assert (root / "Default/Empty").stat().st_size == 64 * MEGABYTE
    # A change in a hole is found.
    with (snapshot.path / "Default/History").open("r+b") as file:
        file.seek(big // 2)
        file.write(b"x")
    assert store.verify(snapshot) == ["Default/History is not what was written."]


@given(st.binary(max_size=50), st.integers(0, 5000), st.binary(max_size=50))
def test_zeros_are_summed_without_being_read(before: bytes, count: int, after: bytes) -> None:
    value = google_crc32c.extend(extend_by_zeros(google_crc32c.value(before), count), after)
    assert value == google_crc32c.value(before + bytes(count) + after)


@pytest.mark.parametrize("size", [0, 1, 4096, 3 * MEGABYTE + 7])
def test_a_file_is_summed_and_copied_alike_with_and_without_holes(tmp_path: Path, size: int) -> None:
    holes, whole, copy = tmp_path / "holes", tmp_path / "whole", tmp_path / "copy"
    holes.touch()
    os.truncate(holes, size)
    if size > MEGABYTE:
        with holes.open("r+b") as file:
            file.seek(MEGABYTE)
            file.write(b"data" * 5000)
    whole.write_bytes(holes.read_bytes())
    assert files.checksum(holes) == files.checksum(whole)
    assert files.copy_file(holes, copy, mtime_ns=0) == size
    assert copy.read_bytes() == whole.read_bytes()
