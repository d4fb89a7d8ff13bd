"""Reading a history disturbs nobody, and takes it as it is: of an older or a later version, damaged, or not one."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from supervisor.timing import history, readonly
from supervisor.timing.history import History
from supervisor.timing.history_reader import Recorded, read
from supervisor.timing.record import HistoryError, Restart, Setup
from tests import ROOT

RESTART = Restart(
    started_at=1000.0,
    run_id="r1",
    reason="change",
    detail="index.js",
    outcome="ready",
    phases_ms={"close": 80, "boot": 300},
    total_ms=380,
    target="ahead",
    clean=True,
    setup=Setup(scanonce="0.1.0", config="c0ffee", node="20.20.2", browser="156.0"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache %41#?" / "history.db"


def begin(path: Path) -> None:
    log = History(path, warn=pytest.fail)
    log.record(RESTART, {"mode": "dev"})
    log.close()


def change(path: Path, *statements: str) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        db.execute(statement)
    db.close()


def test_what_was_recorded_is_read(path: Path) -> None:
    begin(path)
    assert read(path) == Recorded([RESTART], 0, {"c0ffee": {"mode": "dev"}})
    assert read(path, since=1000.0).restarts == [RESTART]
    assert read(path, since=1000.1).restarts == []


def test_where_there_is_none_there_is_nothing_and_none_is_begun(path: Path) -> None:
    assert read(path) == Recorded([], 0, {})
    assert not path.parent.exists()
    path.parent.mkdir()
    path.touch()  # as it is in the moment in which a supervisor begins one
    assert read(path) == Recorded([], 0, {})


def test_a_closed_history_stays_the_one_file_that_it_was(path: Path) -> None:
    begin(path)
    before = path.read_bytes(), path.stat().st_mtime_ns
    read(path)
    assert [file.name for file in path.parent.iterdir()] == ["history.db"]
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_it_is_read_while_a_supervisor_writes_and_keeps_it_from_nothing(path: Path) -> None:
    log = History(path, warn=pytest.fail)
    for number in range(1, 6):
        log.record(RESTART)
        assert len(read(path).restarts) == number
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # a write that takes its time
    assert len(read(path).restarts) == 5
    other.execute("ROLLBACK")
    other.close()
    log.close()
    assert [file.name for file in path.parent.iterdir()] == ["history.db"], "nothing of ours stands in the way of that"


def test_what_a_killed_supervisor_left_in_the_journal_is_read_too(path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from supervisor.timing.history import History;"
        "from tests.unit.timing.test_history_reader import RESTART;"
        "History(Path(sys.argv[1]), warn=print).record(RESTART); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, path], check=True, cwd=ROOT, timeout=30)
    assert path.with_name("history.db-wal").stat().st_size > 0
    assert read(path).restarts == [RESTART]


def test_a_supervisor_that_comes_in_between_is_noticed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(path)
    asked = []

    def connect(address: str, **how: Any) -> sqlite3.Connection:
        asked.append(address.partition("?")[2])
        if len(asked) == 1:
            begin(path)  # opens it, writes, and closes it again
        connection: sqlite3.Connection = sqlite3.connect(address, **how)
        return connection

    monkeypatch.setattr(readonly, "sqlite3", SimpleNamespace(connect=connect, Error=sqlite3.Error))
    assert len(read(path).restarts) == 2
    assert asked == ["mode=ro&immutable=1"] * 2


def test_one_of_the_first_schema_is_read_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    change(path, *history._MIGRATIONS[0], "PRAGMA user_version = 1")
    change(
        path,
        "INSERT INTO restarts VALUES (1, 1000.0, 'r1', 'change', '', 'ready', '{\"boot\": 300}', 300, 'ahead', 1)",
    )
    (found,) = read(path).restarts
    assert (found.phases_ms, found.setup) == ({"boot": 300}, Setup())
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    db.close()


def test_one_of_a_later_version_is_read_as_far_as_it_is_known(path: Path) -> None:
    begin(path)
    change(
        path,
        "ALTER TABLE restarts ADD COLUMN mood TEXT",
        "UPDATE restarts SET phases_ms = '{\"boot\": 300, \"warp\": 80}', reason = 'moon', outcome = 'dreaming'",
        "PRAGMA user_version = 99",
    )
    (found,) = read(path).restarts
    assert (found.reason, found.outcome, dict(found.phases_ms)) == ("moon", "dreaming", {"boot": 300, "warp": 80})


@pytest.mark.parametrize(
    "nonsense",
    [
        "phases_ms = 'x'",
        "phases_ms = '[1]'",
        "phases_ms = '{\"boot\": -1}'",
        "phases_ms = '{\"boot\": null}'",
        "phases_ms = '{}, {}'",
        "phases_ms = x'00ff'",
        "phases_ms = '" + "[" * 100_000 + "'",
        "started_at = 'yesterday'",
        "started_at = 1e300",
        "started_at = -1",
        "total_ms = 'long'",
        "total_ms = -5",
        "reason = x'01'",
    ],
)
def test_a_record_that_makes_no_sense_is_left_out_and_counted(path: Path, nonsense: str) -> None:
    begin(path)
    begin(path)
    change(path, f"UPDATE restarts SET {nonsense} WHERE id = 1")
    assert (read(path).restarts, read(path).unreadable) == ([RESTART], 1)


def test_text_that_is_not_utf8_is_spelled_out(path: Path) -> None:
    begin(path)
    change(path, "UPDATE restarts SET detail = CAST(x'61ff' AS TEXT)")
    assert read(path).restarts[0].detail == r"a\xff"


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_damaged_one_is_told_and_left_as_it_is(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(
        HistoryError, match=r"is damaged \(.*\)\. It was left as it is; the next start of scanonce moves"
    ):
        read(path)
    assert [(file.name, file.read_bytes()) for file in path.parent.iterdir()] == [("history.db", content)]


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("CREATE TABLE cats (name)", "it has no table restarts"),
        ("CREATE TABLE restarts (id, name)", "its table restarts has no column started_at"),
    ],
)
def test_a_foreign_one_is_told_and_left_as_it_is(path: Path, statement: str, what: str) -> None:
    path.parent.mkdir()
    change(path, statement)
    with pytest.raises(HistoryError, match=f"is not a history of scanonce: {what}. It was left as it is."):
        read(path)


def test_a_folder_in_its_place_is_an_error_of_the_system(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        read(path)


def test_a_hundred_thousand_restarts_are_read_whole(path: Path) -> None:
    begin(path)
    change(
        path,
        "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) INSERT INTO restarts "
        "SELECT i, 1000.0 + i, run_id, reason, detail, outcome, phases_ms, total_ms, target, clean, "
        "scanonce_version, config, node_version, browser_version, kind, why FROM restarts, n WHERE id = 1",
    )
    found = read(path)
    assert (len(found.restarts), found.restarts[-1].started_at) == (100_000, 101_000.0)
