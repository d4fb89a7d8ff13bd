"""Applies the fixes that findings carry, under the project's lock where a supervisor could interfere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from supervisor.setup.doctor.finding import Finding
from supervisor.setup.doctor.project import CheckedProject
from supervisor.system.errors import ProfileInUseError, SessionError
from supervisor.system.escape import printable


@dataclass(frozen=True, slots=True)
class FixResult:
    """The result of one fix; `what` is a sentence: what was done, or why it was not."""

    name: str
    subject: str | None
    done: bool
    what: str


def apply_fixes(findings: Iterable[Finding], project: CheckedProject) -> list[FixResult]:
    """Apply every fix; one that fails does not prevent the others."""
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
