"""Where a history is cut in two: at the last change, at one that is named, at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.timing.changepoints import ChangePoint, Step, UnknownChangeError, find_change, last_change
from supervisor.timing.record import Restart, Setup

#: scanonce, configuration, Node.js and browser of some restarts, a second apart.
A = ("0.1.0", "aaaa11112222", "18.2.3", "155.0.1")
B = ("0.1.0", "bbbb11112222", "18.2.3", "155.0.1")
C = ("0.2.0", "bbbb11112222", "20.20.2", "156.0.2")


def restarts(*setups: Sequence[str | None]) -> list[Restart]:
    return [
        Restart(
            started_at=float(at),
            run_id="r",
            reason="change",
            outcome="ready",
            phases_ms={},
            total_ms=0,
            target=None,
            clean=True,
            setup=Setup(scanonce=scanonce, config=config, node=node, browser=browser),
        )
        for at, (scanonce, config, node, browser) in enumerate(setups)
    ]


def moment(text: str) -> float:
    """Seconds, as a stand-in for what the command line makes of a date."""
    return float(text.removesuffix("s"))


def places(change: ChangePoint | None) -> tuple[list[int], list[int]]:
    assert change is not None
    return [int(one.started_at) for one in change.before], [int(one.started_at) for one in change.after]


class TestTheLastChange:
    def test_reaches_as_far_as_nothing_else_has_changed(self) -> None:
        found = last_change(restarts(A, A, B, B, B, C, C))
        assert places(found) == ([2, 3, 4], [5, 6])
        assert found is not None
        assert found.at == 5.0
        assert found.steps == [
            Step("scanonce", "0.1.0", "0.2.0"),
            Step("node", "18.2.3", "20.20.2"),
            Step("browser", "155.0.1", "156.0.2"),
        ]

    def test_is_none_where_nothing_has_changed(self) -> None:
        assert last_change(restarts(A, A, A)) is None
        assert last_change(restarts(A)) is None
        assert last_change([]) is None

    def test_what_was_not_recorded_or_not_seen_is_no_change(self) -> None:
        unknown, blind = (None, None, None, None), (*A[:3], None)
        assert last_change(restarts(unknown, unknown, A, blind, A)) is None
        assert places(last_change(restarts(unknown, A, blind, B, B))) == ([1, 2], [3, 4])

    @given(setups=st.lists(st.sampled_from([A, B, C, (None, None, None, None)]), max_size=30))
    def test_is_the_last_one(self, setups: list[tuple[str | None, ...]]) -> None:
        history = restarts(*setups)
        found = last_change(history)
        known = [setup for setup in setups if setup[0] is not None]
        assert (found is None) == (len(set(known)) < 2)
        if found is not None:
            before, after = places(found)
            assert after == list(range(before[-1] + 1, len(history)))
            assert len({setup for setup in setups[after[0] :] if setup[0] is not None}) == 1


class TestByName:
    HISTORY = restarts(A, A, B, B, C, C, A, A)

    @pytest.mark.parametrize(
        ("wanted", "before", "after"),
        [
            ("0.2.0", [0, 1, 2, 3], [4, 5]),
            ("v0.2", [0, 1, 2, 3], [4, 5]),
            ("156", [0, 1, 2, 3], [4, 5]),
            ("20.20.2", [0, 1, 2, 3], [4, 5]),
            ("v18", [4, 5], [6, 7]),
            ("bbbb", [0, 1], [2, 3, 4, 5]),
            ("BBBB1111", [0, 1], [2, 3, 4, 5]),
            ("aaaa11112222", [2, 3, 4, 5], [6, 7]),
        ],
    )
    def test_what_came_into_force_last(self, wanted: str, before: list[int], after: list[int]) -> None:
        assert places(find_change(self.HISTORY, wanted, moment)) == (before, after)

    def test_a_version_after_restarts_that_did_not_record_any(self) -> None:
        found = find_change(restarts((None,) * 4, (None,) * 4, A), "0.1.0", moment)
        assert places(found) == ([0, 1], [2])
        assert found.steps[0] == Step("scanonce", None, "0.1.0")

    def test_a_beginning_that_several_have_is_refused(self) -> None:
        with pytest.raises(
            UnknownChangeError, match=r"'0' may be scanonce 0\.1\.0, scanonce 0\.2\.0\. Say more of it\."
        ):
            find_change(self.HISTORY, "0", moment)

    def test_nothing_before_is_nothing_to_compare_with(self) -> None:
        with pytest.raises(UnknownChangeError, match=r"no restart from before scanonce 0\.1\.0 to compare with"):
            find_change(restarts(A, A, B), "0.1.0", moment)

    @pytest.mark.parametrize("wanted", ["0.3.0", "bbb", "", "x", "1556"])
    def test_what_is_not_there_lists_what_is(self, wanted: str) -> None:
        def no_date(text: str) -> float:
            raise ValueError(text)

        with pytest.raises(
            UnknownChangeError, match=r"Recorded are: browser 155\.0\.1, browser 156\.0\.2, configuration"
        ):
            find_change(self.HISTORY, wanted, no_date)


class TestAtAMoment:
    def test_cuts_there_whatever_else_has_changed(self) -> None:
        found = find_change(TestByName.HISTORY, "3.5s", moment)
        assert places(found) == ([0, 1, 2, 3], [4, 5, 6, 7])
        assert found.at == 3.5
        assert [step.kind for step in found.steps] == ["scanonce", "node", "browser"]

    @pytest.mark.parametrize(("wanted", "side"), [("0s", "before"), ("99s", "after")])
    def test_at_an_end_there_is_nothing_to_compare_with(self, wanted: str, side: str) -> None:
        shown = f"{datetime.fromtimestamp(moment(wanted)):%Y-%m-%d %H:%M:%S}"  # noqa: DTZ006  as people read it
        with pytest.raises(UnknownChangeError, match=f"no restart from {side} {shown} to compare with"):
            find_change(TestByName.HISTORY, wanted, moment)
