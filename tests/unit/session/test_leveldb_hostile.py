"""Whatever the files hold, the reader ends, with a report, having read nothing twice."""

from __future__ import annotations

import errno
import io
import os
import struct
import tempfile
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.session.leveldb.check import verify
from supervisor.session.leveldb.damage import LevelDbReport, ProblemKind
from tests.helpers import leveldb_writer as writer

if TYPE_CHECKING:
    from collections.abc import Mapping

numbers = st.one_of(st.integers(0, 300), st.integers(0, 2**64 + 5), st.sampled_from([2**32 - 1, 2**56, 2**63]))
varints = numbers.map(writer.varint)
names = st.sampled_from(
    ["CURRENT", "MANIFEST-000001", "000003.log", "000004.log", "000005.ldb", "000006.sst", "corruption_info.json"]
)


def check(files: Mapping[str, bytes]) -> LevelDbReport:
    """The report on a folder with these files, after it has looked at no more bytes than there are."""
    with tempfile.TemporaryDirectory(prefix="leveldb-") as temporary:
        for name, contents in files.items():
            (Path(temporary) / name).write_bytes(contents)
        report = verify(Path(temporary), deep=True)
    assert report.bytes_checked <= sum(map(len, files.values()))
    for problem in report.problems:
        assert str(problem).isprintable()
    return report


def database(
    *, edits: list[bytes] | None = None, log: bytes = b"", tables: Mapping[int, bytes] | None = None
) -> dict[str, bytes]:
    """A database around what is hostile."""
    tables = tables or {}
    listed = writer.edit(tables={number: len(contents) for number, contents in tables.items()})
    return {
        "CURRENT": b"MANIFEST-000001\n",
        "MANIFEST-000001": writer.log([listed, *(edits or [])]),
        "000003.log": log,
    } | {f"{number:06d}.ldb": contents for number, contents in tables.items()}


@settings(deadline=None)
@given(st.dictionaries(names, st.binary(max_size=300)))
def test_profile_lock_files_noise(files: dict[str, bytes]) -> None:
    check(files)


@settings(deadline=None)
@given(manifest=st.binary(max_size=500), log=st.binary(max_size=500), table=st.binary(max_size=500))
def test_profile_lock_files_noise_where_files_are_expected(manifest: bytes, log: bytes, table: bytes) -> None:
    check(database(log=log, tables={5: table}) | {"000004.log": manifest})
    check(database() | {"MANIFEST-000001": manifest})


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=40), st.none() | st.integers(0, 0xFFFF)), max_size=12))
def test_fragments_in_any_order(fragments: list[tuple[int, bytes, int | None]]) -> None:
    """Right checksums, any types, and lengths that lie."""
    log = b""
    for kind, payload, length in fragments:
        made = writer.fragment(kind, payload)
        log += made if length is None else made[:4] + struct.pack("<H", length) + made[6:]
    check(database(log=log))
    check(database() | {"MANIFEST-000001": log})


edits = st.lists(
    st.one_of(
        varints,
        st.binary(max_size=12),
        st.tuples(st.sampled_from([b"\x02", b"\x03", b"\x04", b"\x09"]), varints).map(b"".join),
        st.tuples(st.just(b"\x06"), varints, varints).map(b"".join),
        st.tuples(st.just(b"\x07\x00"), varints, varints, st.just(b"\x01a\x01z")).map(b"".join),
    ),
    max_size=8,
).map(b"".join)


@settings(deadline=None)
@given(st.lists(edits, max_size=4), st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))))
def test_edits_and_batches_of_any_content(hostile: list[bytes], batches: list[tuple[int, int]]) -> None:
    report = check(database(edits=hostile, log=writer.log([writer.batch(*batch) for batch in batches])))
    assert 0 <= report.last_sequence < 2**56


@settings(deadline=None)
@given(
    blocks=st.lists(st.binary(max_size=30), max_size=5),
    handles=st.none() | st.lists(st.tuples(numbers, numbers), max_size=6),
    index=st.none() | st.binary(max_size=60),
    compression=st.integers(0, 3),
)
def test_tables_with_indexes_of_any_content(
    blocks: list[bytes], handles: list[tuple[int, int]] | None, index: bytes | None, compression: int
) -> None:
    table = writer.table(blocks, handles=handles, index=index, compression=compression)
    report = check(database(tables={5: table}))
    if handles is None and index is None and compression == 0:
        assert report.ok


@settings(deadline=None)
@given(varints, varints, varints, varints)
def test_footers_that_point_anywhere(a: bytes, b: bytes, c: bytes, d: bytes) -> None:
    table = writer.table([b"data"])
    footer = (a + b + c + d)[:40].ljust(40, b"\0") + writer.MAGIC
    check(database(tables={5: table[:-48] + footer}))


def test_an_index_cannot_have_one_block_checked_a_thousand_times() -> None:
    big = os.urandom(1 << 20)
    report = check(database(tables={5: writer.table([big], handles=[(0, len(big))] * 100_000)}))
    assert [problem.kind for problem in report.problems] == [ProblemKind.MALFORMED]


def test_sizes_that_are_announced_take_no_memory() -> None:
    bomb = bytes.fromhex("ffffffff0f") + b"\xfe\x01\x00" * 1000  # Snappy: 4 GB, in copies of copies
    hostile = [
        database(tables={5: writer.table([b"data"], index=bomb, compression=1)}),
        database(edits=[b"\x01" + writer.varint(2**62)]),
        database(log=writer.fragment(writer.FULL, b"")[:4] + b"\xff\xff\x01"),
        database(log=b"".join(writer.fragment(writer.FIRST, b"") for _ in range(1000))),
    ]
    tracemalloc.start()
    try:
        for files in hostile:
            check(files)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 << 20


def test_a_large_sparse_table_is_not_loaded(tmp_path: Path) -> None:
    """Its footer names an index block of 8 GB."""
    size = 8 << 30
    index = size - 48 - 5 - 13
    footer = (writer.varint(0) + writer.varint(8) + writer.varint(13) + writer.varint(index)).ljust(40, b"\0")
    for name, contents in database(edits=[b"\x07\x00\x05" + writer.varint(size) + b"\x01a\x01z"]).items():
        (tmp_path / name).write_bytes(contents)
    with (tmp_path / "000005.ldb").open("wb") as file:
        file.write(writer.stored_block(struct.pack("<II", 0, 1)))
        file.seek(size - 48)
        file.write(footer + writer.MAGIC)
    (problem,) = verify(tmp_path).problems
    assert str(problem) == f"000005.ldb at byte 13: an index block has {index} bytes"


class Failing(io.FileIO):
    """A file that can be opened, and then not read."""

    def read(self, size: int | None = -1) -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO), size)


@pytest.mark.parametrize("name", ["CURRENT", "MANIFEST-000001", "000003.log", "000005.ldb"])
def test_a_read_that_fails_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for file, contents in database(tables={5: writer.table([b"data"])}, log=writer.log([writer.batch(1, 1)])).items():
        (tmp_path / file).write_bytes(contents)
    assert verify(tmp_path).ok

    def open_all_but_one(path: str) -> BinaryIO | Failing:
        return Failing(path) if Path(path).name == name else Path(path).open("rb")

    monkeypatch.setattr("supervisor.session.leveldb.check.open_regular", open_all_but_one)
    (problem,) = verify(tmp_path).problems
    assert (problem.file, problem.kind) == (name, ProblemKind.UNREADABLE)
    assert problem.message == "the file cannot be read: input/output error"
