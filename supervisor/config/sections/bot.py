"""The sections `[bot]`, `[stop]` and `[browser]`: the program, its browsers, and how both are stopped."""

from typing import Literal

from supervisor.config.modes import by_mode
from supervisor.config.sections.base import Section, option
from supervisor.config.types import (
    Bool,
    Command,
    Duration,
    DurationOrOff,
    FilePath,
    PositiveDuration,
    Str,
)


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
