"""What has been parsed of a log is not parsed again, and never hides anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.session.leveldb import check
from supervisor.session.leveldb.check import verify
from supervisor.session.leveldb.damage import Damage, LevelDbReport, ProblemKind
from supervisor.session.leveldb.log_cache import PREFIXES
from supervisor.session.leveldb.log_format import RecordReader
from tests.helpers import leveldb_writer as writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    PREFIXES.clear()
    yield
    PREFIXES.clear()


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where logs were parsed from."""
    found = []

    class Noting(RecordReader):
        def __init__(self, *args: Any, start: int = 0, **kwargs: Any) -> None:
            found.append(start)
            super().__init__(*args, start=start, **kwargs)

    monkeypatch.setattr(check, "RecordReader", Noting)
    return found


class Log:
    """A database that is one log, written as a browser writes it."""

    def __init__(self, folder: Path, *, sequence: int = 0, first: int = 1) -> None:
        self.folder = folder
        self.path = folder / "000003.log"
        self.next = first
        folder.mkdir(exist_ok=True)
        (folder / "CURRENT").write_bytes(b"MANIFEST-000001\n")
        self.manifest(sequence)
        self.path.write_bytes(b"")

    def manifest(self, sequence: int) -> None:
        (self.folder / "MANIFEST-000001").write_bytes(writer.log([writer.edit(sequence=sequence)]))

    def append(self, *sizes: int) -> int:
        """Append batches with bodies of these sizes; the file's size before."""
        before = self.path.stat().st_size
        records = [writer.batch(self.next + number, 1, b"x" * size) for number, size in enumerate(sizes)]
        self.next += len(sizes)
        with self.path.open("ab") as file:
            file.write(writer.log(records, at=before))
        return before


def afresh(folder: Path) -> LevelDbReport:
    """What is found if all is parsed."""
    return verify(folder, deep=True)


SIZES = st.lists(st.one_of(st.integers(0, 200), st.sampled_from([32_740, 32_749, 32_750, 32_768, 70_000])), max_size=30)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=st.lists(st.tuples(SIZES, st.binary(max_size=20)), min_size=1, max_size=5))
def test_a_log_that_grows_is_judged_as_if_it_had_never_been_seen(
    tmp_path: Path, rounds: list[tuple[list[int], bytes]]
) -> None:
    log = Log(tmp_path / "db")
    for sizes, torn in rounds:
        end = log.append(*sizes)
        whole = log.path.read_bytes()
        log.path.write_bytes(whole + torn[:6])  # less than a header: what a writer may leave that is killed
        assert verify(log.folder) == afresh(log.folder)
        log.path.write_bytes(whole)
        assert verify(log.folder) == afresh(log.folder)
        assert end <= len(whole)


def test_only_what_has_been_added_is_parsed(tmp_path: Path, starts: list[int]) -> None:
    log = Log(tmp_path / "db")
    log.append(*[100] * 500)
    verify(log.folder)
    middle = log.append(*[100] * 500)
    verify(log.folder)
    report = verify(log.folder)
    assert starts == [0, middle, log.path.stat().st_size]
    assert report.last_sequence == 1000
    assert report.bytes_checked == sum(
        (log.folder / name).stat().st_size for name in ("MANIFEST-000001", log.path.name)
    )


def test_a_copy_is_known_by_what_it_holds(tmp_path: Path, starts: list[int]) -> None:
    log, copy = Log(tmp_path / "db"), Log(tmp_path / "copy")
    log.append(*[100] * 50)
    verify(log.folder)
    copy.path.write_bytes(log.path.read_bytes())
    verify(copy.folder)
    assert starts == [0, log.path.stat().st_size]


@pytest.mark.parametrize("at", [0, 70, 2_000, 33_000, -1])
def test_whatever_changes_in_it_is_found(tmp_path: Path, starts: list[int], at: int) -> None:
    log = Log(tmp_path / "db")
    log.append(*[100] * 500)
    verify(log.folder)
    log.append(*[100] * 10)
    damaged = bytearray(log.path.read_bytes())
    damaged[at] ^= 1
    log.path.write_bytes(damaged)
    report = verify(log.folder)
    assert [problem.kind for problem in report.problems] == [ProblemKind.CHECKSUM]
    assert report == afresh(log.folder)


def test_a_log_that_is_shorter_than_it_was_is_parsed_anew(tmp_path: Path, starts: list[int]) -> None:
    log = Log(tmp_path / "db")
    middle = log.append(*[100] * 50)
    verify(log.folder)
    log.path.write_bytes(log.path.read_bytes()[: middle + 3_000])
    report = verify(log.folder)
    assert starts == [0, 0]
    assert report == afresh(log.folder)
    assert report.torn_tail


def test_a_gap_before_it_is_found(tmp_path: Path) -> None:
    """The same log, under a MANIFEST that knows less: an old one, put back."""
    log = Log(tmp_path / "db", sequence=9, first=10)
    log.append(*[100] * 50)
    assert verify(log.folder).ok
    log.manifest(5)
    assert verify(log.folder).problems == (Damage("000003.log", 0, ProblemKind.GAP, "write 10 follows write 5"),)


def test_deep_parses_all(tmp_path: Path, starts: list[int]) -> None:
    log = Log(tmp_path / "db")
    log.append(*[100] * 50)
    verify(log.folder)
    verify(log.folder, deep=True)
    assert starts == [0, 0]


def test_the_oldest_are_forgotten(tmp_path: Path, starts: list[int]) -> None:
    logs = [Log(tmp_path / str(number), sequence=number, first=number + 1) for number in range(66)]
    for log in logs:
        log.append(*[100] * 5)
        verify(log.folder)
    starts.clear()
    verify(logs[-1].folder)
    verify(logs[0].folder)
    assert starts == [logs[-1].path.stat().st_size, 0]
