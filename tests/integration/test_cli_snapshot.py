"""`scanonce snapshot`: take (also of a running bot), list, verify, restore, prune; and what each of them refuses."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from supervisor.admin import operations
from supervisor.bot.live_snapshot import Seen
from supervisor.browser.presets import SessionStatus
from supervisor.process.handle import PidfdHandle
from supervisor.session.locks import project_lock
from supervisor.session.profiles.profile import Profile
from supervisor.session.snapshot.catalog import Snapshot
from supervisor.session.store import SessionStore
from supervisor.system import files
from supervisor.system.errors import ProfileInUseError
from tests import ROOT
from tests.helpers import build
from tests.helpers.shell import (
    PATIENCE,
    SCANONCE,
    browser_on,
    family,
    invoke,
    make_session,
    run,
    run_on_terminal,
    take,
    until,
)

FIELDS = {
    "session",
    "name",
    "path",
    "created_at",
    "linked",
    "live",
    "verified",
    "problems",
    "browser_version",
    "bytes",
    "own_bytes",
    "base",
}


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return make_session(tmp_path)


def change(profile: Profile, text: str = '{"changed": true}') -> None:
    (profile.path / "Default/Preferences").write_text(text)


def without_ages(text: str) -> str:
    """What a command has printed, without how long ago something was: two commands run at two moments."""
    return re.sub(r" \([^()]+ ago\)", "", text)


def snapshots(folder: Path) -> list[Snapshot]:
    return SessionStore(folder).snapshots("97150")


class TestTake:
    def test_a_quiet_profile(self, tmp_path: Path, profile: Profile) -> None:
        ended = run(tmp_path, "snapshot", "take", "--json")
        assert ended.status == 0, ended.err  # where there is progress, if the disk takes a second
        document = ended.json
        taken = document.pop("snapshot")
        assert document == {"version": 1, "new": True, "pause_ms": None, "remarks": []}
        assert taken.keys() == FIELDS
        assert (taken["session"], taken["linked"], taken["live"], taken["verified"]) == ("97150", True, False, True)
        [found] = snapshots(tmp_path)
        assert (taken["name"], taken["path"], taken["bytes"]) == (found.name, str(found.path), found.bytes)
        assert build.kept(found.path) == build.kept(profile.path)
        assert SessionStore(tmp_path).state.get("97150").last_snapshot == found.name

    def test_where_nothing_has_changed_the_one_before_stands(self, tmp_path: Path, profile: Profile) -> None:
        first = invoke(tmp_path, "snapshot", "take")
        assert re.match(r"Taken: backup-97150-\d+, \d+ kB, of which \d+ kB are new\.\n", first.out)
        again = invoke(tmp_path, "snapshot", "take")
        assert (again.status, again.out.startswith("Nothing has changed since backup-97150-")) == (0, True)
        assert len(snapshots(tmp_path)) == 1

    @pytest.mark.parametrize("state", [{"is_linked": False}, {"is_linked": True, "last_state": "needs_link"}])
    def test_of_a_session_that_is_not_linked_it_is_refused(
        self, tmp_path: Path, profile: Profile, state: dict[str, object]
    ) -> None:
        SessionStore(tmp_path).state.update(profile.id, **state)  # type: ignore[arg-type]
        for _ in range(2):
            ended = invoke(tmp_path, "snapshot", "take")
            assert (ended.status, ended.out) == (2, "")
            assert "was not linked when last seen" in ended.err
            assert "Link it first" in ended.err
        assert not snapshots(tmp_path)

    def test_of_a_damaged_profile_it_is_told(self, tmp_path: Path, profile: Profile) -> None:
        (profile.path / build.INDEXED_DB / "000004.ldb").unlink()
        ended = invoke(tmp_path, "snapshot", "take")
        assert ended.status == 1
        assert "It is not sound:" in ended.err
        assert "000004.ldb" in ended.err
        assert [one.verified for one in snapshots(tmp_path)] == [False]

    def test_a_full_disk(self, tmp_path: Path) -> None:
        if subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False).returncode != 0:
            pytest.skip("this system lets nobody mount a small disk of his own")
        disk = tmp_path / "disk"
        disk.mkdir()
        script = f"""
            mount -t tmpfs -o size=1m none {disk} && cp -a {tmp_path}/bot/. {disk} && cd {disk} || exit 99
            {SCANONCE} snapshot take || exit 98
            echo '{{"changed": true}}' > sessions/session-97150/Default/Preferences
            cat /dev/zero > filler 2> /dev/null
            {SCANONCE} snapshot take
            echo "take: $?"
            {SCANONCE} snapshot verify
            echo "verify: $?"
            printf '[snapshot]\\nmax_count = 1\\n' > {tmp_path}/prune.toml
            {SCANONCE} snapshot prune --config {tmp_path}/prune.toml
            echo "prune: $?"
            ls -A .session-cache
        """
        (tmp_path / "bot").mkdir()
        make_session(tmp_path / "bot")
        done = subprocess.run(
            ["unshare", "-Urm", "sh", "-c", script], capture_output=True, text=True, timeout=PATIENCE * 2, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "the disk is full: free some space and try again" in done.stderr
        assert all(
            f"{command}: {status}\n" in done.stdout for command, status in (("take", 2), ("verify", 0), ("prune", 0))
        )
        left = done.stdout.partition("prune: 0\n")[2].split()
        known = ["backup-97150-", "state-copy.json", "state.lock", "supervisor.lock"]
        assert [name.rstrip("0123456789") for name in left] == known


class TestTakeOfARunningBot:
    def test_it_stands_still_and_goes_on(self, tmp_path: Path, profile: Profile) -> None:
        with browser_on(profile.path, tmp_path) as browser:
            ended = run(tmp_path, "snapshot", "take", "--json")
            assert ended.status == 0
            assert all(member.status() != psutil.STATUS_STOPPED for member in family(browser))
        document = ended.json
        assert (document["snapshot"]["live"], document["snapshot"]["verified"], document["new"]) == (True, True, True)
        assert 0 < document["pause_ms"] < 2000
        [found] = snapshots(tmp_path)
        assert build.kept(found.path) == build.kept(profile.path)
        assert SessionStore(tmp_path).state.get("97150").last_snapshot == found.name

    def test_beside_a_supervisor_that_cannot_be_asked_nothing_is_frozen(self, tmp_path: Path, profile: Profile) -> None:
        with project_lock(tmp_path / ".session-cache"), browser_on(profile.path, tmp_path):
            ended = invoke(tmp_path, "snapshot", "take")
        assert ended.status == 5
        assert f"(process {os.getpid()}), but its control socket cannot be found" in ended.err
        assert not snapshots(tmp_path)

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    def test_killed_while_the_bot_stands_still_it_goes_on_all_the_same(
        self, tmp_path: Path, profile: Profile, number: signal.Signals
    ) -> None:
        with browser_on(profile.path, tmp_path) as browser:
            members = family(browser)
            while True:
                change(profile, f'"{time.monotonic_ns()}"')
                command = subprocess.Popen(
                    [SCANONCE, "snapshot", "take"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                with command:
                    until(lambda: browser.status() == psutil.STATUS_STOPPED, command)
                    command.send_signal(signal.SIGSTOP)
                    if browser.status() == psutil.STATUS_STOPPED:  # still: we have stopped it in time
                        command.send_signal(number)
                        command.send_signal(signal.SIGCONT)
                        break
                    command.kill()
            deadline = time.monotonic() + PATIENCE
            while any(member.status() == psutil.STATUS_STOPPED for member in members) or _guards_of(browser):
                assert time.monotonic() < deadline, "the browser was left frozen"
                time.sleep(0.01)
        assert invoke(tmp_path, "snapshot", "take").status == 0
        assert not list((tmp_path / ".session-cache").glob(".*"))

    def test_what_may_not_be_frozen_is_not_copied(
        self, tmp_path: Path, profile: Profile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_handle: PidfdHandle) -> bool:
            raise PermissionError

        monkeypatch.setattr(PidfdHandle, "suspend", refuse)
        with browser_on(profile.path, tmp_path):
            ended = invoke(tmp_path, "snapshot", "take")
        assert ended.status == 2
        assert "Run this as the user that runs the bot." in ended.err
        assert not snapshots(tmp_path)

    @pytest.mark.parametrize("status", [SessionStatus.NEEDS_LINK, SessionStatus.LINKING, SessionStatus.LOGGED_OUT])
    def test_what_the_page_says_counts_more_than_what_was_known(
        self, tmp_path: Path, profile: Profile, monkeypatch: pytest.MonkeyPatch, status: SessionStatus
    ) -> None:
        monkeypatch.setattr(operations, "ask", lambda *_: Seen(status, "156.0"))
        with browser_on(profile.path, tmp_path):
            ended = invoke(tmp_path, "snapshot", "take")
            assert ended.status == 2
            assert f"(its page says: {status})" in ended.err
            assert not snapshots(tmp_path)
            SessionStore(tmp_path).state.update(profile.id, is_linked=False)
            monkeypatch.setattr(operations, "ask", lambda *_: Seen(SessionStatus.READY, "157.0"))
            ended = invoke(tmp_path, "snapshot", "take", "--json")
        assert (ended.json["snapshot"]["linked"], ended.json["snapshot"]["browser_version"]) == (True, "157.0")


def _guards_of(browser: psutil.Process) -> list[psutil.Process]:
    """The processes that would thaw it."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        if "supervisor.process.resume_helper" in words and str(browser.pid) in words:
            found.append(process)
    return found


