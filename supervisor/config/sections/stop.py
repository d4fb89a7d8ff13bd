"""The section `[stop]`."""

from typing import Literal

from supervisor.config.modes import by_mode
from supervisor.config.types import Duration, DurationOrOff, PositiveDuration, Section, option


class StopConfig(Section):
    """How the bot and its browsers are stopped."""

    order: Literal["browser-first", "bot-first"] = option(
        "browser-first",
        'Which is stopped first. Use "bot-first" for a bot that closes its own browser on the stop signal (puppeteer '
        "with handleSIGTERM: false).",
    )
    signal: Literal["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] = option(
        "SIGTERM", "The signal that asks the bot to stop. Change it if the bot cleans up on another one."
    )
    grace: Duration = option(
        by_mode("stop.grace"),
        "How long the bot may take after the signal before it is killed, as long as it is busy (see idle). Lengthen "
        "it for a bot that finishes its work first.",
    )
    idle: DurationOrOff = option(
        "300ms",
        "The grace ends early if the bot, its browsers being closed, has been idle for this long after the signal (or "
        "for an eighth of its grace, if that is less): no CPU time, nothing read or written, no TCP connection open. "
        'Lengthen it, or set "off" to wait out the grace, for a bot whose cleanup waits for a timer.',
    )
    close_timeout: PositiveDuration = option(
        "10s", "How long a browser may take to write all data to disk and exit. Lengthen it on slow disks."
    )
    term_timeout: Duration = option(
        "2s",
        "How long a browser that did not close may take after SIGTERM before it is killed. Lengthen it on slow disks.",
    )
    prove_timeout: PositiveDuration = option(
        "5s",
        "How long killed processes may take to disappear before the bot counts as stuck and is not started again. "
        "Lengthen it where processes hang in the kernel (network file systems).",
    )
