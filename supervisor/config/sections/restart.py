"""The section `[restart]`: restarts after a failure, and planned ones."""

from typing import Self

from pydantic import model_validator

from supervisor.config.types import Int, PositiveDuration, Schedule, Section, option


class RestartConfig(Section):
    """What follows a failure, and restarts that are planned (`scanonce run`; in `dev` after a crash of the browser)."""

    backoff_initial: PositiveDuration = option(
        "1s",
        "The pause before the first restart after a crash; each further one doubles it. Lengthen it "
        "if the bot's database needs time to come back.",
    )
    backoff_max: PositiveDuration = option(
        "5min",
        "The longest pause between two restarts. Shorten it if being offline costs more than trying.",
    )
    limit: Int = option(
        10,
        "Give up after this many failures within the window: exits, hangs and starts that never end. Raise it if "
        "something outside, a container platform for instance, should never take over.",
        ge=1,
    )
    window: PositiveDuration = option(
        "10min",
        "The time within which failures are counted: time during which the bot was ready, so that pauses and hangs do "
        "not make a failure older. Lengthen it together with the limit.",
    )
    reset_after: PositiveDuration = option(
        "10min",
        "A bot that was ready for this long is healthy: its end is not counted, and the pauses start over. Lengthen it "
        "for a bot that fails late.",
    )
    no_restart_codes: tuple[Int, ...] = option(
        (),
        "Exit codes that mean: do not start me again. Set it if the bot ends on purpose with one.",
        examples=[[0, 78]],
    )
    schedule: Schedule = option(
        "off",
        'Also restart a bot that is well: a cron expression in local time ("0 4 * * *": every night at four), or a '
        'time that it may have run ("24h"). Set it for a bot that grows slower over the days.',
        examples=["0 4 * * *"],
    )

    @model_validator(mode="after")
    def _initial_below_max(self) -> Self:
        if self.backoff_initial > self.backoff_max:
            raise ValueError("backoff_initial is longer than backoff_max; expected it to be at most as long")
        return self
