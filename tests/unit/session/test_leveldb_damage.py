"""Damage is found: every kind that loses a link in the field, and then any at all, with LevelDB as the judge."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.session.leveldb.check import verify
from supervisor.session.leveldb.damage import LevelDbReport, ProblemKind
from supervisor.session.leveldb.version_edits import manifest_reader, read_version
from tests.unit.session.leveldb_plyvel import Database, read_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BLOCK = 32768


@dataclass(frozen=True)
class Subject:
    """A sound database of several tables, and copies of its live files."""

    folder: Path
    records: dict[bytes, bytes] = field(repr=False)
    report: LevelDbReport
    files: dict[str, bytes] = field(repr=False)

    @property
    def tables(self) -> list[str]:
        """Smallest number first."""
        return sorted(name for name in self.files if name.endswith(".ldb"))

    @property
    def largest(self) -> Path:
        return self.folder / max(self.tables, key=lambda name: len(self.files[name]))

    @property
    def manifest(self) -> Path:
        (name,) = (name for name in self.files if name.startswith("MANIFEST"))
        return self.folder / name

    @property
    def log(self) -> Path:
        (name,) = (name for name in self.files if name.endswith(".log"))
        return self.folder / name

    def restore(self) -> None:
        """Make it sound again."""
        for name, contents in self.files.items():
            path = self.folder / name
            if not path.is_file() or path.read_bytes() != contents:
                path.write_bytes(contents)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    database = Database(tmp_path_factory.mktemp("built") / "db")
    for seed in range(4):  # each opening makes a table of the last one's log; four tables would be compacted
        database.write(seed=seed, batches=24, compact=False, bloom_filter_bits=10)
    folder = database.folder
    report = verify(folder, deep=True)
    assert report.ok
    assert report.manifest is not None
    name = report.manifest.file
    with (folder / name).open("rb") as file:
        tables = read_version(manifest_reader(file, name)).tables
    live = ["CURRENT", name, *(log.file for log in report.logs), *(f"{number:06d}.ldb" for number in tables)]
    assert len(tables) == 3
    assert report.log_end > BLOCK  # so that there is a whole block, and a record in two parts
    return Subject(folder, database.records, report, {name: (folder / name).read_bytes() for name in live})


@pytest.fixture
def subject(built: Subject) -> Iterator[Subject]:
    yield built
    built.restore()


def halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path, position: int, bit: int = 0) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1 << bit]))


def flip_in_the_middle(path: Path) -> None:
    flip(path, path.stat().st_size // 2)


def zero_tail(path: Path) -> None:
    size = path.stat().st_size
    os.truncate(path, size * 3 // 4)
    os.truncate(path, size)


def point_to(subject: Subject, pointer: bytes) -> None:
    (subject.folder / "CURRENT").write_bytes(pointer)


FIELD_DAMAGE: dict[str, tuple[Callable[[Subject], None], ProblemKind]] = {
    "CURRENT removed": (lambda s: (s.folder / "CURRENT").unlink(), ProblemKind.MISSING),
    "CURRENT emptied": (lambda s: os.truncate(s.folder / "CURRENT", 0), ProblemKind.BAD_POINTER),
    "CURRENT without its newline": (lambda s: os.truncate(s.folder / "CURRENT", 15), ProblemKind.BAD_POINTER),
    "CURRENT naming another folder's file": (
        lambda s: point_to(s, b"../MANIFEST-000001\n"),
        ProblemKind.BAD_POINTER,
    ),
    "CURRENT naming a missing MANIFEST": (lambda s: point_to(s, b"MANIFEST-999999\n"), ProblemKind.MISSING),
    "MANIFEST removed": (lambda s: s.manifest.unlink(), ProblemKind.MISSING),
    "MANIFEST emptied": (lambda s: os.truncate(s.manifest, 0), ProblemKind.MALFORMED),
    "MANIFEST flipped": (lambda s: flip_in_the_middle(s.manifest), ProblemKind.CHECKSUM),
    "largest table removed": (lambda s: s.largest.unlink(), ProblemKind.MISSING),
    "largest table cut": (lambda s: halve(s.largest), ProblemKind.WRONG_SIZE),
    "largest table flipped": (lambda s: flip_in_the_middle(s.largest), ProblemKind.CHECKSUM),
    "a table's tail zeroed": (lambda s: zero_tail(s.largest), ProblemKind.MALFORMED),
    "a middle table removed": (lambda s: (s.folder / s.tables[1]).unlink(), ProblemKind.MISSING),
    "log removed": (lambda s: s.log.unlink(), ProblemKind.MISSING),
    "log flipped": (lambda s: flip_in_the_middle(s.log), ProblemKind.CHECKSUM),
}


@pytest.mark.parametrize("damage", FIELD_DAMAGE)
def test_what_shows_a_qr_code_or_hangs_is_found(subject: Subject, damage: str) -> None:
    inflict, kind = FIELD_DAMAGE[damage]
    inflict(subject)
    for report in (verify(subject.folder), verify(subject.folder, deep=True)):
        assert [problem.kind for problem in report.problems] == [kind]


def test_a_manifest_without_its_beginning_is_found(subject: Subject) -> None:
    """Each edit alone says enough to open the database, but only the first names the comparator."""
    whole = subject.files[subject.manifest.name]
    length = int.from_bytes(whole[4:6], "little") + 7
    subject.manifest.write_bytes(whole[length:])
    assert read_all(subject.folder) != subject.records
    (problem,) = verify(subject.folder).problems
    assert (problem.file, problem.offset, problem.kind) == (subject.manifest.name, 0, ProblemKind.MALFORMED)


def test_a_manifest_cut_in_half_is_found(subject: Subject) -> None:
    halve(subject.manifest)
    assert not verify(subject.folder).ok


@pytest.mark.parametrize("left", [0, 0.5, 0.99])
def test_a_log_that_was_cut_is_found_by_what_the_clean_stop_recorded(subject: Subject, left: float) -> None:
    """The loss that no structure shows."""
    os.truncate(subject.log, int(subject.report.log_end * left))
    report = verify(subject.folder)
    assert report.ok
    assert report.last_sequence < subject.report.last_sequence
    assert report.log_end < subject.report.log_end


def test_a_log_cut_at_the_end_of_a_record_is_not_even_torn(subject: Subject) -> None:
    os.truncate(subject.log, subject.report.log_end - 5)
    shorter = verify(subject.folder)
    assert shorter.torn_tail
    os.truncate(subject.log, shorter.log_end)
    report = verify(subject.folder)
    assert (report.ok, report.torn_tail) == (True, False)
    assert report.last_sequence < subject.report.last_sequence


def unread(name: str, contents: bytes, position: int, bit: int) -> bool:
    """Whether LevelDB reads the same with and without this bit."""
    if name.endswith(".ldb"):
        numbers = [index for index in range(len(contents) - 48, len(contents) - 8) if contents[index] < 0x80]
        end = numbers[3]  # the last byte of the last of the footer's four numbers; zeros follow
        # With its highest bit the number goes on, by a zero, and stays the same.
        return end < position < len(contents) - 8 or (position, bit) == (end, 7)
    if name == "CURRENT":
        return False
    block = position // BLOCK * BLOCK
    return position >= block + BLOCK - 6 and not any(contents[position : block + BLOCK])


def check_flip(subject: Subject, name: str, position: int, bit: int) -> None:
    flip(subject.folder / name, position, bit)
    try:
        named = (subject.folder / "CURRENT").read_text("latin-1")[:-1]
        report = verify(subject.folder, deep=True)
        if unread(name, subject.files[name], position, bit):
            assert report.ok
        else:
            assert not report.ok
            assert report.problems[0].file in {name, named}
    finally:
        flip(subject.folder / name, position, bit)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_one_flipped_bit_anywhere_is_found(built: Subject, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(built.files)))
    position = data.draw(st.integers(0, len(built.files[name]) - 1))
    check_flip(built, name, position, data.draw(st.integers(0, 7)))


@pytest.mark.parametrize("part", ["CURRENT", "a footer", "the first edit's head", "the last record's head"])
def test_every_bit_of_what_everything_hangs_on(built: Subject, part: str) -> None:
    table = built.tables[0]
    name, positions = {
        "CURRENT": ("CURRENT", range(16)),
        "a footer": (table, range(len(built.files[table]) - 48, len(built.files[table]))),
        "the first edit's head": (built.manifest.name, range(7)),
        "the last record's head": (built.log.name, _head_of_last_record(built)),
    }[part]
    for position in positions:
        for bit in range(8):
            check_flip(built, name, position, bit)


def _head_of_last_record(built: Subject) -> range:
    os.truncate(built.log, built.report.log_end - 1)
    start = verify(built.folder).log_end
    built.restore()
    return range(start, start + 7)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_table_cut_anywhere_is_found(built: Subject, data: st.DataObject) -> None:
    path = built.folder / data.draw(st.sampled_from(built.tables))
    os.truncate(path, data.draw(st.integers(0, len(built.files[path.name]) - 1)))
    try:
        assert [problem.file for problem in verify(built.folder).problems] == [path.name]
    finally:
        built.restore()


places = st.floats(0, 1, exclude_max=True)  # in a file, or in the list of files
mutilations = st.lists(
    st.tuples(
        places,
        st.sampled_from(["cut", "zeros", "zeros at the end", "noise", "remove", "repeat", "drop"]),
        st.lists(places, min_size=2, max_size=2).map(sorted),
    ),
    min_size=1,
    max_size=3,
)


def mutilate(path: Path, what: str, places: list[float]) -> None:
    contents = path.read_bytes() if path.exists() else b""
    start, end = (int(place * len(contents)) for place in places)
    changed = {
        "cut": contents[:start],
        "zeros": contents[:start] + bytes(end - start) + contents[end:],
        "zeros at the end": contents + bytes(1 + start),
        "noise": contents[:start] + random.Random(start).randbytes(end - start) + contents[end:],
        "remove": None,
        "repeat": contents[:end] + contents[start:],
        "drop": contents[:start] + contents[end:],
    }[what]
    path.unlink(missing_ok=True)
    if changed is not None:
        path.write_bytes(changed)


def extent(report: LevelDbReport) -> tuple[int, int]:
    """What a caller remembers of a clean stop."""
    assert report.manifest is not None
    return report.last_sequence, report.manifest.end


@settings(max_examples=400, deadline=None)
@given(done=mutilations)
def test_whatever_leveldb_cannot_read_back_is_seen(built: Subject, done: list[tuple[float, str, list[float]]]) -> None:
    """If the reader finds nothing wrong, and as much as a clean stop recorded, LevelDB reads every record."""
    names = sorted(built.files)
    try:
        for file, what, at in done:
            mutilate(built.folder / names[int(file * len(names))], what, at)
        report = verify(built.folder, deep=True)
        if report.ok:
            found = read_all(built.folder)
            assert found is not None
            assert found == built.records or extent(report) < extent(built.report)
    finally:
        built.restore()


def test_the_judge_reads_the_sound_database(built: Subject, tmp_path: Path) -> None:
    assert read_all(built.folder) == built.records
    shutil.copytree(built.folder, tmp_path / "copy")
    (tmp_path / "copy" / built.largest.name).unlink()
    assert read_all(tmp_path / "copy") is None
