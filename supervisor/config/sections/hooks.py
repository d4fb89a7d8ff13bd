"""The section `[hooks]`."""

from supervisor.config.types import Command, PositiveDuration, Section, option


class HooksConfig(Section):
    """Commands of yours that scanonce runs in the bot's folder when something happens, beside the bot."""

    on_ready: Command = option(
        (),
        "Run after each start or restart at which the bot became ready. Set it to warm up a cache, for instance.",
        examples=[["curl", "-s", "http://127.0.0.1:3000/warm-up"]],
    )
    on_needs_link: Command = option(
        (),
        "Run when a session needs a scan of a QR code. Set it to call a person where `[notify]` knows no way.",
        examples=[["notify-send", "The bot needs a phone"]],
    )
    on_crash: Command = option(
        (),
        "Run when the bot has ended by itself. Set it to collect what a bug report needs.",
        examples=[["./collect-logs.sh"]],
    )
    timeout: PositiveDuration = option("30s", "A command that takes longer is killed. Lengthen it for slow commands.")
