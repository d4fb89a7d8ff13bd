"""The LevelDB reader says the same as LevelDB itself, and trusts a table only when it is told to."""

from __future__ import annotations

import io
import os
import shutil
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.session.leveldb.check import verify
from supervisor.session.leveldb.damage import Damage, ProblemKind, Tail
from supervisor.session.leveldb.encoding import DamageError, DecodeError, mask
from supervisor.session.leveldb.log_format import RecordReader
from supervisor.session.leveldb.snappy import decompress
from supervisor.session.leveldb.sorted_table import check_table
from supervisor.session.leveldb.truncate import trim_torn_tails
from supervisor.session.leveldb.version_edits import manifest_reader, read_version
from tests.helpers import leveldb_writer as writer
from tests.unit.session.leveldb_plyvel import Database, plyvel, read_all

if TYPE_CHECKING:
    from pathlib import Path


def live_tables(folder: Path) -> dict[int, int]:
    name = (folder / "CURRENT").read_text().strip()
    with (folder / name).open("rb") as file:
        return read_version(manifest_reader(file, name)).tables


@pytest.mark.parametrize("compression", ["snappy", None])
@pytest.mark.parametrize("bloom_filter_bits", [0, 10])
def test_the_reader_agrees_with_leveldb(tmp_path: Path, compression: str | None, bloom_filter_bits: int) -> None:
    options: dict[str, Any] = {"compression": compression, "bloom_filter_bits": bloom_filter_bits}
    database = Database(tmp_path / "db")
    for seed in range(3):  # each opening replays the log into a table and begins a new MANIFEST
        database.write(seed=seed, batches=250, **options)
        report = verify(database.folder, deep=True)
        assert report.problems == ()
        assert report.last_sequence == database.sequence
        tables = {f"{number:06d}.ldb": size for number, size in live_tables(database.folder).items()}
        assert report.tables == len(tables) > 0
        assert not report.torn_tail
        assert report.log_end == (database.folder / report.logs[-1].file).stat().st_size
        assert report.bytes_checked == sum(tables.values()) + sum(
            (database.folder / tail.file).stat().st_size for tail in (report.manifest, *report.logs) if tail
        )
        # LevelDB misses every table that we say is live, and none of the others.
        for table in tables:
            assert read_all(database.folder, without={table}) is None
        others = {path.name for path in database.folder.glob("*.ldb")} - tables.keys()
        assert read_all(database.folder, without=others) == database.records


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=st.lists(st.tuples(st.integers(0, 2**32), st.integers(0, 200), st.booleans()), min_size=1, max_size=4))
def test_the_reader_agrees_with_leveldb_whatever_was_written(tmp_path: Path, runs: list[tuple[int, int, bool]]) -> None:
    shutil.rmtree(tmp_path / "db", ignore_errors=True)
    database = Database(tmp_path / "db")
    for seed, batches, compact in runs:
        database.write(seed=seed, batches=batches, compact=compact)
    report = verify(database.folder)
    assert report.problems == ()
    assert (report.last_sequence, report.tables) == (database.sequence, len(live_tables(database.folder)))


