"""Runs all checks, none of which can stop the others or hang, and applies the fixes that findings carry."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from supervisor.setup.doctor import (
    check_access,
    check_configuration,
    check_environment,
    check_inotify,
    check_leftovers,
    check_prerequisites,
    check_scripts,
    check_sessions,
    check_source,
    check_warm,
)
from supervisor.setup.doctor.finding import Finding, FindingVerdict, unknown
from supervisor.setup.doctor.project import CheckedProject
from supervisor.system.errors import ProfileInUseError, SessionError
from supervisor.system.escape import printable

PATIENCE = 10.0
"""Seconds that one check may take. A network drive that hangs delays only its own check."""

CheckFunction = Callable[[CheckedProject], Iterable[Finding]]

CHECKS: Mapping[CheckFunction, tuple[str, ...]] = {
    check_configuration.configuration: ("versions", "configuration", "state-file"),
    check_environment.environment: ("environment",),
    check_prerequisites.programs: ("command", "node", "browser"),
    check_prerequisites.packages: ("packages", "libraries"),
    check_scripts.wrappers: ("wrapper", "scripts"),
    check_source.source: ("signal-handlers", "stop-order", "devtools", "incognito", "auth-strategy", "data-path"),
    check_warm.warm: ("warm-restarts",),
    check_sessions.sessions: ("session", "snapshots"),
    check_leftovers.leftovers: ("processes", "profile-lock", "unfinished", "runtime-folder"),
    check_scripts.removal: ("session-removal", "browser-kill"),
    check_access.permissions: ("privacy", "owner", "writable"),
    check_access.git: ("gitignore", "committed"),
    check_sessions.disk: ("disk",),
    check_inotify.inotify: ("inotify",),
    check_sessions.clock: ("clock",),
}
"""Every check, with the names of all findings that it can yield."""

NAMES = tuple(name for names in CHECKS.values() for name in names)
"""The name of every finding there is."""


def examine(project: CheckedProject) -> Iterator[Finding]:
    """Run every check in order."""
    for check, names in CHECKS.items():
        found: list[Finding] = []
        # A daemon thread, so that a check that hangs in the kernel does not keep the process from ending.
        worker = threading.Thread(target=_run, args=(check, names[0], project, found), name=names[0], daemon=True)
        worker.start()
        worker.join(PATIENCE)
        late = worker.is_alive()
        yield from list(found)
        if late:
            yield unknown(names[0], f"This check took longer than {PATIENCE:g} s and was abandoned.")


def has_problem(findings: Iterable[Finding]) -> bool:
    """Whether any finding needs action."""
    return any(finding.verdict is FindingVerdict.PROBLEM for finding in findings)


def _run(check: CheckFunction, name: str, project: CheckedProject, found: list[Finding]) -> None:
    def failed(why: str) -> None:
        found.append(unknown(name, f"This could not be checked: {why}"))

    try:
        found.extend(check(project))
    except SessionError as error:
        failed(str(error))
    except OSError as error:
        failed(f"{printable(error.filename or 'the system')}: {(error.strerror or str(error)).lower()}.")
    except Exception as error:  # noqa: BLE001 - an error in one check must not hide what the others find
        failed(f"an error in scanonce ({type(error).__name__}: {error}); please report it.")


@dataclass(frozen=True, slots=True)
class FixResult:
    """The result of one fix; `what` is a sentence: what was done, or why it was not."""

    name: str
    subject: str | None
    done: bool
    what: str


def apply_fixes(findings: Iterable[Finding], project: CheckedProject) -> list[FixResult]:
    """Apply every fix, under the project's lock where a supervisor could interfere; a failed one stops no other."""
    fixable = [finding for finding in findings if finding.fix is not None]
    if project.other_owner is not None:
        why = f"The project belongs to {project.other_owner}: run scanonce doctor --fix as that user."
        return [_refused(finding, why) for finding in fixable]
    locked = [finding for finding in fixable if finding.fix is not None and finding.fix.locked]
    done = [_apply(finding) for finding in fixable if finding not in locked]
    if not locked:
        return done
    try:
        with project.store.held(instead="What needs it to be stopped was left as it is.") as settled:
            done += [FixResult("unfinished", None, done=True, what=printable(sentence)) for sentence in settled]
            # Locking the project settles interrupted work, which then needs no fix.
            done += [_apply(finding) for finding in locked if not (settled and finding.name == "unfinished")]
    except ProfileInUseError as error:
        done += [_refused(finding, str(error)) for finding in locked]
    except SessionError as error:
        done += [_refused(finding, str(error)) for finding in locked if finding.name not in {one.name for one in done}]
    return done


def _apply(finding: Finding) -> FixResult:
    assert finding.fix is not None
    try:
        return FixResult(finding.name, finding.subject, done=True, what=finding.fix.apply())
    except SessionError as error:
        return _refused(finding, str(error))
    except OSError as error:
        why = f"{printable(error.filename or 'It')} could not be changed: {(error.strerror or str(error)).lower()}."
        return _refused(finding, why)


def _refused(finding: Finding, why: str) -> FixResult:
    return FixResult(finding.name, finding.subject, done=False, what=why)
