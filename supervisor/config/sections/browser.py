"""The section `[browser]`: the bot's browsers."""

from supervisor.config.types import Duration, PositiveDuration, Section, option


class BrowserConfig(Section):
    """The bot's browsers."""

    start_timeout: PositiveDuration = option(
        "30s",
        "How long the bot may take to open its browser before you are told that none came. Lengthen "
        "it for a bot that does much before.",
    )
    lost_patience: Duration = option(
        "5s",
        "How long a browser that went away may take to come back (some bots reopen it themselves) "
        "before the bot is restarted. Lengthen it for a bot that takes its time.",
    )
