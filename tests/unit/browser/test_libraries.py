"""What a bot's folder tells of whether it opens a browser."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from supervisor.browser.libraries import drives_a_browser, opens_a_browser


def write(folder: Path, name: str, text: str = "") -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "from selenium import webdriver\n",
        "import os\nimport undetected_chromedriver as uc\n",
        "def main():\n    from playwright.sync_api import sync_playwright\n",
        "import pyppeteer, sys\n",
    ],
)
@pytest.mark.parametrize("name", ["bot.py", "src/bot/driver.py"])
def test_a_python_bot_is_known_by_what_it_imports(tmp_path: Path, text: str, name: str) -> None:
    write(tmp_path, name, text)
    assert opens_a_browser(tmp_path)


@pytest.mark.parametrize("text", ["import seleniumish\n", "# import selenium\n", "text = 'from selenium'\n", ""])
def test_other_words_are_no_import(tmp_path: Path, text: str) -> None:
    write(tmp_path, "bot.py", text)
    assert not drives_a_browser(tmp_path)


@pytest.mark.parametrize("name", ["puppeteer", "venom-bot", "@wppconnect-team/wppconnect", "playwright-core"])
@pytest.mark.parametrize("how", ["installed", "in the workspace", "zipped"])
def test_a_node_bot_is_known_by_its_packages(tmp_path: Path, name: str, how: str) -> None:
    bot = tmp_path / "packages" / "bot"
    bot.mkdir(parents=True)
    if how == "zipped":  # by Yarn's Plug'n'Play
        write(bot, ".pnp.cjs")
        write(bot, "package.json", json.dumps({"dependencies": {name: "*"}}))
    else:
        place = bot if how == "installed" else tmp_path
        (place / "node_modules" / name).mkdir(parents=True)
        write(place, "package.json", "{}")
    assert opens_a_browser(bot)


def test_a_dependency_that_is_not_installed_tells_nothing(tmp_path: Path) -> None:
    write(tmp_path, "package.json", json.dumps({"dependencies": {"puppeteer": "*"}}))
    assert not drives_a_browser(tmp_path)


def test_what_is_installed_for_others_is_not_the_bots(tmp_path: Path) -> None:
    write(tmp_path, "venv/pyvenv.cfg")
    write(tmp_path, "venv/lib/selenium.py", "import selenium\n")
    write(tmp_path, "node_modules/tool/tool.py", "import selenium\n")
    assert not drives_a_browser(tmp_path)


@pytest.mark.parametrize(
    ("text", "opens"),
    [
        ("puppeteer.connect({ browserURL: 'http://127.0.0.1:9222' })", False),
        ("new Client({ puppeteer: { browserWSEndpoint: url } })", False),
        ("await chromium.connectOverCDP(url)", False),
        ("url ? puppeteer.connect({ browserWSEndpoint: url }) : puppeteer.launch()", True),
        ("new Client()", True),
    ],
)
def test_a_bot_may_only_connect_to_a_browser(tmp_path: Path, text: str, opens: bool) -> None:
    (tmp_path / "node_modules/puppeteer").mkdir(parents=True)
    write(tmp_path, "index.js", text)
    assert drives_a_browser(tmp_path)
    assert opens_a_browser(tmp_path) is opens


def test_files_that_are_none_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "bot.py")
    (tmp_path / "endless.py").symlink_to("/dev/zero")
    write(tmp_path, "package.json", "[]")
    assert not opens_a_browser(tmp_path)
