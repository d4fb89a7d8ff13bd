"""Where a burst begins and ends, by a clock of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.watch import debounce
from supervisor.watch.debounce import Burst
from supervisor.watch.file_tree import FileTree

QUIET = 0.05


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Desk:
    """A burst over one folder, and what it told."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.clock = clock
        self.told: list[tuple[str, float]] = []
        self.each: list[str] = []
        self.tree = FileTree()
        self.burst = Burst(
            self.tree,
            QUIET,
            lambda path, since: self.told.append((Path(path).name, since)),
            lambda path: self.each.append(Path(path).name),
        )

    def write(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content)
        self.burst.hint(str(self.folder / name), complete=True)

    def hint(self, name: str) -> None:
        self.burst.hint(str(self.folder / name), complete=False)

    def after(self, seconds: float) -> None:
        self.clock.now += seconds
        self.burst.expire(self.clock.now)

    def changed(self) -> list[str]:
        return [Path(path).name for path in self.tree.changed()]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    clock = Clock()
    monkeypatch.setattr(debounce, "time", clock)
    return Desk(tmp_path, clock)


def test_thousand_writes_in_five_seconds_are_one_burst(desk: Desk) -> None:
    began = desk.clock.now
    for i in range(1000):
        if i % 100 == 0:
            desk.write("a.js", str(i))
        else:
            desk.burst.hint(str(desk.folder / "a.js"), complete=i % 2 == 0)
        desk.after(0.005)
        assert desk.burst.quiet_at() > desk.clock.now
    assert desk.told == [("a.js", began)]
    desk.after(QUIET)
    assert desk.burst.quiet_at() <= desk.clock.now
    assert desk.changed() == ["a.js"]


@pytest.mark.parametrize(
    ("names", "early", "quiet"),
    [
        (["a.js"], QUIET / 2, QUIET),
        (["a.js", "a.js"], QUIET / 2, QUIET),
        (["a.js", "b.js"], QUIET, QUIET),
        (["package.json"], QUIET * 4, QUIET * 4),
        (["package-lock.json", "a.js"], QUIET * 4, QUIET * 4),
    ],
    ids=["one", "one twice", "two", "manifest", "manifest and more"],
)
def test_one_file_may_be_taken_early_and_a_package_manager_is_given_time(
    desk: Desk, names: list[str], early: float, quiet: float
) -> None:
    for number, name in enumerate(names):
        desk.write(name, str(number))
    assert desk.burst.quiet_at(early=True) - desk.clock.now == pytest.approx(early)
    assert desk.burst.quiet_at() - desk.clock.now == pytest.approx(quiet)


def test_a_file_that_is_not_whole_is_not_taken_early(desk: Desk) -> None:
    desk.hint("a.js")
    assert desk.burst.quiet_at(early=True) - desk.clock.now == pytest.approx(QUIET)


def test_after_a_burst_of_which_nothing_comes_the_next_change_is_a_first_one(desk: Desk) -> None:
    desk.write("a.js", "1")
    desk.after(QUIET / 2)
    desk.burst.cut()
    assert desk.burst.quiet_at() <= desk.clock.now
    desk.write("a.js", "2")
    desk.after(QUIET / 2)
    desk.write("b.js", "1")
    assert desk.told == [("a.js", 1000.0), ("a.js", 1000.0 + QUIET / 2)]
    assert desk.changed() == ["a.js", "b.js"]


def test_a_pause_ends_the_burst(desk: Desk) -> None:
    desk.write("a.js", "1")
    desk.after(QUIET * 1.1)
    desk.write("b.js", "1")
    assert [name for name, _ in desk.told] == ["a.js", "b.js"]


def test_taking_the_changes_ends_the_burst(desk: Desk) -> None:
    desk.write("a.js", "1")
    desk.burst.end()
    desk.write("b.js", "1")
    assert [name for name, _ in desk.told] == ["a.js", "b.js"]


def test_a_burst_of_many_files_may_pause_for_longer(desk: Desk) -> None:
    for i in range(20):
        desk.write(f"{i}.js", "1")
    desk.after(QUIET * 2)
    assert desk.burst.quiet_at() > desk.clock.now
    desk.write("more.js", "1")
    assert [name for name, _ in desk.told] == ["0.js"]


def test_half_written_file_is_looked_at_when_it_is_complete(desk: Desk) -> None:
    desk.write("a.js", "whole")
    desk.burst.end()
    desk.tree.commit()
    (desk.folder / "a.js").write_text("")
    desk.hint("a.js")
    desk.after(QUIET / 2)
    desk.write("a.js", "whole")
    desk.after(QUIET * 2)
    assert desk.changed() == []
    assert len(desk.told) == 1


@pytest.mark.parametrize("gone", [True, False])
def test_gone_or_empty_counts_after_the_quiet_time(desk: Desk, gone: bool) -> None:
    desk.write("a.js", "1")
    desk.burst.end()
    desk.tree.commit()
    if gone:
        (desk.folder / "a.js").unlink()
        desk.hint("a.js")
    else:
        desk.write("a.js", "")
    assert desk.burst.next_due() == desk.clock.now + QUIET
    desk.after(QUIET * 0.9)
    assert desk.changed() == []
    desk.after(QUIET * 0.2)
    assert desk.changed() == ["a.js"]
    assert desk.burst.next_due() is None


def test_file_that_is_written_without_end_is_not_put_off_for_ever(desk: Desk) -> None:
    for i in range(12):
        (desk.folder / "a.js").write_text("x" * (i + 1))
        desk.hint("a.js")
        desk.after(0.01)
    assert [name for name, _ in desk.told] == ["a.js"]


def test_taking_the_changes_looks_at_what_is_still_pending(desk: Desk) -> None:
    (desk.folder / "a.js").write_text("half")
    desk.hint("a.js")
    desk.burst.end()
    assert desk.changed() == ["a.js"]
    assert desk.burst.next_due() is None


def test_forgotten_file_is_not_looked_at(desk: Desk) -> None:
    (desk.folder / "a.js").write_text("1")
    desk.hint("a.js")
    desk.burst.forget(str(desk.folder / "a.js"))
    desk.after(QUIET * 2)
    assert desk.changed() == []
    assert desk.told == []
