"""The section `[health]`: when a bot that runs is of no use."""

from typing import Self

from pydantic import model_validator

from supervisor.config.types import (
    Bool,
    Duration,
    DurationOrOff,
    HttpUrl,
    Int,
    PositiveDuration,
    Section,
    SizeOrOff,
    option,
)


class HealthConfig(Section):
    """When a bot that runs is of no use any more, and is restarted (`scanonce run`)."""

    enabled: Bool = option(
        False,
        "Look after the running bot by the rules of this section. In development a bot that stands still in a debugger "
        "is no bot that hangs; set true to try the rules there.",
    )
    timeout: PositiveDuration = option(
        "1min",
        "The bot, its browser and its page may each be without a sign of life for this long. Lengthen it for a bot "
        "that computes for minutes on end.",
    )
    stuck: PositiveDuration = option(
        "5min",
        "How long the page may be connecting, or catching up with the phone, before the bot is restarted. Lengthen it "
        "for an account whose first synchronisation takes longer.",
    )
    http: HttpUrl | None = option(
        None,
        "A URL of the bot's that answers with a 2xx or 3xx status while it is well. Set it if the bot can judge that "
        "better than its page shows.",
        examples=["http://127.0.0.1:3000/health"],
    )
    http_interval: PositiveDuration = option(
        "30s", "How often the URL is asked. Shorten it to learn of trouble sooner; each time costs the bot an answer."
    )
    http_timeout: PositiveDuration = option(
        "5s", "How long the bot may take for its answer. Lengthen it for one that asks others first."
    )
    http_failures: Int = option(
        3,
        "So many bad answers in a row, or none, and the bot is restarted. Raise it for a URL that fails now and then.",
        ge=1,
    )
    watchdog: DurationOrOff = option(
        "off",
        "The bot promises WATCHDOG=1 on NOTIFY_SOCKET at least this often, once it is ready; it finds the time in "
        'WATCHDOG_USEC. Set it for a bot that uses sd_notify, for example to "30s".',
        examples=["30s"],
    )
    max_memory: SizeOrOff = option(
        "off",
        "The most memory that the bot and its browsers may hold together, what they share counted once. Set it on a "
        "machine that a leak would bring down.",
        examples=["2GB"],
    )
    memory_patience: Duration = option(
        "1min", "How long they must hold more than that, so that one peak restarts nothing. Lengthen it for long peaks."
    )

    @model_validator(mode="after")
    def _answers_within_the_interval(self) -> Self:
        if self.http_timeout > self.http_interval:
            raise ValueError("http_timeout is longer than http_interval; expected it to be at most as long")
        return self
