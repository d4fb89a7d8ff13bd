"""What the plots of restarts show: round marks, labels that differ, every phase in one layer."""

from datetime import datetime

import pytest

from supervisor.timing.image_plot import layers
from supervisor.timing.phases import PHASES
from supervisor.timing.record import Restart, Target
from supervisor.timing.text_plot import plot


def restart(at: float, **phases: int) -> Restart:
    total = sum(phases.values())
    return Restart(
        started_at=at,
        run_id="r",
        reason="change",
        outcome="ready",
        phases_ms=phases,
        total_ms=total,
        target=Target(5, 10).verdict(total / 1000),
        clean=True,
    )


def drawn(totals: list[int], *, apart: float = 60, width: int = 80) -> list[str]:
    begun = datetime(2026, 1, 31, 12, 0).timestamp()  # noqa: DTZ001  labels are in local time
    restarts = [restart(begun + at * apart, boot=total) for at, total in enumerate(totals)]
    return plot(restarts, Target(5, 10), width=width, colour=False)


def marks(lines: list[str]) -> list[str]:
    """The labels of the axis of seconds, from the top."""
    return [
        label for line in lines if "┤" in line or "├" in line if (label := line.split("┤")[0].split("├")[0].strip())
    ]


@pytest.mark.parametrize(
    ("totals", "expected"),
    [
        ([2100, 3900], ["4", "3", "2", "1", "0"]),
        ([310, 480], ["0.6", "0.4", "0.2", "0"]),
        ([7000, 11_500], ["15", "target 10", "target 5", "0"]),
        ([4000, 8000], ["10", "8", "6", "target 5", "4", "2", "0"]),
    ],
)
def test_the_marks_are_round_and_the_target_is_one_of_them(totals: list[int], expected: list[str]) -> None:
    found = marks(drawn(totals))
    assert [mark for mark in found if mark in expected] == [mark for mark in expected if mark in found]
    assert {"0", *(mark for mark in expected if "target" in mark)} <= set(found)
    assert set(found) <= {*expected, "target 10"}


@pytest.mark.parametrize(
    ("apart", "first"), [(60, "12:00"), (1, "12:00:00"), (86400, "01-31"), (40 * 86400, "2026-01-31")]
)
def test_the_moments_are_labelled_in_a_form_in_which_they_differ(apart: float, first: str) -> None:
    labels = drawn([3000] * 9, apart=apart)[-1].split()
    assert labels[0] == first
    assert len(set(labels)) == len(labels) == 5


def test_moments_that_cannot_differ_are_labelled_once() -> None:
    labels = drawn([3000] * 9, apart=0.001)[-1].split()
    assert labels == ["12:00:00"]


def test_the_longest_phases_have_a_layer_each_and_the_others_one_in_common() -> None:
    restarts = [restart(0, **{name: 10 * at for at, name in enumerate(PHASES, 1)})]
    found = layers(restarts)
    assert [name for _, names, _ in found for name in names] == list(PHASES)
    assert found[0][0] == ", ".join(PHASES[:-7])
    assert len({colour for _, _, colour in found}) == len(found)


def test_few_phases_need_no_layer_in_common() -> None:
    assert [label for label, _, _ in layers([restart(0, boot=5, link=7)])] == ["boot", "link"]
