"""The section `[bot]`."""

from supervisor.config.types import Bool, Command, FilePath, Section, Str, option


class BotConfig(Section):
    """The program to supervise."""

    command: Command = option(
        (),
        "The bot's command, as a list, or as a string that is split as a shell does. Set it to leave it off the "
        "command line; a command after `--` wins.",
        examples=[["node", "index.js"]],
    )
    cwd: FilePath | None = option(
        None,
        "The folder in which the bot runs; by default the project's. Set it when the bot is in a subfolder of the "
        "project.",
        examples=["bot"],
    )
    env: dict[Str, Str] = option(
        {},
        "Variables to add to the bot's environment. Use it for settings that belong to the project; keep secrets "
        "elsewhere.",
        examples=[{"NODE_ENV": "development"}],
    )
    start_ahead: Bool = option(
        True,
        "In `dev`, start Node.js for the next run of the bot in advance; it waits before the bot's first line until "
        "no process of the previous run is left. Turn it off if it interferes with the way your Node.js is started.",
    )
