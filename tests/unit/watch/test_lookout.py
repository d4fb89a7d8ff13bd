"""The kernel's word is worth a look at once; without it there is one now and then."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor.watch import inotify
from supervisor.watch.lookout import Lookout
from supervisor.watch.source import WatchLimitError

#: Seconds; less than what lies between two looks that nothing has called for.
DEADLINE = 60.0


def instances() -> int:
    """How many inotify descriptors this process has open."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists them
            found += str(link.readlink()) == "anon_inode:inotify"
    return found


def remove(folder: Path) -> None:
    (folder / "file").unlink()


def move(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def remove_all(folder: Path) -> None:
    remove(folder)
    folder.rmdir()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file in it."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    return tmp_path / "folder"


@pytest.mark.parametrize("happens", [remove, move, remove_all])
async def test_what_happens_calls_for_a_look(folder: Path, happens: Callable[[Path], None]) -> None:
    before = instances()
    lookout = Lookout(folder, 0.0)
    assert instances() == before + 1
    waiting = asyncio.create_task(lookout.wait())
    await asyncio.sleep(0)
    happens(folder)
    async with asyncio.timeout(DEADLINE):
        await waiting
    lookout.close()
    assert instances() == before


async def test_what_happens_between_two_waits_is_not_missed(folder: Path) -> None:
    lookout = Lookout(folder, 0.0)
    remove(folder)
    async with asyncio.timeout(DEADLINE):
        await lookout.wait()
    waiting = asyncio.create_task(lookout.wait())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done(), "one thing that happens is one look"
    (folder / "file").touch()
    async with asyncio.timeout(DEADLINE):
        await waiting
    lookout.close()


@pytest.mark.parametrize("trouble", [WatchLimitError("fs.inotify.max_user_instances"), OSError(38, "no such call")])
async def test_where_the_kernel_does_not_tell_there_is_a_look_now_and_then(
    folder: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    def refuse() -> None:
        raise trouble

    monkeypatch.setattr(inotify, "InotifySource", refuse)
    lookout = Lookout(folder, 0.001)
    async with asyncio.timeout(DEADLINE):
        await lookout.wait()
    lookout.close()


async def test_a_folder_that_is_gone_already_leaves_nothing_open(folder: Path) -> None:
    before = instances()
    lookout = Lookout(folder / "none", 0.001)
    async with asyncio.timeout(DEADLINE):
        await lookout.wait()
    assert instances() == before
    lookout.close()
