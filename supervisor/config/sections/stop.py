"""The section `[stop]`: how the bot and its browsers are stopped."""

from typing import Literal

from supervisor.config.modes import by_mode
from supervisor.config.types import Duration, DurationOrOff, PositiveDuration, Section, option


class StopConfig(Section):
    """How the bot and its browsers are stopped."""

    order: Literal["browser-first", "bot-first"] = option(
        "browser-first",
        'Who goes first. Use "bot-first" for a bot that closes its own browser on the stop signal '
        "(puppeteer with handleSIGTERM: false).",
    )
    signal: Literal["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] = option(
        "SIGTERM",
        "The signal that asks the bot to stop. Change it if the bot cleans up on another one.",
    )
    grace: Duration = option(
        by_mode("stop.grace"),
        "How long the bot may take after the signal before it is killed, as long as it is at work (idle). Lengthen it "
        "for a bot that finishes work first.",
    )
    idle: DurationOrOff = option(
        "300ms",
        "A bot that has done nothing for this long after the signal, or for an eighth of its grace if that is less, "
        "its browsers being closed, has nothing to clean up, and its grace ends early: no processor time, nothing read "
        'or written, no TCP connection open. Lengthen it, or set "off" to wait out the grace, for a bot whose cleanup '
        "waits for a timer.",
    )
    close_timeout: PositiveDuration = option(
        "10s",
        "How long a browser may take to write everything down and exit. Lengthen it on slow disks.",
    )
    term_timeout: Duration = option(
        "2s",
        "How long a browser that did not close may take after SIGTERM before it is killed. Lengthen it on slow disks.",
    )
    prove_timeout: PositiveDuration = option(
        "5s",
        "How long killed processes may take to vanish before the bot counts as stuck and is not "
        "started again. Lengthen it where processes hang in the kernel (network file systems).",
    )
