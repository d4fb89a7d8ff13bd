"""Statistics of many restarts: percentiles by phase, and verdicts by the target."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from supervisor.timing.phases import PHASES
from supervisor.timing.record import Restart, Target, Verdict

TOTAL: Final = "total"
"""In place of a phase's name: the whole restart."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Durations summarised, in milliseconds."""

    count: int
    minimum: int
    p50: float
    p90: float
    p95: float
    maximum: int


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the ordered values are, of which there must be at least one.

    Interpolated between neighbours, as in NumPy by default and in `statistics.quantiles(method="inclusive")`.
    """
    at = (len(ordered) - 1) * share
    below = math.floor(at)
    above = min(below + 1, len(ordered) - 1)
    # In this form, equal neighbours give exactly their value.
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)


def summarize(durations_ms: Iterable[int]) -> Summary | None:
    """Summarise durations; None if there are none."""
    ordered = sorted(durations_ms)
    if not ordered:
        return None
    p50, p90, p95 = (percentile(ordered, share) for share in (0.5, 0.9, 0.95))
    return Summary(len(ordered), ordered[0], p50, p90, p95, ordered[-1])


def phases_of(restarts: Iterable[Restart]) -> list[str]:
    """The phases of these restarts in the order of `PHASES`, then those of a later version."""
    found: dict[str, None] = {}
    for restart in restarts:
        if not restart.phases_ms.keys() <= found.keys():
            found |= dict.fromkeys(restart.phases_ms)
    return [*(name for name in PHASES if name in found), *(name for name in found if name not in PHASES)]


def durations(restarts: Iterable[Restart], phase: str) -> list[int]:
    """Milliseconds of a phase, or of the whole restart (`TOTAL`), for each restart that has the phase."""
    if phase == TOTAL:
        return [restart.total_ms for restart in restarts]
    return [restart.phases_ms[phase] for restart in restarts if phase in restart.phases_ms]


def by_phase(restarts: Sequence[Restart]) -> dict[str, Summary]:
    """Summaries of each phase and, last, of the total; empty without restarts."""
    found = {name: summarize(durations(restarts, name)) for name in (*phases_of(restarts), TOTAL)}
    return {name: summary for name, summary in found.items() if summary is not None}


def verdicts(restarts: Iterable[Restart], target: Target) -> Mapping[Verdict, int]:
    """The numbers of restarts ahead of, within and over `target`."""
    counted = Counter(target.verdict(restart.total_ms / 1000) for restart in restarts)
    return {"ahead": counted["ahead"], "within": counted["within"], "over": counted["over"]}
