"""Hints from the bot's own source."""

from __future__ import annotations

import time

import pytest

from supervisor.setup.doctor import check_source
from tests.unit.setup.doctor.conftest import Bot

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

    @pytest.mark.parametrize(
        ("index", "where"),
        [
            ("import './lib/bot.js';", ""),
            ("const bot = require('./lib/bot');", ""),
            ("import('./lib/bot.js');", ""),
            ("import './lib/bot.js'; require('./server');", "server.js:1"),
            ("require(path.join(folder, name));", "server.js:1"),  # it may be any
            ("import '@/bot';", "server.js:1"),
        ],
    )
    def test_a_file_of_another_program_is_none_of_the_bots(self, bot: Bot, index: str, where: str) -> None:
        bot.write({"index.js": index, "lib/bot.js": "", "server.js": CLOSES})
        found = bot.one(check_source.source, "signal-handlers", "node", "index.js")
        assert (found.verdict, where in found.seen) == ("warning" if where else "ok", True)

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
            ("args: ['--no-sandbox', '--incognito']", "problem"),
            ('args: ["--guest"]', "problem"),
            ("await browser.createIncognitoBrowserContext()", "problem"),
            ("console.log('no --incognito here')", "ok"),
        ],
    )
    def test_a_browser_that_keeps_nothing(self, bot: Bot, source: str, verdict: str) -> None:
        bot.write({"index.js": source})
        assert bot.one(check_source.source, "incognito").verdict == verdict

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