def test_values_of_every_size_are_read(tmp_path: Path) -> None:
    """A huge value makes one huge block, and a log record of many fragments."""
    database = Database(tmp_path / "db").write(seed=1, batches=10)
    with plyvel.DB(str(database.folder), compression=None) as opened:
        for size in (0, 7, writer.BLOCK - 7, writer.BLOCK, 5 << 20, 13 << 20):
            opened.put(b"huge-%d" % size, os.urandom(size))
        opened.compact_range()
        opened.put(b"in the log", os.urandom(200_000))
    tracemalloc.start()
    try:
        report = verify(database.folder, deep=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.problems == ()
    assert report.last_sequence == database.sequence + 7
    assert peak < 12 << 20
    # Those that are no longer live are removed some time.
    tables = (database.folder / f"{number:06}.ldb" for number in live_tables(database.folder))
    (largest,) = [path for path in tables if path.stat().st_size > 13 << 20]
    flip(largest, 9 << 20)
    assert [problem.kind for problem in verify(database.folder).problems] == [ProblemKind.CHECKSUM]


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def test_a_trusted_table_is_not_read_again_and_a_deep_check_trusts_nobody(tmp_path: Path) -> None:
    folder = Database(tmp_path / "db").write(seed=2, batches=400).folder
    trusted = {f"{number:06d}.ldb" for number in live_tables(folder)}
    whole = verify(folder, deep=True)
    fast = verify(folder, trusted=trusted)
    assert fast.ok
    assert fast.last_sequence == whole.last_sequence
    assert fast.bytes_checked < whole.bytes_checked
    flip(folder / max(trusted), 100)
    assert verify(folder, trusted=trusted).ok
    assert not verify(folder, trusted=trusted - {max(trusted)}).ok
    assert not verify(folder).ok
    assert not verify(folder, deep=True, trusted=trusted).ok


def test_an_old_table_suffix_is_known(tmp_path: Path) -> None:
    folder = Database(tmp_path / "db").write(seed=3, batches=200).folder
    for path in list(folder.glob("*.ldb")):
        path.rename(path.with_suffix(".sst"))
    assert verify(folder).problems == ()


class TestKinds:
    """What is told apart."""

    def test_no_folder(self, tmp_path: Path) -> None:
        report = verify(tmp_path / "db")
        assert report.problems == (Damage(".", None, ProblemKind.ABSENT, "there is no such folder"),)
        assert (report.ok, report.log_end, report.last_sequence, report.manifest) == (False, 0, 0, None)

    @pytest.mark.parametrize("names", [(), ("LOCK", "LOG"), ("LOCK", "LOG", "MANIFEST-000001")])
    def test_no_database_or_one_whose_creation_was_cut_short(self, tmp_path: Path, names: tuple[str, ...]) -> None:
        for name in names:
            (tmp_path / name).touch()
        assert [problem.kind for problem in verify(tmp_path).problems] == [ProblemKind.EMPTY]

    def test_a_file_in_the_place_of_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "db").touch()
        (problem,) = verify(tmp_path / "db").problems
        assert str(problem) == ".: the folder cannot be read: not a directory"

    def test_a_note_that_the_browser_left(self, tmp_path: Path) -> None:
        folder = Database(tmp_path / "db").write(seed=4, batches=9).folder
        (folder / "corruption_info.json").write_bytes(b"")
        assert verify(folder).ok
        (folder / "corruption_info.json").write_bytes(b'{"message": "Internal inconsistency"}')
        assert [problem.kind for problem in verify(folder).problems] == [ProblemKind.CONDEMNED]

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
    @pytest.mark.parametrize("name", ["CURRENT", "MANIFEST", "table", "log"])
    @pytest.mark.parametrize("what", ["a symbolic link", "a FIFO", "a folder"])
    def test_what_is_no_regular_file_is_not_followed_and_not_waited_for(
        self, tmp_path: Path, name: str, what: str
    ) -> None:
        folder = Database(tmp_path / "db").write(seed=5, batches=200).folder
        report = verify(folder)
        assert report.manifest is not None
        path = (
            folder
            / {
                "CURRENT": "CURRENT",
                "MANIFEST": report.manifest.file,
                "table": f"{max(live_tables(folder)):06d}.ldb",
                "log": report.logs[-1].file,
            }[name]
        )
        moved = path.rename(tmp_path / "elsewhere")
        if what == "a symbolic link":
            path.symlink_to(moved)
        elif what == "a FIFO":
            os.mkfifo(path)
        else:
            path.mkdir()
        (problem,) = verify(folder).problems
        assert (problem.file, problem.kind) == (path.name, ProblemKind.UNREADABLE)

    def test_a_file_that_the_system_will_not_let_us_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = Database(tmp_path / "db").write(seed=6, batches=200).folder
        table = f"{max(live_tables(folder)):06d}.ldb"
        really = os.open

        def refuse(path: str, flags: int, *more: Any) -> int:
            if os.fspath(path).endswith(table):
                raise PermissionError(13, "Permission denied", path)
            return really(path, flags, *more)

        monkeypatch.setattr(os, "open", refuse)
        (problem,) = verify(folder).problems
        assert str(problem) == f"{table}: the file cannot be read: permission denied"

    def test_a_gap_in_the_sequence(self, tmp_path: Path) -> None:
        write_database(tmp_path, manifest=[writer.edit(sequence=5)], log=[writer.batch(4, 3), writer.batch(8, 1)])
        report = verify(tmp_path)
        assert report.last_sequence == 6
        assert report.problems == (Damage("000003.log", 19, ProblemKind.GAP, "write 8 follows write 6"),)

    def test_a_table_with_another_size(self, tmp_path: Path) -> None:
        table = writer.table([b"data"])
        write_database(tmp_path, manifest=[writer.edit(tables={5: len(table)})], log=[])
        (tmp_path / "000005.ldb").write_bytes(table + b"more")
        (problem,) = verify(tmp_path).problems
        assert (problem.file, problem.kind) == ("000005.ldb", ProblemKind.WRONG_SIZE)


