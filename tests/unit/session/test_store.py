"""Snapshot, restore and what they promise, on real files."""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from supervisor.session import rebuild
from supervisor.session.names import MANIFEST
from supervisor.session.profiles.check_report import CheckContext
from supervisor.session.profiles.profile import Profile
from supervisor.session.recovery import candidates
from supervisor.session.snapshot.retention import Retention
from supervisor.session.store import SessionStore
from supervisor.system import files as fsio
from supervisor.system.errors import SessionError, SnapshotDamagedError
from tests.helpers import build
from tests.helpers.build import change, take

if TYPE_CHECKING:
    from collections.abc import Iterator

FREE = CheckContext(linked=True, free=True)


def test_a_snapshot_holds_the_profile_without_caches_and_run_files(store: SessionStore, profile: Profile) -> None:
    (profile.path / "SingletonLock").symlink_to("host-4000000")
    snapshot = take(store, profile)
    files = {name: data for name, data in build.contents(snapshot.path).items() if data is not None}
    del files[MANIFEST]
    assert files == build.kept(profile.path)
    assert snapshot.verified
    assert snapshot.linked is True
    assert snapshot.browser_version == "156.0"
    assert snapshot.sequences == {build.INDEXED_DB: build.RECORDS, build.LOCAL_STORAGE: build.RECORDS}
    assert store.state.get(profile.id).last_snapshot == snapshot.name


def test_unchanged_files_are_shared_between_snapshots_and_never_with_the_profile(
    store: SessionStore, profile: Profile
) -> None:
    first = take(store, profile)
    change(profile)
    second = take(store, profile)
    assert (first.path / "Default/Cookies").samefile(second.path / "Default/Cookies")
    assert not (first.path / "Default/Preferences").samefile(second.path / "Default/Preferences")
    assert second.base == first.name
    assert second.own_bytes == sum(
        (second.path / name).stat().st_size for name in ("Default/Preferences", f"{build.INDEXED_DB}/000006.log")
    )
    live = {file.stat().st_ino for file in profile.path.rglob("*") if file.is_file()}
    for snapshot in (first, second):
        assert not live & {file.stat().st_ino for file in snapshot.path.rglob("*") if file.is_file()}
    assert json.loads((first.path / "Default/Preferences").read_text()) == {"profile": {"exit_type": "Normal"}}


