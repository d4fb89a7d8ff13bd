"""The configuration, and what scanonce itself runs on."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator

from supervisor import __version__
from supervisor.setup.doctor.finding import Finding, ok, problem
from supervisor.setup.doctor.project import Place
from supervisor.system.escape import printable

NAMES = ("versions", "configuration", "state-file")

_LIBRARIES = ("watchfiles", "psutil", "filelock", "structlog", "pydantic", "websockets")


def look(place: Place) -> Iterator[Finding]:
    """Versions, `scanonce.toml`, and the state file."""
    yield ok(
        "versions",
        f"scanonce {__version__} on Python {platform.python_version()}, {platform.system()} "
        f"{platform.release()}; {', '.join(map(_with_version, _LIBRARIES))}.",
    )
    for issue in place.issues:
        seen = printable(issue)
        remedy = "Mend that line; until then scanonce does not start. What follows here goes by the defaults."
        yield problem("configuration", seen if seen.endswith("?") else f"{seen}.", remedy)
    if not place.issues:
        yield ok("configuration", "There is nothing wrong with the configuration.")
    yield _state_file(place)


def _state_file(place: Place) -> Finding:
    name = printable(place.shown(place.project / place.config.session.state_file))
    if place.state_error is not None:
        return problem("state-file", place.state_error, "Until then scanonce does not start.")
    if place.state_trouble is None:
        return ok("state-file", f"{name} can be read, or is not there yet.")
    remedy = "The next start sets it aside under another name and makes it anew from the snapshots."
    return problem("state-file", f"{name} makes no sense: {printable(place.state_trouble)}.", remedy)


def _with_version(name: str) -> str:
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{name} (version not known)"