def write_database(folder: Path, *, manifest: list[bytes], log: list[bytes]) -> None:
    (folder / "CURRENT").write_bytes(b"MANIFEST-000001\n")
    (folder / "MANIFEST-000001").write_bytes(writer.log(manifest))
    (folder / "000003.log").write_bytes(writer.log(log))


class TestManifest:
    """Edits add up as LevelDB adds them."""

    def test_a_table_moves_between_levels(self, tmp_path: Path) -> None:
        table = writer.table([b"data"])
        (tmp_path / "000005.ldb").write_bytes(table)
        move = b"\x06\x00\x05" + b"\x07\x01\x05" + writer.varint(len(table)) + writer.string(b"a") + writer.string(b"b")
        gone = b"\x06\x01\x05"
        write_database(tmp_path, manifest=[writer.edit(tables={5: len(table)}), move], log=[])
        assert (verify(tmp_path).ok, verify(tmp_path).tables) == (True, 1)
        write_database(tmp_path, manifest=[writer.edit(tables={5: len(table)}), move, gone], log=[])
        assert (verify(tmp_path).ok, verify(tmp_path).tables) == (True, 0)

    def test_a_table_deleted_and_added_by_one_edit_is_live(self, tmp_path: Path) -> None:
        write_database(tmp_path, manifest=[writer.edit(tables={5: 99}, more=b"\x06\x00\x05")], log=[])
        assert [problem.file for problem in verify(tmp_path).problems] == ["000005.ldb"]

    def test_a_log_that_the_manifest_names_must_be_there(self, tmp_path: Path) -> None:
        write_database(tmp_path, manifest=[writer.edit(log_number=4)], log=[])
        assert [(problem.file, problem.kind) for problem in verify(tmp_path).problems] == [
            ("000004.log", ProblemKind.MISSING)
        ]
        write_database(tmp_path, manifest=[writer.edit(log_number=0)], log=[])
        assert verify(tmp_path).ok

    def test_old_logs_are_not_read(self, tmp_path: Path) -> None:
        (tmp_path / "000002.log").write_bytes(b"this is no log")
        write_database(tmp_path, manifest=[writer.edit()], log=[])
        assert verify(tmp_path).ok
        write_database(tmp_path, manifest=[writer.edit(more=b"\x09\x02")], log=[])
        assert [problem.file for problem in verify(tmp_path).problems] == ["000002.log"]


class TestTable:
    """A table's parts fill it, one after the other."""

    @staticmethod
    def message(table: bytes) -> str:
        with io.BytesIO(table) as file, pytest.raises(DamageError) as damage:
            check_table(file, len(table), every_block=True)
        return damage.value.message

    @pytest.mark.parametrize("blocks", [[], [b""], [b"one"], [b"one", b"", b"three"]])
    def test_whole(self, blocks: list[bytes]) -> None:
        table = writer.table(blocks)
        assert check_table(io.BytesIO(table), len(table), every_block=True) == len(table)

    def test_a_block_that_the_index_passes_over(self) -> None:
        assert "a block at 8 follows one that ends at 0" in self.message(
            writer.table([b"one", b"two"], handles=[(8, 3)])
        )

    def test_a_block_that_the_index_leaves_out(self) -> None:
        table = writer.table([b"one", b"two"], handles=[(0, 3)])
        assert self.message(table) == "the index block does not name what begins here"

    def test_an_index_that_goes_too_far(self) -> None:
        table = writer.table([b"one"], handles=[(0, 3), (8, 8)])
        assert self.message(table) == "the index block does not name what begins here"

    def test_a_footer_that_leaves_something_out(self) -> None:
        table = writer.table([b"one"])
        assert self.message(table[:-48] + b"more" + table[-48:]) == "the footer does not name the blocks before it"

    def test_a_large_table_is_not_loaded_at_once(self) -> None:
        table = writer.table([bytes(100_000)] * 200)
        tracemalloc.start()
        try:
            assert check_table(io.BytesIO(table), len(table), every_block=True) == len(table)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < len(table) / 2

    def test_a_compression_that_chromium_does_not_know(self) -> None:
        whole = writer.table([b"one"])
        block = b"one\x02" + writer.masked_crc(b"one\x02")  # Zstandard
        assert self.message(block + whole[8:]) == "a block has compression 2"


