"""What is read off texts: the command, the scripts of package.json, the bot's own source."""

from __future__ import annotations

import json
import time

import pytest

from supervisor.setup.doctor import check_scripts, check_source
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


class TestBetween:
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


CLOSES = "process.on('SIGTERM', async () => {\n  await client.destroy();\n  process.exit(0);\n});"
EXITS = 'process.once("SIGTERM", () => { db.end(() => process.exit(0)); });'
STAYS = "process.on('SIGTERM', () => { console.log('bye'); });"
NAMED = "async function stop() {\n  await browser.close();\n  process.exit();\n}\nprocess.on('SIGTERM', stop);"
LOOP = "for (const name of ['SIGINT', 'SIGTERM']) {\n  process.on(name, () => { client.destroy(); });\n}"
LEFT = "const options = { handleSIGTERM: false };\n"


class TestHandlers:
    @pytest.mark.parametrize(
        ("source", "verdict", "where"),
        [
            ("", "ok", ""),
            (EXITS, "ok", "index.js:1"),
            (EXITS.replace("db.end(", "server.close("), "ok", "index.js:1"),
            (CLOSES, "warning", "index.js:1"),
            (f"\n\n{NAMED}", "warning", "index.js:7"),
            (LOOP, "warning", "index.js:2"),
            (STAYS, "warning", "index.js:1"),
            (CLOSES.replace("SIGTERM", "SIGINT"), "ok", ""),  # not the signal that is sent
            (f"/*\n{CLOSES}\n*/", "ok", ""),
            ("\n".join(f"// {line}" for line in CLOSES.splitlines()), "ok", ""),
        ],
    )
    def test_what_the_bot_does_about_the_stop_signal(self, bot: Bot, source: str, verdict: str, where: str) -> None:
        bot.write({"index.js": source, "node_modules/other/index.js": CLOSES})
        found = bot.one(check_source.source, "signal-handlers")
        assert (found.verdict, where in found.seen) == (verdict, True)
        assert "hint" in found.seen
        if "close the browser itself" in found.seen:
            assert 'stop.order = "bot-first"' in found.remedy

    @pytest.mark.parametrize(
        ("source", "verdict"), [(LEFT + CLOSES, "ok"), (CLOSES, "warning"), (LEFT + EXITS, "warning"), ("", "warning")]
    )
    def test_a_bot_that_goes_first_must_close_its_browser(self, bot: Bot, source: str, verdict: str) -> None:
        bot.write({"index.js": source, "scanonce.toml": '[stop]\norder = "bot-first"\n'})
        assert bot.one(check_source.source, "stop-order").verdict == verdict

    def test_else_the_browser_goes_first(self, bot: Bot) -> None:
        bot.write({"index.js": LEFT})
        found = bot.one(check_source.source, "stop-order")
        assert (found.verdict, "index.js:1" in found.seen) == ("ok", True)

    @pytest.mark.parametrize(("source", "verdict"), [("x({ pipe: true })", "warning"), ("x({ pipe: false })", "ok")])
    def test_a_pipe_in_place_of_the_port(self, bot: Bot, source: str, verdict: str) -> None:
        bot.write({"src/browser.ts": source})
        assert bot.one(check_source.source, "devtools").verdict == verdict

    @pytest.mark.parametrize(
        ("source", "verdict"),
        [
            ("new Client({ puppeteer: {} })", "warning"),
            ("new Client({ authStrategy: new LocalAuth() })", "ok"),
            ("start()", "ok"),
        ],
    )
    def test_a_client_that_keeps_no_session(self, bot: Bot, source: str, verdict: str) -> None:
        bot.write({"index.js": source})
        assert bot.one(check_source.source, "auth-strategy").verdict == "ok"
        bot.package("whatsapp-web.js")
        assert bot.one(check_source.source, "auth-strategy").verdict == verdict

    @pytest.mark.parametrize(
        ("source", "verdict"),
        [
            ("new LocalAuth({ dataPath: './sessions' })", "ok"),
            ("new LocalAuth({ dataPath: '/dev/shm/wa' })", "problem"),
            ("new LocalAuth({ dataPath: path.join(os.tmpdir(), 'wa') })", "problem"),
            ("new LocalAuth({ dataPath: 'data/wa' })", "warning"),
            ("new LocalAuth({ dataPath: '/srv/wa' })", "ok"),
            ("new LocalAuth({ dataPath: `data/${name}` })", "ok"),
        ],
    )
    def test_where_the_session_is_kept(self, bot: Bot, source: str, verdict: str) -> None:
        bot.write({"index.js": source})
        assert bot.one(check_source.source, "data-path").verdict == verdict

    def test_among_the_watched_files_is_no_matter_once_it_is_left_out_or_known(self, bot: Bot) -> None:
        bot.write({"index.js": "new LocalAuth({ dataPath: 'data/wa' })", ".gitignore": "data/\n"})
        assert bot.one(check_source.source, "data-path").verdict == "ok"
        bot.write({".gitignore": "", "scanonce.toml": '[session]\nprofiles = ["data/wa/session-1"]\n'})
        assert bot.one(check_source.source, "data-path").verdict == "ok"

    @pytest.mark.parametrize(
        "text",
        ["/* " * 150_000, "process.on(" * 40_000, "dataPath: '" * 40_000, "(" * 400_000, "process.on('SIGTERM', x"],
    )
    def test_hostile_text_takes_no_time(self, bot: Bot, text: str) -> None:
        bot.write({"index.js": text})
        began = time.monotonic()
        assert bot.look(check_source.source)
        assert time.monotonic() - began < 30


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