class TestList:
    def test_newest_first_of_one_session_or_of_all(self, tmp_path: Path, profile: Profile) -> None:
        assert invoke(tmp_path, "snapshot", "list").out == "There are no snapshots yet.\n"
        older = take(tmp_path, profile)
        change(profile)
        newer = take(tmp_path, profile, live=True)
        hostile = take(tmp_path, make_session(tmp_path, "x\x1b]0;owned\x07", linked=None), linked=None)
        (tmp_path / ".session-cache/backup-97150-x").mkdir()
        (tmp_path / ".session-cache/backup-old-12345").mkdir()
        everything = invoke(tmp_path, "snapshot", "list", "--json").json
        assert everything["version"] == 1
        assert [one["name"] for one in everything["snapshots"]] == [
            newer.name,
            older.name,
            "backup-old-12345",
            hostile.name,
        ]
        assert all(one.keys() == FIELDS for one in everything["snapshots"])
        assert everything["snapshots"][0]["base"] == older.name
        assert everything["snapshots"][3]["session"] == "x\x1b]0;owned\x07"
        heading, *rows = invoke(tmp_path, "snapshot", "list", "971").out.splitlines()
        assert [row.split()[0] for row in rows] == [newer.name, older.name]
        assert [row[heading.index("BOT") :].split()[0] for row in rows] == ["running", "stopped"]
        said = run(tmp_path, "snapshot", "list").out
        assert said.isascii()
        assert "\x1b" not in said
        assert "it has no readable manifest" in said


