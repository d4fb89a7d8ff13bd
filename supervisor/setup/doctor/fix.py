"""Doing what is safe about findings: under the project's lock where a supervisor could be in the way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from supervisor.admin.occupants import held_project
from supervisor.setup.doctor.finding import Finding
from supervisor.setup.doctor.project import Place
from supervisor.system.errors import ProfileInUseError, SessionError
from supervisor.system.escape import printable


@dataclass(frozen=True, slots=True)
class Fixed:
    """What came of one fix: what was done, or why it was not, in a sentence."""

    name: str
    subject: str | None
    done: bool
    what: str


def mend(findings: Iterable[Finding], place: Place) -> list[Fixed]:
    """Do everything that the findings carry along; one that fails keeps no other from being done."""
    fixable = [finding for finding in findings if finding.fix is not None]
    if place.stranger is not None:
        why = f"The project belongs to {place.stranger}: run scanonce doctor --fix as that user."
        return [_refused(finding, why) for finding in fixable]
    free = [finding for finding in fixable if finding.fix is not None and not finding.fix.locked]
    locked = [finding for finding in fixable if finding not in free]
    done = [_apply(finding) for finding in free]
    if not locked:
        return done
    try:
        with held_project(place.store, instead="What needs it to be stopped was left as it is.") as settled:
            done += [Fixed("unfinished", None, done=True, what=printable(sentence)) for sentence in settled]
            # To hold the project is to settle it: what was cut off needs nothing more.
            done += [_apply(finding) for finding in locked if not (settled and finding.name == "unfinished")]
    except ProfileInUseError as error:
        done += [_refused(finding, str(error)) for finding in locked]
    except SessionError as error:
        done += [_refused(finding, str(error)) for finding in locked if finding.name not in {one.name for one in done}]
    return done


def _apply(finding: Finding) -> Fixed:
    assert finding.fix is not None
    try:
        return Fixed(finding.name, finding.subject, done=True, what=finding.fix.apply())
    except SessionError as error:
        return _refused(finding, str(error))
    except OSError as error:
        why = f"{printable(error.filename or 'It')} could not be changed: {(error.strerror or str(error)).lower()}."
        return _refused(finding, why)


def _refused(finding: Finding, why: str) -> Fixed:
    return Fixed(finding.name, finding.subject, done=False, what=why)
