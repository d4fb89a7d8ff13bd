"""The bot's command and the scripts of package.json."""

from __future__ import annotations

import json
import time

import pytest

from supervisor.setup.doctor import check_scripts
from tests.unit.setup.doctor.conftest import Bot

SCRIPTS = {
    "dev": "npm run watch",
    "watch": "cross-env NODE_ENV=development nodemon index.js",
    "start": "node index.js",
    "both": "npm run build && concurrently x & node --watch index.js",
    "build": "tsc",
    "loop": "npm run loop",
    "safe": "scanonce dev -- node index.js",
    "quoted": "sh -c 'pm2-runtime index.js",
}


class TestWrappers:
    @pytest.mark.parametrize(
        ("command", "chain"),
        [
            ("node index.js", []),
            ("node index.js --watch", []),
            ("node --inspect --watch-path=src index.js", ["node --watch"]),
            ("tsx watch index.ts", ["tsx --watch"]),
            ("npm run dev", ["npm run dev", "npm run watch", "nodemon"]),
            ("/usr/bin/npm --silent start", ["npm run start"]),
            ("yarn watch", ["yarn run watch", "nodemon"]),
            ("pnpm exec nodemon index.js", ["pnpm", "nodemon"]),
            ("npx --yes nodemon", ["npx", "nodemon"]),
            ("npm run both", ["npm run both", "npm run build", "node --watch"]),
            ("sh -c nodemon", ["nodemon"]),
            ("env A=1 B=2 forever start x.js", ["forever"]),
            ("npm run safe", ["npm run safe", "scanonce"]),
            ("npm run nothing", ["npm run nothing"]),
            ("npm run quoted", ["npm run quoted"]),
            ("npm", ["npm"]),
            ("sh -c", []),
            ("", []),
        ],
    )
    def test_what_a_command_goes_through(self, command: str, chain: list[str]) -> None:
        assert list(check_scripts.links(command.split(), SCRIPTS)) == chain

    def test_scripts_that_call_themselves_or_many_others_come_to_an_end(self) -> None:
        assert len(list(check_scripts.links(["npm", "run", "loop"], SCRIPTS))) < 30
        bomb = {"a": " & ".join(["npm run a"] * 1000)}
        began = time.monotonic()
        assert len(list(check_scripts.links(["npm", "run", "a"], bomb))) <= check_scripts.MOST_LINKS
        assert time.monotonic() - began < 30

    @pytest.mark.parametrize(
        ("command", "verdict"),
        [
            (("node", "index.js"), "ok"),
            (("npm", "start"), "warning"),
            (("npm", "run", "dev"), "problem"),
            (("npm", "run", "safe"), "problem"),
            ((), "ok"),
        ],
    )
    def test_the_command(self, bot: Bot, command: tuple[str, ...], verdict: str) -> None:
        bot.write({"package.json": json.dumps({"scripts": SCRIPTS})})
        assert bot.one(check_scripts.wrappers, "wrapper", *command).verdict == verdict

    def test_the_scripts(self, bot: Bot) -> None:
        bot.write({"package.json": json.dumps({"scripts": SCRIPTS})})
        found = bot.one(check_scripts.wrappers, "scripts")
        assert (found.verdict, "npm run watch -> nodemon" in found.seen) == ("warning", True)
        assert "scanonce init" in found.remedy
        bot.write({"scanonce.toml": ""})
        assert "scanonce init" not in bot.one(check_scripts.wrappers, "scripts").remedy
        bot.write({"package.json": json.dumps({"scripts": {"dev": SCRIPTS["safe"], "start": "node index.js"}})})
        assert bot.one(check_scripts.wrappers, "scripts").verdict == "ok"


