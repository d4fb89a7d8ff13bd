"""When a symptom has lasted for long enough."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from supervisor.bot.probes.liveness import Symptom, SymptomTimeline

HANG = Symptom("hang", "page 1", "the page does not answer", 60.0)
MEMORY = Symptom("memory", "tree", "too much", 30.0)


def test_what_lasts_for_its_patience_is_reported() -> None:
    chart = SymptomTimeline(15.0)
    assert [chart.note(at, [HANG]) for at in (0.0, 15.0, 45.0, 59.0, 60.0)] == [None] * 4 + [HANG]


def test_what_goes_away_meanwhile_starts_anew() -> None:
    chart = SymptomTimeline(15.0)
    looks = [(0.0, True), (30.0, True), (45.0, False), (60.0, True), (90.0, True)]
    assert not any(chart.note(at, [HANG] if there else []) for at, there in looks)
    assert chart.note(120.0, [HANG]) == HANG


def test_its_detail_may_change_and_it_is_the_same_still() -> None:
    chart = SymptomTimeline(15.0)
    chart.note(0.0, [Symptom("memory", "tree", "2,001 MB", 30.0)])
    assert chart.note(30.0, [Symptom("memory", "tree", "2,002 MB", 30.0)]) == Symptom("memory", "tree", "2,002 MB", 30)


def test_two_of_one_kind_are_told_apart_by_their_subject() -> None:
    chart = SymptomTimeline(15.0)
    chart.note(0.0, [HANG])
    assert chart.note(60.0, [Symptom("hang", "page 2", "the page does not answer", 60.0)]) is None


def test_of_several_the_first_that_has_lasted_is_reported() -> None:
    chart = SymptomTimeline(15.0)
    assert chart.note(0.0, [HANG, MEMORY]) is None
    assert chart.note(30.0, [HANG, MEMORY]) == MEMORY
    assert chart.note(60.0, [HANG, MEMORY]) == HANG


def test_while_we_ourselves_stood_still_nothing_is_held_against_the_bot() -> None:
    """A machine that was suspended: nobody had the chance to give a sign of life."""
    chart = SymptomTimeline(15.0)
    chart.note(0.0, [HANG])
    assert chart.note(3600.0, [HANG]) is None
    assert chart.note(3615.0, [HANG]) is None
    assert chart.note(3660.0, [HANG]) == HANG


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 8))
def test_it_is_reported_exactly_when_every_look_of_its_patience_has_found_it(looks: list[bool], patience: int) -> None:
    chart, run = SymptomTimeline(1.0), 0
    for at, there in enumerate(looks):
        run = run + 1 if there else 0
        found = chart.note(float(at), [Symptom("hang", "", "", float(patience))] if there else [])
        assert (found is not None) == (run > patience)
