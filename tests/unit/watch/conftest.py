from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest

from supervisor.watch import watcher
from supervisor.watch.rules import WatchRules
from supervisor.watch.source import Source
from supervisor.watch.watcher import Change, FileWatcher, native_source
from tests.helpers.waiting import DEADLINE, eventually

QUIET = 0.05


class Watched:
    """A watcher that runs, and what it has told."""

    def __init__(
        self,
        rules: WatchRules,
        poll: Literal["auto"] | bool,
        source: Callable[[WatchRules], Source],
        quiet: float,
    ) -> None:
        self.root = rules.root
        self.changes: list[Change] = []
        self.files: list[Path] = []
        self.notices: list[str] = []
        self._told = asyncio.Event()
        self.watcher = FileWatcher(
            rules,
            quiet=quiet,
            poll=poll,
            on_change=self._tell,
            on_file=self.files.append,
            on_notice=self.notices.append,
            source=source,
        )

    def _tell(self, change: Change) -> None:
        self.changes.append(change)
        self._told.set()

    async def told(self) -> None:
        """Wait for a change to be told."""
        async with asyncio.timeout(DEADLINE):
            await self._told.wait()
        self._told.clear()

    async def settled(self) -> set[str]:
        """What has changed, once it is quiet."""
        async with asyncio.timeout(DEADLINE):
            await self.watcher.settled()
        self._told.clear()
        return {str(p.relative_to(self.root)) if p.is_relative_to(self.root) else str(p) for p in self.watcher.drain()}

    async def read(self) -> None:
        """Wait until every file has been read ahead."""
        await eventually(lambda: all(known.digest is not None for known in self.watcher._tree.known.values()))

    async def changed(self) -> set[str]:
        """What has changed, after waiting for the first change."""
        await self.told()
        return await self.settled()

    async def nothing(self) -> None:
        """Assert that no change has been found: one made now is the only one.

        The order of events is the order of the changes, so nothing that happened before can come after it.
        """
        sentinel = self.root / "sentinel.js"
        sentinel.write_text(f"{len(self.changes)} {sentinel.exists()}")
        assert await self.changed() == {"sentinel.js"}


Watch = Callable[..., AbstractAsyncContextManager[Watched]]


@asynccontextmanager
async def watching(
    rules: WatchRules | Path,
    *,
    poll: Literal["auto"] | bool = False,
    source: Callable[[WatchRules], Source] = native_source,
    quiet: float = QUIET,
) -> AsyncIterator[Watched]:
    """Run a watcher until the end of the block."""
    watched = Watched(WatchRules(rules) if isinstance(rules, Path) else rules, poll, source, quiet)
    task = asyncio.create_task(watched.watcher.run())
    armed = asyncio.create_task(watched.watcher.armed())
    try:
        async with asyncio.timeout(DEADLINE):
            await asyncio.wait((task, armed), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield watched
    finally:
        armed.cancel()
        task.cancel()
        await asyncio.wait((task,))
    if not task.cancelled():
        task.result()


@pytest.fixture(autouse=True)
def poll_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "_POLL_MIN", 0.02)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small bot."""
    root = tmp_path / "bot"
    (root / "src" / "lib").mkdir(parents=True)
    (root / "node_modules" / "pkg").mkdir(parents=True)
    (root / "index.js").write_text("// start\n")
    (root / "src" / "a.js").write_text("// a\n")
    (root / "src" / "lib" / "b.js").write_text("// b\n")
    (root / ".env").write_text("A=1\n")
    (root / "node_modules" / "pkg" / "index.js").write_text("// pkg\n")
    return root