class TestTail:
    """Where a file ends, and what a writer that died may leave there."""

    @staticmethod
    def read(folder: Path, contents: bytes) -> tuple[list[int], Tail]:
        path = folder / "000003.log"
        path.write_bytes(contents)
        with path.open("rb") as file:
            reader = RecordReader(file, path.name, keep=12)
            return [record.length for record in reader], reader.tail

    @pytest.mark.parametrize(
        ("kinds", "message"),
        [
            ([writer.FIRST, writer.FULL], "a record begins here and has no end"),
            ([writer.FIRST, writer.MIDDLE, writer.FIRST], "a record begins here and has no end"),
            ([writer.MIDDLE], "a fragment of type 3 belongs to no record"),
            ([writer.FULL, writer.LAST], "a fragment of type 4 belongs to no record"),
            ([writer.FIRST, 9], "a fragment of type 9 belongs to no record"),
        ],
    )
    def test_fragments_that_make_no_record(self, tmp_path: Path, kinds: list[int], message: str) -> None:
        with pytest.raises(DamageError, match=message):
            self.read(tmp_path, b"".join(writer.fragment(kind, b"part") for kind in kinds))

    def test_the_empty_beginning_that_early_versions_left_is_passed_over(self, tmp_path: Path) -> None:
        contents = writer.fragment(writer.FIRST, b"") + writer.fragment(writer.FULL, b"record")
        assert self.read(tmp_path, contents) == ([6], Tail("000003.log", len(contents), torn=False))

    @given(lengths=st.lists(st.integers(0, 3 * writer.BLOCK), max_size=6), data=st.data())
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_a_log_may_be_cut_anywhere(self, tmp_path: Path, lengths: list[int], data: st.DataObject) -> None:
        ends = [0]
        whole = b""
        for length in lengths:
            whole += writer.log([b"x" * length], len(whole))
            ends.append(len(whole))
        cut = data.draw(st.integers(0, len(whole)))
        survived = sum(end <= cut for end in ends) - 1
        found, tail = self.read(tmp_path, whole[:cut])
        assert found == lengths[:survived]
        assert tail.end == ends[survived]
        padding = writer.BLOCK - tail.end % writer.BLOCK < 7 and cut % writer.BLOCK == 0
        assert tail.torn == (cut != tail.end and not padding)

    def test_a_record_without_its_last_fragment_is_torn(self, tmp_path: Path) -> None:
        contents = writer.log([b"x" * writer.BLOCK])[: writer.BLOCK]
        assert self.read(tmp_path, contents) == ([], Tail("000003.log", 0, torn=True))

    @pytest.mark.parametrize("zeros", [1, 6, 7, 100, writer.BLOCK, 3 * writer.BLOCK])
    def test_zeros_at_the_end_were_never_written(self, tmp_path: Path, zeros: int) -> None:
        whole = writer.log([b"record"])
        assert self.read(tmp_path, whole + bytes(zeros)) == ([6], Tail("000003.log", len(whole), torn=True))

    @given(lengths=st.lists(st.integers(0, 2 * writer.BLOCK), min_size=1, max_size=5), cut=st.integers(1, 70_000))
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_after_the_trim_the_next_writer_is_understood(self, tmp_path: Path, lengths: list[int], cut: int) -> None:
        """Append to the file as Chromium does: at its end, counting blocks from its size."""
        records = [writer.batch(1 + number, 1, b"x" * length) for number, length in enumerate(lengths)]
        write_database(tmp_path, manifest=[writer.edit()], log=records)
        path = tmp_path / "000003.log"
        os.truncate(path, max(0, path.stat().st_size - cut))
        before = verify(tmp_path)
        assert before.ok
        assert trim_torn_tails(tmp_path, before) == (("000003.log",) if before.torn_tail else ())
        appended = writer.log([writer.batch(before.last_sequence + 1, 2)], path.stat().st_size)
        path.write_bytes(path.read_bytes() + appended)
        after = verify(tmp_path)
        assert after.problems == ()
        assert not after.torn_tail
        assert after.last_sequence == before.last_sequence + 2

    def test_a_torn_manifest_is_trimmed_too(self, tmp_path: Path) -> None:
        write_database(tmp_path, manifest=[writer.edit(sequence=5)], log=[])
        manifest = tmp_path / "MANIFEST-000001"
        sound = manifest.read_bytes()
        manifest.write_bytes(sound + writer.log([writer.edit(sequence=9)])[:-1])
        report = verify(tmp_path)
        assert (report.ok, report.last_sequence) == (True, 5)
        assert report.manifest == Tail("MANIFEST-000001", len(sound), torn=True)
        assert trim_torn_tails(tmp_path, report) == ("MANIFEST-000001",)
        assert manifest.read_bytes() == sound

    def test_only_the_log_that_will_be_written_to_is_trimmed(self, tmp_path: Path) -> None:
        write_database(tmp_path, manifest=[writer.edit()], log=[writer.batch(1, 1)])
        for name in ("000003.log", "000004.log"):
            with (tmp_path / name).open("ab") as file:
                file.write(b"torn")
        assert trim_torn_tails(tmp_path, verify(tmp_path)) == ("000004.log",)
        assert verify(tmp_path).torn_tail

    def test_a_damaged_database_is_not_trimmed(self, tmp_path: Path) -> None:
        write_database(tmp_path, manifest=[writer.edit(tables={5: 99})], log=[writer.batch(1, 1)])
        path = tmp_path / "000003.log"
        path.write_bytes(path.read_bytes() + b"torn")
        report = verify(tmp_path)
        assert (report.ok, report.torn_tail) == (False, True)
        assert trim_torn_tails(tmp_path, report) == ()
        assert path.read_bytes().endswith(b"torn")


