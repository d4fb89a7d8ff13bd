"""Which restarts are looked at."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from supervisor.timing.record import Restart

FIRST_START: Final = "start"
"""The reason of the first start of a supervisor, which stops nothing and finds nothing warm: not like a restart."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Some restarts of a history, the oldest first."""

    restarts: Sequence[Restart]
    first_starts: int
    """How many first starts were left out, since nobody asked for them."""
    reasons: Mapping[str, int]
    outcomes: Mapping[str, int]
    """What there is to choose from, before reasons and outcomes were chosen, and how many of each."""

    @property
    def ready(self) -> Sequence[Restart]:
        """Those that brought the bot back: others last as long as somebody takes to scan a code, or a deadline."""
        return [restart for restart in self.restarts if restart.outcome == "ready"]


def select(
    restarts: Sequence[Restart],
    *,
    reasons: Collection[str] = (),
    outcomes: Collection[str] = (),
    starts: bool = False,
    last: int | None = None,
) -> Selection:
    """The restarts with one of these reasons and outcomes (any, if none is given), of them the `last`.

    First starts count only if `starts`, or if that reason is among those given.
    """
    chosen, left_out = [], 0
    for restart in restarts:
        if (reasons and restart.reason not in reasons) or (outcomes and restart.outcome not in outcomes):
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
