from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.watch.restart_loop import ROUNDS, WINDOW, Storm, StormDetector
from supervisor.watch.rules import WatchRules

ROOT = Path("/project")
DATA = ROOT / "data.json"
CODE = ROOT / "index.js"


def run(delays: Iterable[float], path: Path = DATA) -> list[Storm]:
    """The bot starts, and `path` changes so long after each start, which starts it again."""
    detector = StormDetector(ROOT, holds_sources=lambda _: True)
    now = 100.0
    found = []
    for delay in delays:
        storm = detector.observe(now + delay, [path], now)
        if storm is not None:
            found.append(storm)
        now += delay + 0.5
    return found


def test_the_classic() -> None:
    (storm,) = run([1.2, 1.25, 1.22, 1.3])
    assert storm.path == DATA
    assert storm.rounds == ROUNDS
    assert storm.config_line == 'ignore = ["/data.json"]'
    assert "/data.json changed 1.2 s after each of the last 4 starts" in str(storm)


def test_whoever_tries_one_package_after_the_other_is_no_bot() -> None:
    for name in ("package.json", "package-lock.json"):
        assert run([1.0] * 20, ROOT / name) == []


OUTPUTS = ROOT / "outputs"


def run_folder(paths: Iterable[Path], *, holds_sources: bool = False) -> list[Storm]:
    """The bot starts, and after 1.2 s another file changes each time."""
    detector = StormDetector(ROOT, holds_sources=lambda folder: holds_sources or folder != OUTPUTS)
    found = (detector.observe(100.0 + 2 * at + 1.2, [path], 100.0 + 2 * at) for at, path in enumerate(paths))
    return [storm for storm in found if storm is not None]


def test_a_new_file_in_the_same_folder_each_time() -> None:
    (storm,) = run_folder(OUTPUTS / f"{at}.json" for at in range(ROUNDS))
    assert storm.path == OUTPUTS
    assert storm.config_line == 'ignore = ["/outputs/"]'
    assert "/outputs/ changed 1.2 s after each of the last 4 starts" in str(storm)
    rules = WatchRules(ROOT, ignore=tuple(tomllib.loads(storm.config_line)["ignore"]))
    assert not rules.wants(OUTPUTS / "5.json")
    assert rules.wants(ROOT / "data.json")


def test_a_folder_is_not_suspected_for_one_of_its_files_or_if_it_holds_sources() -> None:
    assert not run_folder([OUTPUTS / "1.json", OUTPUTS / "2.json", OUTPUTS / "1.json", OUTPUTS / "2.json"])
    assert not run_folder((OUTPUTS / f"{at}.json" for at in range(9)), holds_sources=True)
    assert not run_folder(ROOT / f"{at}.json" for at in range(9))
    assert not run_folder(OUTPUTS / f"{at}.js" for at in range(9))


def test_not_before_a_few_rounds() -> None:
    assert run([1.2] * (ROUNDS - 1)) == []


def test_after_an_irregular_beginning() -> None:
    assert len(run([4.9, 0.1, 3.0, 1.2, 1.2, 1.2, 1.2])) == 1


def test_a_person_is_less_regular() -> None:
    assert run([4.0, 1.5, 3.1, 0.9, 2.2, 4.4, 1.1, 3.0], CODE) == []


def test_a_person_is_slower() -> None:
    assert run([WINDOW + 1] * 20, CODE) == []


def test_a_person_who_saves_as_soon_as_the_bot_is_back_is_still_watched() -> None:
    assert run([2.4, 2.5, 2.4, 2.6] * 5, CODE) == []
    assert run([2.4, 2.5, 2.4, 2.6] * 5, ROOT / "src" / "bot.ts") == []


def test_other_files_at_the_same_time_do_not_hide_it() -> None:
    detector = StormDetector(ROOT, holds_sources=lambda _: True)
    found = [detector.observe(start + 1, [ROOT / f"{start}.js", DATA], start) for start in range(0, 40, 10)]
    assert [storm.path for storm in found if storm] == [DATA]


def test_a_start_without_it_breaks_the_streak() -> None:
    detector = StormDetector(ROOT, holds_sources=lambda _: True)
    for start in (0, 10, 20):
        assert detector.observe(start + 1, [DATA], start) is None
    assert detector.observe(31, [CODE], 30) is None
    assert detector.observe(41, [DATA], 40) is None


def test_a_restart_by_hand_breaks_the_streak() -> None:
    detector = StormDetector(ROOT, holds_sources=lambda _: True)
    for start in (0, 10, 20):
        assert detector.observe(start + 1, [DATA], start) is None
    assert detector.observe(31, [], 30) is None
    assert detector.observe(41, [DATA], 40) is None


def test_many_changes_after_one_start_are_one_round() -> None:
    detector = StormDetector(ROOT, holds_sources=lambda _: True)
    assert all(detector.observe(i / 10, [DATA], 0) is None for i in range(20))


def test_reported_once() -> None:
    assert len(run([1.0] * (2 * ROUNDS - 1))) == 1


@pytest.mark.parametrize(
    "name", ["data.json", "a b/state.json", "[id]/x*.json", "a?.json", "ü.json", 'q".json', "\\.json"]
)
def test_the_line_does_what_it_says(name: str) -> None:
    (storm,) = run([1.0] * ROUNDS, ROOT / name)
    ignore = tomllib.loads(f"[watch]\n{storm.config_line}")["watch"]["ignore"]
    rules = WatchRules(ROOT, ignore=tuple(ignore))
    assert not rules.wants(ROOT / name)
    assert rules.wants(ROOT / "src" / "data.json")


@given(st.binary(min_size=1, max_size=5).filter(lambda raw: not {0, 10, 32, 47} & set(raw)))
def test_any_name_can_be_printed(raw: bytes) -> None:
    (storm,) = run([1.0] * ROUNDS, ROOT / raw.decode("utf-8", "surrogateescape"))
    assert str(storm).encode("utf-8")


def test_outside_of_the_project() -> None:
    (storm,) = run([1.0] * ROUNDS, Path("/shared/x.json"))
    assert storm.config_line == 'ignore = ["/shared/x.json"]'
    assert not WatchRules(ROOT, (Path("/shared"),), ignore=(storm.pattern,)).wants(Path("/shared/x.json"))


@given(st.lists(st.floats(0, 60), max_size=30))
def test_never_for_changes_that_come_late(delays: list[float]) -> None:
    assert run([WINDOW + 0.001 + delay for delay in delays]) == []
