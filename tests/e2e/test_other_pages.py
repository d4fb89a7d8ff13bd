"""Bots on another page than WhatsApp's, and browsers that are started in other ways, with a real Chromium."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from supervisor.demo.offline_bot import prepare
from tests.e2e.browsers import pages
from tests.e2e.supervised import Supervised, supervised

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

#: Counts in IndexedDB how often it was loaded, and shows it when that is written down.
PAGE = """<!doctype html><title>chat</title><script>
const request = indexedDB.open('store', 1);
request.onupgradeneeded = () => request.result.createObjectStore('kv');
request.onsuccess = () => {
  const store = request.result.transaction('kv', 'readwrite').objectStore('kv');
  store.get('n').onsuccess = ({target}) => {
    const n = (target.result || 0) + 1;
    store.put(n, 'n').transaction.oncomplete = () => { window.loads = n; };
  };
};
</script>"""

BOT = """
const puppeteer = require('puppeteer');
(async () => {
  const options = JSON.parse(process.env.LAUNCH || '{}');
  const executablePath = process.env.PUPPETEER_EXECUTABLE_PATH;
  const defaults = { executablePath, args: ['--no-sandbox'], userDataDir: 'user-data' };
  const browser = await puppeteer.launch({ ...defaults, ...options });
  const [page] = await browser.pages();
  await page.goto('%s/chat');
  await page.waitForFunction('window.loads');
  console.log('loads', await page.evaluate('window.loads'));
  setInterval(() => {}, 1e6);
})();
"""


async def test_it_is_up_when_the_page_has_loaded_and_a_lost_profile_comes_back(bot_folder: Path) -> None:
    with pages() as documents:
        documents["/chat"] = PAGE
        # Waited for longer than the test may take: only the page's load ends the start.
        (bot_folder / "scanonce.toml").write_text('[ready]\nsettle = "10min"\n')
        prepare(bot_folder, source=source(bot_folder, documents["base"]))
        async with supervised(bot_folder) as bot:
            await loads(bot, 1)
            bot.save()
            await loads(bot, 2)
            await bot.until("snapshot.taken")
            assert {closed["asked_by"] for closed in bot.named("browser.closed")} == {"DevTools"}
        shutil.rmtree(bot_folder / "user-data")
        async with supervised(bot_folder) as bot:
            await loads(bot, 3)
            assert len(bot.named("session.restored")) == 1
        state = json.loads((bot_folder / "session-state.json").read_text())
        assert state["sessions"]["user-data"]["lastState"] == "open"


async def loads(bot: Supervised, count: int) -> None:
    await bot.until_ready()
    await bot.until_printed(f"loads {count}\n")


def source(folder: Path, base: str) -> Path:
    path = folder.with_name("source.js")
    path.write_text(BOT.replace("%s", base))
    return path


async def test_what_is_incognito_is_named_and_not_kept(bot_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUNCH", json.dumps({"args": ["--no-sandbox", "--incognito"]}))
    with pages() as documents:
        documents["/chat"] = PAGE
        prepare(bot_folder, source=source(bot_folder, documents["base"]))
        async with supervised(bot_folder) as bot:
            await loads(bot, 1)
            await bot.until("browser.incognito") if not bot.named("browser.incognito") else None
            bot.save()
            skipped = await bot.until("snapshot.skipped")
            assert "incognito" in skipped["reason"]
            await loads(bot, 1)
