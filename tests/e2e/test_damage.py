"""Damaged profiles, with the real browser and the real library: back ready, every record there, no QR code ever shown.

The rows are those of `docs/how-it-works.md` on what damage does to a profile; under a bare bot most of them end in a QR
code, one in a hang, and one in the silent loss of a quarter of the records.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from examples.offline import Tally, prepare, profile_of
from examples.offline.phone import DEFAULT_NUMBER
from tests.e2e.conftest import surroundings
from tests.e2e.supervised import supervised

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

RECORDS = 3000

Damage = Callable[[Path], object]


# -- what can happen to a file ----------------------------------------------------------------------------------------


def halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def flip(path: Path, share: float = 0.5) -> None:
    """One bit, in the middle of the file unless said otherwise."""
    data = bytearray(path.read_bytes())
    data[int((len(data) - 1) * share)] ^= 0x10
    path.write_bytes(data)


def zero_tail(path: Path) -> None:
    data = bytearray(path.read_bytes())
    tail = min(4096, len(data) // 2)
    data[-tail:] = bytes(tail)
    path.write_bytes(data)


def cut_to_100_bytes(path: Path) -> None:
    os.truncate(path, 100)


def replace_by_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.touch()


def clear(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


# -- which file -------------------------------------------------------------------------------------------------------


def indexed_db(profile: Path) -> Path:
    [folder] = (profile / "Default" / "IndexedDB").glob("*.leveldb")
    return folder


def local_storage(profile: Path) -> Path:
    return profile / "Default" / "Local Storage" / "leveldb"


def manifest(folder: Path) -> Path:
    return folder / (folder / "CURRENT").read_text().strip()


def tables(folder: Path) -> list[Path]:
    found = sorted([*folder.glob("*.ldb"), *folder.glob("*.sst")])
    assert found, f"the records should have made a table in {folder}"
    return found


def largest(folder: Path) -> Path:
    return max(tables(folder), key=lambda path: path.stat().st_size)


def log(folder: Path) -> Path:
    return max(folder.glob("*.log"), key=lambda path: path.stat().st_size)


def cookies(profile: Path) -> Path:
    return next(
        path for path in (profile / "Default" / "Network" / "Cookies", profile / "Default" / "Cookies") if path.exists()
    )


# -- the rows ---------------------------------------------------------------------------------------------------------

ON_DATABASES: dict[str, Callable[[Path], object]] = {
    "CURRENT removed": lambda db: (db / "CURRENT").unlink(),
    "CURRENT emptied": lambda db: empty(db / "CURRENT"),
    "CURRENT with a flipped bit": lambda db: flip(db / "CURRENT"),
    "CURRENT naming a missing MANIFEST": lambda db: (db / "CURRENT").write_text("MANIFEST-999999\n"),
    "MANIFEST removed": lambda db: manifest(db).unlink(),
    "MANIFEST cut in half": lambda db: halve(manifest(db)),
    "MANIFEST with a flipped bit": lambda db: flip(manifest(db)),
    "log with a flipped bit": lambda db: flip(log(db), 0.3),
    "log cut in half": lambda db: halve(log(db)),
    "log emptied": lambda db: empty(log(db)),
    "folder removed": shutil.rmtree,
}

ON_TABLES: dict[str, Callable[[Path], object]] = {
    "largest table removed": lambda db: largest(db).unlink(),
    "largest table cut in half": lambda db: halve(largest(db)),
    "largest table with a flipped bit": lambda db: flip(largest(db)),
    "middle table missing": lambda db: tables(db)[len(tables(db)) // 2].unlink(),
    "table with a tail of zeros": lambda db: zero_tail(largest(db)),
}

ON_PROFILES: dict[str, Damage] = {
    "Local State cut": lambda profile: halve(profile / "Local State"),
    "Local State with a flipped bit": lambda profile: flip(profile / "Local State"),
    "Preferences cut": lambda profile: halve(profile / "Default" / "Preferences"),
    "Sessions removed": lambda profile: shutil.rmtree(profile / "Default" / "Sessions", ignore_errors=True),
    "Cookies cut to 100 bytes": lambda profile: cut_to_100_bytes(cookies(profile)),
    "lock of another host": lambda profile: (profile / "SingletonLock").symlink_to("another-host-4711"),
    "lock of a dead process": lambda profile: (profile / "SingletonLock").symlink_to(f"{os.uname().nodename}-4194303"),
    "Default a file": lambda profile: replace_by_a_file(profile / "Default"),
    "profile empty": clear,
    "profile gone": shutil.rmtree,
}

ROWS: dict[str, Damage] = {
    **{f"IndexedDB: {name}": lambda p, do=do: do(indexed_db(p)) for name, do in (ON_DATABASES | ON_TABLES).items()},  # type: ignore[misc]
    **{f"Local Storage: {name}": lambda p, do=do: do(local_storage(p)) for name, do in ON_DATABASES.items()},  # type: ignore[misc]
    **ON_PROFILES,
}


TOGETHER = 4


class Linked:
    """A project that was linked, filled and stopped: its folder, what its page had written, and an older database."""

    def __init__(self, folder: Path, written: Tally, older: Path) -> None:
        self.folder = folder
        self.written = written
        self.older = older


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory, chromium: Path) -> Linked:
    base = tmp_path_factory.mktemp("damage")
    with surroundings(base / "bot", chromium) as folder:
        profile = profile_of(folder, DEFAULT_NUMBER)

        async def link_and_fill() -> Tally:
            async with supervised(folder) as bot:
                await bot.link()
            shutil.copytree(indexed_db(profile), base / "older")
            async with supervised(folder) as bot:
                await bot.until_ready()
                async with await bot.phone() as phone:
                    await phone.fill(RECORDS)
                return await bot.written()

        written = asyncio.run(link_and_fill())
        return Linked(folder, written, base / "older")


async def assert_comes_back_whole(linked: Linked, folder: Path, damage: Damage) -> None:
    for name in ("sessions", ".session-cache"):
        shutil.copytree(linked.folder / name, folder / name, symlinks=True)
    shutil.copy2(linked.folder / "session-state.json", folder)
    damage(profile_of(folder, DEFAULT_NUMBER))
    async with supervised(folder) as bot:
        await bot.until_ready()
        async with await bot.phone() as phone:
            assert await phone.messages() == RECORDS
            found = (await phone.counters()).found
        lost = linked.written.lost_in(found)
        # The cookies hold nothing that the link needs: where only they are damaged the browser begins anew.
        assert (lost.indexed_db, lost.local_storage) == (0, 0)
        assert not bot.named("session.needs_link")


# Most of a start is waiting for the page, so some rows share a test, each in a project of its own.
@pytest.mark.parametrize("first", range(0, len(ROWS), TOGETHER))
async def test_damaged_profiles_come_back_whole_without_a_qr_code(linked: Linked, bot_folder: Path, first: int) -> None:
    async with asyncio.TaskGroup() as group:
        for row, damage in list(ROWS.items())[first : first + TOGETHER]:
            group.create_task(assert_comes_back_whole(linked, prepare(bot_folder / row), damage), name=row)


async def test_a_database_rolled_back_to_an_earlier_day_is_found(linked: Linked, bot_folder: Path) -> None:
    def roll_back(profile: Path) -> None:
        folder = indexed_db(profile)
        shutil.rmtree(folder)
        shutil.copytree(linked.older, folder)

    await assert_comes_back_whole(linked, bot_folder, roll_back)
