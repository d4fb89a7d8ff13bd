"""The offline bot: its folder, and the programs and packages that it needs."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

from supervisor.system.user_folders import cache_folder

_PACKAGE = Path(__file__).resolve().parent
_PAGE = _PACKAGE / "page.html"
_IN_THE_WHEEL = _PACKAGE / "bot"

EXAMPLE = _IN_THE_WHEEL if _IN_THE_WHEEL.is_dir() else _PACKAGE.parents[1] / "examples" / "whatsapp-bot"
"""The files of the example bot: a wheel holds a copy, a checkout the folder itself."""

WEB_VERSION = "2.3000.1017054665"
"""The page that whatsapp-web.js 1.34.7 asks its local web cache for (`src/util/Constants.js`)."""

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_GET_NODE = (
    "Install Node.js 18 or newer with npm (Debian, Ubuntu: apt install nodejs npm; macOS: brew install node; "
    "Windows: winget install OpenJS.NodeJS.LTS)."
)
_GET_CHROMIUM = (
    "Install Chromium or Chrome (Debian: apt install chromium; macOS: brew install --cask google-chrome; "
    "Windows: winget install Google.Chrome), or set PUPPETEER_EXECUTABLE_PATH to the one that you have."
)


class SetupError(Exception):
    """The absence of something that the bot needs. The message says what to do."""


def prepare(folder: Path, *, source: Path | None = None) -> Path:
    """Make `folder` the project of the bot whose program is `source` (the example's by default), and return it.

    The program is copied to `index.js`, unchanged. The stand-in page goes where whatsapp-web.js looks for a cached
    copy of WhatsApp Web. The packages are linked; `ensure_node_modules` must have installed them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source or EXAMPLE / "index.js", folder / "index.js")
    shutil.copyfile(EXAMPLE / "package.json", folder / "package.json")
    cache = folder / ".wwebjs_cache"
    cache.mkdir(exist_ok=True)
    shutil.copyfile(_PAGE, cache / f"{WEB_VERSION}.html")
    packages = folder / "node_modules"
    if not packages.exists():
        installed = _packages_folder() / "node_modules"
        try:
            packages.symlink_to(installed, target_is_directory=True)
        except OSError:  # Windows allows links to developers only
            shutil.copytree(installed, packages)
    return folder


def profile_of(folder: Path, number: str) -> Path:
    """The Chromium profile that LocalAuth keeps for `number` in the bot's `folder`."""
    return folder / "sessions" / f"session-{number}"


def ensure_node_modules() -> Path:
    """Install the example's packages if there are none or the lock file has changed, and return their folder.

    A checkout keeps them with the example, an installed scanonce in the user's cache. Raises `SetupError` if Node.js is
    missing or npm fails. Processes that call it at the same time wait for each other.
    """
    _program("node", _GET_NODE)
    npm = _program("npm", _GET_NODE)
    home = _packages_folder()
    packages = home / "node_modules"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / ".npm-ci.lock"):
            if not _installed(packages):
                if home != EXAMPLE:
                    for name in ("package.json", "package-lock.json"):
                        shutil.copyfile(EXAMPLE / name, home / name)
                _npm_ci(npm, home)
    except OSError as error:
        raise SetupError(f"The bot's packages cannot be installed in {home}: {error.strerror or error}.") from error
    return packages


def packages_are_installed() -> bool:
    """Whether `ensure_node_modules` has nothing to do."""
    return _installed(_packages_folder() / "node_modules")


def find_chromium() -> Path:
    """The browser to run: PUPPETEER_EXECUTABLE_PATH, or the first Chromium or Chrome on the PATH.

    Raises `SetupError` if there is none.
    """
    named = os.environ.get("PUPPETEER_EXECUTABLE_PATH")
    if named:
        return Path(_program(named, _GET_CHROMIUM))
    for name in _BROWSERS:
        found = shutil.which(name)
        if found:
            return Path(found)
    raise SetupError(f"None of {', '.join(_BROWSERS)} is on the PATH. {_GET_CHROMIUM}")


def bot_environment() -> dict[str, str]:
    """This process's environment, with the browser for the bot named in it. Raises `SetupError` if there is none."""
    return {**os.environ, "PUPPETEER_EXECUTABLE_PATH": str(find_chromium())}


def _program(name: str, remedy: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SetupError(f"{name} is not there or may not be run. {remedy}")
    return found


def _packages_folder() -> Path:
    if EXAMPLE != _IN_THE_WHEEL:
        return EXAMPLE
    lock_file = hashlib.sha256((EXAMPLE / "package-lock.json").read_bytes()).hexdigest()
    return cache_folder() / "demo" / lock_file[:12]


def _installed(packages: Path) -> bool:
    """npm writes this file last of all, so an installation that was cut short does not count."""
    try:
        done = (packages / ".package-lock.json").stat().st_mtime
        return done >= (packages.parent / "package-lock.json").stat().st_mtime
    except FileNotFoundError:
        return False


def _npm_ci(npm: str, home: Path) -> None:
    result = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=home,
        env={**os.environ, "PUPPETEER_SKIP_DOWNLOAD": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise SetupError(
            f"npm ci in {home} failed with status {result.returncode}; it needs the npm registry once. "
            f"Try it by hand there. It said:\n{result.stdout.strip()}"
        )
