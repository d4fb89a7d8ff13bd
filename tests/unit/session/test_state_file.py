"""`session-state.json` is never lost, and says what was said."""

from __future__ import annotations

import json
import os
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.session.profiles.profile import Profile
from supervisor.session.state_file import Document, Recovery, SessionState, StateFile, parse, serialise
from supervisor.session.store import SessionStore
from supervisor.system import clock
from supervisor.system.errors import SessionError
from supervisor.system.reading import is_a_path
from tests.helpers.build import take

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def state(project: Path) -> StateFile:
    return StateFile(project / "session-state.json")


def written(state: StateFile) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(state.path.read_text())
    return document


def test_the_file_says_what_was_said_in_the_keys_of_the_original(state: StateFile) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
    state.update(
        "97150",
        is_linked=True,
        auth_method="qr",
        created_at=moment,
        last_seen=moment,
        last_state="ready",
        last_snapshot="backup-97150-1",
        profile="sessions/session-97150",
        recovery=Recovery(2, ("backup-97150-1",), moment, moment + timedelta(minutes=30)),
    )
    document = written(state)
    linked_at = document["sessions"]["97150"].pop("linkedAt")
    assert abs(clock.parse(linked_at) - clock.now()) < timedelta(minutes=1)
    assert {key: document.pop(key) for key in ("writtenBy", "serial")} == {"writtenBy": "scanonce", "serial": 1}
    assert len(document.pop("digest")) == 32
    assert document == {
        "version": 1,
        "sessions": {
            "97150": {
                "isLinked": True,
                "authMethod": "qr",
                "createdAt": "2026-01-02T03:04:05.678Z",
                "lastSeen": "2026-01-02T03:04:05.678Z",
                "lastState": "ready",
                "lastSnapshot": "backup-97150-1",
                "profile": "sessions/session-97150",
                "recovery": {
                    "attempts": 2,
                    "tried": ["backup-97150-1"],
                    "lastAttempt": "2026-01-02T03:04:05.678Z",
                    "cooldownUntil": "2026-01-02T03:34:05.678Z",
                },
            }
        },
    }
    assert StateFile(state.path).load() == state.load()


def test_keys_that_we_do_not_know_are_kept(state: StateFile) -> None:
    state.path.write_text(
        json.dumps({"version": 1, "theirs": [1], "sessions": {"1": {"note": {"a": 1}, "isLinked": False}, "2": {}}})
    )
    state.update("1", is_linked=True)
    state.forget("2")
    document = written(state)
    assert document["theirs"] == [1]
    assert document["sessions"]["1"]["note"] == {"a": 1}
    assert document["sessions"]["1"]["isLinked"] is True
    assert "2" not in document["sessions"]


def test_nothing_is_written_when_nothing_is_new(state: StateFile) -> None:
    moment = clock.now()
    state.update("1", is_linked=True, last_seen=moment)
    before = state.path.stat().st_ino
    state.update("1", is_linked=True)
    state.update("1", last_seen=moment + timedelta(seconds=59))
    assert state.path.stat().st_ino == before
    state.update("1", last_seen=moment + timedelta(seconds=60))
    assert state.path.stat().st_ino != before
    assert state.get("1").last_seen == moment + timedelta(seconds=60)


def test_linked_at_is_when_it_became_linked(state: StateFile) -> None:
    assert state.update("1", is_linked=False).linked_at is None
    first = state.update("1", is_linked=True).linked_at
    assert first is not None
    assert state.update("1", is_linked=True, last_state="ready").linked_at == first
    state.update("1", is_linked=False)
    again = state.update("1", is_linked=True).linked_at
    assert again is not None
    assert again >= first


def test_what_another_process_wrote_is_seen(state: StateFile) -> None:
    state.update("1", is_linked=True)
    other = StateFile(state.path)
    other.update("1", auth_method="pairing")
    other.update("2", is_linked=False)
    state.update("1", last_state="ready")
    assert state.get("1").auth_method == "pairing"
    assert set(StateFile(state.path).load()) == {"1", "2"}


