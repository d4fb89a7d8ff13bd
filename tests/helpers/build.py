"""Profiles as Chromium would leave them, built file by file."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tests.helpers import leveldb_writer as writer

if TYPE_CHECKING:
    from pathlib import Path

    from supervisor.session.profiles.profile import Profile
    from supervisor.session.snapshot.catalog import Snapshot
    from supervisor.session.store import SessionStore

INDEXED_DB = "Default/IndexedDB/https_web.whatsapp.com_0.indexeddb.leveldb"
LOCAL_STORAGE = "Default/Local Storage/leveldb"
RECORDS = 40
"""Records in each database: half in tables, half in the log."""
TEXT = b"x" * 300


def database(folder: Path, records: int = RECORDS) -> None:
    """A LevelDB with `records` records: two tables and a log."""
    folder.mkdir(parents=True)
    settled = records // 2
    tables = {4: writer.table([TEXT, TEXT]), 5: writer.table([b"y" * 200])}
    for number, contents in tables.items():
        (folder / f"{number:06d}.ldb").write_bytes(contents)
    sizes = {number: len(contents) for number, contents in tables.items()}
    manifest = writer.log([writer.edit(log_number=6, next_file=9, sequence=settled, tables=sizes)])
    (folder / "MANIFEST-000001").write_bytes(manifest)
    (folder / "CURRENT").write_bytes(b"MANIFEST-000001\n")
    (folder / "000006.log").write_bytes(b"")
    (folder / "LOCK").write_bytes(b"")
    append(folder, range(settled + 1, records + 1))


def append(folder: Path, records: range) -> None:
    """Write records, by their sequence numbers, to a database's log."""
    log = folder / "000006.log"
    at = log.stat().st_size
    with log.open("ab") as file:
        file.write(writer.log([writer.batch(number, 1, TEXT) for number in records], at=at))


def profile(path: Path, records: int = RECORDS) -> None:
    """A linked profile: two databases, settings, cookies, caches, and what a browser leaves at its exit."""
    database(path / INDEXED_DB, records)
    database(path / LOCAL_STORAGE, records)
    for name, contents in {
        "Local State": json.dumps({"browser": {}}).encode(),
        "Last Version": b"156.0.7000.1",
        "Default/Preferences": json.dumps({"profile": {"exit_type": "Normal"}}).encode(),
        "Default/Sessions/Session_1": b"tabs",
        "Default/IndexedDB/https_web.whatsapp.com_0.indexeddb.blob/1/00/1": b"blob" * 100,
        "Default/Cache/Cache_Data/data_0": b"cached" * 1000,
        "Default/Code Cache/js/index": b"code",
        "Safe Browsing/list": b"component",
        f"{INDEXED_DB}/LOG": b"opened",
        f"{LOCAL_STORAGE}/LOG.old": b"opened before",
        "DevToolsActivePort": b"1234\n/devtools",
    }.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(contents)
    sqlite(path / "Default/Cookies")


def sqlite(path: Path) -> None:
    """An SQLite database of some pages."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE cookies (name TEXT PRIMARY KEY, value TEXT)")
        database.executemany("INSERT INTO cookies VALUES (?, ?)", [(f"name{n}", "value" * 100) for n in range(50)])


def contents(root: Path, *, without: tuple[str, ...] = ()) -> dict[str, bytes | str | None]:
    """Everything below a folder: files' bytes, links' targets, `None` for folders. `without` some top-level names."""
    found: dict[str, bytes | str | None] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name.split("/")[0] in without:
            continue
        if path.is_symlink():
            found[name] = os.fsdecode(path.readlink())
        elif path.is_dir():
            found[name] = None
        else:
            found[name] = path.read_bytes()
    return found


KEPT = (
    "Local State",
    "Last Version",
    "Default/Preferences",
    "Default/Cookies",
    "Default/Sessions/Session_1",
    "Default/IndexedDB/https_web.whatsapp.com_0.indexeddb.blob/1/00/1",
)


def kept(root: Path) -> dict[str, bytes]:
    """What a snapshot must hold of a profile: its databases, and the other files worth keeping."""
    names = [
        f"{database}/{path.name}"
        for database in (INDEXED_DB, LOCAL_STORAGE)
        for path in (root / database).iterdir()
        if not path.name.startswith("LOG")
    ]
    return {name: (root / name).read_bytes() for name in sorted([*names, *KEPT])}


def flip(path: Path, offset: int = -20) -> None:
    """Flip one bit of a file; a negative offset counts from its end."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x10
    path.write_bytes(data)


def cut(path: Path, size: int) -> None:
    """Cut a file to so many bytes."""
    os.truncate(path, size)


def remove(path: Path) -> None:
    """Remove a file or a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def copy(source: Path, target: Path, *, preserving: bool) -> None:
    """Copy a folder as a person would: `cp -a`, or `cp -r`."""
    shutil.copytree(source, target, copy_function=shutil.copy2 if preserving else shutil.copyfile)


def take(store: SessionStore, profile: Profile, *, linked: bool | None = True, live: bool = False) -> Snapshot:
    """Publish a snapshot of a profile."""
    return store.capture(profile, linked=linked, browser_version="156.0", live=live).publish()


def change(profile: Profile) -> None:
    """One restart's worth of changes."""
    (profile.path / "Default/Preferences").write_text('{"changed": true}')
    append(profile.path / INDEXED_DB, range(RECORDS + 1, RECORDS + 3))
