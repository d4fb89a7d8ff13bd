"""A profile's path may lead to anything: only what is a Chromium profile is ever moved, emptied, copied or removed."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from supervisor.session import names
from supervisor.session.profiles.check_report import CheckContext, CheckOutcome
from supervisor.session.profiles.kinds import BROWSER_PROFILE
from supervisor.session.profiles.profile import Profile, holds_foreign_files
from supervisor.session.store import SessionStore
from supervisor.supervise.maintenance import _free
from supervisor.system.errors import SessionError
from tests.helpers import build
from tests.helpers.build import take

LINKED = CheckContext(linked=True, free=True)
LONG_AGO = int((time.time() - 400 * 86_400) * 1000)


def home(path: Path) -> None:
    """A person's folder, some names of which Chromium uses as well."""
    for name in ("thesis.txt", ".ssh/id_ed25519", "Cache/mine", "lockfile", "DevToolsActivePort"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("mine")


def one_level_too_high(path: Path) -> None:
    build.profile(path / "session-97150")


def one_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a thesis")


def names_that_are_links(path: Path) -> None:
    home(path)
    (path / "Default").symlink_to(path / ".ssh")
    (path / "Local State").symlink_to("thesis.txt")


FOREIGN = [home, one_level_too_high, one_file, names_that_are_links]


@pytest.mark.parametrize("make", FOREIGN)
@pytest.mark.parametrize("through", ["link", "link to a link", "itself"])
def test_what_is_no_profile_is_refused_and_stays(
    store: SessionStore, profile: Profile, tmp_path: Path, make: object, through: str
) -> None:
    snapshot = take(store, profile)
    build.remove(profile.path)
    place = profile.path if through == "itself" else tmp_path / "elsewhere"
    assert callable(make)
    make(place)
    if through != "itself":
        (tmp_path / "hop").symlink_to(place)
        profile.path.symlink_to(tmp_path / "hop" if through == "link to a link" else place)
    before = {"it": place.read_text()} if place.is_file() else build.contents(place)

    report = store.check(profile, context=LINKED)
    assert not report.may_start
    assert report.damage == []
    assert "is not a Chromium profile" in report.blocked[0]
    for change in (
        lambda: store.restore(profile, snapshot, free=True),
        lambda: store.clear(profile, free=True),
        lambda: store.capture(profile, linked=True, browser_version=None),
    ):
        with pytest.raises(SessionError, match="is not a Chromium profile"):
            change()
    assert _free(profile) == (None, None)
    assert store.trim_caches(profile, above=0) == 0
    assert before == ({"it": place.read_text()} if place.is_file() else build.contents(place))
    assert store.quarantined() == []
    assert not list(place.parent.glob(".scanonce-*"))


def test_a_bots_own_files_keep_no_first_start_back_but_a_wrong_link_does(
    store: SessionStore, profile: Profile, tmp_path: Path
) -> None:
    build.remove(profile.path)
    home(profile.path)
    unlinked = CheckContext(linked=None, free=True)
    report = store.check(profile, context=unlinked)
    assert report.may_start
    assert [check.outcome for check in report.checks] == [CheckOutcome.WARNING]
    profile.path.rename(tmp_path / "elsewhere")
    profile.path.symlink_to(tmp_path / "elsewhere")
    assert not store.check(profile, context=unlinked).may_start


def test_nothing_is_made_in_the_place_of_a_disk_that_is_not_mounted(
    store: SessionStore, profile: Profile, tmp_path: Path
) -> None:
    snapshot = take(store, profile)
    build.remove(profile.path)
    profile.path.symlink_to(tmp_path / "disk" / "sessions" / "session-97150")
    assert "nor does the folder that it should be in" in store.check(profile, context=LINKED).blocked[0]
    with pytest.raises(SessionError, match="nor does the folder"):
        store.restore(profile, snapshot, free=True)
    assert not (tmp_path / "disk").exists()
    (tmp_path / "disk" / "sessions").mkdir(parents=True)  # mounted, and the profile itself is gone
    assert store.check(profile, context=LINKED).damage
    store.restore(profile, snapshot, free=True)
    assert build.kept(profile.folder)
    assert profile.path.is_symlink()


def test_a_linked_profile_is_checked_copied_restored_and_cleared_in_its_place(
    store: SessionStore, profile: Profile, tmp_path: Path
) -> None:
    place = tmp_path / "disk" / "session"
    place.parent.mkdir()
    shutil.move(profile.path, place)
    profile.path.symlink_to(place)
    wanted = build.kept(place)
    assert store.check(profile, context=LINKED).may_start
    snapshot = take(store, profile)
    build.remove(place / build.INDEXED_DB)
    assert store.check(profile, context=LINKED).damage
    moved = store.restore(profile, snapshot, free=True).quarantine
    assert moved is not None
    assert BROWSER_PROFILE.recognises(moved)
    assert build.kept(place) == wanted
    assert store.check(profile, context=LINKED).may_start
    assert store.clear(profile, free=True) is not None
    assert not place.exists()
    assert profile.path.readlink() == place


@pytest.mark.parametrize(
    "left", [(), ("Last Version",), ("Default",), ("SingletonLock", "Safe Browsing", "ShaderCache")]
)
def test_what_is_left_of_a_profile_is_replaced(store: SessionStore, profile: Profile, left: tuple[str, ...]) -> None:
    snapshot = take(store, profile)
    build.remove(profile.path)
    profile.path.mkdir()
    for name in left:
        (profile.path / name).write_text("")
    assert not BROWSER_PROFILE.recognises(profile.path)
    assert not holds_foreign_files(profile.path)
    store.restore(profile, snapshot, free=True)
    assert BROWSER_PROFILE.recognises(profile.path)


def test_pruning_removes_old_profiles_and_nothing_of_another_programs(
    store: SessionStore, profile: Profile, tmp_path: Path
) -> None:
    take(store, profile)
    thesis = store.cache / names.quarantine_name("97150", LONG_AGO)
    home(thesis)
    notes = store.cache / names.snapshot_name("notes", LONG_AGO)
    home(notes)
    for number, target in enumerate((tmp_path / "outside", thesis)):
        home(target)
        for prefix in ("backup", "quarantine"):
            (store.cache / f"{prefix}-97150-{LONG_AGO + 1 + number}").symlink_to(target)
    old = store.cache / names.quarantine_name("97150", LONG_AGO + 9)
    build.profile(old)
    original = [store.cache / names.snapshot_name("original", LONG_AGO + number) for number in (1, 2)]
    for copy in original:
        build.profile(copy)
    kept = {path: build.contents(path) for path in (thesis, notes, tmp_path / "outside", *original)}

    pruned = store.prune()
    assert pruned.quarantined == (old,)
    assert pruned.snapshots == ()
    assert pruned.problems == ()
    assert {path: build.contents(path) for path in kept} == kept
    assert sum(entry.is_symlink() for entry in os.scandir(store.cache)) == 4