def test_threads_lose_nothing(state: StateFile) -> None:
    def work(number: int) -> None:
        for step in range(10):
            state.update(str(number), last_state=str(step))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: known.last_state for name, known in StateFile(state.path).load().items()} == dict.fromkeys(
        "0123", "9"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are made by forking")
def test_processes_lose_nothing(state: StateFile) -> None:
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                mine = StateFile(state.path)
                for step in range(20):
                    mine.update(str(number), last_state=str(step))
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0, 0]
    assert {name: known.last_state for name, known in state.load().items()} == dict.fromkeys("0123", "19")


def test_a_writer_that_hangs_is_an_error_in_time(state: StateFile, monkeypatch: pytest.MonkeyPatch) -> None:
    state.update("1", is_linked=True)
    other = StateFile(state.path)
    monkeypatch.setattr(other._processes, "timeout", 0.01)
    with state._processes:
        assert other.get("1").is_linked is True
        with pytest.raises(SessionError, match="another process has kept it locked"):
            other.update("1", is_linked=False)
    assert other.update("1", is_linked=False).is_linked is False


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\0" * 100,
        b'{\n  "writtenBy": "scanonce",\n  "vers',
        b'{\n  "writtenBy": "scanonce",\n  "version": 2,\n  "sessions": {}}',
        b'{\n  "version": 1,\n  "sessions": {"1": {"isLinked": fal',
    ],
)
def test_our_own_damaged_file_is_kept_and_rebuilt_from_the_snapshots(
    store: SessionStore, profile: Profile, damaged: bytes
) -> None:
    snapshot = take(store, profile)
    path = store.state.path
    path.write_bytes(damaged)
    known = store.state.load()[profile.id]
    assert known.is_linked is True
    assert known.last_snapshot == snapshot.name
    assert known.profile == "sessions/session-97150"
    assert path.read_bytes() == damaged, "who only reads changes nothing"
    (sentence,) = store.recover()
    (aside,) = store.project.glob("session-state.json.damaged-*")
    assert aside.read_bytes() == damaged
    assert aside.name in sentence
    assert store.recover() == []
    assert store.state.path == path
    assert [p.path for p in store.profiles()] == [profile.path]


#: As the bot for which scanonce was first written keeps them, and what else may have that name.
ORIGINAL = json.dumps(
    {"timestamp": 1, "version": "1.0", "masterPhoneNumber": "97150", "accounts": {"97150": {}}}
).encode()
FLAT = json.dumps({"masterNumber": "97150", "lastSeen": 1, "isLinked": False, "authMethod": "qr"}).encode()
FOREIGN = [
    ORIGINAL,
    FLAT,
    b"{}",
    b"[]",
    b"\xff\xfe",
    b"[" * 100_000,
    b"version: 1",
    b'{"version": 1, "sessions": []}',
    b'{"version": 1, "sessions": {"1": 5}}',
    b'{"version": true, "sessions": {}}',
    b'{"writtenBy": "scanonce", "version": 1, "serial": 9, "digest": "0", "sessions": {}}',
]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_file_of_another_program_is_neither_touched_nor_believed(
    store: SessionStore, profile: Profile, foreign: bytes
) -> None:
    snapshot = take(store, profile)
    public = store.state.path
    public.write_bytes(foreign)
    before = sorted(store.cache.iterdir())
    other = SessionStore(store.project)
    assert other.state.load()[profile.id].is_linked is True, "by its snapshot"
    assert other.state.trouble() is None
    said = other.state.foreign()
    assert said is not None
    assert "is left alone" in said
    assert sorted(store.cache.iterdir()) == before, "who only reads changes nothing"
    (sentence,) = other.recover()
    assert "session-state.json is not, or no longer, scanonce's" in sentence
    assert "state.json" in sentence
    assert other.recover() == []
    other.state.update(profile.id, last_state="ready")
    again = SessionStore(store.project).state
    assert again.get(profile.id).last_state == "ready"
    assert again.get(profile.id).last_snapshot == snapshot.name
    assert again.path == store.cache / "state.json"
    assert public.read_bytes() == foreign


def test_what_is_written_back_stale_is_not_believed(store: SessionStore, profile: Profile) -> None:
    public = store.state.path
    store.state.update(profile.id, is_linked=False)
    held = public.read_bytes()  # as a bot reads it at its start
    store.state.update(profile.id, is_linked=True)
    public.write_bytes(held)
    store.state.look()
    assert len(store.state.problems) == 1
    assert "an older state was written back" in store.state.problems[0]
    assert store.state.get(profile.id).is_linked is True
    assert SessionStore(store.project).state.get(profile.id).is_linked is True
    assert public.read_bytes() == held
    public.write_bytes(held + b" ")
    store.state.look()
    assert len(store.state.problems) == 1, "said once"


