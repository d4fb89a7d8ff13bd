from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.watch.fingerprint import (
    READ_AHEAD_LIMIT,
    READ_LIMIT,
    Fingerprint,
    Signature,
    fingerprint_of,
    read_ahead,
    same,
)


def test_same_content_after_any_way_of_writing(tmp_path: Path) -> None:
    path = tmp_path / "a.js"
    path.write_text("x" * 10_000)
    first = fingerprint_of(str(path))
    (tmp_path / "new").write_text("x" * 10_000)
    (tmp_path / "new").replace(path)
    os.utime(path, (0, 0))
    second = fingerprint_of(str(path))
    assert first is not None
    assert second is not None
    assert first.signature != second.signature
    assert same(first, second)


def test_other_content_of_the_same_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "a.js"
    path.write_text("one")
    os.utime(path, (0, 0))
    first = fingerprint_of(str(path))
    path.write_text("two")
    os.utime(path, (0, 0))
    assert not same(first, fingerprint_of(str(path)))


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 1_000_000, READ_LIMIT])
def test_the_last_byte_counts(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.js"
    path.write_bytes(b"x" * size)
    first = fingerprint_of(str(path))
    assert first is not None
    assert first.digest is not None
    path.write_bytes(b"x" * max(0, size - 1) + b"y")
    assert not same(first, fingerprint_of(str(path)))


def test_a_file_written_between_its_status_and_its_content_is_not_taken_for_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.js"
    path.write_text("old content")
    old = fingerprint_of(str(path))
    assert old is not None
    read, writes = os.read, iter(["", "other"])

    def written_meanwhile(descriptor: int, size: int) -> bytes:
        if (content := next(writes, None)) is not None:
            path.write_text(content)
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", written_meanwhile)
    assert read_ahead([(str(path), old.signature)]) == []
    assert same(fingerprint_of(str(path)), fingerprint_of(str(path)))


def test_too_large_to_be_read(tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    path.write_bytes(b"")
    os.truncate(path, READ_LIMIT + 1)
    first = fingerprint_of(str(path))
    assert first is not None
    assert first.digest is None
    assert same(first, fingerprint_of(str(path)))
    os.utime(path, (0, 0))
    assert not same(first, fingerprint_of(str(path)))


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.js")
    (tmp_path / "loop.js").symlink_to("loop.js")
    for name in ("pipe.js", "loop.js", "missing.js", "."):
        assert fingerprint_of(str(tmp_path / name)) is None


def test_unreadable_file_is_known_by_its_signature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.js"
    path.write_text("x")
    readable = fingerprint_of(str(path))

    def refused(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refused)
    found = fingerprint_of(str(path))
    assert readable is not None
    assert found == Fingerprint(readable.signature, None)
    assert fingerprint_of(str(tmp_path / "missing.js")) is None


def test_reading_ahead_skips_what_has_changed_and_what_is_large(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.js", "b.js", "c.js")]
    for file in paths:
        file.write_text("x")
    os.truncate(paths[2], READ_AHEAD_LIMIT + 1)
    signatures = [(str(file), found.signature) for file in paths if (found := fingerprint_of(str(file)))]
    paths[1].write_text("changed")
    ((path, known),) = read_ahead(signatures)
    assert path == str(paths[0])
    assert known.digest is not None


signatures = st.builds(Signature, *[st.integers(0, 1)] * 4)
known = st.none() | st.builds(Fingerprint, signatures, st.none() | st.binary(min_size=1, max_size=1))


@given(known, known)
def test_same_is_symmetric_and_never_calls_a_change_none(a: Fingerprint | None, b: Fingerprint | None) -> None:
    assert same(a, a)
    assert same(a, b) == same(b, a)
    if a is not None and b is not None and a.digest is not None and b.digest is not None:
        assert same(a, b) == (a.digest == b.digest)
