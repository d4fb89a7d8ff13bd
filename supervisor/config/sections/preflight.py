"""The section `[preflight]`: what is checked before a restart."""

from supervisor.config.types import Bool, Command, Poll, PositiveDuration, Section, option


class PreflightConfig(Section):
    """What is checked before a healthy bot is stopped for a change (`scanonce dev`)."""

    enabled: Bool = option(
        True,
        "Check what has changed, and leave the bot running if it could not be started on it. Turn it off to have every "
        "save restart the bot.",
    )
    javascript: Poll = option(
        "auto",
        'Check changed .js, .mjs and .cjs files with `node --check`; "auto" does so if the bot is run by node and by '
        "nothing that translates its files first (tsx, Babel). Set it where that is judged wrongly.",
    )
    command: Command = option(
        (),
        "A command that is run once for each burst of changes, in the bot's folder, and must exit with 0. Set it to "
        "have TypeScript checked, for instance.",
        examples=[["npx", "tsc", "--noEmit"]],
    )
    timeout: PositiveDuration = option(
        "5s",
        "What is not checked within this time counts as passed; the bot stands still meanwhile. Lengthen it for a "
        "command that takes longer.",
    )