class TestVerify:
    def test_sound_ones(self, tmp_path: Path, profile: Profile) -> None:
        assert invoke(tmp_path, "snapshot", "verify").out == "There are no snapshots yet.\n"
        snapshot = take(tmp_path, profile)
        ended = invoke(tmp_path, "snapshot", "verify", "--json")
        assert ended.status == 0
        [found] = ended.json["snapshots"]
        assert found.keys() == FIELDS | {"gone"}
        assert (found["name"], found["verified"], found["problems"], found["gone"]) == (snapshot.name, True, [], False)

    def test_one_that_has_gone_bad_is_told_and_marked(self, tmp_path: Path, profile: Profile) -> None:
        older = take(tmp_path, profile)
        change(profile)
        newer = take(tmp_path, profile)
        build.flip(newer.path / "Default/Preferences", 3)
        ended = invoke(tmp_path, "snapshot", "verify")
        assert ended.status == 1
        rows = {line.split()[0]: line for line in ended.out.splitlines()}
        assert rows[older.name].split()[1] == "sound"
        assert re.search(r" damaged +Default/Preferences is not what was written\.", rows[newer.name])
        assert [one.verified for one in snapshots(tmp_path)] == [False, True]
        assert invoke(tmp_path, "snapshot", "verify", "--snapshot", older.name).status == 0
        assert invoke(tmp_path, "snapshot", "verify", "97150", "-s", newer.name[-8:]).status == 1

    def test_a_name_that_fits_none_or_several(self, tmp_path: Path, profile: Profile) -> None:
        first = take(tmp_path, profile)
        change(profile)
        second = take(tmp_path, profile)
        both = f"{second.name}, {first.name}"
        for name, sentence in (
            ("backup", f"'backup' fits more than one snapshot: {both}. Say more of it."),
            ("../x\n", rf"There is no snapshot '../x\n'. There are: {both}."),
        ):
            ended = invoke(tmp_path, "snapshot", "verify", "-s", name)
            assert (ended.status, ended.out, ended.err) == (2, "", f"scanonce: {sentence}\n")

    @pytest.mark.parametrize("late", [False, True])
    def test_one_that_is_pruned_meanwhile_is_no_damage(
        self, tmp_path: Path, profile: Profile, monkeypatch: pytest.MonkeyPatch, late: bool
    ) -> None:
        take(tmp_path, profile)
        verify = SessionStore.verify

        def pruned(store: SessionStore, chosen: Snapshot, **kwargs: object) -> list[str]:
            if late:
                (chosen.path / "Default/Preferences").unlink()
            else:
                shutil.rmtree(chosen.path)
            try:
                return verify(store, chosen)
            finally:
                shutil.rmtree(chosen.path, ignore_errors=True)

        monkeypatch.setattr(SessionStore, "verify", pruned)
        ended = invoke(tmp_path, "snapshot", "verify")
        assert ended.status == 0
        assert "It was pruned meanwhile." in ended.out


