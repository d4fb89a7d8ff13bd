"""What is worth a snapshot: a profile that holds something of a page."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from supervisor.session.profiles.databases import holds_web_data
from supervisor.session.profiles.profile import Profile
from supervisor.session.profiles.scan import scan
from supervisor.session.store import SessionStore
from supervisor.system.errors import NothingToKeepError
from tests.helpers import build
from tests.helpers import leveldb_writer as writer
from tests.helpers.build import take

COOKIES = "Default/Cookies"


def blank(path: Path) -> None:
    """The profile of a browser whose only page was incognito: as a real one was measured."""
    build.profile(path)
    build.remove(path / build.INDEXED_DB)
    build.remove(path / "Default/IndexedDB")
    storage = path / build.LOCAL_STORAGE
    build.remove(storage)
    storage.mkdir()
    (storage / "MANIFEST-000001").write_bytes(writer.log([writer.edit(log_number=3, next_file=4, sequence=0)]))
    (storage / "CURRENT").write_bytes(b"MANIFEST-000001\n")
    (storage / "000003.log").write_bytes(writer.log([writer.batch(1, 1, b"1")]))
    with closing(sqlite3.connect(path / COOKIES)) as database, database:
        database.execute("DELETE FROM cookies")


def with_indexed_db(path: Path) -> None:
    build.database(path / "Default/IndexedDB/https_chat.example_0.indexeddb.leveldb")


def with_local_storage(path: Path) -> None:
    log = path / build.LOCAL_STORAGE / "000003.log"
    log.write_bytes(writer.log([writer.batch(1, 1, b"1"), writer.batch(2, 3, b"x")]))


def with_cookie(path: Path) -> None:
    build.remove(path / COOKIES)
    build.sqlite(path / COOKIES)


def with_files(path: Path) -> None:
    (path / "Default/File System/000/t").mkdir(parents=True)


def with_unreadable_cookies(path: Path) -> None:
    (path / COOKIES).write_bytes(b"no database")


@pytest.fixture
def path(project: Path) -> Path:
    path = project / "sessions" / "session-97150"
    blank(path)
    return path


@pytest.mark.parametrize("linked", [True, None])
def test_a_profile_that_holds_nothing_of_any_page_is_not_kept(
    store: SessionStore, path: Path, linked: bool | None
) -> None:
    with pytest.raises(NothingToKeepError):
        take(store, Profile.at(path), linked=linked)
    assert store.snapshots("97150") == []


@pytest.mark.parametrize("add", [with_indexed_db, with_local_storage, with_cookie, with_files, with_unreadable_cookies])
def test_one_that_may_hold_something_is(path: Path, add: object) -> None:
    assert callable(add)
    assert not holds_web_data(path, scan(path))
    add(path)
    assert holds_web_data(path, scan(path))
