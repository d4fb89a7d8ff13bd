"""The bot's program, Node.js, the browser, and what is installed."""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from supervisor.setup.doctor import check_prerequisites
from supervisor.setup.doctor.project import CheckedProject
from tests.helpers import build
from tests.unit.setup.doctor.conftest import Bot, only

CHROME = "146.0.7680.31"


class TestCommand:
    def test_one_that_can_be_run_and_one_that_cannot(self, bot: Bot) -> None:
        bot.program("node")
        gone = bot.one(check_prerequisites.programs, "command", "node", "index.js")
        assert (gone.verdict, "there is no index.js in" in gone.seen) == ("problem", True)
        bot.write({"index.js": ""})
        found = bot.one(check_prerequisites.programs, "command", "node", "index.js")
        assert (found.verdict, found.seen) == ("ok", f"The bot is {bot.programs}/node index.js.")
        gone = bot.one(check_prerequisites.programs, "command", "nude", "index.js")
        assert (gone.verdict, gone.seen[-13:]) == ("problem", " on the PATH?")
        assert bot.one(check_prerequisites.programs, "command").verdict == "ok"

    def test_a_folder_to_run_in_that_is_not_there(self, bot: Bot) -> None:
        bot.write({"scanonce.toml": '[bot]\ncwd = "elsewhere"\n'})
        assert "bot.cwd" in bot.one(check_prerequisites.programs, "command").seen
        assert not [
            one for one in bot.look(check_prerequisites.programs) if one.verdict == "problem" and one.name != "command"
        ]


