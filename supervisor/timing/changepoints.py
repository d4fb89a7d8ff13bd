"""The point in a history where a version or the configuration changed, or a given moment."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

from supervisor.timing.record import Restart, Setup

Component = Literal["scanonce", "config", "node", "browser"]
COMPONENTS: Final[Sequence[Component]] = get_args(Component)
_SHORTEST_PREFIX: Final = 4  # digits of a fingerprint


class UnknownChangeError(Exception):
    """The change to compare is not in the history; the message is one sentence that lists what is."""


@dataclass(frozen=True, slots=True)
class Step:
    """A component that changed; None where it was not recorded."""

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
    """A history divided in two. Each side reaches as far as the same component did not change otherwise."""

    at: float
    """Seconds since the epoch: the given moment, or the first restart after the change."""
    steps: Sequence[Step]
    """The differences between the last restart before and the first one after."""
    before: Sequence[Restart]
    after: Sequence[Restart]


def last_change(restarts: Sequence[Restart]) -> ChangePoint | None:
    """The last change of any component, of restarts in their order; None if there was none."""
    setups = _filled(restarts)
    at = next((at for at in range(len(setups) - 1, 0, -1) if _steps(setups[at - 1], setups[at])), None)
    if at is None:
        return None
    first = at - 1
    while first > 0 and setups[first - 1] == setups[first]:
        first -= 1
    return _cut(restarts, setups, (first, at, len(restarts)))


def find_change(restarts: Sequence[Restart], wanted: str, moment: Callable[[str], float]) -> ChangePoint:
    """The change that `wanted` names: the last one to a version of scanonce, Node.js or the browser, or to a
    configuration's fingerprint, each also by its beginning; else the moment that `moment` returns in seconds since the
    epoch (or raises `ValueError`).

    Raises `UnknownChangeError`.
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
    # By the order of recording, so that a clock that was set back does not move a restart to the other side.
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
    """The components that differ; those not recorded before only with `unknown`."""
    pairs = [Step(kind, getattr(before, kind), getattr(after, kind)) for kind in COMPONENTS]
    return [one for one in pairs if one.before != one.after and one.after and (unknown or one.before)]


def _filled(restarts: Sequence[Restart]) -> list[Setup]:
    """The setup of each restart. What was not seen, such as a browser that never came up, is taken from before."""
    known = Setup()
    filled = []
    for restart in restarts:
        now = restart.setup
        if now != known:
            known = Setup(**{kind: getattr(now, kind) or getattr(known, kind) for kind in COMPONENTS})
        filled.append(known)
    return filled


def _named(setup: Setup, kind: Component, wanted: str) -> str | None:
    """The version or fingerprint of that component, if `wanted` is it or its beginning."""
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