class TestRestore:
    def test_the_best_sound_one_after_saying_what_would_happen(self, tmp_path: Path, profile: Profile) -> None:
        wanted = take(tmp_path, profile)
        change(profile)
        take(tmp_path, profile, live=True)
        was = build.contents(profile.path)
        planned = invoke(tmp_path, "snapshot", "restore", "--dry-run")
        assert planned.status == 0
        assert f"Snapshot  {wanted.name}, taken 20" in planned.out
        assert "If that proves damaged, 1 more would be tried" in planned.out
        assert f"{profile.path} goes to quarantine; nothing is deleted." in planned.out
        undecided = invoke(tmp_path, "snapshot", "restore")
        assert (undecided.status, without_ages(undecided.out)) == (2, without_ages(planned.out))
        assert "Add --yes." in undecided.err
        assert build.contents(profile.path) == was
        document = invoke(tmp_path, "snapshot", "restore", "--dry-run", "--json").json
        assert document.pop("would_try")[0]["name"] == wanted.name
        assert document == {
            "version": 1,
            "session": "97150",
            "profile": str(profile.path),
            "replaces": True,
            "remarks": [],
        }

        done = invoke(tmp_path, "snapshot", "restore", "--yes", "--json")
        assert done.status == 0
        assert (done.json["snapshot"]["name"], done.json["remarks"]) == (wanted.name, [])
        assert build.kept(profile.path) == build.kept(wanted.path)
        assert build.contents(Path(done.json["moved_to"])) == was

    def test_on_a_terminal_it_asks(self, tmp_path: Path, profile: Profile) -> None:
        take(tmp_path, profile)
        change(profile)
        assert run_on_terminal(tmp_path, "snapshot", "restore", answer="\n").status == 1
        assert (profile.path / "Default/Preferences").read_text() == '{"changed": true}'
        ended = run_on_terminal(tmp_path, "snapshot", "restore", answer="y\n")
        assert ended.status == 0
        assert "Restored backup-97150-" in ended.out
        assert (profile.path / "Default/Preferences").read_text() != '{"changed": true}'

    def test_one_that_proves_damaged_is_passed_over_and_told(self, tmp_path: Path, profile: Profile) -> None:
        sound = take(tmp_path, profile)
        change(profile)
        bad = take(tmp_path, profile)
        build.flip(bad.path / "Default/Preferences", 3)
        ended = invoke(tmp_path, "snapshot", "restore", "--yes")
        assert ended.status == 0
        assert f"The snapshot {bad.name} is damaged: Default/Preferences" in ended.err
        assert f"Restored {sound.name}." in ended.out
        asked_for = invoke(tmp_path, "snapshot", "restore", "--yes", "--snapshot", bad.name)
        assert asked_for.status == 2
        assert "Try another one." in asked_for.err

    def test_one_that_is_known_to_be_damaged_is_no_choice_of_ours(self, tmp_path: Path, profile: Profile) -> None:
        bad = take(tmp_path, profile)
        build.flip(bad.path / "Default/Preferences", 3)
        assert invoke(tmp_path, "snapshot", "verify").status == 1
        ended = invoke(tmp_path, "snapshot", "restore", "--yes")
        assert ended.status == 2
        assert "There is no sound snapshot of session 97150" in ended.err

    def test_it_undoes_a_clear(self, tmp_path: Path, profile: Profile) -> None:
        take(tmp_path, profile)
        assert invoke(tmp_path, "session", "clear", "--yes").status == 0
        ended = invoke(tmp_path, "snapshot", "restore", "--yes")
        assert "does not exist now." in ended.out
        info = invoke(tmp_path, "session", "info", "--json").json
        assert (info["linked"], info["can_restore"], info["exists"]) == (True, True, True)
        assert invoke(tmp_path, "session", "check").status == 0

    def test_what_the_phone_has_ended_stays_ended(self, tmp_path: Path, profile: Profile) -> None:
        take(tmp_path, profile)
        SessionStore(tmp_path).state.update(profile.id, is_linked=False, last_state="logged_out")
        ended = invoke(tmp_path, "snapshot", "restore", "--yes")
        assert ended.status == 0
        assert "only a new scan does" in ended.err
        assert SessionStore(tmp_path).state.get(profile.id).is_linked is False

    def test_it_is_refused_while_anybody_has_the_profile(self, tmp_path: Path, profile: Profile) -> None:
        take(tmp_path, profile)
        was = build.contents(profile.path)
        with browser_on(profile.path, tmp_path) as browser:
            ended = invoke(tmp_path, "snapshot", "restore", "--yes")
        assert (ended.status, ended.out) == (5, "")
        assert f"(process {browser.pid}, " in ended.err
        with project_lock(tmp_path / ".session-cache"):
            busy = f"scanonce runs in {tmp_path} (process {os.getpid()})"
            for words in ((), ("--yes",)):
                ended = invoke(tmp_path, "snapshot", "restore", *words)
                assert (ended.status, ended.out) == (5, "")
                assert busy in ended.err
            planned = invoke(tmp_path, "snapshot", "restore", "--dry-run")
            assert planned.status == 0
            assert "Snapshot  backup-" in planned.out
            assert busy in planned.err
        assert build.contents(profile.path) == was

    def test_a_supervisor_that_starts_during_the_question_is_not_disturbed(
        self, tmp_path: Path, profile: Profile
    ) -> None:
        take(tmp_path, profile)
        was = build.contents(profile.path)
        store = SessionStore(tmp_path)
        plan = operations.plan_restore(store, profile, None)
        with project_lock(tmp_path / ".session-cache"), pytest.raises(ProfileInUseError):
            operations.restore(store, plan, lambda _done, _total: None)
        assert build.contents(profile.path) == was


