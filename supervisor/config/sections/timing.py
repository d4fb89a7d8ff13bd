"""The section `[timing]`."""

from supervisor.config.types import PositiveDuration, Section, at_most, option


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

    _order = at_most("target_low", "target_high")
