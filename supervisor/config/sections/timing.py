"""The section `[timing]`."""

from typing import Self

from pydantic import model_validator

from supervisor.config.types import PositiveDuration, Section, option


class TimingConfig(Section):
    """The target for the duration of a restart, and how long the history is kept."""

    target_low: PositiveDuration = option(
        "5s", "A restart faster than this is ahead of the target. Set it to what your bot usually takes."
    )
    target_high: PositiveDuration = option(
        "10s",
        "A restart slower than this is over the target, and its slowest phase is named. Set it to what you can accept.",
    )
    keep: PositiveDuration = option(
        "90d", "How long restarts and events stay in the history. Shorten it on a small disk."
    )

    @model_validator(mode="after")
    def _low_below_high(self) -> Self:
        if self.target_low > self.target_high:
            raise ValueError("target_low is longer than target_high; expected it to be at most as long")
        return self