class TestPrune:
    def test_a_folder_without_sessions_is_left_as_it_is(self, tmp_path: Path) -> None:
        ended = invoke(tmp_path, "snapshot", "prune")
        assert (ended.status, ended.out) == (0, "There is nothing to remove.\n")
        assert list(tmp_path.iterdir()) == []

    @pytest.fixture
    def old(self, tmp_path: Path, profile: Profile) -> list[Snapshot]:
        """Three snapshots, of which one may stay, and a quarantined profile past its age."""
        (tmp_path / "scanonce.toml").write_text("[snapshot]\nmax_count = 1\n")
        taken = []
        for number in range(3):
            change(profile, f'"{number}"')
            taken.append(take(tmp_path, profile))
        (tmp_path / ".session-cache/quarantine-97150-1000").mkdir()
        return taken

    def test_a_dry_run_removes_nothing(self, tmp_path: Path, old: list[Snapshot]) -> None:
        before = build.contents(tmp_path)
        with project_lock(tmp_path / ".session-cache"):  # it only reads
            ended = invoke(tmp_path, "snapshot", "prune", "--dry-run", "--json")
        assert ended.status == 0
        assert build.contents(tmp_path) == before | {".session-cache/supervisor.lock": b""}
        document = ended.json
        assert [one["name"] for one in document.pop("snapshots")] == [old[0].name, old[1].name]
        assert document.pop("bytes_freed") > 0
        assert document == {
            "version": 1,
            "dry_run": True,
            "quarantine": [str(tmp_path / ".session-cache/quarantine-97150-1000")],
            "problems": [],
        }

    def test_what_is_not_kept_goes(self, tmp_path: Path, old: list[Snapshot]) -> None:
        ended = invoke(tmp_path, "snapshot", "prune")
        assert ended.status == 0
        assert [line.split()[0] for line in ended.out.splitlines()] == [
            old[0].name,
            old[1].name,
            "quarantine-97150-1000",
            "Removed",
        ]
        assert [one.name for one in snapshots(tmp_path)] == [old[2].name]
        assert invoke(tmp_path, "snapshot", "prune").out == "There is nothing to remove.\n"

    def test_what_cannot_be_removed_is_told(
        self, tmp_path: Path, old: list[Snapshot], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(path: Path) -> None:
            raise PermissionError(1, "Operation not permitted", str(path))

        monkeypatch.setattr(files, "remove_tree", refuse)
        ended = invoke(tmp_path, "snapshot", "prune")
        assert ended.status == 2
        assert f"{old[0].name} could not be removed: operation not permitted." in ended.err

    def test_while_a_supervisor_runs_it_is_refused(self, tmp_path: Path, old: list[Snapshot]) -> None:
        with project_lock(tmp_path / ".session-cache"):
            ended = invoke(tmp_path, "snapshot", "prune")
        assert ended.status == 5
        assert f"(process {os.getpid()})" in ended.err
        assert len(snapshots(tmp_path)) == 3


def test_every_field_of_every_document_is_documented(tmp_path: Path, profile: Profile) -> None:
    page = (ROOT / "docs/cli.md").read_text()
    take(tmp_path, profile)
    SessionStore(tmp_path).clear(replace(profile, id="97150"))
    make_session(tmp_path)
    for words in (
        ("session", "list"),
        ("session", "info"),
        ("session", "check"),
        ("snapshot", "list"),
        ("snapshot", "verify"),
        ("snapshot", "take"),
        ("snapshot", "prune", "--dry-run"),
        ("snapshot", "restore", "--dry-run"),
        ("snapshot", "restore", "--yes"),
        ("session", "clear", "--yes"),
    ):
        document = invoke(tmp_path, *words, "--json").json
        section = page.partition(f"\n### `scanonce {words[0]} {words[1]}`")[2].partition("\n### ")[0]
        assert section, words
        missing = [name for name in _names(document) if f"`{name}`" not in page]
        assert not missing, words
        assert not [name for name in document if f"`{name}`" not in section and name != "version"], words


def _names(document: object) -> set[str]:
    match document:
        case dict():
            return set(document) | {name for value in document.values() for name in _names(value)}
        case list():
            return {name for value in document for name in _names(value)}
    return set()
