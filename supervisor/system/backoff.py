"""How long to wait before a bot that has failed is started again."""

from __future__ import annotations

import random
from collections.abc import Callable

#: By which share a pause may be shorter than planned. It keeps the bots of one machine, which all lose their
#: network or their database in one moment, from coming back, and failing, in step.
JITTER = 0.2


def backoff(
    failures: int,
    *,
    initial: float,
    longest: float,
    spread: Callable[[float, float], float] = random.uniform,
) -> float:
    """The pause in seconds after this many failures in a row: `initial`, then twice the last one, at most `longest`.

    Each is shortened by up to `JITTER`, the longest included: most of the bots that are kept waiting wait that long.
    """
    doublings = min(max(failures - 1, 0), 64)  # more would overflow; any pause is longer than any longest by then
    return min(longest, initial * 2.0**doublings) * spread(1 - JITTER, 1)
