"""The figures of many restarts, and the test that tells a difference from noise."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.timing.compare import ALPHA, FEWEST, MOST, RECENT, compare, trend
from supervisor.timing.phases import PHASES
from supervisor.timing.query import select
from supervisor.timing.record import Restart, Target
from supervisor.timing.statistics import TOTAL, by_phase, percentile, phases_of, summarize, verdicts
from supervisor.timing.text_plot import condensed, plot, sparkline

DURATIONS = st.lists(st.integers(0, 10**7), min_size=1, max_size=60)


def restart(phases: dict[str, int], *, reason: str = "change", outcome: str = "ready", at: float = 0.0) -> Restart:
    return Restart(
        started_at=at,
        run_id="r",
        reason=reason,
        outcome=outcome,  # type: ignore[arg-type]  # also those of a later version
        phases_ms=phases,
        total_ms=sum(phases.values()),
        target=None,
        clean=True,
    )


def closes(durations: Sequence[int]) -> list[Restart]:
    return [restart({"close": amount, "boot": 400}) for amount in durations]


def noise(source: random.Random, count: int, median: float = 300.0) -> list[int]:
    """Durations as they are seen: skewed to the right, and sometimes twenty times the usual."""
    return [round(median * source.lognormvariate(0, 0.2) * (20 if source.random() < 0.02 else 1)) for _ in range(count)]


class TestFigures:
    @given(values=st.lists(st.integers(0, 10**7), min_size=2, max_size=60))
    def test_percentiles_are_those_of_the_standard_library(self, values: list[int]) -> None:
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        for percent in (5, 50, 90, 95):
            assert percentile(sorted(values), percent / 100) == pytest.approx(cuts[percent - 1])

    @given(values=DURATIONS)
    def test_the_five_figures_rise_and_lie_within_the_values(self, values: list[int]) -> None:
        found = summarize(values)
        assert found is not None
        figures = [found.minimum, found.p50, found.p90, found.p95, found.maximum]
        assert figures == sorted(figures)
        assert (found.count, figures[0], figures[-1]) == (len(values), min(values), max(values))
        assert found.p50 == pytest.approx(statistics.median(values))

    def test_of_nothing_there_are_no_figures(self) -> None:
        assert summarize([]) is None
        assert by_phase([]) == {}

    def test_phases_keep_their_order_and_unknown_ones_come_last(self) -> None:
        restarts = [restart({"boot": 1, "warp": 2}), restart({"freeze": 3, "hop": 4, "boot": 5})]
        assert phases_of(restarts) == ["freeze", "boot", "warp", "hop"]
        assert phases_of([restart(dict.fromkeys(reversed(PHASES), 1))]) == list(PHASES)
        figures = by_phase(restarts)
        assert list(figures) == ["freeze", "boot", "warp", "hop", TOTAL]
        assert (figures["freeze"].count, figures["boot"].count, figures[TOTAL].maximum) == (1, 2, 12)

    def test_each_restart_is_judged_once(self) -> None:
        restarts = closes([100, 4599, 4600, 9600, 9601])
        assert verdicts(restarts, Target(5, 10)) == {"ahead": 2, "within": 2, "over": 1}


class TestComparison:
    def test_what_became_slower_is_evident_and_nothing_else_is(self) -> None:
        source = random.Random(1)
        found = {one.phase: one for one in compare(closes(noise(source, 40)), closes(noise(source, 40, 450)))}
        assert list(found) == ["close", "boot", TOTAL]
        close, boot = found["close"], found["boot"]
        assert close.evident
        assert close.notably_slower
        assert close.change_ms == pytest.approx(150, abs=40)
        assert (boot.evident, boot.p, boot.change_ms) == (False, 1.0, 0.0)

    def test_what_became_faster_is_evident_but_not_slower(self) -> None:
        source = random.Random(2)
        close = compare(closes(noise(source, 40, 450)), closes(noise(source, 40)))[0]
        assert (close.evident, close.notably_slower) == (True, False)
        assert close.change_ms is not None
        assert close.change_ms < 0

    def test_a_difference_too_small_to_matter_is_no_slowing_down(self) -> None:
        close = compare(closes([10, 11] * 40), closes([12, 13] * 40))[0]
        assert (close.evident, close.notably_slower) == (True, False)

    def test_one_restart_that_took_a_minute_decides_nothing(self) -> None:
        source = random.Random(3)
        quiet = [300 + source.randrange(20) for _ in range(40)]
        assert not any(one.evident for one in compare(closes(quiet), closes([*quiet[:-1], 60_000])))

    def test_chance_alone_is_hardly_ever_called_a_change(self) -> None:
        source = random.Random(4)
        alarms = sum(
            any(one.evident for one in compare(closes(noise(source, 12)), closes(noise(source, 15)))) for _ in range(40)
        )
        assert alarms <= 2, f"of 40 comparisons, at most {ALPHA:.0%} of which should alarm"

    @pytest.mark.parametrize(("before", "after"), [(FEWEST - 1, 30), (30, FEWEST - 1), (0, 30), (30, 0)])
    def test_too_few_are_no_evidence_however_far_apart(self, before: int, after: int) -> None:
        found = compare(closes([10] * before), closes([9000] * after))
        assert all((one.p, one.evident) == (None, None) for one in found)

    def test_the_fewest_that_are_compared_can_be_evidence(self) -> None:
        assert compare(closes([10] * FEWEST), closes([9000] * FEWEST))[0].evident

    def test_a_phase_that_came_or_went_has_one_side_only(self) -> None:
        found = {one.phase: one for one in compare([restart({"boot": 5})], [restart({"boot": 5, "warp": 7})])}
        warp = found["warp"]
        assert (warp.before_ms, warp.after_ms, warp.change_ms, warp.count_before) == (None, 7, None, 0)

    def test_the_same_history_gives_the_same_answer(self) -> None:
        source = random.Random(5)
        before, after = closes(noise(source, 30)), closes(noise(source, 20, 340))
        assert compare(before, after) == compare(before, after)

    @settings(max_examples=20)
    @given(values=st.lists(st.integers(0, 1000), min_size=FEWEST, max_size=20))
    def test_a_group_does_not_differ_from_itself(self, values: list[int]) -> None:
        assert not any(one.evident for one in compare(closes(values), closes(values)))


class TestTrend:
    def test_the_last_ones_are_held_against_those_before(self) -> None:
        source = random.Random(6)
        history = [*noise(source, 1000, 900), *noise(source, MOST, 300), *noise(source, RECENT, 450)]
        found = trend(closes(history))
        assert found is not None
        assert (found.before, found.after) == (MOST, RECENT)
        assert [one.phase for one in found.slower] == ["close", TOTAL], "the distant past, slower still, is over"

    def test_a_short_history_is_cut_in_half(self) -> None:
        found = trend(closes([10] * FEWEST + [400] * FEWEST))
        assert found is not None
        assert (found.before, found.after) == (FEWEST, FEWEST)
        assert [one.phase for one in found.slower] == ["close", TOTAL]

    def test_with_too_few_restarts_nothing_is_said(self) -> None:
        assert trend(closes([10] * (FEWEST - 1) + [400] * FEWEST)) is None
        assert trend([]) is None


class TestSelection:
    def test_first_starts_are_left_out_unless_asked_for(self) -> None:
        restarts = [restart({"boot": 1}, reason=reason) for reason in ("start", "change", "key", "start", "change")]
        found = select(restarts)
        assert ([one.reason for one in found.restarts], found.first_starts) == (["change", "key", "change"], 2)
        assert len(select(restarts, starts=True).restarts) == 5
        assert [one.reason for one in select(restarts, reasons=["start"]).restarts] == ["start", "start"]
        assert [one.reason for one in select(restarts, last=2).restarts] == ["key", "change"]
        assert found.reasons == {"start": 2, "change": 2, "key": 1}

    def test_only_those_that_brought_the_bot_back_are_figures(self) -> None:
        restarts = [restart({"boot": 1}, outcome=outcome) for outcome in ("ready", "failed", "dreaming")]
        assert [one.outcome for one in select(restarts).ready] == ["ready"]
        assert [one.outcome for one in select(restarts, outcomes=["dreaming"]).restarts] == ["dreaming"]


class TestDrawings:
    @given(values=st.lists(st.integers(0, 10**6), max_size=200), width=st.integers(1, 80))
    def test_a_sparkline_fits_and_spans_its_bars(self, values: list[int], width: int) -> None:
        line = sparkline(values, width)
        assert len(line) == min(len(values), width)
        if values and len(values) <= width:
            assert line[values.index(max(values))] == ("█" if max(values) > min(values) else "▁")
            assert line[values.index(min(values))] == "▁"

    @given(values=DURATIONS, most=st.integers(1, 30))
    def test_condensed_values_stay_in_their_range(self, values: list[int], most: int) -> None:
        found = condensed(values, most)
        assert len(found) == min(len(values), most)
        assert min(values) <= min(found) <= max(found) <= max(values)

    @pytest.mark.parametrize("count", [1, 2, 5, 300])
    def test_a_plot_fits_its_width_in_plain_text(self, count: int) -> None:
        lines = plot(closes([at * 30 for at in range(count)]), Target(5, 10), width=60, colour=False)
        assert lines
        assert max(map(len, lines)) <= 60
        assert all(line.isprintable() for line in lines)
        assert "•" in "".join(lines)

    def test_a_plot_of_no_time_at_all(self) -> None:
        assert plot([restart({"boot": 0})] * 3, Target(5, 10), width=50, colour=False)

    def test_colours_only_if_wanted(self) -> None:
        assert any("\x1b[" in line for line in plot(closes([300] * 5), Target(5, 10), width=50, colour=True))
