"""Whatever is cut off, at whatever operation: nothing is lost, and the next start cleans up."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from supervisor.session.profiles.check_report import CheckContext
from supervisor.session.profiles.profile import Profile
from supervisor.session.snapshot.retention import Retention
from supervisor.session.store import SessionStore
from supervisor.system import parallel
from supervisor.system.errors import SessionError
from tests.helpers import build
from tests.helpers.build import take
from tests.unit.session import killpoints

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="a child is forked at each kill point")

FREE = CheckContext(linked=True, free=True)
NOT_OURS = ("Default", "Local State")


class Scene:
    """A small project that is made anew for each kill."""

    def __init__(self, folder: Path) -> None:
        self.template, self.place, self.halfway = folder / "template", folder / "place", folder / "halfway"
        self.place.mkdir()
        self.path = self.place / "sessions" / "session-1"
        build.database(self.path / build.INDEXED_DB)
        (self.path / "Local State").write_text("{}")
        self.store.state.update("1", is_linked=True)
        self.store.state.update("2", is_linked=False, auth_method="qr")

    @property
    def store(self) -> SessionStore:
        return SessionStore(self.place, policy=Retention(max_age=timedelta(days=7), max_count=2))

    @property
    def profile(self) -> Profile:
        return Profile("1", self.path)

    def change(self, records: int = 2) -> None:
        (self.path / "Local State").write_text(f'{{"records": {records}}}')
        log = self.path / build.INDEXED_DB / "000006.log"
        there = build.RECORDS // 2 + log.stat().st_size // (len(build.TEXT) + 19)
        build.append(log.parent, range(there + 1, there + 1 + records))

    def ready(self) -> None:
        """What is there now is what each run starts from."""
        self.place.rename(self.template)

    def snapshots(self) -> dict[str, dict[str, bytes | str | None]]:
        return {snapshot.name: build.contents(snapshot.path) for snapshot in self.store.snapshots("1")}

    def live(self) -> dict[str, bytes | str | None]:
        return build.contents(self.path)

    def recover(self) -> SessionStore:
        """What a supervisor does at its start; afterwards nothing half-done is left."""
        store = self.store
        store.recover()
        known = ("backup-", "quarantine-", "stop-", "state.lock", "state-copy.json")
        left = [path.name for path in store.cache.iterdir() if not path.name.startswith(known)]
        left += [path.name for path in self.path.parent.iterdir() if path != self.path]
        assert left == []
        assert store.recover() == []
        state = store.state.load()
        assert state["2"].auth_method == "qr"
        assert store.state.problems == []
        for snapshot in store.snapshots("1"):
            assert snapshot.verified
            assert store.verify(snapshot) == []
        return store


@pytest.fixture
def scene() -> Iterator[Scene]:
    """In memory where the system offers that: thousands of files come and go here, and no disk is what is tested."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="killpoints-", dir=memory if os.access(memory, os.W_OK) else None) as place:
        yield Scene(Path(place))


@pytest.mark.parametrize("threads", [False, True])
def test_taking_a_snapshot(scene: Scene, monkeypatch: pytest.MonkeyPatch, threads: bool) -> None:
    monkeypatch.setattr(parallel, "_WORTH_IT", 0 if threads else 1 << 30)
    take(scene.store, scene.profile)
    scene.change()
    scene.ready()
    runs = killpoints.at_every_kill_point(scene.template, scene.place, lambda: take(scene.store, scene.profile))
    before: dict[str, dict[str, bytes | str | None]] = {}
    for k in runs:
        snapshots = scene.snapshots()
        scene.recover()
        before = before or {name: snapshots[name] for name in list(snapshots)[-1:]}
        assert scene.live() == build.contents(scene.template / "sessions/session-1")
        assert before.items() <= scene.snapshots().items()
        assert len(scene.snapshots()) == 2 or k
        assert take(scene.store, scene.profile).good


@pytest.mark.parametrize("there", ["damaged", "missing"])
def test_restoring(scene: Scene, there: str) -> None:
    good = scene.live()
    snapshot = take(scene.store, scene.profile)
    build.flip(scene.path / build.INDEXED_DB / "CURRENT", 0)
    if there == "missing":
        build.remove(scene.path)
    scene.ready()
    old = build.contents(scene.template / "sessions/session-1") if there == "damaged" else None

    def restore() -> None:
        scene.store.restore(scene.profile, snapshot)

    for k in killpoints.at_every_kill_point(scene.template, scene.place, restore):
        store = scene.recover()
        quarantined = [build.contents(one.path) for one in store.quarantined()]
        if scene.path.exists() and scene.live() == good:
            assert quarantined == ([old] if old else [])
        else:
            assert k, "a restore that was not cut off is complete"
            assert quarantined == []
            assert (scene.live() if scene.path.exists() else None) == old
        assert len(scene.snapshots()) == 1
        assert store.check(scene.profile, context=FREE).may_start == (scene.live() == good)
        restore()
        assert scene.live() == good


