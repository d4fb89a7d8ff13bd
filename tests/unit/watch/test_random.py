"""Whatever happens to a tree: after each quiet moment exactly the files whose content has changed are told."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.watch.rules import WatchRules
from tests.unit.watch.conftest import watching

FOLDERS = ("", "a", "a/b", "c", "c/node_modules", "data")
NAMES = ("x.js", "y.json", "z.txt", "x.js.tmp", ".env")
CONTENTS = ("", "1", "2", "three")

folder = st.sampled_from(FOLDERS)
path = st.builds(lambda folder, name: f"{folder}/{name}".lstrip("/"), folder, st.sampled_from(NAMES))
content = st.sampled_from(CONTENTS)


def write(root: Path, name: str, text: str) -> None:
    (root / name).write_text(text)


def append(root: Path, name: str, text: str) -> None:
    with (root / name).open("a") as file:
        file.write(text)


def safe_write(root: Path, name: str, text: str) -> None:
    write(root, f"{name}~", text)
    (root / f"{name}~").replace(root / name)


def unlink(root: Path, name: str) -> None:
    (root / name).unlink()


def rename(root: Path, name: str, to: str) -> None:
    (root / name).replace(root / to)


def link(root: Path, name: str, to: str) -> None:
    (root / to).symlink_to(root / name)


def make(root: Path, name: str) -> None:
    (root / name).mkdir(parents=True, exist_ok=True)


def remove(root: Path, name: str) -> None:
    if name:
        shutil.rmtree(root / name)


def move(root: Path, name: str, to: str) -> None:
    if name:
        (root / name).rename(root / to / "moved")


def move_back(root: Path, name: str, to: str) -> None:
    (root / to / "moved").rename(root / name)


@dataclass(frozen=True)
class Operation:
    do: Callable[..., None]
    args: tuple[str, ...]

    def __call__(self, root: Path) -> None:
        self.do(root, *self.args)


#: Wait here until it is quiet, and compare.
SETTLE = Operation(make, ())

operations = st.one_of(
    st.builds(Operation, st.sampled_from([write, write, append, safe_write]), st.tuples(path, content)),
    st.builds(Operation, st.just(unlink), st.tuples(path)),
    st.builds(Operation, st.sampled_from([rename, link]), st.tuples(path, path)),
    st.builds(Operation, st.sampled_from([make, remove]), st.tuples(folder)),
    st.builds(Operation, st.sampled_from([move, move_back]), st.tuples(folder, folder)),
    st.just(SETTLE),
)


def wanted(root: Path) -> dict[str, bytes]:
    """What counts, found the plain way; a folder that is reached twice counts once, under its own name."""
    rules = WatchRules(root)
    found: dict[str, bytes] = {}
    for where, _, names in os.walk(root):
        for name in names:
            file = Path(where, name)
            if file.is_file() and rules.wants(file):
                found[str(file)] = file.read_bytes()
    return found


async def follow(root: Path, script: list[Operation], *, poll: bool) -> None:
    for name in FOLDERS:
        make(root, name)
    for name in ("x.js", "a/x.js", "a/b/y.json", "data/y.json", "c/node_modules/x.js"):
        write(root, name, "1")
    before = wanted(root)
    async with watching(root, poll=poll) as w:
        await w.read()
        for operation in [*script, SETTLE]:
            if operation is not SETTLE:
                with suppress(OSError, shutil.Error):
                    operation(root)
                await asyncio.sleep(0)
                continue
            after = wanted(root)
            changed = {p for p in before.keys() | after.keys() if before.get(p) != after.get(p)}
            assert {str(root / p) for p in await w.settled()} == changed
            before = after


@pytest.mark.parametrize("poll", [False, True], ids=["events", "polling"])
@settings(deadline=None, max_examples=25)
@given(script=st.lists(operations, max_size=25))
def test_exactly_what_has_changed(poll: bool, script: list[Operation]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(follow(Path(folder).resolve(), script, poll=poll))
