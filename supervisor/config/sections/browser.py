"""The section `[browser]`."""

from supervisor.config.types import Duration, PositiveDuration, Section, option


class BrowserConfig(Section):
    """The bot's browsers."""

    start_timeout: PositiveDuration = option(
        "30s",
        "How long the bot may take to open its browser before a warning is logged. Lengthen it for a bot that does "
        "a lot of work first.",
    )
    lost_patience: Duration = option(
        "5s",
        "How long to wait for a browser that went away to come back (some bots reopen it themselves) before the bot "
        "is restarted. Lengthen it for a bot that takes longer.",
    )
