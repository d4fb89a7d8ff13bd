"""The pause before another try, of a bot that has failed or a message that was not delivered."""

import random
from collections.abc import Callable

#: The share by which a pause may be shortened at random. It keeps the bots of one machine, which lose their network or
#: their database at the same moment, from retrying in step.
JITTER = 0.2


def backoff(
    failures: int,
    *,
    initial: float,
    longest: float,
    spread: Callable[[float, float], float] = random.uniform,
) -> float:
    """Return the seconds to wait after this many failures in a row: `initial`, then doubled each time up to `longest`.

    Each is shortened by up to `JITTER`, the longest included, which most waiting bots have reached.
    """
    doublings = min(max(failures - 1, 0), 64)  # more would overflow, and `longest` is reached long before
    return min(longest, initial * 2.0**doublings) * spread(1 - JITTER, 1)
