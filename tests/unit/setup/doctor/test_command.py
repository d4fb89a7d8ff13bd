"""`scanonce doctor`: what it prints, its exit statuses, and that no look can stop the others."""

from __future__ import annotations

import json
import re
import threading
from typing import Any

import pytest

from supervisor.session.locks import project_lock
from supervisor.setup.doctor import check_configuration, runner
from supervisor.setup.doctor.finding import ok
from supervisor.setup.doctor.project import CheckedProject
from supervisor.setup.doctor.runner import CHECKS, NAMES, examine
from supervisor.system.errors import SessionError
from tests import ROOT
from tests.helpers.shell import invoke, make_session, run
from tests.unit.setup.doctor.conftest import Bot


def test_a_folder_without_a_bot_is_told_and_stays_empty(bot: Bot) -> None:
    ended = invoke(bot.folder, "doctor")
    assert (ended.status, ended.err) == (1, "")
    assert "There is no bot here: no package.json, no script" in " ".join(ended.out.split())
    assert not list(bot.folder.iterdir())


@pytest.mark.parametrize("name", ["index.js", "src/main.ts", "bot.py", "package.json", "start.sh"])
def test_a_folder_with_anything_of_a_bot_is_in_order(bot: Bot, name: str) -> None:
    bot.program("node")
    bot.write({name: "{}"})
    ended = invoke(bot.folder, "doctor")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.endswith("Nothing needs doing.\n")


def test_each_line_has_a_verdict_and_names_are_those_of_the_registry(bot: Bot) -> None:
    make_session(bot.folder)
    rows = invoke(bot.folder, "doctor").out.split("\n\n")[0].splitlines()
    assert rows[0].split("  ")[0] == "LOOKED AT"
    assert {row.split()[0] for row in rows[1:]} <= set(NAMES)
    assert all(re.search(r" (ok|warning|problem|unknown) +\S", row) for row in rows[1:])


def test_json_has_the_documented_shape(bot: Bot) -> None:
    (make_session(bot.folder).path / "SingletonLock").symlink_to("elsewhere-17")
    ended = invoke(bot.folder, "doctor", "--json")
    document = ended.json
    assert (ended.status, ended.err) == (1, "")
    assert list(document) == ["version", "project", "healthy", "findings", "fixes"]
    assert (document["version"], document["project"], document["healthy"]) == (1, str(bot.folder), False)
    assert document["fixes"] == []
    for one in document["findings"]:
        assert list(one) == ["name", "subject", "verdict", "seen", "remedy", "fixable"]
        assert one["name"] in NAMES
    (lock,) = [one for one in document["findings"] if one["name"] == "profile-lock"]
    assert (lock["verdict"], lock["subject"], lock["fixable"]) == ("problem", "97150", True)


def test_a_fix_is_told_and_what_is_left_decides_the_status(bot: Bot) -> None:
    bot.program("chromium", "echo Chromium 156.0.7000.1")
    lock = make_session(bot.folder).path / "SingletonLock"
    lock.symlink_to("elsewhere-17")
    told = invoke(bot.folder, "doctor").out
    assert "1 thing needs doing (profile-lock); scanonce doctor --fix does it.\n" in told, "one lock is one thing"
    ended = invoke(bot.folder, "doctor", "--fix")
    assert (ended.status, "Removed SingletonLock." in ended.out) == (0, True)
    lock.symlink_to("elsewhere-17")
    bot.write({"package.json": "[]"})
    ended = invoke(bot.folder, "doctor", "--fix", "--json")
    assert ended.status == 1
    assert ended.json["fixes"] == [
        {"name": "profile-lock", "subject": "97150", "done": True, "what": "Removed SingletonLock."}
    ]
    assert [one["name"] for one in ended.json["findings"] if one["verdict"] == "problem"] == ["node", "packages"]


