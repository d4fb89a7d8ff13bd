"""Scripts of package.json that remove the session together with whatever they are meant to clean."""

from __future__ import annotations

import re
from collections.abc import Iterator

from supervisor.setup.doctor.finding import Finding, ok, problem, warning
from supervisor.setup.doctor.project import Place
from supervisor.system.escape import printable

NAMES = ("session-removal",)

_REMOVES = re.compile(
    r"\b(?:rm\s+-\w*[rR]\w*|rm\s+--recursive|rimraf|del-cli|trash|rmdir|rd\s+/s|Remove-Item|rmSync)\b"
)
_LONGEST = 10_000  # characters of a script that are looked at
_BY_THEMSELVES = re.compile(r"(?:pre|post)\w+|start|dev|develop|watch|serve|install|prepare|restart|stop")


def look(place: Place) -> Iterator[Finding]:
    """Every script that removes a folder in which sessions are kept."""
    words = {
        "sessions",
        ".wwebjs_auth",
        "tokens",
        place.config.session.cache.name,
        place.config.session.state_file.name,
    }
    for profile in place.profiles:
        if profile.path.is_relative_to(place.project):
            words.add(profile.path.relative_to(place.project).parts[0])
    removed = re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, sorted(words)))})(?![\w.-])")
    found = False
    for name, script in place.package.scripts.items():
        begins = _REMOVES.search(script[:_LONGEST])
        what = removed.search(script[:_LONGEST], begins.end()) if begins else None
        if what is not None:
            found = True
            yield _removal(name, what[0])
    if not found:
        yield ok("session-removal", "No script of package.json removes a session.")


def _removal(name: str, what: str) -> Finding:
    seen = f"The script {printable(name)} of package.json removes {printable(what)}, which holds the session."
    if _BY_THEMSELVES.fullmatch(name):
        return problem("session-removal", seen, "Take that out: it runs by itself, and then you must scan again.")
    return warning("session-removal", seen, "Take that out, or stop running it while you want to stay linked.")