class TestRemoval:
    @pytest.mark.parametrize(
        ("name", "script", "verdict"),
        [
            ("start", "rm -rf sessions && node index.js", "problem"),
            ("prestart", "rimraf ./.wwebjs_auth", "problem"),
            ("clean", "npx rimraf dist .session-cache", "warning"),
            ("clean", "rm -rf dist", "ok"),
            ("clean", "rm -rf my-sessions-page", "ok"),
            ("start", "node index.js sessions", "ok"),
        ],
    )
    def test_scripts(self, bot: Bot, name: str, script: str, verdict: str) -> None:
        bot.write({"package.json": json.dumps({"scripts": {name: script}})})
        assert bot.one(check_scripts.removal, "session-removal").verdict == verdict

    def test_the_folder_of_a_known_profile_counts_whatever_its_name(self, bot: Bot) -> None:
        bot.write({"package.json": '{"scripts": {"clean": "rm -rf data"}}'})
        assert bot.one(check_scripts.removal, "session-removal").verdict == "ok"
        bot.write({"scanonce.toml": '[session]\nprofiles = ["data/wa"]\n'})
        assert bot.one(check_scripts.removal, "session-removal").verdict == "warning"

    @pytest.mark.parametrize(
        ("file", "text"),
        [
            ("start-fresh.ps1", "Remove-Item -Recurse -Force .\\sessions\nnode index.js\n"),
            ("start-clean.ps1", "Get-ChildItem sessions | Remove-Item -Recurse\n"),
            ("start-bot.bat", "@echo off\r\nrmdir /s /q sessions\r\nnode index.js\r\n"),
            ("scripts/reset.sh", "#!/bin/sh\nfind sessions -name 'session-*' -exec rm -r {} +\n"),
        ],
    )
    def test_script_files(self, bot: Bot, file: str, text: str) -> None:
        bot.write({file: text})
        found = bot.one(check_scripts.removal, "session-removal")
        assert (found.verdict, file in found.seen, "sessions" in found.seen) == ("warning", True, True)

    @pytest.mark.parametrize(
        "text", ["#!/bin/sh\n# rm -rf sessions\nrm -rf dist; node index.js sessions\n", "REM rmdir /s sessions\r\n"]
    )
    def test_script_files_that_remove_none(self, bot: Bot, text: str) -> None:
        bot.write({"start.sh": text})
        assert bot.one(check_scripts.removal, "session-removal").verdict == "ok"

    @pytest.mark.parametrize(
        "files",
        [
            {"clean.sh": "find .session-cache -mtime +1 -delete\n"},
            {"clean.ps1": "Get-ChildItem .session-cache | ? { $_.LastWriteTime -lt $old } | Remove-Item -Recurse\n"},
            {"package.json": '{"scripts": {"sweep": "find .session-cache -mmin +60 -exec rm -r {} +"}}'},
            {
                "sweep.js": "const dir = path.join(root, '.session-cache');\n"
                "if (Date.now() - stat.mtimeMs > 24 * 60 * 60 * 1000) fs.rmSync(file, { recursive: true });\n"
            },
        ],
    )
    def test_a_clean_up_by_age(self, bot: Bot, files: dict[str, str]) -> None:
        bot.write(files)
        found = bot.one(check_scripts.removal, "session-removal")
        assert (found.verdict, "last good snapshot" in found.seen) == ("warning", True)


class TestBrowserKill:
    @pytest.mark.parametrize(
        ("file", "text", "verdict"),
        [
            ("package.json", '{"scripts": {"prestart": "taskkill /F /IM chrome.exe /T"}}', "problem"),
            ("package.json", '{"scripts": {"clean": "pkill -9 chrome || true"}}', "warning"),
            ("start-all.ps1", "Stop-Process -Name chrome -Force\n", "warning"),
            ("start-all.ps1", "Get-Process chrome | Stop-Process\n", "warning"),
            ("start.bat", "taskkill /f /im chrome.exe\r\n", "warning"),
            ("scripts/run.sh", "killall -q chromium google-chrome\n", "warning"),
            ("lib/clean.js", "execSync('taskkill /F /IM chrome.exe');\n", "warning"),
            ("package.json", '{"scripts": {"start": "node index.js --browser chrome"}}', "ok"),
            ("start.sh", "pkill -f my-worker; node index.js # needs chrome\n", "ok"),
            ("start.bat", "REM taskkill /im chrome.exe\r\n", "ok"),
        ],
    )
    def test_what_ends_every_browser(self, bot: Bot, file: str, text: str, verdict: str) -> None:
        bot.write({file: text})
        assert bot.one(check_scripts.removal, "browser-kill").verdict == verdict
