"""The selection of restarts by reason, outcome and kind."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from supervisor.timing.record import Restart

FIRST_START: Final = "start"
"""The reason of a supervisor's first start, which stops nothing and has no warm caches, unlike a restart."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Selected restarts of a history, the oldest first."""

    restarts: Sequence[Restart]
    first_starts: int
    """The number of first starts that were left out."""
    reasons: Mapping[str, int]
    outcomes: Mapping[str, int]
    """The reasons and outcomes before the selection, each with its number of restarts."""

    @property
    def ready(self) -> Sequence[Restart]:
        """Those that became ready: others take as long as a user needs to scan a code, or a deadline."""
        return [restart for restart in self.restarts if restart.outcome == "ready"]


def select(
    restarts: Sequence[Restart],
    *,
    reasons: Collection[str] = (),
    outcomes: Collection[str] = (),
    kind: str | None = None,
    starts: bool = False,
    last: int | None = None,
) -> Selection:
    """The `last` restarts with one of these reasons and outcomes, and of this kind; any, if none is given.

    First starts count only with `starts`, or if that reason is among those given.
    """
    chosen, left_out = [], 0
    for restart in restarts:
        if (reasons and restart.reason not in reasons) or (outcomes and restart.outcome not in outcomes):
            continue
        if kind is not None and restart.kind != kind:
            continue
        if restart.reason == FIRST_START and not starts and not reasons:
            left_out += 1
            continue
        chosen.append(restart)
    return Selection(
        chosen if last is None else chosen[max(len(chosen) - last, 0) :],
        left_out,
        Counter(restart.reason for restart in restarts),
        Counter(restart.outcome for restart in restarts),
    )