def test_what_is_changed_and_written_back_is_not_believed(store: SessionStore, profile: Profile) -> None:
    store.state.update(profile.id, is_linked=True)
    document = json.loads(store.state.path.read_text())
    document["sessions"][profile.id]["isLinked"] = False
    document["accounts"] = {}
    store.state.path.write_text(json.dumps(document))
    assert SessionStore(store.project).state.get(profile.id).is_linked is True
    store.state.update(profile.id, last_state="ready")
    assert store.state.path == store.cache / "state.json"


def test_the_same_contents_in_another_form_are_believed(store: SessionStore, profile: Profile) -> None:
    store.state.update(profile.id, is_linked=True)
    store.state.path.write_text(json.dumps(json.loads(store.state.path.read_text())))
    assert SessionStore(store.project).state.foreign() is None


def test_a_file_of_a_version_without_a_mark_is_taken_over_once(store: SessionStore) -> None:
    old = json.dumps({"version": 1, "sessions": {"1": {"isLinked": True}}})
    store.state.path.write_text(old)
    assert store.state.get("1").is_linked is True
    store.state.update("1", is_linked=False)
    assert json.loads(store.state.path.read_text())["writtenBy"] == "scanonce"
    store.state.path.write_text(old)
    assert SessionStore(store.project).state.get("1").is_linked is False, "it is older than the copy"


def test_a_state_that_is_elsewhere_is_made_anew_there_if_it_is_damaged(store: SessionStore, profile: Profile) -> None:
    store.state.path.write_bytes(ORIGINAL)
    store.state.update(profile.id, is_linked=True)
    elsewhere = store.state.path
    elsewhere.write_bytes(FLAT)
    other = SessionStore(store.project)
    assert other.state.get(profile.id).is_linked is True
    assert "state.json.damaged-" in other.recover()[0]
    assert other.state.path == elsewhere


def test_unlinked_outvotes_no_newer_snapshot(store: SessionStore, profile: Profile) -> None:
    before = clock.now()
    store.state.update(profile.id, is_linked=False, unlinked_at=before)
    take(store, profile)
    newest = store.snapshots(profile.id)[0].created_at
    known = store.state.get(profile.id)
    assert known.link(newest) is True
    assert known.link(None) is False
    assert known.link(before - timedelta(seconds=1)) is False
    store.clear(profile)
    assert store.state.get(profile.id).link(newest) is False, "the user has said so"


def test_a_session_that_was_cleared_stays_so_when_the_file_is_damaged(store: SessionStore, profile: Profile) -> None:
    store.state.update(profile.id, is_linked=True)
    take(store, profile)
    store.clear(profile)
    store.state.path.write_bytes(b"")
    assert store.state.load()[profile.id].is_linked is False


def test_a_file_that_is_gone_comes_back_from_its_copy(store: SessionStore, profile: Profile) -> None:
    known = store.state.update(profile.id, is_linked=True, auth_method="qr", extra={"nickname": "shop"})
    store.state.path.unlink()
    other = SessionStore(store.project)
    assert other.state.load() == {profile.id: known}, "who only reads knows it as well"
    assert not other.state.path.exists()
    (sentence,) = other.recover()
    assert "session-state.json was gone" in sentence
    assert other.recover() == []
    assert StateFile(store.state.path).load() == {profile.id: known}
    assert "copyOf" not in store.state.path.read_text()


def test_what_is_written_when_the_file_is_gone_loses_nothing_of_the_copy(store: SessionStore) -> None:
    store.state.update("1", is_linked=True)
    store.state.path.unlink()
    store.state.update("2", is_linked=False)
    assert {name: one.is_linked for name, one in StateFile(store.state.path).load().items()} == {"1": True, "2": False}


