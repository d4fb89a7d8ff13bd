"""Determines the browser that the bot would use.

Puppeteer uses `executablePath` from the bot's code, else PUPPETEER_EXECUTABLE_PATH, else the one version that it was
made for, from its own cache (`~/.cache/puppeteer/chrome/<platform>-<version>`, or PUPPETEER_CACHE_DIR), and never an
installed browser. See https://pptr.dev/guides/configuration. Playwright has a cache of its own; Selenium uses an
installed browser.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from supervisor.setup.doctor.project import CheckedProject
from supervisor.setup.package_json import installed_package, node_modules
from supervisor.system.reading import read_start

_INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_MAC = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
#: Paths of the program in a folder that @puppeteer/browsers or Playwright has unpacked.
_UNPACKED = (
    "chrome-linux64/chrome",
    "chrome-linux/chrome",
    "chrome-win64/chrome.exe",
    "chrome-win/chrome.exe",
    "chrome-mac*/*.app/Contents/MacOS/*",
)
_PINNED = re.compile(r"""\bchrome['"]?\s*:\s*['"]([\d.]{3,40})['"]""")
_NAMED = re.compile(
    r"""\bexecutablePath\s*:\s*(?:(['"`])([^'"`\n]{1,500})\1|process\.env\.(\w{1,100})|([^\s,}]{1,100}))"""
)
_REMEDY = "Run npx puppeteer browsers install chrome, or set PUPPETEER_EXECUTABLE_PATH to another browser."


@dataclass(frozen=True, slots=True)
class BrowserChoice:
    """The browser that the bot would use; `why` says in words how it was found.

    Without a program, `why` is a sentence, and `certain` tells whether there is no browser or the choice cannot be
    determined; `others` exist, but would not be used.
    """

    program: Path | None
    why: str
    remedy: str = ""
    certain: bool = True
    others: tuple[str, ...] = ()


def choose_browser(project: CheckedProject) -> BrowserChoice:
    """The browser that the bot would use."""
    named = _named_in_source(project)
    if named is not None:
        return named
    given = project.variable("PUPPETEER_EXECUTABLE_PATH")
    if given:
        remedy = "Set PUPPETEER_EXECUTABLE_PATH to an existing Chromium or Chrome."
        return BrowserChoice(_program(given, project), "PUPPETEER_EXECUTABLE_PATH", remedy)
    installed = tuple(str(found) for found in _installed(project))
    if installed_package("puppeteer", project.directory) is not None:
        return _of_puppeteer(project, installed)
    for found in _playwright_cache(project):
        return BrowserChoice(found, "in Playwright's cache")
    if installed:
        return BrowserChoice(Path(installed[0]), "the system's")
    seen = "No Chromium or Chrome was found: not in puppeteer's or Playwright's cache, and not on the PATH."
    return BrowserChoice(None, seen, "Install one (Debian: apt install chromium), and set the bot's executablePath.")


def _named_in_source(project: CheckedProject) -> BrowserChoice | None:
    """The browser that the bot's own code names; `None` if it names none, or a variable that is not set."""
    for source, match in project.sources.search(_NAMED):
        where = f"named in {source.at(match.start())}"
        if match[2] and "${" not in match[2]:
            return BrowserChoice(_program(match[2], project), where, "Correct that path, or install the browser there.")
        if match[3]:
            value = project.variable(match[3])
            if value:
                remedy = f"Set {match[3]} to an existing Chromium or Chrome."
                return BrowserChoice(_program(value, project), f"{match[3]}, {where}", remedy)
        elif match[4] not in {"undefined", "null"}:
            others = tuple(map(str, (*_installed(project), *_puppeteer_cache(project))))
            seen = f"The bot's browser is {where} by an expression that only the bot can evaluate."
            return BrowserChoice(None, seen, "" if others else _REMEDY, certain=not others, others=others)
    return None


def _program(text: str, project: CheckedProject) -> Path:
    """A program as the bot would start it: a bare name is looked up on its PATH, a path is relative to its folder."""
    if os.path.dirname(text):  # noqa: PTH120 - "./chrome" must differ from "chrome"
        return project.directory / text
    return Path(shutil.which(text, path=project.environment.get("PATH", os.defpath)) or text)


def _of_puppeteer(project: CheckedProject, installed: tuple[str, ...]) -> BrowserChoice:
    wanted = _pinned(project)
    cached = list(_puppeteer_cache(project))
    for program in cached:
        if wanted is None or any(part.endswith(f"-{wanted}") for part in program.parts):
            return BrowserChoice(program, "in puppeteer's cache")
    seen = f"puppeteer was made for Chrome {wanted or '(version not known)'}, which is not in its cache."
    others = (*installed, *map(str, cached))
    configured = any(next(project.directory.glob(name), None) for name in (".puppeteerrc*", "puppeteer.config.*"))
    if configured:
        seen += " Its configuration file may name another browser."
    return BrowserChoice(None, seen, _REMEDY, certain=not configured, others=others)


def _pinned(project: CheckedProject) -> str | None:
    """The version of Chrome that the installed puppeteer was made for."""
    for modules in node_modules(project.directory):
        file = modules / "puppeteer-core" / "lib" / "cjs" / "puppeteer" / "revisions.js"
        try:
            found = _PINNED.search(read_start(file, 100_000, follow=True).decode("utf-8", "replace"))
        except OSError:
            continue
        if found is not None:
            return found[1]
    return None


def _puppeteer_cache(project: CheckedProject) -> Iterator[Path]:
    folder = _cache(project, "PUPPETEER_CACHE_DIR", "puppeteer")
    for kind in ("chrome", "chrome-headless-shell"):
        yield from _unpacked(folder / kind)


def _playwright_cache(project: CheckedProject) -> Iterator[Path]:
    if any(installed_package(name, project.directory) for name in ("playwright", "playwright-core")):
        yield from _unpacked(_cache(project, "PLAYWRIGHT_BROWSERS_PATH", "ms-playwright"))


def _cache(project: CheckedProject, variable: str, name: str) -> Path:
    home = Path(project.environment.get("HOME") or os.path.expanduser("~"))  # noqa: PTH111  Path.home raises without one
    return project.directory / (project.environment.get(variable) or home / ".cache" / name)


def _unpacked(folder: Path) -> Iterator[Path]:
    for version in sorted(folder.glob("*"), reverse=True):
        for pattern in _UNPACKED:
            yield from version.glob(pattern)


def _installed(project: CheckedProject) -> Iterator[Path]:
    for name in _INSTALLED:
        found = shutil.which(name, path=project.environment.get("PATH", os.defpath))
        if found is not None:
            yield Path(found)
    if sys.platform == "darwin":
        yield from (Path(path) for path in _MAC if Path(path).exists())