def test_checksums_are_masked_as_leveldb_masks_them() -> None:
    assert mask(0) == 0xA282EAD8
    assert mask(0x8A9136AA).to_bytes(4, "little") == writer.masked_crc(bytes(32))  # RFC 3720, B.4: 32 bytes of zeros


class TestSnappy:
    """Vectors by hand from format_description.txt; real blocks come with the databases above."""

    @pytest.mark.parametrize(
        ("compressed", "expected"),
        [
            ("00", b""),
            ("0508 616263 0103", b"abcab"),  # a copy by one byte of offset has at least 4 bytes: too many here
            ("0708 616263 0103", b"abcabca"),  # a copy that overlaps what it makes
            ("06 04 6162 0e 0200", b"ababab"),  # an offset of two bytes
            ("06 04 6162 0f 02000000", b"ababab"),  # an offset of four
            ("40 f03f" + "61" * 64, b"a" * 64),  # a literal whose length follows in one byte
            ("40 f43f00" + "61" * 64, b"a" * 64),  # in two
        ],
    )
    def test_elements(self, compressed: str, expected: bytes) -> None:
        if len(expected) == 5:
            with pytest.raises(DecodeError, match="5 bytes are announced and 7 are there"):
                decompress(bytes.fromhex(compressed))
        else:
            assert decompress(bytes.fromhex(compressed)) == expected

    @pytest.mark.parametrize(
        "compressed",
        [
            "",
            "ff",
            "ffffffff0f00",
            "05 10 6162",
            "02 10 6162",
            "04 01",
            "04 0005",
            "04 01 00",
            "04 02",
            "04 02 01",
            "04 03",
        ],
    )
    def test_what_cannot_be_decompressed(self, compressed: str) -> None:
        with pytest.raises(DecodeError):
            decompress(bytes.fromhex(compressed))
