"""Checks the configuration, the state file, and the versions that scanonce runs on."""

import importlib.metadata
import platform
from collections.abc import Iterator

from supervisor import __version__
from supervisor.setup.doctor.finding import Finding, ok, problem, sentence, warning
from supervisor.setup.doctor.project import CheckedProject
from supervisor.system.escape import printable

_LIBRARIES = ("psutil", "filelock", "structlog", "pydantic", "websockets")


def configuration(project: CheckedProject) -> Iterator[Finding]:
    """`versions`, `configuration`, `state-file`."""
    yield ok(
        "versions",
        f"scanonce {__version__} on Python {platform.python_version()}, {platform.system()} "
        f"{platform.release()}; {', '.join(map(_with_version, _LIBRARIES))}.",
    )
    for issue in project.issues:
        remedy = "Correct it: scanonce does not start until then. The other checks assume the defaults."
        yield problem("configuration", sentence(printable(issue)), remedy)
    if not project.issues:
        yield ok("configuration", "The configuration is valid.")
    yield _state_file(project)


def _state_file(project: CheckedProject) -> Finding:
    name = printable(project.shown(project.state_file))
    if project.state_error is not None:
        return problem("state-file", project.state_error, "Until then scanonce does not start.")
    if (foreign := project.store.state.foreign()) is not None:
        return warning(
            "state-file", foreign, "Nothing needs to be done; session.state_file gives scanonce another name."
        )
    if project.state_trouble is None:
        return ok("state-file", f"{name} is valid, or does not exist yet.")
    remedy = "The next start renames it and creates a new one from the snapshots."
    return problem("state-file", f"{name} is not valid: {printable(project.state_trouble)}.", remedy)


def _with_version(name: str) -> str:
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{name} (version not known)"
