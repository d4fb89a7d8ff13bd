"""Whether a restart can keep the page, by what the bot's folder holds."""

from __future__ import annotations

import sys

import pytest

from supervisor.setup.doctor import check_warm
from supervisor.warm.known import known_versions
from tests.unit.setup.doctor.conftest import Bot

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no page can be kept")

SOUND = "new Client({ authStrategy: new LocalAuth() })"
REASONS = {
    "it can": ("1.34.7", SOUND, "", ("node", "index.js"), "keep the browser"),
    "no library": (None, SOUND, "", ("node", "index.js"), "not installed"),
    "an unknown version": ("9.9.9", SOUND, "", ("node", "index.js"), "whatsapp-web.js 9.9.9 is not known; 1.34"),
    "turned off": ("1.34.7", SOUND, '[restart]\nmode = "cold"\n', ("node", "index.js"), "restart.mode is cold"),
    "another program between": ("1.34.7", SOUND, "", ("npm", "start"), "scanonce dev index.js would be"),
    "RemoteAuth": ("1.34.7", "new RemoteAuth({})", "", ("node", "index.js"), "RemoteAuth (at index.js:1)"),
    "a pipe": ("1.34.7", f"{SOUND}; ({{ pipe: true }})", "", ("node", "index.js"), "over a pipe (at index.js:1)"),
}


@pytest.mark.parametrize(("version", "source", "config", "command", "seen"), REASONS.values(), ids=REASONS)
def test_it_says_whether_and_why_not(
    bot: Bot, version: str | None, source: str, config: str, command: tuple[str, ...], seen: str
) -> None:
    bot.write({"index.js": source, "scanonce.toml": config})
    if version is not None:
        bot.package("whatsapp-web.js", version)
    found = bot.one(check_warm.warm, "warm-restarts", *command)
    assert found.verdict == "ok"
    assert seen in found.seen


def test_versions_are_named_in_their_order() -> None:
    assert known_versions("whatsapp-web.js") == ["1.34.5", "1.34.6", "1.34.7"]
    assert known_versions("puppeteer") == ["24.38.0", "24.43.1"]
