"""Lay out a bot's project folder that runs with no network, and see to what it needs from outside."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

EXAMPLE = Path(__file__).resolve().parent.parent / "whatsapp-bot"
PAGE = Path(__file__).resolve().parent / "page.html"

WEB_VERSION = "2.3000.1017054665"
"""The page that whatsapp-web.js 1.34.7 asks its local web cache for (`src/util/Constants.js`)."""

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


class SetupError(Exception):
    """Something that the example needs is missing. The message says what to do."""


def prepare(folder: Path, *, source: Path = EXAMPLE / "index.js") -> Path:
    """Make `folder` the project of the bot whose program is `source`, and return it.

    The program is copied to `index.js`, unchanged. The stand-in page goes where whatsapp-web.js looks for a cached
    copy of WhatsApp Web. The packages are those of the example, by a link; they must be installed already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, folder / "index.js")
    shutil.copyfile(EXAMPLE / "package.json", folder / "package.json")
    cache = folder / ".wwebjs_cache"
    cache.mkdir(exist_ok=True)
    shutil.copyfile(PAGE, cache / f"{WEB_VERSION}.html")
    packages = folder / "node_modules"
    if not packages.is_symlink():
        packages.symlink_to(EXAMPLE / "node_modules", target_is_directory=True)
    return folder


def profile_of(folder: Path, number: str) -> Path:
    """The Chromium profile that LocalAuth keeps for `number` in the bot's `folder`."""
    return folder / "sessions" / f"session-{number}"


def ensure_node_modules() -> Path:
    """Install the example's packages if there are none or the lock file is newer, and return their folder.

    Raises SetupError if Node.js is missing or npm fails. Safe to call from several processes at once.
    """
    _program("node", "Install Node.js 18 or newer (Debian, Ubuntu: apt install nodejs npm).")
    npm = _program("npm", "Install npm, which comes with Node.js (Debian, Ubuntu: apt install npm).")
    packages = EXAMPLE / "node_modules"
    with FileLock(Path(__file__).resolve().parent / ".npm-ci.lock"):
        if not _installed(packages):
            _npm_ci(npm)
    return packages


def find_chromium() -> Path:
    """The browser to run: PUPPETEER_EXECUTABLE_PATH, or the first Chromium or Chrome on the PATH.

    Raises SetupError if there is none.
    """
    remedy = (
        "Install Chromium (Debian: apt install chromium), or set PUPPETEER_EXECUTABLE_PATH to a Chromium or Chrome."
    )
    named = os.environ.get("PUPPETEER_EXECUTABLE_PATH")
    if named:
        return Path(_program(named, remedy))
    for name in _BROWSERS:
        found = shutil.which(name)
        if found:
            return Path(found)
    raise SetupError(f"None of {', '.join(_BROWSERS)} is on the PATH. {remedy}")


def bot_environment() -> dict[str, str]:
    """This process's environment, with the browser for the bot named in it. Raises SetupError if there is none."""
    return {**os.environ, "PUPPETEER_EXECUTABLE_PATH": str(find_chromium())}


def _program(name: str, remedy: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SetupError(f"{name} is not there or may not be run. {remedy}")
    return found


def _installed(packages: Path) -> bool:
    """npm writes this file last of all, so an installation that was cut short does not count."""
    try:
        done = (packages / ".package-lock.json").stat().st_mtime
    except FileNotFoundError:
        return False
    return done >= (EXAMPLE / "package-lock.json").stat().st_mtime


def _npm_ci(npm: str) -> None:
    result = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=EXAMPLE,
        env={**os.environ, "PUPPETEER_SKIP_DOWNLOAD": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise SetupError(
            f"npm ci in {EXAMPLE} failed with status {result.returncode}; it needs the npm registry once. "
            f"Try it by hand there. It said:\n{result.stdout.strip()}"
        )
