"""What must survive a power cut is synced before the rename that makes it count."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers import build
from tests.helpers.build import change, take

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.session.profiles.profile import Profile
    from supervisor.session.store import SessionStore

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="synced files are named by /proc/self/fd")

_log: list[tuple[str, str, str]] | None = None


def _note(event: str, args: tuple[Any, ...]) -> None:
    if _log is not None and event == "os.rename":
        _log.append(("rename", os.fsdecode(args[0]), os.fsdecode(args[1])))


sys.addaudithook(_note)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str, str]]]:
    """Every sync and every rename while the test runs, in order."""
    global _log
    _log = []
    monkeypatch.setattr(os, "fsync", lambda fd: _log.append(("sync", str(Path(f"/proc/self/fd/{fd}").readlink()), "")))
    yield _log
    _log = None


def synced(log: list[tuple[str, str, str]], until: int, root: Path) -> set[str]:
    """What was synced below a folder before the `until`-th step, relative to it."""
    names = [Path(name) for kind, name, _ in log[:until] if kind == "sync"]
    return {name.relative_to(root).as_posix() for name in names if name.is_relative_to(root)}


def everything(root: Path) -> set[str]:
    return {".", *(path.relative_to(root).as_posix() for path in root.rglob("*"))}


def rename_of(log: list[tuple[str, str, str]], target: Path) -> int:
    return next(at for at, (kind, _, name) in enumerate(log) if kind == "rename" and name == str(target))


def test_a_snapshot(store: SessionStore, profile: Profile, log: list[tuple[str, str, str]]) -> None:
    first = take(store, profile)
    published = rename_of(log, first.path)
    staging = Path(log[published][1])
    assert synced(log, published, staging) == everything(first.path)
    assert ("sync", str(store.cache), "") in log[published:]


def test_a_snapshot_syncs_only_what_it_does_not_share(
    store: SessionStore, profile: Profile, log: list[tuple[str, str, str]]
) -> None:
    take(store, profile)
    change(profile)
    log.clear()
    second = take(store, profile)
    published = rename_of(log, second.path)
    files = {name for name in synced(log, published, Path(log[published][1])) if (second.path / name).is_file()}
    assert files == {".scanonce-manifest.jsonl", "Default/Preferences", f"{build.INDEXED_DB}/000006.log"}


def test_a_restore(store: SessionStore, profile: Profile, log: list[tuple[str, str, str]]) -> None:
    snapshot = take(store, profile)
    log.clear()
    quarantine = store.restore(profile, snapshot).quarantine
    assert quarantine is not None
    moved, placed = rename_of(log, quarantine), rename_of(log, profile.path)
    journal = store.cache / "restore-97150.json"
    written = [at for at, step in enumerate(log) if step[0] == "rename" and step[2] == str(journal)]
    assert written[0] < written[1] < moved < placed
    new = Path(log[placed][1])
    assert everything(profile.path) <= synced(log, written[1], new)
    assert ("sync", str(profile.path.parent), "") in log[: written[1]]
    assert ("sync", str(store.cache), "") in log[written[1] : moved], "the journal's own entry"
    assert ("sync", str(store.cache), "") in log[moved:placed]
    assert ("sync", str(profile.path.parent), "") in log[moved:placed]
    assert ("sync", str(profile.path.parent), "") in log[placed:]


def test_the_state(store: SessionStore, log: list[tuple[str, str, str]]) -> None:
    store.state.update("1", is_linked=True)
    written = rename_of(log, store.state.path)
    assert ("sync", log[written][1], "") in log[:written]
    assert ("sync", str(store.project), "") in log[written:]