def test_a_copied_folder_gets_nothing_from_a_copy_that_is_of_another(
    store: SessionStore, profile: Profile, tmp_path: Path
) -> None:
    store.state.update(profile.id, is_linked=True, profile="sessions/session-97150")
    take(store, profile)
    moved = tmp_path / "elsewhere"
    shutil.copytree(store.cache, moved / ".session-cache")
    copy = SessionStore(moved)
    assert copy.recover() == []
    assert copy.state.load() == {}
    assert copy.lost() == [profile.id]
    assert store.lost() == []
    copy.state.update(profile.id, is_linked=False)
    assert copy.lost() == [], "whoever was linked anew is not lost"


@pytest.mark.parametrize("copied", [b"", b"{", b'{"version": 1, "sessions": {}, "copyOf": 1}'])
def test_a_copy_that_makes_no_sense_is_none(store: SessionStore, copied: bytes) -> None:
    store.state.update("1", is_linked=True)
    (store.cache / "state-copy.json").write_bytes(copied)
    store.state.path.unlink()
    assert SessionStore(store.project).recover() == []
    assert SessionStore(store.project).state.load() == {}


def test_a_copy_that_cannot_be_written_keeps_nobody_from_writing_the_file(store: SessionStore) -> None:
    (store.cache / "state-copy.json").mkdir(parents=True)
    store.state.update("1", is_linked=True)
    assert StateFile(store.state.path).load()["1"].is_linked is True


def test_a_state_file_that_cannot_be_read_is_an_error_not_an_empty_state(state: StateFile) -> None:
    state.path.symlink_to(state.path.name)
    with pytest.raises(SessionError, match=r"session-state\.json"):
        state.load()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_at_all_is_left_alone(store: SessionStore, make: Callable[[Path], None]) -> None:
    public = store.state.path
    make(public)
    store.state.update("1", is_linked=True)
    assert SessionStore(store.project).state.get("1").is_linked is True
    assert not public.is_file()


def test_fields_of_the_wrong_type_are_passed_over(state: StateFile) -> None:
    state.path.write_text(
        json.dumps(
            {
                "version": 1,
                "sessions": {
                    "1": {
                        "isLinked": "yes",
                        "createdAt": "yesterday",
                        "lastSeen": 1e300,
                        "lastState": 5,
                        "recovery": {"attempts": "x", "tried": "y", "cooldownUntil": []},
                    }
                },
            }
        )
    )
    assert state.get("1") == SessionState(last_state="5")


YEAR_2, YEAR_9998 = datetime(2, 1, 1), datetime(9998, 1, 1)  # noqa: DTZ001 - as Hypothesis takes them
MOMENTS = st.datetimes(YEAR_2, YEAR_9998, timezones=st.just(UTC)).map(clock.trimmed)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
)
KNOWN = {
    "isLinked",
    "authMethod",
    "createdAt",
    "linkedAt",
    "lastSeen",
    "lastState",
    "lastSnapshot",
    "profile",
    "recovery",
}
NAMES = st.text(max_size=5).filter(is_a_path)
STATES = st.builds(
    SessionState,
    is_linked=st.none() | st.booleans(),
    auth_method=st.none() | st.text(max_size=5),
    created_at=st.none() | MOMENTS,
    linked_at=st.none() | MOMENTS,
    last_seen=st.none() | MOMENTS,
    last_state=st.none() | st.text(max_size=5),
    last_snapshot=st.none() | NAMES,
    profile=st.none() | NAMES,
    recovery=st.builds(
        Recovery, st.integers(0, 9), st.lists(st.text(max_size=5)).map(tuple), st.none() | MOMENTS, st.none() | MOMENTS
    ),
    extra=st.dictionaries(st.text(max_size=5).filter(lambda key: key not in KNOWN), JSON, max_size=2),
)
OURS = {"writtenBy", "version", "serial", "digest", "sessions"}
REST = st.dictionaries(
    st.text(max_size=5).filter(lambda key: key not in OURS),
    JSON,
    max_size=2,
)


@given(st.dictionaries(st.text(max_size=10), STATES, max_size=3), REST)
def test_any_state_reads_back_as_it_was_written(sessions: dict[str, SessionState], rest: dict[str, Any]) -> None:
    known = Document(sessions, rest, 7)
    assert parse(serialise(known)) == known


@given(st.binary(max_size=200) | JSON.map(lambda document: json.dumps(document).encode()))
def test_no_file_makes_the_reader_fail_in_another_way(data: bytes) -> None:
    try:
        known = parse(data)
    except ValueError:
        return
    assert parse(serialise(known)) == known
