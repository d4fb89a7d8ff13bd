"""The list of commands. A command's module is imported when the command is invoked, not before."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand
from typer.main import get_group

from supervisor import __version__
from supervisor.cli.help_text import FittingGroup

SECTIONS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "Run a bot": {
        "dev": ("run", "Run the bot, restart it on every change, and keep its session."),
        "run": ("run", "Run the bot in production, and start it again when it fails."),
        "init": ("init", "Write a scanonce.toml from the settings of nodemon, npm and pm2."),
        "demo": ("demo", "Show scanonce at work on a real bot, without an account."),
    },
    "Look after a running bot": {
        "status": ("control", "Show the state of this project's bot."),
        "restart": ("control", "Restart the bot cleanly, and wait until it is back."),
        "stop": ("control", "Stop bot and scanonce cleanly, and wait until both are gone."),
        "ps": ("control", "List the scanonce processes of this user."),
        "logs": ("logs", "Show the bot's output and scanonce's events from the log files."),
        "timings": ("timings", "Show how long restarts took, and what got slower."),
    },
    "Look after sessions": {
        "session": ("session", "The sessions: list, info, check, clear."),
        "snapshot": ("snapshot", "Copies of linked sessions: list, take, verify, restore, prune."),
    },
    "Set up": {
        "doctor": ("doctor", "Look for problems and explain how to fix them."),
        "config": ("config", "The configuration: show, schema."),
        "notify": ("notify", "Notifications when a person is needed: test."),
        "service": ("service", "Run the bot as a service of systemd, launchd or Windows."),
        "completion": ("completion", "Print the script that completes commands and options in a shell."),
    },
}
"""The commands by section of the help, in its order: the module in `supervisor.cli` that has it, and its summary."""

COMMANDS: Final = {name: command for commands in SECTIONS.values() for name, command in commands.items()}

EXAMPLES: Final = (
    ("scanonce dev -- node index.js", "run the bot and restart it on every change"),
    ("scanonce dev -- npm run bot", "the same through npm"),
    ("scanonce run -- node index.js", "run it in production"),
    ("scanonce status", "from another terminal: how it is"),
    ("scanonce session list", "the accounts, and how many copies there are"),
)

_MORE = "scanonce help COMMAND, or COMMAND --help, has the options of a command."


_NAME_WIDTH = max(map(len, COMMANDS))


class _Commands(FittingGroup):
    """The group of all commands, each a stand-in until it is invoked: for lists and suggestions its name will do."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (_, summary) in COMMANDS.items():
            self.add_command(TyperCommand(name, help=summary))

    def format_commands(self, _ctx: Any, formatter: Any) -> None:
        """Write the commands by section, and examples; `formatter` is click's."""
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:<{_NAME_WIDTH}}", summary) for name, (_, summary) in commands.items()])
        with formatter.section("Examples"):
            formatter.write_dl(EXAMPLES)
        formatter.write_paragraph()
        formatter.write_text(_MORE)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that `args` name, with its module imported; `ctx` is click's context."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else load(name), rest


def load(name: str) -> Any:
    """Import a command or a group of commands by its name; returns the click command."""
    module = import_module(f"supervisor.cli.{COMMANDS[name][0]}")
    group = get_group(module.app)
    return group.commands.get(name, group)


app = typer.Typer(
    name="scanonce",
    cls=_Commands,
    help="Scan the QR code once, restart as often as you like: a supervisor for bots that live in a browser.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        # Where --help is left out its value is None, and to convert that typer 0.29 would import pydantic.
        "default_map": {"help": False, "status": {"help": False}},
    },
)


@app.callback(invoke_without_command=True)
def _options(version: bool = typer.Option(False, "--version", "-V", help="Print the version and exit.")) -> None:
    if version:
        print(f"scanonce {__version__}")
        raise typer.Exit


_UsageError: Any = typer.BadParameter.__base__
"""The base of the parser's errors, which typer exports under no name of its own."""


def run() -> int:
    """Run the command line, and return the exit status. A usage error is one sentence, like any other error."""
    try:
        return app(prog_name="scanonce", standalone_mode=False) or 0
    except _UsageError as error:
        from supervisor.cli import console

        command = error.ctx.command_path if error.ctx is not None else "scanonce"
        message = " ".join(error.format_message().split())
        if error.ctx is not None and not error.ctx.args and message.startswith("Usage:"):  # a group without a command
            typer.echo(error.format_message(), err=True)
        else:
            end = "" if message.endswith((".", "?")) else "."
            console.complain(f"{message[:1].lower()}{message[1:]}{end} {command} --help has the usage.")
        return console.UNUSABLE
    except typer.Abort:  # Ctrl+C, or the end of the input, at a question
        return 1