def test_what_needs_the_lock_is_refused_while_a_supervisor_runs(bot: Bot) -> None:
    lock = make_session(bot.folder).path / "SingletonLock"
    lock.symlink_to("elsewhere-17")
    with project_lock(bot.folder / ".session-cache"):
        ended = invoke(bot.folder, "doctor", "--fix", "--json")
    (refused,) = ended.json["fixes"]
    assert (ended.status, refused["done"], "scanonce runs in" in refused["what"]) == (1, False, True)
    assert lock.is_symlink()


def test_the_command_after_the_dashes_is_the_one_that_is_looked_at(bot: Bot) -> None:
    bot.program("nodemon")
    bot.program("node")
    ended = run(bot.folder, "doctor", "--json", "--", "nodemon", "index.js", "--json")
    assert ended.status == 1
    assert [one["name"] for one in ended.json["findings"] if one["verdict"] == "problem"] == ["wrapper"]


@pytest.mark.parametrize("words", [("--config", "nowhere.toml"), ("-C", "nowhere"), ("--what",)])
def test_bad_usage(bot: Bot, words: tuple[str, ...]) -> None:
    ended = run(bot.folder, "doctor", *words)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err


def test_nothing_of_a_hostile_name_reaches_the_terminal(bot: Bot) -> None:
    make_session(bot.folder, "evil\x1b[31m\n\x9b2J", linked=True)
    bot.write({"package.json": json.dumps({"dependencies": {"\x1b[2J": "1"}, "scripts": {"\x07": "rm -rf sessions"}})})
    ended = invoke(bot.folder, "doctor")
    assert not [c for c in ended.out if not c.isprintable() and c != "\n"]


class TestRegistry:
    @pytest.fixture
    def checked(self, bot: Bot) -> CheckedProject:
        return bot.project()

    def looked(self, checked: CheckedProject, monkeypatch: pytest.MonkeyPatch, look: Any) -> list[tuple[str, str]]:
        real = check_configuration.configuration
        monkeypatch.setattr(runner, "CHECKS", {look: ("first",), real: CHECKS[real]})
        found = list(examine(checked))
        assert tuple(one.name for one in found)[-3:] == CHECKS[real]
        return [(one.verdict, one.seen) for one in found[:-3]]

    @pytest.mark.parametrize(
        ("error", "why"),
        [
            (SessionError("Could not read it."), "Could not read it."),
            (PermissionError(13, "Permission denied", "/root/x"), "/root/x: permission denied."),
            (KeyError("x"), "KeyError"),
        ],
    )
    def test_what_cannot_be_looked_at_is_unknown(
        self, checked: CheckedProject, monkeypatch: pytest.MonkeyPatch, error: Exception, why: str
    ) -> None:
        def look(_project: CheckedProject) -> Any:
            yield ok("first", "This much was seen.")
            raise error

        first, second = self.looked(checked, monkeypatch, look)
        assert first == ("ok", "This much was seen.")
        assert (second[0], why in second[1]) == ("unknown", True)

    def test_what_hangs_is_given_up(self, checked: CheckedProject, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runner, "PATIENCE", 0.05)
        go_on = threading.Event()

        def look(_project: CheckedProject) -> Any:
            go_on.wait()
            return []

        monkeypatch.setattr(runner, "CHECKS", {look: ("first",)})
        try:
            (found,) = examine(checked)
        finally:
            go_on.set()
        assert (found.name, found.verdict, "longer than 0.05 s" in found.seen) == ("first", "unknown", True)


def test_every_finding_and_no_other_is_in_the_documentation() -> None:
    page = (ROOT / "docs/doctor.md").read_text()
    listed = re.findall(r"^\| `([a-z-]+)` \|", page.partition("## Findings")[2], re.MULTILINE)
    assert sorted(listed) == sorted(NAMES)


def test_a_supervisor_carries_none_of_it() -> None:
    supervisor = ROOT / "supervisor"
    importers = {
        str(path.relative_to(supervisor))
        for path in supervisor.rglob("*.py")
        if "supervisor.setup" in path.read_text() and not path.is_relative_to(supervisor / "setup")
    }
    # Inside functions, and for types.
    assert importers == {f"cli/{name}.py" for name in ("doctor", "json_documents", "init", "dev", "service")}
