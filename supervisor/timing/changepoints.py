"""Where in a history something changed: a version, the configuration, or whatever happened at a given moment."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

from supervisor.timing.record import Restart, Setup

Component = Literal["scanonce", "config", "node", "browser"]
COMPONENTS: Final[Sequence[Component]] = get_args(Component)
_SHORTEST_PREFIX: Final = 4  # digits of a fingerprint


class UnknownChangeError(Exception):
    """What is to be compared is not in the history; the message is one sentence that says what is."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is not as it was. None is what was not recorded."""

    kind: Component
    before: str | None
    after: str | None

    def settings_changed(self, known: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Any, Any]] | None:
        """Settings that differ between two configurations: key, before, after; a None stands for the default.

        `known` holds configurations by their fingerprints. Returns None if it lacks one of the two.
        """
        before, after = known.get(self.before or ""), known.get(self.after or "")
        if self.kind != "config" or before is None or after is None:
            return None
        keys = sorted(before.keys() | after.keys())
        return [(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """A history cut in two. Each side is as far as nothing else of the kind that was asked for changed in it."""

    at: float
    """Seconds since the epoch: the moment that was asked for, or the first restart after the change."""
    steps: Sequence[Step]
    """What differs between the two restarts beside the cut."""
    before: Sequence[Restart]
    after: Sequence[Restart]


def last_change(restarts: Sequence[Restart]) -> ChangePoint | None:
    """The last change of anything, of restarts in their order; None if nothing has changed."""
    setups = _filled(restarts)
    at = next((at for at in range(len(setups) - 1, 0, -1) if _steps(setups[at - 1], setups[at])), None)
    if at is None:
        return None
    first = at - 1
    while first > 0 and setups[first - 1] == setups[first]:
        first -= 1
    return _cut(restarts, setups, (first, at, len(restarts)))


def find_change(restarts: Sequence[Restart], wanted: str, moment: Callable[[str], float]) -> ChangePoint:
    """The change that `wanted` names: a version of scanonce, Node.js or the browser, or the beginning of one; the
    beginning of a configuration's fingerprint; else what `moment` reads as seconds since the epoch (or `ValueError`).

    For a version or a configuration that is the last time it came into force. Raises `UnknownChangeError`.
    """
    setups = _filled(restarts)
    found = sorted(
        {(kind, value) for setup in set(setups) for kind in COMPONENTS if (value := _named(setup, kind, wanted))}
    )
    exact = [(kind, value) for kind, value in found if value == wanted]
    if len(found := exact or found) > 1:
        raise UnknownChangeError(f"'{wanted}' may be {_listed(found)}. Say more of it.")
    if not found:
        return _at_moment(restarts, setups, wanted, moment)
    kind, value = found[0]
    return _came_into_force(restarts, setups, kind, value)


def _came_into_force(restarts: Sequence[Restart], setups: Sequence[Setup], kind: Component, value: str) -> ChangePoint:
    values = [getattr(setup, kind) for setup in setups]
    end = len(values) - values[::-1].index(value)
    at = end
    while at > 0 and values[at - 1] == value:
        at -= 1
    if at == 0:
        raise UnknownChangeError(f"There is no restart from before {_NAMES[kind]} {value} to compare with.")
    first = at - 1
    while first > 0 and values[first - 1] == values[at - 1]:
        first -= 1
    return _cut(restarts, setups, (first, at, end))


def _at_moment(
    restarts: Sequence[Restart], setups: Sequence[Setup], wanted: str, moment: Callable[[str], float]
) -> ChangePoint:
    try:
        seconds = moment(wanted)
    except ValueError:
        there = {(kind, value) for setup in set(setups) for kind in COMPONENTS if (value := getattr(setup, kind))}
        known = f"Recorded are: {_listed(sorted(there))}." if there else "No version has been recorded yet."
        raise UnknownChangeError(
            f"'{wanted}' is no version, no configuration and no date of this history. {known} "
            'A date is written as 2026-01-31 or "2026-01-31 18:00", a time ago as 7d.'
        ) from None
    # By the order of recording: a clock that was put back does not put a restart on the wrong side of all others.
    at = next((at for at, restart in enumerate(restarts) if restart.started_at >= seconds), len(restarts))
    if at in (0, len(restarts)):
        side = "before" if at == 0 else "after"
        raise UnknownChangeError(f"There is no restart from {side} {_shown(seconds)} to compare with.")
    change = _cut(restarts, setups, (0, at, len(restarts)))
    return ChangePoint(seconds, change.steps, change.before, change.after)


def _cut(restarts: Sequence[Restart], setups: Sequence[Setup], bounds: tuple[int, int, int]) -> ChangePoint:
    first, at, end = bounds
    steps = _steps(setups[at - 1], setups[at], unknown=True)
    return ChangePoint(restarts[at].started_at, steps, restarts[first:at], restarts[at:end])


def _steps(before: Setup, after: Setup, *, unknown: bool = False) -> list[Step]:
    """What differs; what was not recorded differs from nothing, unless asked for."""
    pairs = [Step(kind, getattr(before, kind), getattr(after, kind)) for kind in COMPONENTS]
    return [one for one in pairs if one.before != one.after and one.after and (unknown or one.before)]


def _filled(restarts: Sequence[Restart]) -> list[Setup]:
    """What each restart ran with. What was not seen of one, since its browser never came up say, is as before it."""
    known = Setup()
    filled = []
    for restart in restarts:
        now = restart.setup
        if now != known:
            known = Setup(**{kind: getattr(now, kind) or getattr(known, kind) for kind in COMPONENTS})
        filled.append(known)
    return filled


def _named(setup: Setup, kind: Component, wanted: str) -> str | None:
    """The version or fingerprint of that kind, if `wanted` is it or its beginning."""
    value: str | None = getattr(setup, kind)
    if value is None or not wanted:
        return None
    if kind == "config":
        fits = len(wanted) >= _SHORTEST_PREFIX and value.startswith(wanted.lower())
    else:
        fits = f"{value}.".startswith(f"{wanted.removeprefix('v')}.")
    return value if fits else None


_NAMES: Final = {"scanonce": "scanonce", "config": "configuration", "node": "Node.js", "browser": "browser"}


def _listed(found: Sequence[tuple[Component, str]]) -> str:
    return ", ".join(f"{_NAMES[kind]} {value}" for kind, value in found)


def _shown(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone():%Y-%m-%d %H:%M:%S}"
