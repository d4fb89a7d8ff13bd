"""Whether a bot opens a browser, by the libraries that it has and what its source says.

Hints for its first start, in which no browser of it has been seen yet. Nothing is executed, and only some files are
read; what the bot really does corrects it.
"""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from supervisor.system.reading import parse_object, read_start

#: Packages of npm that drive a browser.
_NPM = (
    "puppeteer",
    "puppeteer-core",
    "puppeteer-extra",
    "rebrowser-puppeteer",
    "rebrowser-puppeteer-core",
    "playwright",
    "playwright-core",
    "playwright-chromium",
    "playwright-extra",
    "patchright",
    "selenium-webdriver",
    "webdriverio",
    "whatsapp-web.js",
    "venom-bot",
    "@wppconnect-team/wppconnect",
    "@wppconnect/server",
    "@open-wa/wa-automate",
)

#: Modules of Python that drive one, by the names under which they are imported.
_PYTHON = (
    "alright",
    "botasaurus",
    "DrissionPage",
    "helium",
    "nodriver",
    "patchright",
    "playwright",
    "pyppeteer",
    "rebrowser_playwright",
    "selenium",
    "seleniumbase",
    "seleniumwire",
    "splinter",
    "undetected_chromedriver",
    "WPP_Whatsapp",
    "zendriver",
)

_IMPORTS = re.compile(rb"^[ \t]*(?:from|import)[ \t]+(?:%b)\b" % "|".join(_PYTHON).encode(), re.MULTILINE)

#: Ways to connect to a browser that runs already, of puppeteer, Playwright and Selenium, and to start one.
_CONNECTS = re.compile(
    rb"\b(?:browserWSEndpoint|browserURL|connectOverCDP|connect_over_cdp|debugger_?[aA]ddress|usingServer)\b"
    rb"|\bwebdriver\.Remote\("
)
_LAUNCHES = re.compile(rb"\blaunch\w*\(")

_PYTHON_SOURCES = (".py",)
_SOURCES = (*_PYTHON_SOURCES, ".js", ".mjs", ".cjs", ".ts", ".mts", ".cts")
_NOT_THE_BOT = frozenset({"node_modules", "site-packages", "__pycache__"})
_MOST_FILES, _LARGEST, _DEEPEST = 300, 256 << 10, 4  # files; bytes; folders


def drives_a_browser(folder: Path) -> bool:
    """Whether a bot in this folder has a library that drives a browser, its own or of the workspace that it is in."""
    workspaces = [parent for parent in folder.parents if (parent / "package.json").is_file()]
    installed = any((place / "node_modules" / name).is_dir() for place in (folder, *workspaces) for name in _NPM)
    # Yarn's Plug'n'Play installs no folders.
    zipped = any((place / ".pnp.cjs").is_file() for place in (folder, *workspaces))
    return (
        installed
        or (zipped and not _dependencies(folder / "package.json").isdisjoint(_NPM))
        or any(_IMPORTS.search(text) for text in _texts(folder, _PYTHON_SOURCES))
    )


def opens_a_browser(folder: Path) -> bool:
    """Whether a bot in this folder starts a browser of its own: it may only connect to one that runs already."""
    return drives_a_browser(folder) and not _only_connects(_texts(folder, _SOURCES))


def _only_connects(texts: Iterable[bytes]) -> bool:
    connects = False
    for text in texts:
        if _LAUNCHES.search(text):
            return False
        connects = connects or _CONNECTS.search(text) is not None
    return connects


def _dependencies(package: Path) -> set[str]:
    with contextlib.suppress(ValueError):
        found = parse_object(_read(str(package)) or b"{}", strict=False).get("dependencies")
        return set(found) if isinstance(found, dict) else set()
    return set()


def _texts(folder: Path, extensions: tuple[str, ...]) -> Iterator[bytes]:
    """The contents of a bot's source files, without what is installed: the first ones, to a depth."""
    left = _MOST_FILES
    for place, folders, names in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = [] if depth >= _DEEPEST else sorted(name for name in folders if _may_hold_source(place, name))
        for name in sorted(names):
            if not name.endswith(extensions):
                continue
            if (text := _read(os.path.join(place, name))) is not None:  # noqa: PTH118 - of a walk
                yield text
            left -= 1
            if left == 0:
                return


def _may_hold_source(place: str, name: str) -> bool:
    if name.startswith(".") or name in _NOT_THE_BOT:
        return False
    return not os.path.exists(os.path.join(place, name, "pyvenv.cfg"))  # noqa: PTH110, PTH118 - of a walk


def _read(path: str) -> bytes | None:
    """The beginning of a regular file, None for anything else."""
    try:
        return read_start(path, _LARGEST)
    except OSError:
        return None
