"""The SQLite check finds damage, and leaves no trace of having looked."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.session.profiles.sqlite import quick_check


def create(path: Path, *, journal_mode: str = "delete") -> Path:
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA journal_mode = {journal_mode}")
        database.execute("CREATE TABLE cookies (name TEXT PRIMARY KEY, value BLOB NOT NULL)")
        database.executemany("INSERT INTO cookies VALUES (?, ?)", ((f"name-{n}", bytes(200)) for n in range(500)))
        database.commit()
    return path


def traces(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything about the files in a folder that a look could change."""
    return {
        path.name: (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes())
        for path in folder.iterdir()
        if path.is_file()
    }


@pytest.mark.parametrize("journal_mode", ["truncate", "delete", "persist", "wal"])
def test_a_sound_database(tmp_path: Path, journal_mode: str) -> None:
    path = create(tmp_path / "Cookies", journal_mode=journal_mode)
    before = traces(tmp_path)
    assert quick_check(path) == []
    assert traces(tmp_path) == before


@pytest.mark.skipif(os.name == "nt", reason="Windows does not allow these names")
@pytest.mark.parametrize(
    "name", ["a?mode=rwc", "#1", "100%41", "a b'\"", ":memory:", "new\nline", "ä", os.fsdecode(b"\xff")]
)
def test_a_name_that_means_something_in_a_uri(tmp_path: Path, name: str) -> None:
    made = create(tmp_path / "plain").rename(tmp_path / name)
    assert quick_check(made) == []
    damaged = made.read_bytes()[:8192]
    made.write_bytes(damaged)
    assert quick_check(made)
    assert list(tmp_path.iterdir()) == [made]


def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert quick_check(create(tmp_path / "Cookies").relative_to(tmp_path)) == []
    assert quick_check(Path("missing")) == ["it cannot be read: no such file or directory"]


def test_a_file_of_no_bytes_is_empty_but_sound(tmp_path: Path) -> None:
    (tmp_path / "Cookies").touch()
    assert quick_check(tmp_path / "Cookies") == []


def test_a_cut_database(tmp_path: Path) -> None:
    path = create(tmp_path / "Cookies")
    os.truncate(path, 100)
    assert quick_check(path) != []


def test_no_database_at_all(tmp_path: Path) -> None:
    path = tmp_path / "Cookies"
    path.write_bytes(b"not a database" * 100)
    assert quick_check(path) == ["SQLite cannot read it: file is not a database"]


def test_a_page_of_zeros(tmp_path: Path) -> None:
    path = create(tmp_path / "Cookies")
    contents = path.read_bytes()
    path.write_bytes(contents[:8192] + bytes(4096) + contents[12288:])
    assert quick_check(path) != []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_what_is_no_regular_file(tmp_path: Path) -> None:
    create(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "link", tmp_path / "fifo"):
        assert quick_check(path) == ["it is not a regular file"]


def test_a_file_that_the_system_will_not_let_us_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = create(tmp_path / "Cookies")

    def refuse(_path: Path) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "lstat", refuse)
    assert quick_check(path) == ["it cannot be read: permission denied"]


def die_in_a_transaction(folder: Path, journal_mode: str) -> Path:
    """A database whose writer died with half of a transaction in the file."""
    (folder / "live").mkdir()
    live = create(folder / "live" / "Cookies", journal_mode=journal_mode)
    with closing(sqlite3.connect(live)) as database:
        database.execute("PRAGMA cache_size = 1")  # so that pages are written before the commit
        database.execute("UPDATE cookies SET value = randomblob(300)")
        shutil.copytree(folder / "live", folder / "copy")
        database.rollback()
    return folder / "copy" / "Cookies"


def test_a_hot_journal_is_named_and_the_half_written_file_not_called_damaged(tmp_path: Path) -> None:
    path = die_in_a_transaction(tmp_path, "truncate")
    before = traces(path.parent)
    assert quick_check(path) == ["a hot journal stands beside it: a transaction was cut short and will be rolled back"]
    assert traces(path.parent) == before
    with closing(sqlite3.connect(path)) as database:  # as the browser will
        assert database.execute("SELECT count(*), max(length(value)) FROM cookies").fetchone() == (500, 200)
    assert quick_check(path) == []


def test_a_write_ahead_log_is_named(tmp_path: Path) -> None:
    path = die_in_a_transaction(tmp_path, "wal")
    before = traces(path.parent)
    assert quick_check(path) == [
        "a write-ahead log stands beside it: it will be taken in when the database is next opened"
    ]
    assert traces(path.parent) == before


def test_a_journal_that_was_dealt_with_is_no_matter(tmp_path: Path) -> None:
    path = create(tmp_path / "Cookies")
    for left in (b"", bytes(512)):
        (tmp_path / "Cookies-journal").write_bytes(left)
        assert quick_check(path) == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.floats(0, 1, exclude_max=True), noise=st.binary(min_size=1, max_size=64))
def test_no_damage_raises_or_leaves_a_trace(tmp_path: Path, position: float, noise: bytes) -> None:
    path = tmp_path / "Cookies"
    if not path.exists():
        create(path).rename(tmp_path / "sound")
    contents = bytearray((tmp_path / "sound").read_bytes())
    start = int(position * len(contents))
    contents[start : start + len(noise)] = noise
    path.write_bytes(contents)
    for problem in quick_check(path):
        assert problem
    assert set(tmp_path.iterdir()) == {path, tmp_path / "sound"}
    assert path.read_bytes() == contents
