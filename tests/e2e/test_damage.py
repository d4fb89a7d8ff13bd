"""Damaged profiles, with the real browser and the real library: back ready, every record there, no QR code ever shown.

Under a bare bot most of these rows end in a QR code, one in a hang, and one in the silent loss of a quarter of the
records.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from supervisor.demo.offline_bot import prepare, profile_of
from supervisor.demo.phone import DEFAULT_NUMBER, SocketState, Tally
from supervisor.session.profiles.check_report import CheckContext
from supervisor.session.store import SessionStore
from tests.e2e.conftest import surroundings
from tests.e2e.supervised import BOT, PATIENCE, Supervised, supervised

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

BOTS = Path(__file__).with_name("bots")
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
    "MANIFEST with a tail of zeros": lambda db: zero_tail(manifest(db)),
    "log with a flipped bit": lambda db: flip(log(db), 0.3),
    "log cut in half": lambda db: halve(log(db)),
    "log with a tail of zeros": lambda db: zero_tail(log(db)),
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
    "Preferences with a flipped bit": lambda profile: flip(profile / "Default" / "Preferences"),
    "Sessions removed": lambda profile: shutil.rmtree(profile / "Default" / "Sessions", ignore_errors=True),
    "Cookies cut to 100 bytes": lambda profile: cut_to_100_bytes(cookies(profile)),
    "Cookies with a flipped bit": lambda profile: flip(cookies(profile)),
    "open tabs with a flipped bit": lambda profile: flip(max((profile / "Default" / "Sessions").iterdir())),
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


ROLLED_BACK = "IndexedDB: rolled back to an earlier day"

HARMLESS = {
    "Local State cut",
    "Local State with a flipped bit",
    "Preferences cut",
    "Preferences with a flipped bit",
    "Sessions removed",
    "open tabs with a flipped bit",
    "Cookies cut to 100 bytes",
    "Cookies with a flipped bit",
    "lock of another host",
    "lock of a dead process",
}
"""The rows that cost no link: nothing is restored, so nothing of the profile is set back for them."""

NAMES = [*ROWS, ROLLED_BACK]
TOGETHER = 8


class Linked(NamedTuple):
    """A profile that was linked, filled and closed cleanly, what its page had written, and an older database of it."""

    profile: Path
    written: Tally
    older: Path

    def roll_back(self, profile: Path) -> None:
        folder = indexed_db(profile)
        shutil.rmtree(folder)
        shutil.copytree(self.older, folder)


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory, chromium: Path, _linked_once: Path) -> Linked:
    with surroundings(tmp_path_factory.mktemp("damage") / "bot", chromium) as folder:
        profile = profile_of(folder, DEFAULT_NUMBER)
        shutil.copytree(_linked_once, profile, symlinks=True)

        async def fill() -> Tally:
            async with supervised(folder) as bot:
                await bot.until_ready()
                async with await bot.phone() as phone:
                    await phone.fill(RECORDS)
                return await bot.written()

        return Linked(profile, asyncio.run(fill()), indexed_db(_linked_once))


def add_session(project: Path, number: str, linked: Linked) -> None:
    """One more linked session in a project, left as a supervisor leaves it: checked, copied, its link written down."""
    path = profile_of(project, number)
    shutil.copytree(linked.profile, path, symlinks=True)
    store = SessionStore(project)
    profile = store.profile_at(path)
    store.state.update(number, is_linked=True, profile=str(path.relative_to(project)))
    assert store.check(profile, context=CheckContext(free=True)).may_start
    assert store.capture(profile, linked=True, browser_version=None).publish().good


async def assert_came_back_whole(bot: Supervised, number: str, linked: Linked) -> None:
    async with await bot.phone(number) as phone:
        await phone.wait_state(SocketState.READY, timeout=PATIENCE)
        assert await phone.messages() == RECORDS
        found = (await phone.counters()).found
    lost = linked.written.lost_in(found)
    # The cookies hold nothing that the link needs: where only they are damaged the browser begins anew.
    assert (lost.indexed_db, lost.local_storage) == (0, 0)


# Most of a start is the bot's own and the waiting for the page, so some rows share one: a bot with as many accounts.
@pytest.mark.parametrize("first", range(0, len(NAMES), TOGETHER))
async def test_damaged_profiles_come_back_whole_without_a_qr_code(linked: Linked, bot_folder: Path, first: int) -> None:
    prepare(bot_folder, source=BOTS / "accounts.js")
    rows = {f"{number:02}": name for number, name in list(enumerate(NAMES))[first : first + TOGETHER]}
    damages = ROWS | {ROLLED_BACK: linked.roll_back}
    for number, name in rows.items():
        add_session(bot_folder, number, linked)
        damages[name](profile_of(bot_folder, number))
    async with supervised(bot_folder, command=(*BOT, *rows)) as bot:
        async with asyncio.TaskGroup() as group:
            for number, name in rows.items():
                group.create_task(assert_came_back_whole(bot, number, linked), name=name)
        assert not bot.named("session.needs_link")
        restored = {rows[event["session"]] for event in bot.named("session.restored")}
        assert restored == set(rows.values()) - HARMLESS
