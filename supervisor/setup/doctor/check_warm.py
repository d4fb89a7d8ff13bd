"""Checks whether a restart can keep the browser and its page."""

import re
import sys
from collections.abc import Iterator

from supervisor.preflight.javascript import starts_plainly
from supervisor.setup.doctor.finding import Finding, ok
from supervisor.setup.doctor.project import CheckedProject
from supervisor.setup.package_json import installed_package
from supervisor.system.escape import printable
from supervisor.warm.known import known_versions

_NAME = "warm-restarts"
_LIBRARY = "whatsapp-web.js"
_REMOTE = re.compile(r"\bnew\s{1,5}RemoteAuth\(")
_PIPE = re.compile(r"\bpipe\s{0,5}:\s{0,5}true\b")


def warm(project: CheckedProject) -> Iterator[Finding]:
    """`warm-restarts`."""
    reason = _why_not(project)
    if reason is None:
        yield ok(
            _NAME, "Restarts in scanonce dev keep the browser and its loaded page, as long as nothing is in the way."
        )
    else:
        yield ok(_NAME, f"Restarts close the browser: {reason}")


def _why_not(project: CheckedProject) -> str | None:
    """Why no restart of this bot can keep its page, and what would help; None if nothing speaks against it."""
    if sys.platform != "linux":
        return "only on Linux can they keep it."
    if project.config.restart.mode == "cold":
        return "restart.mode is cold in the configuration."
    package = installed_package(_LIBRARY, project.directory)
    if package is None:
        return f"{_LIBRARY} is not installed here, and no other library is known for that."
    known = known_versions(_LIBRARY)
    if package.version not in known:
        return f"{_LIBRARY} {package.version} is not known; {', '.join(known)} are."
    if project.command and not starts_plainly(project.command):
        return "the bot is not a program that node runs by itself; scanonce dev index.js would be."
    if (found := next(project.sources.search(_REMOTE), None)) is not None:
        where = printable(found[0].at(found[1].start()))
        return f"RemoteAuth (at {where}) replaces the profile at each start; LocalAuth does not."
    if (found := next(project.sources.search(_PIPE), None)) is not None:
        where = printable(found[0].at(found[1].start()))
        return f"the browser is driven over a pipe (at {where}); without it it could be kept."
    return None