class TestNode:
    def test_it_is_found_on_the_path_that_the_bot_gets(self, bot: Bot) -> None:
        other = bot.program("node", "echo v22.3.0", folder=bot.home / "bin")
        bot.program("node")
        assert bot.one(check_prerequisites.programs, "node").seen == f"Node.js 20.11.1 ({bot.programs}/node)."
        bot.write({"scanonce.toml": f'[bot]\nenv = {{ PATH = "{other.parent}" }}\n'})
        assert bot.one(check_prerequisites.programs, "node").seen == f"Node.js 22.3.0 ({other})."

    def test_missing_it_is_a_problem_only_for_who_needs_it(self, bot: Bot) -> None:
        assert bot.one(check_prerequisites.programs, "node").verdict == "ok"
        assert bot.one(check_prerequisites.programs, "node", "python", "bot.py").verdict == "ok"
        assert bot.one(check_prerequisites.programs, "node", "npm", "run", "dev").verdict == "problem"
        bot.write({"package.json": "{}"})
        assert bot.one(check_prerequisites.programs, "node").verdict == "problem"

    @pytest.mark.parametrize(
        ("engines", "verdict"), [(">=18", "ok"), (">=20.0.0", "ok"), (">= 22", "problem"), ("^16 || >=18", "ok")]
    )
    def test_it_is_held_to_what_the_packages_ask_for(self, bot: Bot, engines: str, verdict: str) -> None:
        bot.program("node")
        bot.write({"package.json": "{}"})
        bot.package("puppeteer", engines=f'{{"node": "{engines}"}}')
        assert bot.one(check_prerequisites.programs, "node").verdict == verdict

    def test_one_that_is_too_old_for_any_such_library(self, bot: Bot) -> None:
        bot.program("node", "echo v12.22.12")
        bot.write({"package.json": "{}"})
        found = bot.one(check_prerequisites.programs, "node")
        assert (found.verdict, "requires 18" in found.seen) == ("problem", True)

    @pytest.mark.parametrize("script", ["exit 3", "echo nonsense", "kill -9 $$"])
    def test_one_that_tells_no_version(self, bot: Bot, script: str) -> None:
        bot.program("node", script)
        assert bot.one(check_prerequisites.programs, "node").verdict == "unknown"

    def test_one_that_hangs_is_ended_with_all_that_it_has_started(
        self, bot: Bot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pids = bot.home / "pids"
        bot.program("node", f"sleep 600 & echo $! > {pids}; sleep 600")
        really_wait = subprocess.Popen.wait

        def wait(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
            if timeout != check_prerequisites._PATIENCE:
                return really_wait(process, timeout)
            while not (pids.exists() and pids.read_text().endswith("\n")):
                time.sleep(0.005)
            raise subprocess.TimeoutExpired(process.args, timeout)  # as if it had been waited for so long

        monkeypatch.setattr(subprocess.Popen, "wait", wait)
        found = bot.one(check_prerequisites.programs, "node")
        assert (found.verdict, "gave no answer" in found.seen) == ("unknown", True)
        grandchild = int(pids.read_text())
        with contextlib.suppress(psutil.NoSuchProcess):
            # Init reaps it some time; until then it is a zombie.
            while psutil.Process(grandchild).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.005)

    def test_one_that_gives_no_answer_is_not_waited_for(self, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(check_prerequisites, "_PATIENCE", 0.1)
        bot.program("node", "exec sleep 600")
        began = time.monotonic()
        assert bot.one(check_prerequisites.programs, "node").verdict == "unknown"
        assert time.monotonic() - began < 30

    def test_of_somebody_elses_project_nothing_is_run(self, bot: Bot) -> None:
        bot.program("node", f"touch {bot.home}/was-run; echo v20.1.1")
        project = bot.project()
        _belongs_to(project, "alice")
        found = only(check_prerequisites.programs(project), "node")
        assert (found.verdict, "belongs to alice" in found.seen) == ("unknown", True)
        assert not (bot.home / "was-run").exists()


def _belongs_to(project: CheckedProject, user: str) -> None:
    project.__dict__["other_owner"] = user  # what is looked up once


class TestBrowser:
    @pytest.fixture
    def puppeteer(self, bot: Bot) -> Bot:
        bot.package("puppeteer")
        revisions = bot.package("puppeteer-core") / "lib/cjs/puppeteer/revisions.js"
        revisions.parent.mkdir(parents=True)
        revisions.write_text(f"exports.PUPPETEER_REVISIONS = {{\n    chrome: '{CHROME}',\n    firefox: 'x' }};")
        return bot

    def cached(self, bot: Bot, version: str = CHROME) -> Path:
        folder = bot.home / f".cache/puppeteer/chrome/linux-{version}/chrome-linux64"
        return bot.program("chrome", f"echo Google Chrome for Testing {version}", folder=folder)

    def test_a_bot_without_one_needs_none(self, bot: Bot) -> None:
        assert bot.one(check_prerequisites.programs, "browser").verdict == "ok"

    def test_puppeteer_uses_the_one_that_it_was_made_for(self, puppeteer: Bot) -> None:
        self.cached(puppeteer, "999.0.1.1")
        program = self.cached(puppeteer)
        found = puppeteer.one(check_prerequisites.programs, "browser")
        assert (found.verdict, found.seen) == ("ok", f"Chromium {CHROME}, {program} (in puppeteer's cache).")

    def test_puppeteer_takes_no_other_by_itself(self, puppeteer: Bot) -> None:
        chromium = puppeteer.program("chromium", "echo Chromium 156.0.1.2")
        other = self.cached(puppeteer, "120.0.1.1")
        found = puppeteer.one(check_prerequisites.programs, "browser")
        assert found.verdict == "problem"
        assert all(part in found.seen for part in (CHROME, str(chromium), str(other)))
        assert "PUPPETEER_EXECUTABLE_PATH" in found.remedy
        puppeteer.write({".puppeteerrc.cjs": ""})
        assert puppeteer.one(check_prerequisites.programs, "browser").verdict == "unknown"

    def test_the_variable_comes_before_the_cache(self, puppeteer: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cached(puppeteer)
        program = puppeteer.program("chromium", "echo Chromium 156.0.1.2 built on Debian")
        for given in (str(program), "chromium"):
            monkeypatch.setenv("PUPPETEER_EXECUTABLE_PATH", given)
            found = puppeteer.one(check_prerequisites.programs, "browser")
            assert found.seen == f"Chromium 156.0.1.2, {program} (PUPPETEER_EXECUTABLE_PATH)."
        monkeypatch.setenv("PUPPETEER_EXECUTABLE_PATH", "/nowhere/chrome")
        assert puppeteer.one(check_prerequisites.programs, "browser").verdict == "problem"

    @pytest.mark.parametrize("line", ["{name}={path}", "export {name} = '{path}' # mine", 'A=b\n{name}="{path}"\n'])
    @pytest.mark.parametrize("name", ["PUPPETEER_EXECUTABLE_PATH", "CHROME_PATH"])
    def test_a_variable_may_come_from_the_bots_dotenv_file(self, puppeteer: Bot, line: str, name: str) -> None:
        program = puppeteer.program("chromium", "echo Chromium 156.0.1.2")
        puppeteer.write({".env": line.format(name=name, path=program)})
        puppeteer.write({"index.js": "launch({ executablePath: process.env.CHROME_PATH || undefined })"})
        found = puppeteer.one(check_prerequisites.programs, "browser")
        assert (found.verdict, str(program) in found.seen, name in found.seen) == ("ok", True, True)

    def test_the_bots_own_code_comes_before_all(self, puppeteer: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cached(puppeteer)
        program = puppeteer.program("mine", "echo Chromium 150.0.1.2", folder=puppeteer.home)
        puppeteer.write({"index.js": f"const x = {{\n  executablePath: '{program}' }}"})
        assert (
            puppeteer.one(check_prerequisites.programs, "browser").seen
            == f"Chromium 150.0.1.2, {program} (named in index.js:2)."
        )
        puppeteer.write({"index.js": "const x = { executablePath: '/nowhere' }"})
        assert puppeteer.one(check_prerequisites.programs, "browser").verdict == "problem"
        puppeteer.write({"index.js": "const x = { executablePath: findIt() }"})
        assert puppeteer.one(check_prerequisites.programs, "browser").verdict == "unknown"
        puppeteer.write({"index.js": "const x = { executablePath: process.env.MY_CHROME }"})
        assert (
            "in puppeteer's cache" in puppeteer.one(check_prerequisites.programs, "browser").seen
        )  # not set: puppeteer sees nothing
        monkeypatch.setenv("MY_CHROME", str(program))
        assert puppeteer.one(check_prerequisites.programs, "browser").seen.startswith("Chromium 150.0.1.2")

    def test_other_libraries_find_their_own_or_the_systems(self, bot: Bot) -> None:
        bot.package("playwright")
        assert bot.one(check_prerequisites.programs, "browser").verdict == "problem"
        bot.program("google-chrome", "echo Google Chrome 140.0.1.2")
        assert "google-chrome (the system's)" in bot.one(check_prerequisites.programs, "browser").seen
        folder = bot.home / ".cache/ms-playwright/chromium-1200/chrome-linux"
        bot.program("chrome", "echo Chromium 141.0.1.2", folder=folder)
        assert "(in Playwright's cache)" in bot.one(check_prerequisites.programs, "browser").seen

    def test_one_that_is_older_than_the_profile(self, puppeteer: Bot) -> None:
        self.cached(puppeteer)
        build.profile(puppeteer.folder / "sessions/session-1")
        found = puppeteer.one(check_prerequisites.programs, "browser")
        assert (found.verdict, "Chromium 156" in found.seen) == ("warning", True)

    def test_one_that_tells_no_version(self, puppeteer: Bot) -> None:
        self.cached(puppeteer).write_text("#!/bin/sh\nexit 1\n")
        assert puppeteer.one(check_prerequisites.programs, "browser").verdict == "unknown"


class TestPackages:
    def test_all_are_there(self, bot: Bot) -> None:
        bot.write({"package.json": '{"dependencies": {"whatsapp-web.js": "1", "@scope/a": "2"}}'})
        bot.package("whatsapp-web.js", "1.34.7")
        bot.package("@scope/a")
        assert bot.one(check_prerequisites.packages, "packages").verdict == "ok"
        assert bot.one(check_prerequisites.packages, "libraries").seen == "whatsapp-web.js 1.34.7."

    def test_some_are_missing(self, bot: Bot) -> None:
        bot.write({"package.json": '{"dependencies": {"a": "1", "b": "1", "c": "1", "d": "1", "e": "1"}}'})
        bot.package("b")
        found = bot.one(check_prerequisites.packages, "packages")
        assert (found.verdict, "not installed: a, c, d and 1 more" in found.seen) == ("problem", True)

    def test_one_installed_further_up_counts(self, bot: Bot) -> None:
        bot.write({"scanonce.toml": '[bot]\ncwd = "app"\n', "app/package.json": '{"dependencies": {"a": "1"}}'})
        bot.package("a")
        assert bot.one(check_prerequisites.packages, "packages").verdict == "ok"

    @pytest.mark.parametrize(
        "text",
        [
            "[]",
            "7",
            "",
            "{",
            "[" * 100_000,
            '{"dependencies": [1]}',
            '{"scripts": "x", "engines": 5}',
            '{"version": {}, "x": ' + "9" * 10_000 + "}",
            '{"x": "' + "y" * (5 << 20) + '"}',
            "\x00\x01\x02",
        ],
        ids=range(10),
    )
    def test_a_hostile_one_is_told_and_stops_nothing(self, bot: Bot, text: str) -> None:
        bot.program("node")
        bot.write({"package.json": text})
        assert bot.one(check_prerequisites.packages, "packages").verdict == "problem"
        assert bot.one(check_prerequisites.programs, "node").verdict == "ok"

    def test_names_that_are_no_file_names_are_simply_not_installed(self, bot: Bot) -> None:
        bot.write({"package.json": '{"dependencies": {"a\\u0000b": "1", "' + "n" * 400 + '": "1", "c": 5}}'})
        assert "not installed" in bot.one(check_prerequisites.packages, "packages").seen

    def test_a_folder_in_its_place(self, bot: Bot) -> None:
        (bot.folder / "package.json").mkdir()
        assert bot.one(check_prerequisites.packages, "packages").verdict == "problem"
