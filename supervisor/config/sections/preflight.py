"""The section `[preflight]`."""

from supervisor.config.types import Bool, Command, Poll, PositiveDuration, Section, option


class PreflightConfig(Section):
    """The checks before a healthy bot is stopped for a change (`scanonce dev`)."""

    enabled: Bool = option(
        True,
        "Check changed files, and leave the bot running if it could not start with them. Turn it off to have every "
        "save restart the bot.",
    )
    javascript: Poll = option(
        "auto",
        'Check changed .js, .mjs and .cjs files with `node --check`; "auto" does so if the bot is run by node and its '
        "files are not translated first (tsx, Babel). Set it if that is detected wrongly.",
    )
    command: Command = option(
        (),
        "A command that runs once for each burst of changes, in the bot's folder, and must exit with 0. Set it to "
        "check TypeScript, for instance.",
        examples=[["npx", "tsc", "--noEmit"]],
    )
    timeout: PositiveDuration = option(
        "5s",
        "A check that takes longer than this counts as passed; the bot is paused meanwhile. Lengthen it for a slow "
        "command.",
    )