def test_no_name_of_a_profiles_files_is_interned(
    store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python never takes back the room of one (supervisor.system.malloc), and tables and logs have ever new names."""
    interned: set[str] = set()
    intern = sys.intern

    def note(text: str) -> str:
        interned.add(text)
        return intern(text)

    take(store, profile)
    change(profile)
    monkeypatch.setattr(sys, "intern", note)
    second = take(store, profile)
    store.check(profile, context=FREE)
    monkeypatch.undo()
    files = {file.name for file in second.path.rglob("*") if file.suffix in {".ldb", ".log"}}
    assert files
    assert not files & interned


_watched: list[str] | None = None


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if _watched is not None and event == "open":
        _watched.append(os.fsdecode(args[0]) if not isinstance(args[0], int) else "")


sys.addaudithook(_watch)


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Every file that is opened while the test runs."""
    global _watched
    _watched = []
    yield _watched
    _watched = None


def test_nothing_shares_its_blocks_with_the_profile(
    store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where the file system could: one bad block must not cost the profile and its snapshot."""
    monkeypatch.delattr(os, "copy_file_range")
    cloned: list[str] = []

    def clone(target: int, request: int, source: int) -> int:
        assert request == fsio._FICLONE
        cloned.append(str(Path(f"/proc/self/fd/{source}").readlink()))
        os.sendfile(target, source, None, 1 << 30)
        return 0

    monkeypatch.setattr("fcntl.ioctl", clone)
    first = take(store, profile)
    assert cloned == []
    change(profile)

    def refuse(*_paths: object) -> None:
        raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))

    monkeypatch.setattr(os, "link", refuse)
    second = take(store, profile)
    assert second.base == first.name
    assert cloned
    assert all(path.startswith(f"{first.path}/") for path in cloned)
    assert store.verify(second) == []
    cloned.clear()
    store.restore(profile, second)
    assert cloned == []
    assert build.kept(profile.path) == build.kept(second.path)


def test_where_blocks_cannot_be_shared_they_are_copied(
    store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(store, profile)
    change(profile)

    def refuse(*_what: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr("fcntl.ioctl", refuse)
    second = take(store, profile)
    assert (second.base, second.own_bytes) == (None, second.bytes)
    assert store.verify(second) == []


def test_the_cost_of_a_snapshot_follows_what_changed(store: SessionStore, profile: Profile, opened: list[str]) -> None:
    take(store, profile)
    change(profile)
    opened.clear()
    take(store, profile)
    read = {os.path.relpath(name, profile.path) for name in opened if name.startswith(str(profile.path))}
    assert read == {"Default/Preferences", f"{build.INDEXED_DB}/000006.log"}
    opened.clear()
    take(store, profile)
    assert not [name for name in opened if name.startswith(str(profile.path))]


def test_nothing_changed_means_no_new_snapshot(store: SessionStore, profile: Profile) -> None:
    first = take(store, profile)
    assert take(store, profile) == first
    assert store.snapshots(profile.id) == [first]


@pytest.mark.parametrize(("before", "after"), [((None, False), (True, False)), ((True, True), (True, False))])
def test_a_better_snapshot_of_the_same_files_is_taken(
    store: SessionStore, profile: Profile, before: tuple[bool | None, bool], after: tuple[bool | None, bool]
) -> None:
    take(store, profile, linked=before[0], live=before[1])
    second = take(store, profile, linked=after[0], live=after[1])
    assert (second.linked, second.live) == after
    assert second.own_bytes == 0
    assert len(store.snapshots(profile.id)) == 2


def test_restore_brings_back_what_was_there_and_quarantines_what_is(store: SessionStore, profile: Profile) -> None:
    snapshot = take(store, profile)
    wanted = build.kept(profile.path)
    build.cut(profile.path / "Default/Cookies", 100)
    (profile.path / "SingletonLock").symlink_to("elsewhere-1")
    damaged = build.contents(profile.path)
    restored = store.restore(profile, snapshot)
    assert build.kept(profile.path) == wanted
    assert restored.snapshot == snapshot
    assert restored.quarantine is not None
    assert build.contents(restored.quarantine) == damaged
    assert [(q.session_id, q.path) for q in store.quarantined()] == [(profile.id, restored.quarantine)]
    assert not os.path.lexists(profile.path / "SingletonLock")


def test_restore_keeps_the_times_of_files(store: SessionStore, profile: Profile) -> None:
    before = (profile.path / "Default/Cookies").stat().st_mtime_ns
    snapshot = take(store, profile)
    build.remove(profile.path)
    store.restore(profile, snapshot)
    assert (profile.path / "Default/Cookies").stat().st_mtime_ns == before


def test_restore_of_a_missing_profile(store: SessionStore, profile: Profile) -> None:
    snapshot = take(store, profile)
    build.remove(profile.path.parent)
    assert store.restore(profile, snapshot).quarantine is None
    assert store.check(profile, context=FREE).may_start


def test_a_restored_file_shares_nothing_with_the_snapshot(store: SessionStore, profile: Profile) -> None:
    snapshot = take(store, profile)
    store.restore(profile, snapshot)
    assert not (profile.path / "Default/Cookies").samefile(snapshot.path / "Default/Cookies")


def test_after_a_restore_the_next_snapshot_takes_no_new_space(store: SessionStore, profile: Profile) -> None:
    first = take(store, profile)
    store.restore(profile, first)
    second = take(store, profile)
    assert second.name != first.name
    assert second.own_bytes == 0
    assert (first.path / "Default/Cookies").samefile(second.path / "Default/Cookies")


def test_files_are_shared_by_their_contents_not_by_their_checksum_alone(tmp_path: Path) -> None:
    one, same, other = (tmp_path / name for name in ("one", "same", "other"))
    for path, data in ((one, b"a"), (same, b"a"), (other, b"b")):
        path.write_bytes(data)
    assert fsio.replace_by_link(one, same)
    assert one.samefile(same)
    assert not fsio.replace_by_link(one, other)
    assert not fsio.replace_by_link(tmp_path / "gone", other)
    assert other.read_bytes() == b"b"


def test_a_profile_that_is_a_link_stays_one(store: SessionStore, profile: Profile, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    profile.path.rename(elsewhere)
    profile.path.symlink_to(elsewhere)
    wanted = build.kept(elsewhere)
    snapshot = take(store, profile)
    build.cut(elsewhere / "Default/Cookies", 0)
    store.restore(profile, snapshot)
    assert profile.path.is_symlink()
    assert build.kept(elsewhere) == wanted


def test_a_damaged_snapshot_is_not_restored_and_verify_says_so(store: SessionStore, profile: Profile) -> None:
    snapshot = take(store, profile)
    before = build.contents(profile.path)
    build.flip(snapshot.path / "Default/Cookies")
    with pytest.raises(SessionError, match="Default/Cookies is not what was written"):
        store.restore(profile, snapshot)
    assert build.contents(profile.path) == before
    assert [path.name for path in profile.path.parent.iterdir()] == [profile.path.name]
    assert store.verify(snapshot) == ["Default/Cookies is not what was written."]
    assert [s.good for s in store.snapshots(profile.id)] == [False]


def test_damage_in_what_snapshots_share_is_not_handed_on(store: SessionStore, profile: Profile) -> None:
    first = take(store, profile)
    change(profile)
    second = take(store, profile)
    build.flip(second.path / "Default/Cookies")
    with pytest.raises(SnapshotDamagedError):
        store.restore(profile, second)
    assert [s.good for s in store.snapshots(profile.id)] == [False, False]
    third = take(store, profile)
    assert third.base is None
    assert store.verify(third) == []
    assert third.good
    assert first.name in {s.name for s in store.snapshots(profile.id)}


def test_an_unlinked_session_is_not_copied(store: SessionStore, profile: Profile) -> None:
    with pytest.raises(SessionError, match="not linked"):
        take(store, profile, linked=False)
    assert store.snapshots(profile.id) == []


@pytest.mark.parametrize("lost", ["file", "manifest", "database"])
def test_verify_finds_what_a_snapshot_lost(store: SessionStore, profile: Profile, lost: str) -> None:
    snapshot = take(store, profile)
    assert store.verify(snapshot) == []
    path = {"file": "Local State", "manifest": MANIFEST, "database": f"{build.INDEXED_DB}/000005.ldb"}[lost]
    build.remove(snapshot.path / path)
    assert store.verify(snapshot)
    with pytest.raises(SnapshotDamagedError, match="Try another one"):
        store.restore(profile, snapshot)


def plain_copy(store: SessionStore, profile: Profile, age_days: float, *, preserving: bool = True) -> Path:
    """A copy of a profile as a bot with its own session manager makes it, without a manifest."""
    stamp = round((time.time() - age_days * 86400) * 1000)
    folder = store.cache / f"backup-{profile.id}-{stamp}"
    build.copy(profile.path, folder, preserving=preserving)
    return folder


@pytest.mark.parametrize("preserving", [True, False])
@pytest.mark.parametrize("linked", [True, None])
def test_a_plain_copy_is_restored_if_nothing_else_is_left(
    store: SessionStore, profile: Profile, linked: bool | None, preserving: bool
) -> None:
    wanted = build.kept(profile.path)
    folder = plain_copy(store, profile, 3, preserving=preserving)
    store.state.update(profile.id, is_linked=linked, profile=str(profile.path))
    [found] = store.snapshots(profile.id)
    assert (found.plain, found.verified, found.problems) == (True, False, ("a plain copy, not verified",))
    build.remove(profile.path)
    report = store.check(profile, context=CheckContext(free=True))
    assert report.damage
    assert store.restore_first(profile, candidates([found])).restored
    assert build.kept(profile.path) == wanted
    assert folder.exists()


def test_a_plain_copy_is_the_last_to_be_tried_and_never_restored_damaged(store: SessionStore, profile: Profile) -> None:
    snapshot = take(store, profile)
    folder = plain_copy(store, profile, -1)  # newer by its name
    best = candidates(store.snapshots(profile.id))
    assert [one.name for one in best] == [snapshot.name, folder.name]
    assert store.verify(best[1]) == []
    build.flip(folder / build.INDEXED_DB / "000004.ldb", 10)
    assert "000004.ldb" in store.verify(best[1])[0]
    before = build.contents(profile.path)
    assert store.restore_first(profile, best[1:]).restored is None
    assert build.contents(profile.path) == before


@pytest.mark.parametrize("lost", ["nothing", "databases", "manifest"])
def test_what_another_program_has_copied_is_never_pruned(store: SessionStore, profile: Profile, lost: str) -> None:
    if lost == "databases":  # of a session that was never linked
        build.remove(profile.path / "Default/IndexedDB")
        build.remove(profile.path / "Default/Local Storage")
    folders = [plain_copy(store, profile, age) for age in range(15, 30)]
    snapshot = take(store, profile)
    if lost == "manifest":
        build.remove(snapshot.path / MANIFEST)
    policy = Retention(timedelta(0), 0, max_bytes=0)
    assert store.prune(policy=policy).snapshots == ()
    assert all(folder.is_dir() for folder in [*folders, snapshot.path])


def test_plain_copies_take_no_place_of_a_snapshot(store: SessionStore, profile: Profile) -> None:
    taken = [take(store, profile)]
    change(profile)
    taken.append(take(store, profile))
    for ahead in range(1, 4):
        plain_copy(store, profile, -ahead)
    assert store.prune(policy=Retention(max_count=2)).snapshots == ()
    assert [one.name for one in store.prune(policy=Retention(max_count=1)).snapshots] == [taken[0].name]


def test_a_state_file_is_rebuilt_from_what_says_something_of_its_session(store: SessionStore, profile: Profile) -> None:
    snapshot = take(store, profile)
    plain_copy(store, profile, -1)
    state = rebuild.states(store.cache)[profile.id]
    assert (state.is_linked, state.last_snapshot, state.profile) == (True, snapshot.name, snapshot.home)


def test_a_session_of_which_only_a_plain_copy_is_left_is_reported(store: SessionStore, profile: Profile) -> None:
    plain_copy(store, profile, 1)
    assert store.lost() == []
    build.remove(profile.path)
    assert store.lost() == [profile.id]


def test_a_copy_that_does_not_verify_is_kept_but_never_good(store: SessionStore, profile: Profile) -> None:
    good = take(store, profile)
    build.flip(profile.path / build.INDEXED_DB / "000004.ldb", 10)
    bad = take(store, profile)
    assert not bad.good
    assert "000004.ldb" in bad.problems[0]
    assert [s.name for s in store.snapshots(profile.id) if s.good] == [good.name]
    again = take(store, profile)
    assert again.name != bad.name, "a bad snapshot must not stand in for a new one"
    assert again.base == good.name


def test_a_snapshot_of_a_profile_that_lost_a_database_is_not_good(store: SessionStore, profile: Profile) -> None:
    take(store, profile)
    build.remove(profile.path / "Default/IndexedDB")
    assert take(store, profile).problems == ("there is no IndexedDB any more, and there was one",)


def test_a_profile_that_changes_while_it_is_copied_is_refused(
    store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = fsio.copy_file

    def busy(source: str, target: str, *, mtime_ns: int) -> int:
        (profile.path / "Default/Preferences").write_text("{}")
        return copy(source, target, mtime_ns=mtime_ns)

    monkeypatch.setattr(fsio, "copy_file", busy)
    with pytest.raises(SessionError, match="changed while it was copied"):
        take(store, profile)
    assert store.snapshots(profile.id) == []
    assert list(store.cache.iterdir()) == []


def test_discard_leaves_nothing(store: SessionStore, profile: Profile) -> None:
    store.capture(profile, linked=True, browser_version=None).discard()
    assert list(store.cache.iterdir()) == []


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_everything_is_for_the_owner_only(store: SessionStore, profile: Profile, umask: int) -> None:
    before = os.umask(umask)
    try:
        restored = store.restore(profile, take(store, profile))
        store.record_clean_stop(profile)
    finally:
        os.umask(before)
    for root in (store.cache, profile.path):
        for path in [root, *root.rglob("*")]:
            if restored.quarantine and path.is_relative_to(restored.quarantine):
                continue
            assert stat.S_IMODE(path.lstat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert stat.S_IMODE(store.state.path.stat().st_mode) == 0o600


def test_ids_that_are_prefixes_of_each_other_keep_their_snapshots_apart(store: SessionStore, project: Path) -> None:
    names = {}
    for session_id in ("97150", "97150-1", "97150-1700000000000"):
        path = project / "sessions" / f"session-{session_id}"
        path.mkdir(parents=True)
        (path / "Local State").write_text(session_id)
        names[session_id] = take(store, Profile.at(path)).name
    for session_id, name in names.items():
        assert [s.name for s in store.snapshots(session_id)] == [name]


def test_a_snapshot_under_another_sessions_name_is_not_taken_for_its_own(store: SessionStore, profile: Profile) -> None:
    snapshot = take(store, profile)
    snapshot.path.rename(store.cache / f"backup-555-{snapshot.stamp}")
    assert store.snapshots("555") == []


def test_the_newest_snapshot_comes_first_by_number_not_by_text(store: SessionStore) -> None:
    for stamp in ("999", "1000", "1700000000000", "20", "007", "x"):
        (store.cache / f"backup-97150-{stamp}").mkdir(parents=True)
    assert [s.stamp for s in store.snapshots("97150")] == [1_700_000_000_000, 1_000, 999, 20]


def test_the_newest_has_the_largest_number_even_after_the_clock_went_back(
    store: SessionStore, profile: Profile
) -> None:
    first = take(store, profile)
    future = first.path.with_name(f"backup-97150-{first.stamp + 10**12}")
    first.path.rename(future)
    change(profile)
    assert take(store, profile).stamp == first.stamp + 10**12 + 1


def test_a_snapshot_of_the_javascript_original_can_be_restored(store: SessionStore, profile: Profile) -> None:
    old = store.cache / "backup-97150-1700000000000"
    store.cache.mkdir()
    profile.path.rename(old)
    (snapshot,) = store.snapshots("97150")
    assert not snapshot.good
    assert snapshot.bytes > 0
    store.restore(profile, snapshot)
    assert build.kept(profile.path) == build.kept(old)
    build.flip(old / build.INDEXED_DB / "000004.ldb", 10)
    with pytest.raises(SessionError, match=r"000004\.ldb"):
        store.restore(profile, snapshot)


def test_two_that_publish_in_one_millisecond_both_stay(
    store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = take(store, profile)
    change(profile)
    monkeypatch.setattr("supervisor.session.snapshot.catalog.latest_stamp", lambda _cache, _key: first.stamp - 1)
    monkeypatch.setattr("supervisor.system.clock.now", lambda: first.created_at)
    assert take(store, profile).stamp == first.stamp + 1
    assert len(store.snapshots(profile.id)) == 2


def test_a_copy_that_another_process_is_making_is_left_alone(store: SessionStore, profile: Profile) -> None:
    theirs = store.cache / f".staging-97150-{os.getppid()}-1"
    dead = next(pid for pid in range(4_000_000, 4_194_304) if not psutil.pid_exists(pid))
    leftover = store.cache / f".staging-97150-{dead}-1"
    for staging in (theirs, leftover):
        staging.mkdir(parents=True)
    assert store.recover() == [f"Removed {leftover.name}, left behind by a run that was killed."]
    assert theirs.exists()


def test_an_earlier_snapshot_is_the_base_if_the_newest_cannot_be_read(store: SessionStore, profile: Profile) -> None:
    first = take(store, profile)
    change(profile)
    second = take(store, profile)
    (second.path / MANIFEST).write_bytes(b"{}")
    assert take(store, profile).base == first.name


def test_a_base_that_is_pruned_meanwhile_is_no_matter(
    store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(store, profile)
    change(profile)

    def gone(*_args: object, **_kwargs: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(os, "link", gone)
    snapshot = take(store, profile)
    assert snapshot.base is None
    assert snapshot.own_bytes == snapshot.bytes
    assert store.verify(snapshot) == []


def test_a_mount_point_is_refused_with_a_way_out(
    store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = take(store, profile)
    before = build.contents(profile.path)
    monkeypatch.setattr("os.path.ismount", lambda path: path == profile.path)
    with pytest.raises(SessionError, match="Mount the folder above"):
        store.restore(profile, snapshot)
    with pytest.raises(SessionError, match="Mount the folder above"):
        store.clear(profile)
    assert build.contents(profile.path) == before


def test_a_profile_on_another_disk_than_the_cache_is_quarantined_beside_itself(
    store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = take(store, profile)
    monkeypatch.setattr("supervisor.session.snapshot.restore._device", lambda path: 1 if path == store.cache else 2)
    quarantine = store.restore(profile, snapshot).quarantine
    assert quarantine is not None
    assert quarantine.parent == profile.path.parent
    assert [p.id for p in store.profiles()] == ["97150"], "what lies beside it is no profile"
    assert [q.path for q in store.quarantined()] == [quarantine]


def test_clear_moves_the_profile_to_quarantine_and_the_next_start_asks_for_a_link(
    store: SessionStore, profile: Profile
) -> None:
    store.state.update(profile.id, is_linked=True)
    take(store, profile)
    before = build.contents(profile.path)
    moved = store.clear(profile)
    assert moved is not None
    assert build.contents(moved) == before
    assert not profile.path.exists()
    assert store.state.get(profile.id).is_linked is False
    assert store.check(profile, context=CheckContext(free=True)).may_start
    assert len(store.snapshots(profile.id)) == 1
    assert store.clear(profile) is None


def test_profiles_are_found_in_the_usual_places_and_keep_ids_of_their_own(store: SessionStore, project: Path) -> None:
    for name in (
        "sessions/session-a",
        ".wwebjs_auth/session-a",
        ".wwebjs_auth/session",
        ".wwebjs_auth/sessionx",
        "tokens/b",
        "tokens/.hidden",
        "sessions/other",
    ):
        (project / name / "Default").mkdir(parents=True)
    (project / "sessions/session-file").touch()
    found = {profile.id: profile.path.relative_to(project).as_posix() for profile in store.profiles()}
    assert found == {
        "a": "sessions/session-a",
        "a@.wwebjs_auth": ".wwebjs_auth/session-a",
        "default": ".wwebjs_auth/session",
        "b": "tokens/b",
    }
    assert [p.id for p in store.profiles([project / "tokens/b"])] == ["b"]
    assert store.profile_at(project / ".wwebjs_auth/session-a").id == "a@.wwebjs_auth"
    assert store.profile_at(project / "elsewhere/userdata").id == "userdata"


@pytest.mark.parametrize("entries", [(), ("device-status.json",), ("settings.json", "notes.txt"), ("media/",)])
@pytest.mark.parametrize("place", ["sessions/session-+97150", ".wwebjs_auth/session", "tokens/b"])
def test_a_folder_that_holds_nothing_of_a_browsers_is_no_session(
    store: SessionStore, project: Path, place: str, entries: tuple[str, ...]
) -> None:
    for entry in ("", *entries):
        path = project / place / entry
        path.mkdir(parents=True) if entry.endswith("/") or not entry else path.write_text("{}")
    assert store.profiles() == []
    assert [profile.path for profile in store.profiles([project / place])] == [project / place]


@pytest.mark.parametrize("left", ["Local State", "Default", "SingletonLock", "Last Version"])
def test_what_is_left_of_a_profile_is_found(store: SessionStore, project: Path, left: str) -> None:
    folder = project / "sessions/session-a"
    folder.mkdir(parents=True)
    (folder / left).write_text("")
    assert [profile.path for profile in store.profiles()] == [folder]


def test_a_known_profile_that_is_empty_stays_known(store: SessionStore, profile: Profile) -> None:
    take(store, profile)
    build.remove(profile.path)
    profile.path.mkdir()
    assert store.profiles() == [profile]


def test_two_ways_to_one_folder_are_one_profile(
    store: SessionStore, profile: Profile, project: Path, tmp_path: Path
) -> None:
    take(store, profile)
    (tmp_path / "link").symlink_to(project)
    (project / "tokens").mkdir()
    (project / "tokens/alias").symlink_to(profile.path)
    assert store.profiles() == [profile]
    assert SessionStore(tmp_path / "link").profiles() == [profile]
    assert store.profile_at(project / "tokens/alias") == Profile("97150", project / "tokens/alias")


def test_the_browser_version_is_read_from_the_profile_if_nobody_says(store: SessionStore, profile: Profile) -> None:
    assert store.capture(profile, linked=True, browser_version=None).publish().browser_version == "156.0.7000.1"


def test_a_profile_keeps_its_id_when_another_of_its_name_appears(store: SessionStore, project: Path) -> None:
    (project / "tokens/a/Default").mkdir(parents=True)
    (profile,) = store.profiles()
    (profile.path / "Local State").write_text("{}")
    take(store, profile)
    (project / "sessions/session-a/Default").mkdir(parents=True)
    assert {p.id: p.path.name for p in store.profiles()} == {"a": "a", "a@sessions": "session-a"}


def test_caches_are_trimmed_only_past_a_size(store: SessionStore, profile: Profile) -> None:
    before = build.kept(profile.path)
    assert store.trim_caches(profile, above=1 << 30) == 0
    assert (profile.path / "Default/Cache/Cache_Data/data_0").exists()
    assert store.trim_caches(profile, above=1000) == 6004
    assert not (profile.path / "Default/Cache").exists()
    assert not (profile.path / "Default/Code Cache").exists()
    assert build.kept(profile.path) == before
