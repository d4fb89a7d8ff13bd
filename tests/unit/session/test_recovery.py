"""Each snapshot once, the best first, a few in a row, then a pause; and what is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.session.recovery import CoolDown, Exhausted, RecoveryPolicy, Try, attempted, candidates, decide
from supervisor.session.snapshot.catalog import Snapshot
from supervisor.session.snapshot.retention import Retention, disk_usage, last_good, surplus
from supervisor.session.state_file import Recovery

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = RecoveryPolicy()


def snapshot(
    age: float, *, linked: bool | None = True, live: bool = False, verified: bool = True, session: str = "1"
) -> Snapshot:
    """A snapshot so many hours old."""
    created = NOW - timedelta(hours=age)
    stamp = int(created.timestamp() * 1000)
    return Snapshot(
        session_id=session,
        path=Path(f"/cache/backup-{session}-{stamp}"),
        stamp=stamp,
        created_at=created,
        linked=linked,
        live=live,
        verified=verified,
        browser_version=None,
        bytes=100,
        own_bytes=10,
        base=None,
        sequences={},
        problems=(),
        has_manifest=True,
        plain=False,
        home=None,
    )


SNAPSHOTS = st.lists(
    st.builds(
        snapshot,
        st.integers(0, 1000),
        linked=st.sampled_from([None, True, False]),
        live=st.booleans(),
        verified=st.booleans(),
    ),
    max_size=12,
    unique_by=lambda one: one.stamp,
).map(lambda found: sorted(found, key=lambda one: one.stamp, reverse=True))


def test_the_order() -> None:
    newest_live, clean, older, unverified, unlinked = (
        snapshot(1, live=True),
        snapshot(2),
        snapshot(50),
        snapshot(0, verified=False),
        snapshot(0.5, linked=False),
    )
    newest_first = [unverified, unlinked, newest_live, clean, older]
    assert candidates(newest_first) == [clean, older, newest_live, unverified]
    assert candidates(newest_first, linked_at=NOW - timedelta(hours=10)) == [clean, newest_live, older, unverified]


def test_three_attempts_then_a_pause_then_the_rest() -> None:
    snapshots = [snapshot(age) for age in range(5)]
    recovery, now, tried = Recovery(), NOW, []
    for _ in range(3):
        decision = decide(snapshots, recovery, now, POLICY)
        assert isinstance(decision, Try)
        tried.append(decision.snapshot)
        recovery = attempted(recovery, decision.snapshot.name, now, POLICY)
        now += timedelta(minutes=1)
    assert tried == snapshots[:3]
    pause_ends = NOW + timedelta(minutes=32)
    assert decide(snapshots, recovery, now, POLICY) == CoolDown(pause_ends)
    assert decide(snapshots, recovery, pause_ends, POLICY) == Try(snapshots[3])
    recovery = attempted(recovery, snapshots[3].name, pause_ends, POLICY)
    assert (recovery.attempts, recovery.cooldown_until) == (1, None)
    recovery = attempted(recovery, snapshots[4].name, pause_ends, POLICY)
    assert decide(snapshots, recovery, pause_ends, POLICY) == Exhausted(5)
    assert decide(snapshots, Recovery(), pause_ends, POLICY) == Try(snapshots[0])


def test_a_clock_that_went_back_does_not_make_the_pause_longer() -> None:
    recovery = Recovery(3, ("x",), NOW, NOW + timedelta(minutes=30))
    assert decide([snapshot(1)], recovery, NOW - timedelta(days=300), POLICY) == Try(snapshot(1))


@pytest.mark.parametrize("attempts", [0, -1])
def test_recovery_can_be_turned_off(attempts: int) -> None:
    assert decide([snapshot(1)], Recovery(), NOW, RecoveryPolicy(attempts)) == Exhausted(0)


@given(SNAPSHOTS, st.integers(1, 5), st.lists(st.integers(0, 120), max_size=40))
def test_never_one_twice_never_an_unlinked_one_never_too_many(
    snapshots: list[Snapshot], most: int, minutes: list[int]
) -> None:
    policy = RecoveryPolicy(most, timedelta(minutes=30))
    recovery, now = Recovery(), NOW
    tried: list[tuple[datetime, str]] = []
    for pause in minutes:
        now += timedelta(minutes=pause)
        decision = decide(snapshots, recovery, now, policy)
        if isinstance(decision, Try):
            assert decision.snapshot.linked is not False
            tried.append((now, decision.snapshot.name))
            recovery = attempted(recovery, decision.snapshot.name, now, policy)
        elif isinstance(decision, CoolDown):
            assert now < decision.until <= now + policy.cooldown
        else:
            assert {name for _, name in tried} == {s.name for s in snapshots if s.linked is not False}
    assert len({name for _, name in tried}) == len(tried)
    for first, last in zip(tried, tried[most:], strict=False):
        assert last[0] - first[0] >= policy.cooldown


@given(
    st.lists(SNAPSHOTS, max_size=3),
    st.integers(1, 5),
    st.integers(0, 1200),
    st.none() | st.integers(0, 800),
)
def test_what_is_kept(sessions: list[list[Snapshot]], most: int, hours: int, size: int | None) -> None:
    named = {
        str(number): [
            replace(one, session_id=str(number), path=Path(f"/c/backup-{number}-{one.stamp}")) for one in found
        ]
        for number, found in enumerate(sessions)
    }
    policy = Retention(timedelta(hours=hours), most, size)
    gone = surplus(named, policy, NOW)
    everything = [one for found in named.values() for one in found]
    kept = [one for one in everything if one not in gone]
    assert len(kept) + len(gone) == len(everything)
    safe = [last for found in named.values() if (last := last_good(found)) is not None]
    for last in safe:
        assert last in kept
        found = named[last.session_id]
        assert last.verified or not any(one.verified and one.linked is not False for one in found)
        assert last.linked is True or not any(one.verified and one.linked for one in found)
    for one in kept:
        if one not in safe:
            assert NOW - one.created_at <= policy.max_age
            assert len([s for s in named[one.session_id] if s.stamp > one.stamp]) < most
    if size is not None and disk_usage(kept) > size:
        assert {one.path for one in kept} == {one.path for one in safe}
    for one in gone:
        reasons = (
            NOW - one.created_at > policy.max_age,
            len([s for s in named[one.session_id] if s.stamp > one.stamp]) >= most,
            size is not None and disk_usage([*kept, one]) > size,
        )
        assert any(reasons)


def test_what_snapshots_share_counts_once() -> None:
    first = snapshot(3)
    second = replace(snapshot(2), base=first.name)
    third = replace(snapshot(1), base=second.name)
    assert disk_usage([first, second, third]) == 100 + 10 + 10
    assert disk_usage([second, third]) == 100 + 10
    assert disk_usage([]) == 0
