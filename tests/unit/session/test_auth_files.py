"""A session without a browser is found, checked, copied and restored, and its keys never go back by themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor.session.profiles import auth_files
from supervisor.session.profiles.check_report import CheckContext, CheckOutcome
from supervisor.session.profiles.kinds import AUTH_FOLDER
from supervisor.session.profiles.profile import Profile, holds_foreign_files
from supervisor.session.store import SessionStore
from tests.helpers import account
from tests.helpers.build import contents, take

FREE = CheckContext(free=True)
SESSION = "session-15551234567.0.json"


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    return SessionStore(tmp_path)


def made(store: SessionStore, *, linked: bool = True, at: str = "auth") -> Profile:
    return store.profile_at(account.make(store.project / at, linked=linked))


@pytest.mark.parametrize(
    "place", ["auth", "auth_info_baileys", "auth/alice", "data/bots/bob", "sessions/session-97150", "tokens/carol"]
)
def test_it_is_found_wherever_it_lies_in_the_project(store: SessionStore, place: str) -> None:
    account.make(store.project / place)
    account.make(store.project / "node_modules" / "example" / "auth")
    [found] = store.profiles()
    assert found.path == store.project / place
    assert found.kind is AUTH_FOLDER
    [known] = store.sessions()
    assert known.state.is_linked is True
    assert store.check(found).may_start


@pytest.mark.parametrize("left", ["RemoteAuth-alice", "session-bob"])
def test_the_usual_places_of_browser_profiles(store: SessionStore, left: str) -> None:
    (store.project / ".wwebjs_auth" / left / "Default").mkdir(parents=True)
    (store.project / "_IGNORE_carol" / "Default").mkdir(parents=True)
    found = {profile.path.name for profile in store.profiles()}
    assert found == {left, "_IGNORE_carol"}


def with_source(folder: Path) -> None:
    (folder / "index.js").write_text("")


def with_folder(folder: Path) -> None:
    (folder / "src").mkdir()


def of_another_service(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    (folder / "creds.json").write_text('{"type": "service_account", "private_key": "x"}')


def only_a_name(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    (folder / "session-1.json").write_text("{}")


@pytest.mark.parametrize("change", [with_source, with_folder, of_another_service, only_a_name])
def test_what_is_not_only_an_account_is_never_moved(store: SessionStore, change: Callable[[Path], None]) -> None:
    folder = account.make(store.project / "auth")
    change(folder)
    assert list(auth_files.find(store.project)) == []
    assert holds_foreign_files(folder)


def torn(folder: Path) -> None:
    (folder / "creds.json").write_bytes((folder / "creds.json").read_bytes()[:100])


def emptied(folder: Path) -> None:
    (folder / "creds.json").write_bytes(b"")


def zeroed(folder: Path) -> None:
    (folder / "creds.json").write_bytes(bytes(500))


def removed(folder: Path) -> None:
    (folder / "creds.json").unlink()


def without_a_key(folder: Path) -> None:
    creds = json.loads((folder / "creds.json").read_text())
    del creds["signedPreKey"]
    account.write(folder / "creds.json", creds)


def with_half_a_key(folder: Path) -> None:
    creds = json.loads((folder / "creds.json").read_text())
    creds["noiseKey"]["private"]["data"] = "AAAA"
    account.write(folder / "creds.json", creds)


@pytest.mark.parametrize("damage", [torn, emptied, zeroed, removed, without_a_key, with_half_a_key])
def test_damaged_creds_come_back_and_no_key_goes_back(store: SessionStore, damage: Callable[[Path], None]) -> None:
    profile = made(store)
    wanted = account.identity(profile.path)
    take(store, profile)
    (profile.path / "pre-key-1.json").unlink()  # used up
    account.write(profile.path / "pre-key-3.json", account.pair())
    account.write(profile.path / SESSION, account.buffer(b"ratchet 2"))
    damage(profile.path)
    before = contents(profile.path, without=("creds.json",))
    report = store.check(profile, context=CheckContext(linked=True, free=True))
    assert [check.name for check in report.checks if check.outcome is CheckOutcome.DAMAGED] == ["auth-files"]
    restored = store.restore_first(profile, store.snapshots(profile.id), free=True, keep_newer=True).restored
    assert restored is not None
    assert "no key went back" in restored.note
    assert account.identity(profile.path) == wanted
    assert contents(profile.path, without=("creds.json",)) == before
    assert store.check(profile, context=FREE).may_start
    assert restored.quarantine is not None


@pytest.mark.parametrize("data", [b"", b'{"type":"Buf', bytes(40)])
@pytest.mark.parametrize("name", [SESSION, "pre-key-2.json", "app-state-sync-key-AAAA__x=.json"])
def test_a_torn_key_is_set_aside_alone(store: SessionStore, name: str, data: bytes) -> None:
    profile = made(store)
    take(store, profile)
    (profile.path / name).write_bytes(data)
    seen = store.check(profile)
    assert seen.may_start
    assert any("half-written" in remark for remark in seen.remarks)
    assert (profile.path / name).exists(), "nothing is changed but under the lock"
    report = store.check(profile, context=FREE)
    assert [check.outcome for check in report.checks if check.name == "auth-files"] == [CheckOutcome.MENDED]
    assert not (profile.path / name).exists()
    assert (profile.path / f"{name}{auth_files.TORN_SUFFIX}").read_bytes() == data
    assert store.check(profile, context=FREE).spotless
    snapshot = take(store, profile)
    assert snapshot.verified
    assert name not in contents(snapshot.path)


def test_one_that_is_gone_comes_back_whole_and_it_is_said_that_its_keys_are_old(store: SessionStore) -> None:
    profile = made(store)
    before = contents(profile.path)
    take(store, profile)
    for path in profile.path.iterdir():
        path.unlink()
    profile.path.rmdir()
    report = store.check(profile, context=CheckContext(linked=True, free=True))
    assert report.damage
    assert not store.is_of_browser(profile)
    restored = store.restore_first(profile, store.snapshots(profile.id), free=True, keep_newer=True).restored
    assert restored is not None
    assert "as old as the snapshot" in restored.note
    assert contents(profile.path) == before


def test_a_snapshot_with_damaged_creds_is_not_good(store: SessionStore) -> None:
    profile = made(store)
    torn(profile.path)
    assert not take(store, profile).good
    emptied(profile.path)
    assert not take(store, profile).good


@pytest.mark.parametrize(
    ("changes", "linked"),
    [
        ({"me": {"id": "1555:3@s.whatsapp.net"}}, True),
        ({"me": {"id": "1555:3@s.whatsapp.net"}, "registered": True, "pairingCode": "ABCD"}, True),
        ({"me": {"id": "1555:3@s.whatsapp.net"}, "pairingCode": "ABCD"}, False),
        ({"me": None}, False),
        ({"me": "x"}, False),
    ],
)
def test_the_creds_tell_whether_it_is_linked(tmp_path: Path, changes: dict[str, object], linked: bool) -> None:
    folder = account.make(tmp_path / "auth", linked=False)
    account.write(folder / "creds.json", account.new_creds(linked=False) | changes)
    assert auth_files.is_linked(folder) is linked
    torn(folder)
    assert auth_files.is_linked(folder) is None


@pytest.mark.parametrize(
    "form",
    [
        lambda raw: {"type": "Buffer", "data": list(raw)},
        lambda raw: {"buffer": True, "data": list(raw)},
        lambda raw: dict(enumerate(raw)),
        account.buffer,
    ],
)
def test_keys_in_all_the_forms_of_bufferjson(store: SessionStore, form: Callable[[bytes], object]) -> None:
    profile = made(store)
    creds = account.new_creds()
    creds["noiseKey"] = {"private": form(bytes(range(32))), "public": form(bytes(range(32)))}
    account.write(profile.path / "creds.json", creds)
    assert store.check(profile).may_start
