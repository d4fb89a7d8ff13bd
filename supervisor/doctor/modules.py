"""What is installed in the bot's `node_modules`."""

from __future__ import annotations

from collections.abc import Iterator

from supervisor.doctor.finding import Finding, ok, problem
from supervisor.doctor.package import installed
from supervisor.doctor.place import Place
from supervisor.session.errors import printable

NAMES = ("packages", "libraries")

_LIBRARIES = (
    "whatsapp-web.js",
    "puppeteer",
    "puppeteer-core",
    "playwright",
    "playwright-core",
    "selenium-webdriver",
    "@wppconnect-team/wppconnect",
    "@open-wa/wa-automate",
)
_SHOWN = 3


def look(place: Place) -> Iterator[Finding]:
    """Whether what package.json names is installed, and which versions of what drives a browser are."""
    yield _packages(place)
    found = [(name, package) for name in _LIBRARIES if (package := installed(name, place.directory))]
    versions = ", ".join(f"{name} {printable(package.version or '(version not known)')}" for name, package in found)
    yield ok("libraries", f"{versions}." if found else "No library that drives a browser is installed here.")


def _packages(place: Place) -> Finding:
    package = place.package
    if not package.exists:
        return ok("packages", "There is no package.json.")
    if package.trouble is not None:
        seen = f"{printable(place.shown(package.path))} {printable(package.trouble)}."
        return problem("packages", seen, "Mend it: npm and the bot read it too.")
    missing = [name for name in package.dependencies if installed(name, place.directory) is None]
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        seen = f"package.json names packages that are not installed: {printable(', '.join(missing[:_SHOWN]))}{more}."
        return problem("packages", seen, "npm ci, or npm install.")
    return ok("packages", f"Every package that package.json names is installed ({len(package.dependencies)}).")
