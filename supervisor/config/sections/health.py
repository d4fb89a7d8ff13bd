"""The section `[health]`."""

from supervisor.config.types import (
    Bool,
    Duration,
    DurationOrOff,
    HttpUrl,
    Int,
    PositiveDuration,
    Section,
    SizeOrOff,
    at_most,
    option,
)


class HealthConfig(Section):
    """When a running bot counts as unhealthy and is restarted (`scanonce run`)."""

    enabled: Bool = option(
        False,
        "Monitor the running bot by the rules of this section. Off in development, where a bot that is paused in a "
        "debugger would count as hanging; set true to try the rules there.",
    )
    timeout: PositiveDuration = option(
        "1min",
        "How long the bot, its browser and its page may each show no sign of life. Lengthen it for a bot that "
        "computes for minutes at a time.",
    )
    stuck: PositiveDuration = option(
        "5min",
        "How long the page may be connecting, or synchronising with the phone, before the bot is restarted. Lengthen "
        "it for an account whose first synchronisation takes longer.",
    )
    http: HttpUrl | None = option(
        None,
        "A URL of the bot that answers with a 2xx or 3xx status while the bot is healthy. Set it if the bot can judge "
        "its health better than its page shows.",
        examples=["http://127.0.0.1:3000/health"],
    )
    http_interval: PositiveDuration = option(
        "30s",
        "How often the URL is requested. Shorten it to detect failures sooner; every request costs the bot an answer.",
    )
    http_timeout: PositiveDuration = option(
        "5s", "How long the bot may take to answer. Lengthen it if it asks other services first."
    )
    http_failures: Int = option(
        3,
        "The bot is restarted after this many failed requests in a row. Raise it for a URL that fails now and then.",
        ge=1,
    )
    watchdog: DurationOrOff = option(
        "off",
        "The bot sends WATCHDOG=1 to NOTIFY_SOCKET at least this often once it is ready; it finds the interval in "
        'WATCHDOG_USEC. Set it for a bot that uses sd_notify, for example to "30s".',
        examples=["30s"],
    )
    max_memory: SizeOrOff = option(
        "off",
        "How much memory the bot and its browsers may use together, shared memory counted once. Set it on a machine "
        "that a memory leak would bring down.",
        examples=["2GB"],
    )
    memory_patience: Duration = option(
        "1min",
        "How long memory use must stay above that limit, so that a short peak restarts nothing. Lengthen it for long "
        "peaks.",
    )

    _order = at_most("http_timeout", "http_interval")
