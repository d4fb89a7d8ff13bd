"""The history keeps what happened, and never stands in the way of anything."""

import dataclasses
import json
import os
import sqlite3
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from supervisor.timing import history
from supervisor.timing.history import History
from supervisor.timing.history_reader import read
from supervisor.timing.readonly import read_beside
from supervisor.timing.record import Restart, Setup

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
)


class Warnings(list[str]):
    """What the history had to say."""

    def __call__(self, problem: str) -> None:
        self.append(problem)


class Clock:
    """A clock that is moved by hand."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def begin(path: Path) -> None:
    """A history with one restart in it, closed."""
    log = History(path, warn=pytest.fail)
    log.record(RESTART)
    log.close()


def restart(**changes: Any) -> Restart:
    return dataclasses.replace(RESTART, **changes)


def restarts(path: Path) -> list[Restart]:
    """The recorded restarts, the newest first."""
    return [*reversed(read(path).restarts)]


def events(path: Path) -> list[tuple[float, str, Any]]:
    """The time, name and fields of the recorded events, the newest first."""
    query = "SELECT at, name, fields FROM events ORDER BY id DESC"
    rows = read_beside(path, lambda db: db.execute(query).fetchall(), timeout=1.0)
    return [(at, name, json.loads(fields)) for at, name, fields in rows]


def names(path: Path) -> list[str]:
    return [name for _, name, _ in events(path)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "history.db"


@pytest.fixture
def said() -> Warnings:
    return Warnings()


def test_restarts_come_back_as_they_were_newest_first(path: Path, said: Warnings) -> None:
    first, second = restart(), restart(outcome="needs_link", target=None, clean=False, detail="")
    log = History(path, warn=said)
    log.record(first)
    log.record(second)
    log.close()
    assert restarts(path) == [second, first]
    assert not said


def test_events_come_back_as_they_were(path: Path, said: Warnings) -> None:
    log = History(path, warn=said, now=Clock(5.0))
    log.event("bot.started", {"pid": 7})
    log.event("bot.ready", {"path": Path("x"), "phases_ms": {"boot": 1}})
    ready = {"path": "x", "phases_ms": {"boot": 1}}
    assert events(path) == [(5.0, "bot.ready", ready), (5.0, "bot.started", {"pid": 7})]
    log.close()


def test_names_that_are_not_utf8_are_kept_readable(path: Path, said: Warnings) -> None:
    log = History(path, warn=said)
    log.record(restart(detail="a\udcff.js"))
    log.event("watch.change", {"paths": ["a\udcff.js"]})
    assert restarts(path)[0].detail == "a\\udcff.js"
    assert not said
    log.close()


def test_nothing_is_created_before_something_is_recorded(path: Path) -> None:
    History(path, warn=pytest.fail).close()
    assert not path.parent.exists()


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
@pytest.mark.parametrize("existed", [False, True])
def test_the_history_is_private_whatever_the_umask(path: Path, existed: bool) -> None:
    if existed:
        begin(path)
        path.chmod(0o644)
    before = os.umask(0)
    try:
        log = History(path, warn=pytest.fail)
        log.record(RESTART)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        log.close()
    finally:
        os.umask(before)
    assert modes == {"history.db": 0o600, "history.db-wal": 0o600, "history.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_closing_leaves_one_file(path: Path) -> None:
    log = History(path, warn=pytest.fail)
    log.record(RESTART)
    log.close()
    log.close()
    assert [file.name for file in path.parent.iterdir()] == ["history.db"]


def test_what_is_too_old_is_removed_once_a_day(path: Path) -> None:
    clock = Clock(1000.0)
    log = History(path, keep=50.0, warn=pytest.fail, now=clock)
    log.record(restart(started_at=100.0, run_id="old"))
    log.record(restart(started_at=990.0, run_id="young"))
    log.event("bot.ready", {})
    assert [r.run_id for r in restarts(path)] == ["young"]
    clock.now += 86399
    log.event("bot.started", {})
    assert names(path) == ["bot.started", "bot.ready"]
    clock.now += 1
    log.event("bot.exited", {})
    assert names(path) == ["bot.exited", "bot.started"]
    assert restarts(path) == []
    log.close()


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_damaged_database_is_moved_aside_and_a_new_one_begun(path: Path, said: Warnings, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    log = History(path, warn=said, now=Clock(7.0))
    log.record(RESTART)
    assert restarts(path) == [RESTART]
    assert path.with_name("history.db.damaged-7000").read_bytes() == content
    (sentence,) = said
    assert str(path) in sentence
    assert "moved to history.db.damaged-7000" in sentence
    log.close()


def test_a_journal_that_another_program_holds_open_does_not_end_up_in_the_new_database(
    path: Path, said: Warnings
) -> None:
    begin(path)
    reader = sqlite3.connect(path)
    reader.execute("SELECT count(*) FROM restarts").fetchone()
    path.write_bytes(b"not a database" * 1000)
    log = History(path, warn=said, now=Clock(7.0))
    log.record(RESTART)
    assert restarts(path) == [RESTART]
    assert path.with_name("history.db.damaged-7000-wal").exists()
    reader.close()
    log.close()
    assert len(said) == 1


def test_damage_within_the_database_is_moved_aside_too(path: Path, said: Warnings) -> None:
    log = History(path, warn=said)
    log.record(RESTART)
    log.close()
    pages = bytearray(path.read_bytes())
    pages[4096:] = b"\xff" * (len(pages) - 4096)
    path.write_bytes(pages)
    log.record(RESTART)
    assert len(said) == 1
    assert restarts(path) == [RESTART]
    log.close()


@pytest.mark.parametrize("obstacle", ["a folder in its place", "a file in place of its folder"])
def test_a_place_that_cannot_be_written_is_one_warning(path: Path, said: Warnings, obstacle: str) -> None:
    if obstacle == "a folder in its place":
        path.mkdir(parents=True)
    else:
        path.parent.touch()
    log = History(path, warn=said)
    for _ in range(3):
        log.record(RESTART)
        log.event("bot.ready", {})
    (sentence,) = said
    assert sentence.startswith(f"restarts are not being recorded: {path}: ")
    log.close()


@pytest.mark.skipif(os.name == "nt", reason="file-size limits are POSIX")
def test_a_full_disk_is_one_warning_and_nothing_is_lost_of_what_was_there(path: Path, said: Warnings) -> None:
    import resource

    log = History(path, warn=said)
    log.record(RESTART)
    log.close()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        for _ in range(200):
            log.event("bot.ready", {"text": "x" * 1000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(said) == 1
    log = History(path, warn=said)
    assert restarts(path) == [RESTART]
    assert len(said) == 1
    log.close()


def test_it_is_tried_again_later_and_what_has_waited_is_not_lost(
    path: Path, said: Warnings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.mkdir(parents=True)
    log = History(path, warn=said)
    log.record(restart(run_id="1"))
    path.rmdir()
    log.record(restart(run_id="2"))
    assert not path.exists(), "tried again at once"
    monkeypatch.setattr(history, "_RETRY_AFTER_S", 0.0)
    path.mkdir()
    log = History(path, warn=said)
    log.record(restart(run_id="1"))
    path.rmdir()
    log.record(restart(run_id="2"))
    assert [r.run_id for r in restarts(path)] == ["2", "1"]
    assert len(said) == 2, "one for each history"
    log.close()


def test_the_end_is_one_more_try(path: Path, said: Warnings) -> None:
    path.mkdir(parents=True)
    log = History(path, warn=said)
    log.record(RESTART)
    path.rmdir()
    log.close()
    assert restarts(path) == [RESTART]


def test_only_so_much_waits(path: Path, said: Warnings, monkeypatch: pytest.MonkeyPatch) -> None:
    path.mkdir(parents=True)
    log = History(path, warn=said)
    for number in range(history._HELD + 3):
        log.event("bot.ready", {"number": number})
    path.rmdir()
    log.close()
    numbers = [fields["number"] for _, _, fields in events(path)]
    assert (numbers[-1], numbers[0]) == (3, history._HELD + 2)


def test_a_record_that_no_database_takes_does_not_hold_up_the_others(path: Path, said: Warnings) -> None:
    log = History(path, warn=said)
    log.record(RESTART)
    log._write("INSERT INTO events (at, name, fields) VALUES (?, ?, ?)", (None, "a", "{}"))  # at may not be null
    log.event("bot.ready", {})
    log.close()
    assert names(path) == ["bot.ready"]
    assert len(said) == 1
    log.close()


def test_a_database_in_use_by_another_writer_is_not_waited_for(path: Path, said: Warnings) -> None:
    begin(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    log = History(path, warn=said)
    log.record(RESTART)
    assert ["locked" in sentence for sentence in said] == [True]
    other.execute("ROLLBACK")
    other.close()
    log.close()


def test_a_reader_sees_what_a_running_supervisor_records(path: Path) -> None:
    log = History(path, warn=pytest.fail)
    log.record(RESTART)
    assert restarts(path) == [RESTART]
    log.record(RESTART)
    assert len(restarts(path)) == 2
    log.close()


def test_an_older_schema_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(path)
    with monkeypatch.context() as later:
        added = ("ALTER TABLE restarts ADD COLUMN mood TEXT",)
        later.setattr(history, "_MIGRATIONS", (*history._MIGRATIONS, added))
        log = History(path, warn=pytest.fail)
        log.event("bot.ready", {})
        assert restarts(path) == [RESTART]
        log.close()
    db = sqlite3.connect(path)
    assert db.execute("SELECT mood FROM restarts").fetchall() == [(None,)]
    assert db.execute("PRAGMA user_version").fetchone() == (len(history._MIGRATIONS) + 1,)
    db.close()


def test_a_history_of_the_first_schema_goes_on_with_what_each_restart_ran_with(path: Path, said: Warnings) -> None:
    path.parent.mkdir()
    db = sqlite3.connect(path)
    for statement in history._MIGRATIONS[0]:
        db.execute(statement)
    old = (1000.0, "r1", "change", "index.js", "ready", '{"close": 80, "boot": 300}', 380, "ahead", 1)
    db.execute(
        "INSERT INTO restarts (started_at, run_id, reason, detail, outcome, phases_ms, total_ms, target, clean) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        old,
    )
    db.execute("PRAGMA user_version = 1")
    db.commit()
    db.close()
    log = History(path, warn=said)
    assert restarts(path) == [RESTART]
    new = restart(setup=Setup(scanonce="0.1.0", config="c0ffee", node="20.20.2", browser="156.0"))
    log.record(new, {"mode": "dev"})
    assert restarts(path) == [new, RESTART]
    log.close()
    assert not said


def described(path: Path) -> dict[str, str]:
    db = sqlite3.connect(path)
    found = dict(db.execute("SELECT fingerprint, settings FROM configurations"))
    db.close()
    return found


def test_what_a_fingerprint_stands_for_is_kept_as_long_as_a_restart_refers_to_it(path: Path) -> None:
    clock = Clock(1000.0)
    log = History(path, keep=50.0, warn=pytest.fail, now=clock)
    for config, started_at in (("old", 990.0), ("new", 1000.0 + 86400)):
        log.record(restart(setup=Setup(config=config), started_at=started_at), {"mode": config})
    log.record(restart(setup=Setup(config="bare")))
    assert described(path) == {"old": '{"mode": "old"}', "new": '{"mode": "new"}'}
    clock.now += 86400
    log.event("bot.ready", {})
    assert described(path) == {"new": '{"mode": "new"}'}
    log.close()


def test_a_new_database_in_place_of_a_damaged_one_gets_the_configuration_again(path: Path, said: Warnings) -> None:
    log = History(path, warn=said)
    log.record(restart(setup=Setup(config="c")), {"mode": "dev"})
    log.close()
    path.write_bytes(b"not a database" * 1000)
    for _ in range(2):
        log.record(restart(setup=Setup(config="c")), {"mode": "dev"})
    assert described(path) == {"c": '{"mode": "dev"}'}
    log.close()


def test_a_migration_that_fails_changes_nothing(path: Path, said: Warnings, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(path)
    with monkeypatch.context() as later:
        broken = ("ALTER TABLE restarts ADD COLUMN mood TEXT", "INSERT INTO no_such_table VALUES (1)")
        later.setattr(history, "_MIGRATIONS", (*history._MIGRATIONS, broken))
        log = History(path, warn=said)
        log.record(RESTART)
        assert len(said) == 1
    log.close()
    assert restarts(path) == [RESTART, RESTART], "recorded once the migration is the old one again"
    assert len(said) == 1


def test_a_database_of_a_later_version_is_left_alone(path: Path, said: Warnings) -> None:
    begin(path)
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    log = History(path, warn=said)
    log.record(RESTART)
    (sentence,) = said
    assert "written by a later version of scanonce (schema 99)" in sentence
    db = sqlite3.connect(path)
    assert db.execute("SELECT count(*) FROM restarts").fetchone() == (1,)
    db.close()


def test_it_belongs_to_one_thread(path: Path, said: Warnings) -> None:
    log = History(path, warn=said)
    log.record(RESTART)
    raised: list[BaseException] = []

    def use() -> None:
        try:
            log.record(RESTART)
        except sqlite3.ProgrammingError as error:
            raised.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert len(raised) == 1
    assert not said
    log.close()


def test_a_warning_may_itself_be_recorded(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database" * 100)
    log = History(path, warn=lambda problem: log.event("history.problem", {"problem": problem}))
    log.record(RESTART)
    assert restarts(path) == [RESTART]
    assert names(path) == ["history.problem"]
    log.close()
