"""Every group of findings, and what runs them: none can stop the others, and none takes for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from supervisor.setup.doctor import (
    cleanup_scripts,
    clock,
    configuration,
    disk,
    git,
    inotify_limits,
    leftovers,
    node_modules,
    permissions,
    prerequisites,
    sessions,
    signal_handlers,
    wrappers,
)
from supervisor.setup.doctor.finding import Finding, Verdict, unknown
from supervisor.setup.doctor.project import Place
from supervisor.system.errors import SessionError
from supervisor.system.escape import printable

PATIENCE = 10.0
"""Seconds that one group may take. A network drive that hangs holds up nothing but its own group."""


@dataclass(frozen=True, slots=True)
class Group:
    """Findings that are made together; `names` are all that it can make."""

    look: Callable[[Place], Iterable[Finding]]
    names: tuple[str, ...]


GROUPS = (
    Group(configuration.look, configuration.NAMES),
    Group(prerequisites.look, prerequisites.NAMES),
    Group(node_modules.look, node_modules.NAMES),
    Group(wrappers.look, wrappers.NAMES),
    Group(signal_handlers.look, signal_handlers.NAMES),
    Group(sessions.look, sessions.NAMES),
    Group(leftovers.look, leftovers.NAMES),
    Group(cleanup_scripts.look, cleanup_scripts.NAMES),
    Group(permissions.look, permissions.NAMES),
    Group(git.look, git.NAMES),
    Group(disk.look, disk.NAMES),
    Group(inotify_limits.look, inotify_limits.NAMES),
    Group(clock.look, clock.NAMES),
)

NAMES = tuple(name for group in GROUPS for name in group.names)
"""The name of every finding there is."""


def examine(place: Place) -> Iterator[Finding]:
    """Look at everything, group by group."""
    for group in GROUPS:
        yield from _patiently(group, place)


def needs_doing(findings: Iterable[Finding]) -> bool:
    """Whether there is a problem among them."""
    return any(finding.verdict is Verdict.PROBLEM for finding in findings)


def _patiently(group: Group, place: Place) -> list[Finding]:
    found: list[Finding] = []
    # A daemon, so that one that hangs in the kernel keeps nobody from ending.
    worker = threading.Thread(target=_run, args=(group, place, found), name=group.names[0], daemon=True)
    worker.start()
    worker.join(PATIENCE)
    if worker.is_alive():
        return [*found, unknown(group.names[0], f"Looking took longer than {PATIENCE:g} s, and was given up.")]
    return found


def _run(group: Group, place: Place, found: list[Finding]) -> None:
    def because(why: str) -> None:
        found.append(unknown(group.names[0], f"This could not be looked at: {why}"))

    try:
        found.extend(group.look(place))
    except SessionError as error:
        because(str(error))
    except OSError as error:
        because(f"{printable(error.filename or 'the system')}: {(error.strerror or str(error)).lower()}.")
    except Exception as error:  # noqa: BLE001 - a fault in one look must not hide what the others find
        because(f"a fault of scanonce's own ({type(error).__name__}: {error}); please report it.")
