"""A profile that is gone or empty: a loss if there is a good copy of it, whatever its page is; else a new beginning."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from supervisor.session.profiles.check_report import CheckContext, CheckOutcome, CheckReport
from supervisor.session.profiles.profile import Profile
from supervisor.session.store import SessionStore
from supervisor.system import clock
from tests.helpers import build
from tests.helpers.build import take

FREE = CheckContext(free=True)


def emptied(path: Path) -> None:
    build.remove(path)
    path.mkdir()


def hollow(path: Path) -> None:
    """Folders are left, and what a browser fills again by itself."""
    emptied(path)
    (path / "Default/Cache/Cache_Data").mkdir(parents=True)
    (path / "Default/Cache/Cache_Data/data_0").write_bytes(b"cached")


LOSSES = pytest.mark.parametrize("lose", [build.remove, emptied, hollow])


def verdict(report: CheckReport) -> CheckOutcome:
    return next(check.outcome for check in report.checks if check.name == "profile")


def renew(store: SessionStore, profile: Profile, records: int = 4) -> None:
    """The bot is started without a profile, and its browser makes one, in which little has been written yet."""
    assert store.is_missing(profile)
    store.note_new_profile(profile)
    if profile.path.exists():
        build.remove(profile.path)
    build.profile(profile.path, records=records)


@LOSSES
def test_it_is_a_loss_if_there_is_a_good_snapshot(
    store: SessionStore, profile: Profile, lose: Callable[[Path], object]
) -> None:
    take(store, profile, linked=None)
    lose(profile.path)
    assert store.is_missing(profile)
    report = store.check(profile, context=FREE)
    assert verdict(report) is CheckOutcome.DAMAGED
    assert "good snapshot" in report.damage[0]


@LOSSES
def test_it_is_none_without_a_good_snapshot(
    store: SessionStore, profile: Profile, lose: Callable[[Path], object]
) -> None:
    build.flip(profile.path / build.INDEXED_DB / "000004.ldb", 10)
    assert not take(store, profile, linked=None).good
    lose(profile.path)
    assert store.check(profile, context=FREE).may_start


def test_it_is_none_in_a_folder_that_was_copied_with_the_snapshots(store: SessionStore, profile: Profile) -> None:
    """What they hold may be in use elsewhere: only the state file tells that it is not."""
    take(store, profile, linked=None)
    store.state.forget(profile.id)
    build.remove(profile.path)
    assert store.check(profile, context=FREE).may_start


@LOSSES
@pytest.mark.parametrize("known_by", ["snapshot", "clean stop"])
def test_nothing_older_is_expected_of_a_new_profile(
    store: SessionStore, profile: Profile, lose: Callable[[Path], object], known_by: str
) -> None:
    if known_by == "snapshot":
        take(store, profile, linked=None)
    else:
        store.record_clean_stop(profile)
    lose(profile.path)
    renew(store, profile)
    report = store.check(profile, context=FREE)
    assert report.may_start, report.damage
    assert take(store, profile, linked=None).good


def test_once_it_has_records_of_its_own_they_are_expected(store: SessionStore, profile: Profile) -> None:
    take(store, profile, linked=None)
    build.remove(profile.path)
    renew(store, profile, records=20)
    assert store.check(profile, context=FREE).may_start
    newer = take(store, profile, linked=None)
    build.remove(profile.path / build.INDEXED_DB)
    build.database(profile.path / build.INDEXED_DB, records=6)
    assert not store.check(profile, context=FREE).may_start
    build.remove(profile.path)
    assert store.check(profile, context=FREE).damage
    assert newer.good


def test_a_snapshot_of_an_earlier_profile_is_no_reason_to_call_a_later_one_lost(
    store: SessionStore, profile: Profile
) -> None:
    take(store, profile, linked=None)
    store.clear(profile)
    store.state.update(profile.id, is_linked=None)  # as its page, which does not tell, has shown since
    assert store.check(profile, context=FREE).may_start


def test_a_person_who_restores_an_earlier_one_takes_that_back(store: SessionStore, profile: Profile) -> None:
    snapshot = take(store, profile, linked=None)
    store.clear(profile)
    store.restore(profile, snapshot)
    store.note_restored(profile, snapshot)
    build.remove(profile.path)
    assert store.check(profile, context=FREE).damage


def test_a_beginning_noted_under_a_wrong_clock_does_not_hide_the_snapshots(
    store: SessionStore, profile: Profile
) -> None:
    take(store, profile, linked=None)
    store.state.update(profile.id, new_profile_at=clock.now() + timedelta(days=3650))
    build.remove(profile.path)
    assert store.check(profile, context=FREE).damage


def test_where_nothing_older_is_known_nothing_is_noted(store: SessionStore, profile: Profile) -> None:
    build.remove(profile.path)
    assert store.note_new_profile(profile) == {}
    assert store.state.load() == {}
