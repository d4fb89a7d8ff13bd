"""Phases leave no time untimed, and what is printed of them adds up."""

import re
from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.timing.phases import PHASES, Phase, PhaseClock, spread
from supervisor.timing.record import Outcome, Target, brief_restart_line, restart_line


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


steps = st.lists(st.tuples(st.sampled_from(PHASES), st.floats(0, 1e4)), max_size=20)


@given(steps)
def test_phases_add_up_to_the_whole_time_exactly(entered: list[tuple[Phase, float]]) -> None:
    clock = Clock()
    phases = PhaseClock(clock)
    for name, seconds in entered:
        phases.enter(name)
        clock.now += seconds
    done = phases.finish()
    assert sum(done.values()) == round(clock.now * 1e9) - round(1000.0 * 1e9)
    assert list(done) == [name for name in PHASES if name in {name for name, _ in entered}]


@given(steps)
def test_the_clock_is_read_once_for_each_boundary(entered: list[tuple[Phase, float]]) -> None:
    readings: Iterator[float] = iter(range(len(entered) + 1))
    phases = PhaseClock(lambda: next(readings))
    for name, _ in entered:
        phases.enter(name)
    assert sum(phases.finish().values()) == len(entered) * 10**9
    assert next(readings, None) is None


def test_a_phase_entered_again_goes_on() -> None:
    clock = Clock()
    phases = PhaseClock(clock)
    for name, seconds in (("check", 1.0), ("snapshot", 2.0), ("check", 4.0)):
        assert name in PHASES
        phases.enter(name)
        assert phases.current == name
        clock.now += seconds
    assert phases.finish() == {"check": 5 * 10**9, "snapshot": 2 * 10**9}
    assert phases.current is None


def test_a_paused_clock_leaves_out_the_running_phase_and_the_pause() -> None:
    clock = Clock()
    phases = PhaseClock(clock)
    phases.enter("stop")
    clock.now += 1
    phases.enter("boot")
    clock.now += 10
    phases.pause()
    assert (phases.paused, phases.current) == (True, None)
    clock.now += 100
    phases.enter("browser")
    clock.now += 2
    assert not phases.paused
    assert phases.finish() == {"stop": 10**9, "browser": 2 * 10**9}
    phases.pause()
    assert not phases.paused


def test_a_finished_clock_stays_finished() -> None:
    clock = Clock()
    phases = PhaseClock(clock)
    phases.enter("close")
    done = phases.finish()
    clock.now += 1
    assert phases.finish() is done
    with pytest.raises(ValueError, match="finished"):
        phases.enter("boot")


def test_an_unknown_phase_is_refused() -> None:
    with pytest.raises(ValueError, match="'lunch' is not a phase; expected one of freeze, preflight, gate"):
        PhaseClock().enter("lunch")  # type: ignore[arg-type]


amounts: st.SearchStrategy[dict[str, int]] = st.dictionaries(
    st.sampled_from(PHASES), st.integers(0, 10**12), max_size=len(PHASES)
)


@given(amounts, st.integers(1, 10**7))
def test_rounded_amounts_add_up_to_the_rounded_total(exact: dict[str, int], unit: int) -> None:
    rounded = spread(exact, unit)
    assert list(rounded) == list(exact)
    assert abs(sum(rounded.values()) - Fraction(sum(exact.values()), unit)) <= Fraction(1, 2)
    for name, amount in exact.items():
        assert amount // unit <= rounded[name] <= -(-amount // unit)


def test_the_largest_remainder_is_rounded_up() -> None:
    assert spread({"a": 14, "b": 16, "c": 10}, 10) == {"a": 1, "b": 2, "c": 1}
    assert spread({"a": 15, "b": 15}, 10) == {"a": 2, "b": 1}


# -- the target ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "verdict"), [(4.999, "ahead"), (5.0, "within"), (10.0, "within"), (10.001, "over"), (0, "ahead")]
)
def test_a_restart_is_judged_by_the_target(total: float, verdict: str) -> None:
    assert Target(5, 10).verdict(total) == verdict


@pytest.mark.parametrize(("low", "high"), [(0, 1), (2, 1), (-1, 1)])
def test_a_target_must_be_a_range(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="expected 0 < low <= high"):
        Target(low, high)


# -- the line --------------------------------------------------------------------------------------------------------


def test_the_line_of_a_restart() -> None:
    phases = {"freeze": 1, "close": 80, "snapshot": 30, "boot": 310, "browser": 360, "link": 1200}
    assert restart_line(phases, Target(5, 10)) == (
        "back online in 1.98 s  (close 0.08  snapshot 0.03  boot 0.31  browser 0.36  link 1.20)  target 5-10 s: ahead"
    )


def test_a_restart_over_the_target_names_the_slowest_phase() -> None:
    line = restart_line({"close": 80, "link": 11_200}, Target(2.5, 10))
    assert line.endswith("(close 0.08  link 11.20)  target 2.5-10 s: over, slowest: link")


def test_a_restart_that_is_not_back_is_not_judged() -> None:
    assert restart_line({"boot": 300}, Target(5, 10), "needs_link") == (
        "waiting for a QR code to be scanned after 0.30 s  (boot 0.30)"
    )
    assert restart_line({"boot": 60_000}, Target(5, 10), "failed") == "not back online after 60.00 s  (boot 60.00)"


def test_the_first_start_is_not_back_but_there() -> None:
    assert restart_line({}, Target(5, 10), first=True) == "online in 0.00 s  target 5-10 s: ahead"
    assert restart_line({"boot": 9}, Target(5, 10), "failed", first=True) == "not online after 0.01 s  (boot 0.01)"


@given(amounts)
def test_the_figures_in_the_line_add_up_to_its_total(ns: dict[str, int]) -> None:
    phases_ms = spread(ns, 1_000_000)
    line = restart_line(phases_ms, Target(5, 10))
    total, *shown = (int(figure.replace(".", "")) for figure in re.findall(r"\d+\.\d\d", line))
    assert sum(shown) == total
    assert 0 not in shown
    assert abs(total * 10 - sum(phases_ms.values())) <= 5


@pytest.mark.parametrize(
    ("outcome", "first", "line"),
    [
        ("ready", False, "back online in 12.1 s  (slowest: link 9.0)  over the target of 5-10 s"),
        ("ready", True, "online in 12.1 s  (slowest: link 9.0)  over the target of 5-10 s"),
        ("needs_link", False, "waiting for a QR code to be scanned after 12.1 s"),
        ("failed", False, "not back online after 12.1 s  (slowest: link 9.0)"),
    ],
)
def test_a_restart_in_brief(outcome: Outcome, first: bool, line: str) -> None:
    phases = {"close": 80, "boot": 3000, "link": 9000}
    assert brief_restart_line(phases, Target(5, 10), outcome, first=first) == line


def test_a_restart_in_time_does_not_mention_its_target() -> None:
    assert brief_restart_line({"boot": 7000}, Target(5, 10)) == "back online in 7.0 s  (slowest: boot 7.0)"
    assert brief_restart_line({}, Target(5, 10)) == "back online in 0.0 s"
