"""The section `[bot]`: the program to supervise."""

from supervisor.config.types import Bool, Command, FilePath, Section, Str, option


class BotConfig(Section):
    """The program to supervise."""

    command: Command = option(
        (),
        "The bot's command, as a list or as a string that is split as a shell does. Set it to leave "
        "it off the command line; a command after `--` wins.",
        examples=[["node", "index.js"]],
    )
    cwd: FilePath | None = option(
        None,
        "The folder the bot runs in; the project's own when not set. Set it when the bot lives in a "
        "subfolder of the project.",
        examples=["bot"],
    )
    env: dict[Str, Str] = option(
        {},
        "Variables added to the bot's environment. Use it for settings that belong to the project; "
        "keep secrets elsewhere.",
        examples=[{"NODE_ENV": "development"}],
    )
    start_ahead: Bool = option(
        True,
        "In `dev`, start the next bot's node before its time; it waits before the bot's first line until nothing of "
        "the last bot lives. Turn it off if it gets in the way of how your node is started.",
    )
