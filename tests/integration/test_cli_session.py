"""`scanonce session`: what it prints, for people and for programs, what it refuses, and its exit statuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from supervisor.admin import inspection
from supervisor.admin.inspection import inspect
from supervisor.admin.occupants import occupant
from supervisor.cli import console
from supervisor.session.locks import project_lock
from supervisor.session.profiles import databases
from supervisor.session.profiles.check_report import CheckContext, CheckOutcome
from supervisor.session.profiles.scan import ProfileTree, scan
from supervisor.session.state_file import Recovery
from supervisor.session.store import SessionStore
from supervisor.system import clock
from tests.helpers import build
from tests.helpers.shell import (
    PATIENCE,
    SCANONCE,
    browser_on,
    invoke,
    make_session,
    run,
    run_on_terminal,
    take,
)

HOSTILE = "evil\x1b[31m\n\x9b2J"
ESCAPED = r"evil\x1b[31m\n\x9b2J"
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def controls(text: str) -> str:
    """What of a text a terminal would obey."""
    return "".join(c for c in text if not c.isprintable() and c != "\n")


class TestWhichSession:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for session_id in ("97150", "97151", "97150-1"):
            (tmp_path / "sessions" / f"session-{session_id}" / "Default").mkdir(parents=True)
        return tmp_path

    def test_the_only_one_needs_no_name(self, tmp_path: Path) -> None:
        make_session(tmp_path)
        assert invoke(tmp_path, "session", "info", "--json").json["id"] == "97150"

    @pytest.mark.parametrize(("part", "meant"), [("97150", "97150"), ("151", "97151"), ("0-1", "97150-1")])
    def test_a_whole_id_or_a_part_that_only_one_has(self, folder: Path, part: str, meant: str) -> None:
        assert invoke(folder, "session", "info", part, "--json").json["id"] == meant

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            ((), "There are 3 sessions; say which one: 97150, 97150-1, 97151."),
            (("9715",), "'9715' fits more than one session: 97150, 97150-1, 97151. Say more of it."),
            (("nobody",), "There is no session 'nobody'. There are: 97150, 97150-1, 97151."),
            (("",), "There is no session ''. There are: 97150, 97150-1, 97151."),
            (("../../etc",), "There is no session '../../etc'. There are: 97150, 97150-1, 97151."),
        ],
    )
    def test_any_other_lists_what_there_is(self, folder: Path, words: tuple[str, ...], sentence: str) -> None:
        for command in (("session", "info"), ("session", "check"), ("session", "clear", "--yes"), ("snapshot", "take")):
            ended = invoke(folder, *command, *words)
            assert (ended.status, ended.out, ended.err) == (2, "", f"scanonce: {sentence}\n")

    def test_where_there_is_none_it_says_what_to_do(self, tmp_path: Path) -> None:
        ended = invoke(tmp_path, "session", "check")
        assert ended.status == 2
        assert "Start the bot once, or name its folder: --project." in ended.err
        listing = invoke(tmp_path, "session", "list")
        assert (listing.status, listing.out) == (0, f"There is no session in {tmp_path} yet.\n")
        assert invoke(tmp_path, "session", "list", "--json").json == {"version": 1, "sessions": []}

    def test_a_configured_profile_counts_before_a_bot_has_ever_run(self, tmp_path: Path) -> None:
        build.profile(tmp_path / "data/wa")
        (tmp_path / "scanonce.toml").write_text('[session]\nprofiles = ["data/wa"]\n')
        make_session(tmp_path)
        found = invoke(tmp_path, "session", "list", "--json").json["sessions"]
        assert [(one["id"], one["profile"], one["exists"]) for one in found] == [
            ("97150", str(tmp_path / "sessions/session-97150"), True),
            ("wa", str(tmp_path / "data/wa"), True),
        ]
        assert invoke(tmp_path, "session", "check", "wa").status == 0


class TestList:
    def test_columns_are_aligned_and_nothing_of_a_name_reaches_the_terminal(self, tmp_path: Path) -> None:
        take(tmp_path, make_session(tmp_path))
        make_session(tmp_path, HOSTILE, linked=None)
        ended = run(tmp_path, "session", "list")
        assert ended.status == 0
        assert controls(ended.out) == ""
        heading, *rows = ended.out.splitlines()
        assert [row.split()[0] for row in rows] == ["97150", ESCAPED]
        assert [row[heading.index("LINKED") :].split("  ")[0] for row in rows] == ["yes", "not known"]
        assert [row[heading.index("SNAPSHOTS") :].split()[0] for row in rows] == ["1", "0"]

    def test_the_json_has_these_fields(self, tmp_path: Path) -> None:
        profile = make_session(tmp_path)
        SessionStore(tmp_path).state.update(profile.id, last_state="ready", last_seen=datetime.now(UTC))
        snapshot = take(tmp_path, profile)
        document = invoke(tmp_path, "session", "list", "--json").json
        [found] = document.pop("sessions")
        assert document == {"version": 1}
        assert ISO.fullmatch(found.pop("last_seen"))
        assert ISO.fullmatch(found.pop("last_snapshot_at"))
        assert found == {
            "id": "97150",
            "kind": "browser profile",
            "profile": str(profile.path),
            "exists": True,
            "linked": True,
            "last_state": "ready",
            "bytes": scan(profile.path).size,
            "snapshots": 1,
            "last_snapshot": snapshot.name,
            "in_use": None,
        }

    def test_names_that_are_not_utf8_are_told_all_the_same(self, tmp_path: Path) -> None:
        os.makedirs(os.fsencode(tmp_path / "sessions") + b"/session-\xff\xfe/Default")  # noqa: PTH103 - bytes
        assert invoke(tmp_path, "session", "list", "--json").json["sessions"][0]["id"] == r"\udcff\udcfe"
        assert r"\udcff\udcfe" in run(tmp_path, "session", "list").out

    def test_an_encoding_that_lacks_a_letter_is_no_failure(self, tmp_path: Path) -> None:
        (tmp_path / "sessions/session-日本/Default").mkdir(parents=True)
        ended = run(tmp_path, "session", "list", env={"PYTHONIOENCODING": "latin-1"})
        assert (ended.status, r"\u65e5\u672c" in ended.out) == (0, True)

    def test_a_reader_that_has_gone_ends_it_quietly(self, tmp_path: Path) -> None:
        make_session(tmp_path)
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as gone:
            done = subprocess.run(
                [SCANONCE, "session", "list"],
                cwd=tmp_path,
                stdout=gone,
                stderr=subprocess.PIPE,
                timeout=PATIENCE,
                check=False,
            )
        assert (done.returncode, done.stderr) == (141, b"")


class TestInfo:
    def test_the_json_has_all_there_is_to_know(self, tmp_path: Path) -> None:
        profile = make_session(tmp_path)
        older = take(tmp_path, profile)
        (profile.path / "Default/Preferences").write_text("{}")
        newer = take(tmp_path, profile, live=True)
        store = SessionStore(tmp_path)
        replaced = store.restore(profile, newer).quarantine
        until = datetime.now(UTC) + timedelta(minutes=12)
        recovery = Recovery(3, (newer.name,), datetime.now(UTC), until)
        store.state.update(profile.id, auth_method="qr", last_state="ready", recovery=recovery)
        found = invoke(tmp_path, "session", "info", "--json").json
        assert found["version"] == 1
        assert (found["id"], found["exists"], found["can_restore"], found["linked"]) == ("97150", True, True, True)
        assert (found["auth_method"], found["last_state"], found["in_use"]) == ("qr", "ready", None)
        assert found["bytes"] == scan(profile.path).size
        assert all(ISO.fullmatch(found[field]) for field in ("created_at", "linked_at"))
        assert [(one["name"], one["live"]) for one in found["snapshots"]] == [(newer.name, True), (older.name, False)]
        assert found["last_snapshot"] == newer.name
        assert ISO.fullmatch(found["recovery"].pop("last_attempt"))
        assert ISO.fullmatch(found["recovery"].pop("cooldown_until"))
        assert found["recovery"] == {"attempts": 3, "tried": [newer.name], "cooling_down": True}
        assert [one["path"] for one in found["quarantine"]] == [str(replaced)]
        assert ISO.fullmatch(found["quarantine"][0]["since"])

    def test_people_read_the_same(self, tmp_path: Path) -> None:
        profile = make_session(tmp_path)
        snapshot = take(tmp_path, profile)
        store = SessionStore(tmp_path)
        now = datetime.now(UTC)
        store.state.update(profile.id, recovery=Recovery(2, ("a", "b"), now - timedelta(minutes=5), None))
        store.restore(profile, snapshot)
        said = invoke(tmp_path, "session", "info").out
        assert "2 of 3 attempts, the last 5 min ago\n" in said
        assert re.search(rf"last snapshot  {snapshot.name}, \d+ s ago\n", said)
        assert "can restore    yes" in said
        assert re.search(r"IN QUARANTINE .*\nquarantine-97150-\d+  20", said)
        store.state.update(
            profile.id, recovery=Recovery(3, ("a", "b", "c"), now, now + timedelta(minutes=12, seconds=5))
        )
        said = invoke(tmp_path, "session", "info").out
        assert re.search(r"3 of 3 attempts, the last \d+ s ago; the next one in 1[12] min\n", said)

    def test_after_a_clear_it_says_what_can_still_be_done(self, tmp_path: Path) -> None:
        profile = make_session(tmp_path)
        store = SessionStore(tmp_path)
        store.state.update(profile.id, last_state="ready")
        take(tmp_path, profile)
        assert invoke(tmp_path, "session", "clear", "--yes").status == 0
        said = invoke(tmp_path, "session", "info").out
        assert "can restore    not by itself, the next start asks for a new link; scanonce snapshot restore" in said
        assert "uses one of 1 sound snapshot" in said
        assert "linked         no, its profile was moved to quarantine" in said
        assert "last state" not in said
        assert "linked since" not in said
        info = invoke(tmp_path, "session", "info", "--json").json
        assert (info["linked"], info["can_restore"], info["last_state"]) == (False, False, None)
        assert invoke(tmp_path, "snapshot", "restore", "--yes").status == 0
        said = invoke(tmp_path, "session", "info").out
        assert "can restore    yes\n" in said
        assert "linked         yes\n" in said

    @pytest.mark.parametrize(
        ("last_state", "linked", "restores"),
        [
            ("logged_out", "no, the phone has ended the link", "no, the next start asks for a new link"),
            ("needs_link", "no", "not by itself, the next start asks for a new link; scanonce snapshot restore"),
        ],
    )
    def test_a_session_that_is_not_linked_says_why(
        self, tmp_path: Path, last_state: str, linked: str, restores: str
    ) -> None:
        profile = make_session(tmp_path)
        take(tmp_path, profile)
        store = SessionStore(tmp_path)
        store.state.update(profile.id, is_linked=False, last_state=last_state)
        for _ in range(2):
            said = invoke(tmp_path, "session", "info").out
            assert f"linked         {linked}\n" in said
            assert f"can restore    {restores}" in said
            if last_state == "needs_link":
                break
            assert invoke(tmp_path, "session", "clear", "--yes").status == 0  # that does not undo it

    def test_a_session_without_snapshots_cannot_be_restored(self, tmp_path: Path) -> None:
        make_session(tmp_path)
        assert invoke(tmp_path, "session", "clear", "--yes").status == 0
        assert "can restore    no\n" in invoke(tmp_path, "session", "info").out

    @pytest.mark.parametrize(
        ("linked", "damaged", "saved", "can"),
        [
            (True, False, False, True),
            (True, True, False, False),
            (True, True, True, True),
            (False, False, True, False),
            (None, False, False, True),
        ],
    )
    def test_can_restore(self, tmp_path: Path, linked: bool | None, damaged: bool, saved: bool, can: bool) -> None:
        profile = make_session(tmp_path, linked=linked)
        if saved:
            take(tmp_path, profile)
        if damaged:
            (profile.path / build.INDEXED_DB / "CURRENT").write_bytes(b"")
        assert invoke(tmp_path, "session", "info", "--json").json["can_restore"] is can
        with browser_on(profile.path, tmp_path):
            assert invoke(tmp_path, "session", "info", "--json").json["can_restore"] is can


class TestCheck:
    def test_a_sound_profile(self, tmp_path: Path) -> None:
        profile = make_session(tmp_path)
        before = build.contents(tmp_path)
        ended = invoke(tmp_path, "session", "check", "--json")
        assert ended.status == 0
        document = ended.json
        checks = {check.pop("name"): check for check in document.pop("checks")}
        assert document == {
            "version": 1,
            "session": "97150",
            "profile": str(profile.path),
            "may_start": True,
            "damaged": False,
            "in_use": None,
            "deep": False,
            "unchanged": False,
        }
        assert {"profile", "holder", "indexed-db", "local-storage", "linked", "time", "browser-version", "disk"} <= set(
            checks
        )
        assert checks["indexed-db"] == {"outcome": "ok", "seen": "IndexedDB is sound.", "remedy": ""}
        assert build.contents(tmp_path) == before

    def test_a_damaged_one(self, tmp_path: Path) -> None:
        profile = make_session(tmp_path)
        (profile.path / build.INDEXED_DB / "000004.ldb").unlink()
        ended = run(tmp_path, "session", "check")
        assert ended.status == 1
        assert re.search(
            r"^indexed-db +damaged +IndexedDB is damaged: .*000004\.ldb.* snapshot restore", ended.out, re.MULTILINE
        )
        assert ended.out.endswith("No bot should start on session 97150 as it is.\n")
        document = invoke(tmp_path, "session", "check", "--json")
        assert (document.status, document.json["may_start"], document.json["damaged"]) == (1, False, True)

    def test_deep_reads_what_a_walk_would_pass_over(self, tmp_path: Path) -> None:
        profile = make_session(tmp_path)
        store = SessionStore(tmp_path)
        store.check(profile, context=CheckContext(free=True))
        assert invoke(tmp_path, "session", "check", "--json").json["unchanged"] is True
        deep = invoke(tmp_path, "session", "check", "--deep", "--json").json
        assert (deep["deep"], deep["unchanged"]) == (True, False)

    def test_one_in_use_is_judged_as_far_as_it_can_be(self, tmp_path: Path) -> None:
        profile = make_session(tmp_path)
        with browser_on(profile.path, tmp_path) as browser:
            told = invoke(tmp_path, "session", "info").out
            assert re.search(
                rf"in use +by a browser \(process {browser.pid}, started by process {os.getpid()}\)\n", told
            )
            ended = invoke(tmp_path, "session", "check")
            assert ended.status == 1
            assert f"in use by a browser (process {browser.pid}, started by process {os.getpid()})" in ended.out
            assert ended.out.endswith("is in use; as far as can be seen meanwhile, it is sound.\n")
            document = invoke(tmp_path, "session", "check", "--deep", "--json").json
            holder = {"browser_pid": browser.pid, "bot_pid": os.getpid(), "supervisor_pid": None}
            assert (document["may_start"], document["damaged"], document["in_use"]) == (False, False, holder)
            assert [(check["name"], check["outcome"]) for check in document["checks"]] == [
                ("profile", "ok"),
                ("holder", "blocked"),
                ("indexed-db", "ok"),
                ("local-storage", "ok"),
            ]
            build.flip(profile.path / build.LOCAL_STORAGE / "000004.ldb", 10)
            damaged = invoke(tmp_path, "session", "check", "--deep")
            assert damaged.status == 1
            assert re.search(
                r"^local-storage +damaged +Local Storage is damaged: .* Stop the bot", damaged.out, re.MULTILINE
            )
            assert "No bot should start" in damaged.out

    def test_a_supervisor_is_named(self, tmp_path: Path) -> None:
        profile = make_session(tmp_path)
        with project_lock(tmp_path / ".session-cache"), browser_on(profile.path, tmp_path):
            said = invoke(tmp_path, "session", "check").out
        assert f"in use by the bot that scanonce runs (process {os.getpid()}). Stop it first: scanonce stop" in said

    def test_a_database_that_is_rewritten_at_each_look_is_not_called_damaged(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        profile = make_session(tmp_path)
        verify = databases.verify
        (profile.path / build.INDEXED_DB / "000004.ldb").unlink()
        left = [profile.path / build.INDEXED_DB / f"{number:06d}.ldb" for number in range(100, 110)]
        for table in left:
            table.touch()

        def verify_late(*args: Any, **kwargs: Any) -> list[databases.DatabaseVerdict]:
            left.pop().unlink()  # as a compaction does after the reader has seen the name
            return verify(*args, **kwargs)

        monkeypatch.setattr(databases, "verify", verify_late)
        with browser_on(profile.path, tmp_path):
            store = SessionStore(tmp_path)
            checks = {c.name: c for c in inspect(store, profile, holder=occupant(profile, store)).report.checks}
        assert checks["indexed-db"].outcome is CheckOutcome.WARNING
        assert checks["indexed-db"].remedy == "Check again in a moment."
        assert checks["local-storage"].outcome is CheckOutcome.OK

    def test_sqlite_in_use_is_not_judged(self, tmp_path: Path) -> None:
        profile = make_session(tmp_path)
        build.remove(profile.path / build.INDEXED_DB)
        (profile.path / "Default/IndexedDB/https_x_0").mkdir()
        (profile.path / "Default/IndexedDB/https_x_0/1").write_bytes(b"SQLite format 3\0, and then half a page")
        with browser_on(profile.path, tmp_path):
            said = invoke(tmp_path, "session", "check").out
        assert re.search(r"^indexed-db +ok +IndexedDB is there; as SQLite it can be checked only", said, re.MULTILINE)

    def test_a_file_that_goes_during_the_walk_is_no_failure(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        profile = make_session(tmp_path)
        looks = 0

        def scan_late(root: Path) -> ProfileTree:
            nonlocal looks
            looks += 1
            if looks == 1:
                raise FileNotFoundError(2, "No such file or directory", str(root / "gone"))
            return scan(root)

        monkeypatch.setattr(inspection, "scan", scan_late)
        assert inspection.walk(profile) == scan(profile.path)
        assert looks == 2


class TestClear:
    def test_it_moves_the_profile_and_says_where(self, tmp_path: Path) -> None:
        profile = make_session(tmp_path)
        was = build.contents(profile.path)
        ended = run(tmp_path, "session", "clear", "--yes", "--json")
        assert ended.status == 0
        moved = Path(ended.json["moved_to"])
        assert ended.json == {"version": 1, "session": "97150", "moved_to": str(moved)}
        assert moved.parent == tmp_path / ".session-cache"
        assert build.contents(moved) == was
        assert not profile.path.exists()
        assert SessionStore(tmp_path).state.get("97150").is_linked is False
        again = invoke(tmp_path, "session", "clear", "--yes")
        assert (again.status, again.out) == (0, "Session 97150 had no profile; it counts as not linked now.\n")

    def test_without_a_terminal_it_demands_a_yes(self, tmp_path: Path) -> None:
        profile = make_session(tmp_path)
        ended = run(tmp_path, "session", "clear")
        assert (ended.status, ended.out) == (2, "")
        assert "Add --yes." in ended.err
        assert profile.path.exists()

    def test_on_a_terminal_it_asks(self, tmp_path: Path) -> None:
        profile = make_session(tmp_path)
        declined = run_on_terminal(tmp_path, "session", "clear", answer="n\n")
        assert declined.status == 1
        assert f"Move {profile.path} to quarantine" in declined.out.replace("\r\n", "")
        assert profile.path.exists()
        accepted = run_on_terminal(tmp_path, "session", "clear", answer="y\n")
        assert accepted.status == 0
        assert "scanonce snapshot restore" in accepted.out
        assert not profile.path.exists()

    def test_it_is_refused_while_a_browser_has_the_profile(self, tmp_path: Path) -> None:
        profile = make_session(tmp_path)
        with browser_on(profile.path, tmp_path) as browser:
            ended = invoke(tmp_path, "session", "clear", "--yes")
        assert (ended.status, ended.out) == (5, "")
        assert f"(process {browser.pid}, started by process {os.getpid()}). Stop that bot first." in ended.err
        assert profile.path.exists()

    def test_it_is_refused_while_a_lock_names_a_living_process(self, tmp_path: Path) -> None:
        profile = make_session(tmp_path)
        (profile.path / "SingletonLock").symlink_to(f"{os.uname().nodename}-{os.getpid()}")
        ended = invoke(tmp_path, "session", "clear", "--yes")
        assert ended.status == 5
        assert f"in use by process {os.getpid()}" in ended.err
        assert profile.path.exists()

    def test_it_is_refused_while_a_supervisor_runs(self, tmp_path: Path) -> None:
        profile = make_session(tmp_path)
        with project_lock(tmp_path / ".session-cache"):
            ended = invoke(tmp_path, "session", "clear", "--yes")
            # One that has just taken the lock has not written its note yet.
            (tmp_path / ".session-cache/supervisor.json").unlink()
            nameless = invoke(tmp_path, "session", "clear", "--yes")
        assert (ended.status, nameless.status) == (5, 5)
        assert f"scanonce runs in {tmp_path} (process {os.getpid()}). Stop it first: scanonce stop" in ended.err
        assert "Try again when it is over." in nameless.err
        assert profile.path.exists()

    def test_a_note_of_a_supervisor_that_is_gone_stops_nobody(self, tmp_path: Path) -> None:
        make_session(tmp_path)
        cache = tmp_path / ".session-cache"
        cache.mkdir(exist_ok=True)
        started = psutil.Process().create_time()
        for note in (f'{{"pid": {os.getpid()}, "started": {started - 3600}}}', '{"pid": 0}', "[", '{"pid": 1e999}'):
            (cache / "supervisor.json").write_text(note)
            assert invoke(tmp_path, "session", "clear", "--yes").status == 0


def tree(folder: Path) -> dict[str, tuple[int, int, bytes | None]]:
    """Every file below a folder: its mode, its time and its contents."""
    return {
        str(path.relative_to(folder)): (
            (status := path.lstat()).st_mode,
            status.st_mtime_ns,
            path.read_bytes() if path.is_file() else None,
        )
        for path in folder.rglob("*")
    }


class TestWhatGoesWrong:
    def test_a_state_file_of_another_program_is_told_and_left_alone(self, tmp_path: Path) -> None:
        take(tmp_path, make_session(tmp_path))
        theirs = '{"timestamp": 1, "version": "1.0", "accounts": {}}'
        (tmp_path / "session-state.json").write_text(theirs)
        for words in (["session", "list"], ["session", "info"], ["session", "check"], ["snapshot", "list"]):
            ended = run(tmp_path, *words, "--json")
            assert ended.status == 0
            assert "session-state.json is not, or no longer, scanonce's" in ended.err
        assert run(tmp_path, "session", "list", "--json").json["sessions"][0]["linked"] is True
        assert (tmp_path / "session-state.json").read_text() == theirs

    @pytest.mark.parametrize(
        "state", [None, "{}", '{\n  "writtenBy": "scanonce",\n  "ver', '{"masterNumber": "97150"}']
    )
    def test_commands_that_only_look_change_nothing(self, tmp_path: Path, state: str | None) -> None:
        take(tmp_path, make_session(tmp_path))
        if state is not None:
            (tmp_path / "session-state.json").write_text(state)
        (tmp_path / "index.js").write_text("console.log(1)\n")
        before = tree(tmp_path)
        looking = [
            *(["session", name] for name in ("list", "info", "check")),
            ["session", "check", "--deep"],
            ["snapshot", "list"],
            ["snapshot", "restore", "--dry-run"],
            ["snapshot", "prune", "--dry-run"],
            *([name] for name in ("status", "ps", "timings", "doctor", "logs")),
            ["config", "show"],
            ["dev", "--explain-watch"],
            ["service", "print", "--for", "systemd", "--", "node", "index.js"],
        ]
        for words in looking:
            invoke(tmp_path, *words)
            assert tree(tmp_path) == before, words

    @pytest.mark.parametrize("command", ["list", "info", "check", "clear"])
    def test_a_bad_configuration(self, tmp_path: Path, command: str) -> None:
        (tmp_path / "scanonce.toml").write_text("[session]\nprofile = 1\n[snapshot]\nmax_count = 0\n")
        ended = invoke(tmp_path, "session", command)
        assert (ended.status, ended.out) == (2, "")
        assert len(ended.err.splitlines()) == 2
        assert "scanonce.toml:2: session.profile: unknown key; did you mean session.profiles?" in ended.err

    def test_a_project_that_is_not_there(self, tmp_path: Path) -> None:
        ended = invoke(tmp_path / "nowhere", "session", "list")
        assert ended.status == 2
        assert "nowhere" in ended.err

    def test_no_permission(self, tmp_path: Path) -> None:
        profile = make_session(tmp_path)
        (profile.path / "Default").chmod(0)
        try:
            checked = run(tmp_path, "session", "check", weak=True)
            listed = run(tmp_path, "session", "list", weak=True)
        finally:
            (profile.path / "Default").chmod(0o700)
        assert checked.status == 1
        assert re.search(r"^profile +blocked +.*Default may not be read and written by us\.", checked.out, re.MULTILINE)
        assert listed.status == 2
        assert "permission denied: make the folder readable and writable" in listed.err

    def test_a_project_that_may_not_be_written_to(self, tmp_path: Path) -> None:
        profile = make_session(tmp_path)
        tmp_path.chmod(0o500)
        try:
            ended = run(tmp_path, "session", "clear", "--yes", weak=True)
        finally:
            tmp_path.chmod(0o700)
        assert (ended.status, ended.out) == (2, "")
        assert str(tmp_path) in ended.err
        assert "permission denied: make the folder readable and writable" in ended.err
        assert profile.path.exists()


class TestTerminal:
    def test_colours_only_there_and_not_if_they_are_not_wanted(self, tmp_path: Path) -> None:
        make_session(tmp_path)
        green = "\x1b[32mok"
        assert green in run_on_terminal(tmp_path, "session", "check").out
        assert green not in run_on_terminal(tmp_path, "session", "check", env={"NO_COLOR": "1"}).out
        assert "\x1b" not in run(tmp_path, "session", "check", env={"FORCE_COLOR": "1", "TERM": "xterm"}).out

    @pytest.mark.parametrize("width", [80, 62])
    def test_a_name_is_never_broken_and_a_long_sentence_is(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
    ) -> None:
        monkeypatch.setattr(console, "_UNWRAPPED", width)
        console.table(("NAME", "SEEN"), [("a-name-that-takes-its-room-in-a-line", "word " * 20), ("b", "last")])
        lines = capsys.readouterr().out.splitlines()
        assert lines[1].startswith("a-name-that-takes-its-room-in-a-line  word word")
        assert len(lines) > 3
        assert all(line.startswith(" " * 38) for line in lines[2:-1])
        assert lines[-1] == "b" + " " * 37 + "last"

    @pytest.mark.parametrize("width", [61, 50, 40])
    def test_where_a_table_does_not_fit_each_row_is_a_paragraph(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
    ) -> None:
        monkeypatch.setattr(console, "_UNWRAPPED", width)
        name, path = "a-name-that-takes-its-room-in-a-line", "/a/path/in/words"
        console.table(("NAME", "SIZE", "WHAT WAS SEEN"), [(name, "", f"{path} " * 9), ("b", "1 MB", "last")])
        printed = capsys.readouterr().out
        assert all(len(line) <= max(width, len(name) + 6) for line in printed.splitlines())
        assert printed.split() == ["NAME", name, *[path] * 9, "NAME", "b", "SIZE", "1", "MB", "last"]
        assert "\n\nNAME  b\nSIZE  1 MB\n      last\n" in printed

    def test_a_word_that_does_not_fit_beside_its_label_stands_below_it(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(console, "_UNWRAPPED", 40)
        console.table(("SNAPSHOT", "TAKEN"), [("backup-971505760056-1796129805578", "1 s ago"), ("x" * 60, "never")])
        first, below, *rest = capsys.readouterr().out.splitlines()
        assert (first, below) == ("SNAPSHOT", "  backup-971505760056-1796129805578")
        assert rest == ["TAKEN     1 s ago", "", f"SNAPSHOT  {'x' * 60}", "TAKEN     never"]

    @pytest.mark.parametrize("columns", [40, 80, 120])
    def test_nothing_is_broken_inside_a_word_at_any_width(self, tmp_path: Path, columns: int) -> None:
        make_session(tmp_path)
        commands = (["session", "list"], ["session", "info"], ["session", "check"], ["doctor", "--all"])
        for words in commands:
            narrow = run_on_terminal(tmp_path, *words, env={"COLUMNS": str(columns)})
            plain = invoke(tmp_path, *words)
            kept = set(plain.out.split()) | set(plain.err.split()) | {"bytes", "kB", "MB"}  # of a progress bar
            shown = re.sub(r"\x1b\[[0-9;]*m", "", narrow.out).split()
            # Numbers are ages, which differ between the two runs.
            assert [
                word for word in shown if word not in kept and not word.isupper() and word.strip("(").isalpha()
            ] == []

    def test_a_bar_shows_when_something_takes_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(console, "_HIDDEN_FOR", 0.0)
        monkeypatch.setenv("TERM", "xterm-256color")
        ours, theirs = os.openpty()
        with os.fdopen(theirs, "w") as terminal:
            monkeypatch.setattr(sys, "stderr", terminal)
            with console.progress(f"Reading {HOSTILE}", as_json=False) as progress:
                shown = os.read(ours, 65536).decode()
                progress(1_000_000, 2_000_000)
            monkeypatch.undo()
            terminal.flush()
            shown += os.read(ours, 65536).decode()
        os.close(ours)
        assert f"Reading {ESCAPED}" in shown
        bar = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
        assert "2.0/2.0 MB" in bar, "it ends full, whatever was reported last"
        assert shown.rstrip("\r\n").endswith("\x1b[2K"), "and then it is gone"

    def test_programs_get_lines_instead(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(console, "_QUIET_FOR", 3600.0)
        with console.progress("Reading", as_json=True) as progress:
            progress(1, 2)
        assert capsys.readouterr() == ("", "")
        monkeypatch.setattr(console, "_QUIET_FOR", 0.0)
        with console.progress("Reading", as_json=True) as progress:
            progress(1, 2)
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err == '{"version": 1, "progress": "Reading", "bytes_done": 1, "bytes_total": 2}\n'


@pytest.mark.parametrize(
    "words",
    [
        ["session", "check", "--deep"],
        ["snapshot", "take"],
        ["snapshot", "verify"],
        ["snapshot", "restore", "--yes"],
    ],
    ids=" ".join,
)
def test_what_may_take_long_tells_its_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    profile = make_session(tmp_path)
    if words[1] in {"verify", "restore"}:
        take(tmp_path, profile)
    monkeypatch.setattr(console, "_QUIET_FOR", 0.0)
    ended = invoke(tmp_path, *words, "--json")
    assert ended.status == 0
    lines = [json.loads(line) for line in ended.err.splitlines()]
    assert len(lines) > 3
    assert lines[-1]["bytes_done"] == lines[-1]["bytes_total"] > 0
    for total in {line["bytes_total"] for line in lines}:
        done = [line["bytes_done"] for line in lines if line["bytes_total"] == total]
        assert done == sorted(done)
        assert done[-1] <= total


def test_a_supervisor_carries_none_of_this() -> None:
    heavy = ["rich", "supervisor.admin.operations", "supervisor.admin.inventory", "supervisor.cli.json_documents"]
    program = f"import sys, supervisor.cli.run, supervisor.bootstrap; print(sorted(sys.modules.keys() & {heavy}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout == "[]\n"


def test_spans_and_sizes() -> None:
    assert [clock.span(seconds) for seconds in (0, 59.9, 60, 3599, 3600, 86_400)] == [
        "0 s",
        "59 s",
        "1 min",
        "59 min",
        "1 h",
        "1 d",
    ]
    assert [console.size(number) for number in (0, 999, 1000, 9_949, 9_950, 999_499, 999_500, 126_000_000, 10**16)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "9.9 kB",
        "10 kB",
        "999 kB",
        "1.0 MB",
        "126 MB",
        "10000 TB",
    ]
    assert console.when(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)).startswith("9999-12-31")
