"""Which browser the bot would use, of those that there are.

Puppeteer takes `executablePath` from the bot's code, else from PUPPETEER_EXECUTABLE_PATH, else the one version that it
was made for, from its own cache (`~/.cache/puppeteer/chrome/<platform>-<version>`, or PUPPETEER_CACHE_DIR); never what
the system has. See https://pptr.dev/guides/configuration. Playwright keeps its own beside it, Selenium finds what the
system has.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from supervisor.setup.doctor.project import Place
from supervisor.setup.package_json import installed, modules_of

_SYSTEM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_MAC = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
#: Where the program lies in a folder that @puppeteer/browsers or Playwright has unpacked.
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
_INSTALL = "Let puppeteer fetch it (npx puppeteer browsers install chrome), or name one: PUPPETEER_EXECUTABLE_PATH."


@dataclass(frozen=True, slots=True)
class Choice:
    """The browser that the bot would use: `why` in words. With no program, `why` is a sentence, and `certain` tells
    whether there is none, or it cannot be told which; `others` are there, but would not be used by themselves."""

    program: Path | None
    why: str
    remedy: str = ""
    certain: bool = True
    others: tuple[str, ...] = ()


def choose(place: Place) -> Choice:
    """What the bot would use."""
    named = _named_in_source(place)
    if named is not None:
        return named
    given = place.environment.get("PUPPETEER_EXECUTABLE_PATH")
    if given:
        remedy = "Set PUPPETEER_EXECUTABLE_PATH to a Chromium or Chrome that is there."
        return Choice(_program(given, place), "PUPPETEER_EXECUTABLE_PATH", remedy)
    system = tuple(str(found) for found in _of_the_system(place))
    if installed("puppeteer", place.directory) is not None:
        return _of_puppeteer(place, system)
    for found in _of_playwright(place):
        return Choice(found, "in Playwright's cache")
    if system:
        return Choice(Path(system[0]), "the system's")
    seen = "No Chromium or Chrome was found: not in puppeteer's or Playwright's cache, and not on the PATH."
    return Choice(None, seen, "Install one (Debian: apt install chromium), and name it in the bot's executablePath.")


def _named_in_source(place: Place) -> Choice | None:
    """What the bot's own code names; `None` if it names nothing, or a variable that is not set."""
    for source, match in place.sources.search(_NAMED):
        where = f"named in {source.at(match.start())}"
        if match[2] and "${" not in match[2]:
            return Choice(_program(match[2], place), where, "Correct that path, or install the browser there.")
        if match[3]:
            value = place.environment.get(match[3])
            if value:
                why = f"{match[3]}, {where}"
                return Choice(_program(value, place), why, f"Set {match[3]} to a Chromium or Chrome that is there.")
        elif match[4] not in {"undefined", "null"}:
            others = (*_of_the_system(place), *_of_puppeteers_cache(place))
            seen = f"The bot's browser is {where} by an expression, which only the bot can evaluate."
            return Choice(
                None, seen, certain=not others, others=tuple(map(str, others)), remedy="" if others else _INSTALL
            )
    return None


def _program(text: str, place: Place) -> Path:
    """A program as the bot would start it: a bare name is looked up on its PATH, a path is taken from its folder."""
    if os.path.dirname(text):  # noqa: PTH120 - "./chrome" must differ from "chrome"
        return place.directory / text
    return Path(shutil.which(text, path=place.environment.get("PATH", os.defpath)) or text)


def _of_puppeteer(place: Place, system: tuple[str, ...]) -> Choice:
    wanted = _pinned(place)
    cached = list(_of_puppeteers_cache(place))
    for program in cached:
        if wanted is None or any(part.endswith(f"-{wanted}") for part in program.parts):
            return Choice(program, "in puppeteer's cache")
    seen = f"puppeteer was made for Chrome {wanted or '(version not known)'}, which is not in its cache."
    others = (*system, *map(str, cached))
    if any(next(place.directory.glob(name), None) for name in (".puppeteerrc*", "puppeteer.config.*")):
        return Choice(None, f"{seen} Its configuration file may say otherwise.", _INSTALL, certain=False, others=others)
    return Choice(None, seen, _INSTALL, others=others)


def _pinned(place: Place) -> str | None:
    """The version of Chrome that the installed puppeteer was made for."""
    for modules in modules_of(place.directory):
        file = modules / "puppeteer-core" / "lib" / "cjs" / "puppeteer" / "revisions.js"
        try:
            with file.open(encoding="utf-8", errors="replace") as opened:
                found = _PINNED.search(opened.read(100_000))
        except OSError:
            continue
        if found is not None:
            return found[1]
    return None


def _of_puppeteers_cache(place: Place) -> Iterator[Path]:
    given = place.environment.get("PUPPETEER_CACHE_DIR")
    folder = place.directory / given if given else _home(place) / ".cache" / "puppeteer"
    for kind in ("chrome", "chrome-headless-shell"):
        yield from _unpacked(folder / kind)


def _of_playwright(place: Place) -> Iterator[Path]:
    if installed("playwright", place.directory) is None and installed("playwright-core", place.directory) is None:
        return
    given = place.environment.get("PLAYWRIGHT_BROWSERS_PATH")
    folder = place.directory / given if given else _home(place) / ".cache" / "ms-playwright"
    yield from _unpacked(folder)


def _unpacked(folder: Path) -> Iterator[Path]:
    for version in sorted(folder.glob("*"), reverse=True):
        for pattern in _UNPACKED:
            yield from version.glob(pattern)


def _of_the_system(place: Place) -> Iterator[Path]:
    for name in _SYSTEM:
        found = shutil.which(name, path=place.environment.get("PATH", os.defpath))
        if found is not None:
            yield Path(found)
    if sys.platform == "darwin":
        yield from (Path(path) for path in _MAC if Path(path).exists())


def _home(place: Place) -> Path:
    return Path(place.environment.get("HOME") or Path.home())