def test_recovering_from_a_restore_may_be_cut_off_as_well(scene: Scene) -> None:
    good = scene.live()
    snapshot = take(scene.store, scene.profile)
    build.flip(scene.path / build.INDEXED_DB / "CURRENT", 0)
    old = scene.live()
    scene.ready()

    def restore() -> None:
        scene.store.restore(scene.profile, snapshot)

    for k in killpoints.at_every_kill_point(scene.template, scene.place, restore):
        if k % 5 and k:  # every fifth: what is left differs little from one operation to the next
            continue
        scene.place.rename(scene.halfway)
        again = 0
        while True:
            again += 1
            killpoints.copy(scene.halfway, scene.place)
            cut_off = killpoints.killed_at(again, lambda: scene.store.recover())
            store = scene.recover()
            there = [scene.live(), *(build.contents(one.path) for one in store.quarantined())]
            assert there in ([old], [good, old]), (k, again)
            build.remove(scene.place)
            if not cut_off:
                break
        build.remove(scene.halfway)


def test_a_restore_that_failed_may_be_cut_off_while_it_cleans_up(scene: Scene) -> None:
    good = scene.live()
    snapshot = take(scene.store, scene.profile)
    build.remove(scene.path)
    scene.ready()

    def fail() -> None:
        rename = os.rename

        def refuse(source: str, target: str) -> None:
            if str(target) == str(scene.path):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            rename(source, target)

        os.rename = refuse  # type: ignore[assignment]  # in a child that ends with this
        with suppress(SessionError):
            scene.store.restore(scene.profile, snapshot)

    for _ in killpoints.at_every_kill_point(scene.template, scene.place, fail):
        scene.recover()
        assert not scene.path.exists() or scene.live() == good


def test_pruning(scene: Scene) -> None:
    for _ in range(4):
        take(scene.store, scene.profile)
        scene.change()
    scene.ready()
    wanted: dict[str, dict[str, bytes | str | None]] = {}
    for k in killpoints.at_every_kill_point(scene.template, scene.place, lambda: scene.store.prune()):
        scene.recover()
        left = scene.snapshots()
        wanted = wanted or left
        assert dict(list(wanted.items())[:2]).items() <= left.items() <= wanted.items()
        assert k or len(left) == 2
        assert scene.live() == build.contents(scene.template / "sessions/session-1")


def test_clearing_a_session(scene: Scene) -> None:
    take(scene.store, scene.profile)
    before = scene.live()
    scene.ready()
    for k in killpoints.at_every_kill_point(scene.template, scene.place, lambda: scene.store.clear(scene.profile)):
        store = scene.recover()
        quarantined = [build.contents(one.path) for one in store.quarantined()]
        assert ([scene.live()] if scene.path.exists() else []) + quarantined == [before]
        assert k or quarantined
        assert scene.path.exists() or store.state.get("1").is_linked is False


def test_writing_the_state(scene: Scene) -> None:
    scene.ready()

    def work() -> None:
        scene.store.state.update("1", auth_method="pairing")

    for k in killpoints.at_every_kill_point(scene.template, scene.place, work):
        store = scene.store
        state = store.state.load()
        assert state["1"].auth_method in ({"pairing"} if k == 0 else {None, "pairing"})
        assert state["2"].auth_method == "qr"
        assert store.state.problems == []
        work()
        store.recover()
        assert sorted(path.name for path in scene.place.iterdir()) == [
            ".session-cache",
            "session-state.json",
            "sessions",
        ]


def test_moving_a_damaged_state_file_aside(scene: Scene) -> None:
    take(scene.store, scene.profile)
    scene.store.state.path.write_bytes(b'{\n  "version": 1,\n  "sessions": {"1": ')
    scene.ready()
    for _ in killpoints.at_every_kill_point(scene.template, scene.place, lambda: scene.store.recover()):
        store = scene.store
        assert store.state.load()["1"].is_linked is True
        store.recover()
        damaged = list(scene.place.glob("session-state.json.damaged-*"))
        assert [path.read_bytes() for path in damaged] == [b'{\n  "version": 1,\n  "sessions": {"1": ']


def test_remembering_a_clean_stop(scene: Scene) -> None:
    scene.store.record_clean_stop(scene.profile)
    scene.change()
    scene.ready()

    def work() -> None:
        scene.store.record_clean_stop(scene.profile)

    for _ in killpoints.at_every_kill_point(scene.template, scene.place, work):
        assert scene.store.check(scene.profile, context=FREE).may_start
        assert scene.live() == build.contents(scene.template / "sessions/session-1")
