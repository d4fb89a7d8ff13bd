"""The section `[restart]`."""

from typing import Literal

from supervisor.config.types import Int, PositiveDuration, Schedule, Section, at_most, option


class RestartConfig(Section):
    """Restarts after a failure (in `dev`, only after a crash of the browser), and scheduled ones (`scanonce run`)."""

    mode: Literal["auto", "cold"] = option(
        "auto",
        "`auto`: in `dev`, a restart keeps the browser and its loaded page where that is safe, and replaces only the "
        "bot's program (see docs/warm.md). `cold`: every restart closes the browser. Set it if the bot changes its "
        "page in ways of its own.",
    )
    warm_limit: Int = option(
        0,
        "After this many restarts in a row that kept the page, one is cold; 0 for no limit. Set it if the page grows.",
        ge=0,
    )
    backoff_initial: PositiveDuration = option(
        "1s",
        "The pause before the first restart after a crash; it doubles with each further one. Lengthen it if the bot's "
        "database needs time to recover.",
    )
    backoff_max: PositiveDuration = option(
        "5min", "The longest pause between two restarts. Shorten it if being offline costs more than trying."
    )
    limit: Int = option(
        10,
        "Give up after this many failures within the window: exits, hangs, and starts that never finish. Raise it if "
        "nothing outside, such as a container platform, should take over.",
        ge=1,
    )
    window: PositiveDuration = option(
        "10min",
        "The period in which failures are counted. Only time during which the bot was ready counts, so that pauses "
        "and hangs do not age a failure. Lengthen it together with the limit.",
    )
    reset_after: PositiveDuration = option(
        "10min",
        "A bot that has been ready for this long counts as healthy: when it then ends, that is not counted, and the "
        "pauses start over. Lengthen it for a bot that fails late.",
    )
    no_restart_codes: tuple[Int, ...] = option(
        (),
        "Exit codes after which the bot is not started again. Set it if the bot uses one to stop on purpose.",
        examples=[[0, 78]],
    )
    schedule: Schedule = option(
        "off",
        'Also restart a healthy bot: at the times of a cron expression in local time ("0 4 * * *": every night at '
        'four), or after a time of running ("24h"). Set it for a bot that gets slower over the days.',
        examples=["0 4 * * *"],
    )

    _order = at_most("backoff_initial", "backoff_max")
