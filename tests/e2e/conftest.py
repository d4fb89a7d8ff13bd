"""What the end-to-end tests stand on: a real bot in a folder of its own, and proof that it left nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.demo.offline_bot import SetupError, ensure_node_modules, find_chromium, prepare, profile_of
from supervisor.demo.phone import DEFAULT_NUMBER
from tests.e2e.supervised import supervised
from tests.helpers.processes import end_processes_of, variables


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser, with the bot's packages installed. Fails, never skips: without these nothing is proven."""
    try:
        ensure_node_modules()
        return find_chromium()
    except SetupError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def bot_folder(tmp_path: Path, chromium: Path, _signals_as_in_a_shell: None) -> Iterator[Path]:
    """A folder with the example bot, offline. `prepare(bot_folder, source=...)` puts another bot in its place.

    Every process that the test starts, and their children, must have ended by the end of the test.
    """
    with surroundings(tmp_path / "bot", chromium) as folder:
        yield folder


@contextlib.contextmanager
def surroundings(folder: Path, chromium: Path) -> Iterator[Path]:
    """Make `folder` a bot's, with everything around it of its own; at the end no process of it may be left."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="e2e-") as temporary:
        for name, value in variables(folder, Path(temporary), chromium).items():
            patch.setenv(name, value)
        yield prepare(folder)
        left = end_processes_of(folder)
    if left:
        pytest.fail("left running at the end of the test, and ended now:\n" + "\n".join(left), pytrace=False)


@pytest.fixture(scope="session")
def _linked_once(tmp_path_factory: pytest.TempPathFactory, chromium: Path) -> Path:
    """A profile that was linked and closed cleanly, to be copied: linking anew takes each test some seconds."""
    with surroundings(tmp_path_factory.mktemp("linked") / "bot", chromium) as folder:

        async def link() -> None:
            async with supervised(folder) as bot:
                await bot.link()

        asyncio.run(link())
        return profile_of(folder, DEFAULT_NUMBER)


@pytest.fixture
def linked_folder(bot_folder: Path, _linked_once: Path) -> Path:
    """A folder with the example bot and a linked profile, of which no supervisor has seen anything yet."""
    shutil.copytree(_linked_once, profile_of(bot_folder, DEFAULT_NUMBER), symlinks=True)
    return bot_folder
