"""Disks fill up and fail: whatever fails, wherever, nothing is lost and one sentence says what happened."""

from __future__ import annotations

import errno
import os
import resource
import signal
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from supervisor.session.profiles.profile import Profile
from supervisor.session.snapshot.retention import Retention
from supervisor.session.store import SessionStore
from supervisor.system.errors import SessionError
from tests.helpers import build
from tests.helpers.build import change, take

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CALLS = ("open", "mkdir", "write", "sendfile", "fsync", "rename", "replace", "link", "chmod", "fchmod", "utime")


@pytest.fixture
def profile(project: Path) -> Profile:
    """A small profile: every call of every operation on it is made to fail in turn."""
    path = project / "sessions" / "session-97150"
    build.database(path / build.INDEXED_DB)
    (path / "Default/Preferences").write_text("{}")
    return Profile.at(path)


class Fault:
    """Makes the n-th call to the system fail, and, as a full disk does, every later one of its kind."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
        self.code, self.left, self.failed = code, 0, ""
        for name in _CALLS:
            monkeypatch.setattr(os, name, self._wrapped(name, getattr(os, name)))

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def faulty(*args: Any, **kwargs: Any) -> Any:
            if self._hits(name, args):
                raise OSError(self.code, os.strerror(self.code))
            return call(*args, **kwargs)

        return faulty

    def _hits(self, name: str, args: tuple[Any, ...]) -> bool:
        if self.failed == name and self.code in {errno.ENOSPC, errno.EROFS}:
            return not (name == "open" and not args[1] & os.O_CREAT)
        if not self.left or (name == "open" and not args[1] & os.O_CREAT and self.code == errno.ENOSPC):
            return False
        self.left -= 1
        if self.left == 0:
            self.failed = name
        return self.left == 0

    @contextmanager
    def at(self, n: int) -> Iterator[None]:
        self.left, self.failed = n, ""
        try:
            yield
        finally:
            self.left, self.failed = 0, ""


CODES = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EACCES": errno.EACCES, "EROFS": errno.EROFS}


def attempt(fault: Fault, n: int, work: Callable[[], object]) -> bool | None:
    """Run `work` with its n-th call failing: whether it succeeded all the same; `None` when there is no n-th call."""
    with fault.at(n):
        try:
            work()
        except SessionError as error:
            sentence = str(error)
        else:
            return True if fault.failed else None
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return False


@pytest.mark.parametrize("code", CODES)
def test_taking_a_snapshot(store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    first = take(store, profile)
    kept = build.contents(first.path)
    change(profile)
    live = build.contents(profile.path)
    fault = Fault(monkeypatch, CODES[code])
    failures = 0
    for n in range(1, 1000):
        outcome = attempt(fault, n, lambda: take(store, profile))
        failures += outcome is False
        assert build.contents(profile.path) == live
        assert build.contents(first.path) == kept
        store.recover()
        assert {path.name[:7] for path in store.cache.iterdir()} <= {"backup-", "state.l", "state-c"}
        for snapshot in store.snapshots(profile.id):
            # One whose verification was prevented is kept as a last resort, and never counts as good.
            assert snapshot.good or "cannot be read" in snapshot.problems[0]
            if snapshot != first:
                build.remove(snapshot.path)
        if outcome is None:
            break
    assert failures > 10


@pytest.mark.parametrize("code", CODES)
def test_restoring(store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    snapshot = take(store, profile)
    good = build.contents(profile.path)
    (profile.path / "Default/Preferences").write_text("damaged")
    live = build.contents(profile.path)
    fault = Fault(monkeypatch, CODES[code])
    for n in range(1, 1000):
        outcome = attempt(fault, n, lambda: store.restore(profile, snapshot))
        store.recover()
        assert store.verify(snapshot) == []
        assert [path.name for path in profile.path.parent.iterdir()] == ["session-97150"]
        quarantined = [one.path for one in store.quarantined()]
        if not quarantined:
            assert outcome is False
            assert build.contents(profile.path) == live
            continue
        assert [build.contents(path) for path in quarantined] == [live]
        assert build.contents(profile.path) == good
        build.remove(profile.path)
        quarantined[0].rename(profile.path)
        if outcome is None:
            return
    pytest.fail("it never succeeded")


@pytest.mark.parametrize("there", [True, False])
def test_a_swap_that_fails_half_way_is_undone_at_once(
    store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    snapshot = take(store, profile)
    live = build.contents(profile.path)
    if not there:
        build.remove(profile.path)
    rename = os.rename

    def refuse(source: Path, target: Path) -> None:
        if target == profile.path and source.name.startswith(".scanonce-new-"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(SessionError, match="I/O error"):
        store.restore(profile, snapshot)
    assert [path.name for path in profile.path.parent.iterdir()] == (["session-97150"] if there else [])
    assert build.contents(profile.path) == (live if there else {})
    assert store.quarantined() == []
    assert store.recover() == []


@pytest.mark.parametrize("code", CODES)
def test_the_state_and_the_rest(
    store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    store.state.update("1", is_linked=True)
    take(store, profile)
    before = build.contents(profile.path)
    fault = Fault(monkeypatch, CODES[code])
    works: list[Callable[[int], object]] = [
        lambda n: store.state.update("1", last_state=str(n)),
        lambda _n: store.record_clean_stop(profile),
    ]
    for work in works:
        for n in range(1, 100):
            outcome = attempt(fault, n, partial(work, n))
            assert SessionStore(store.project).state.load()["1"].is_linked is True
            if outcome is None:
                break
    assert build.contents(profile.path) == before


@pytest.mark.parametrize("code", CODES)
def test_clearing(store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    live = build.contents(profile.path)
    snapshot = take(store, profile)
    fault = Fault(monkeypatch, CODES[code])
    for n in range(1, 100):
        outcome = attempt(fault, n, lambda: store.clear(profile))
        if profile.path.exists():
            assert outcome is False
            assert build.contents(profile.path) == live
        else:
            [moved] = store.quarantined()
            assert build.contents(moved.path) == live
            moved.path.rename(profile.path)
        assert store.verify(snapshot) == []
        if outcome is None:
            return
    pytest.fail("it never succeeded")


def test_pruning_goes_on_past_what_cannot_be_removed(
    store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []
    for _ in range(4):
        names.append(take(store, profile).name)
        change(profile)
    store.policy = Retention(max_count=1)
    rename = os.rename

    def stubborn(source: str, target: str) -> None:
        if str(source).endswith(names[1]):
            raise OSError(errno.EIO, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", stubborn)
    pruned = store.prune()
    assert [s.name for s in store.snapshots(profile.id)] == [names[3], names[1]]
    assert pruned.problems == (f"{store.cache / names[1]} could not be removed: input/output error.",)


def test_a_file_size_limit(store: SessionStore, profile: Profile) -> None:
    first = take(store, profile)
    (profile.path / "Default/History").write_bytes(bytes(1 << 20))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, before[1]))
    try:
        with pytest.raises(SessionError, match="file-size limit"):
            take(store, profile)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert store.snapshots(profile.id) == [first]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "I/O error"),
        (errno.ELOOP, "symbolic"),
    ],
)
def test_the_sentence_says_what_was_seen_where_and_what_to_do(
    store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("supervisor.system.files.copy_file", fail)
    with pytest.raises(SessionError, match=words) as raised:
        take(store, profile)
    assert str(store.cache) in str(raised.value)


def test_an_unreadable_cache_folder_is_said_to_be(store: SessionStore, profile: Profile, project: Path) -> None:
    store.cache.write_text("a file")
    with pytest.raises(SessionError, match=r"\.session-cache"):
        take(store, profile)
    assert store.cache.read_text() == "a file"
