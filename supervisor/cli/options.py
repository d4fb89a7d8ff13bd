"""The arguments and options that several commands take, and the frame of a group of commands."""

from pathlib import Path
from typing import Annotated, Any

import typer

from supervisor.cli.help_text import FittingCommand, FittingGroup

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document (docs/cli.md) instead.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also print details that are normally left out.")]
Project = Annotated[
    Path, typer.Option("--project", "-C", metavar="FOLDER", help="The bot's folder.", show_default="this folder")
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The configuration file.", show_default="scanonce.toml"),
]
Command = Annotated[
    list[str] | None, typer.Argument(help="The bot's command with its arguments.", metavar="-- COMMAND", hidden=True)
]
Session = Annotated[
    str | None,
    typer.Argument(metavar="ID", help="The session's id, or a part of it; optional if there is only one."),
]


class _Commands(typer.Typer):
    """Commands whose help fits the terminal."""

    def command(self, name: str | None = None, **settings: Any) -> Any:
        return super().command(name, **{"cls": FittingCommand, **settings})


def group(help: str | None = None) -> typer.Typer:  # noqa: A002  as typer names it
    """A group of commands; `help` is its line in the list of all commands."""
    return _Commands(help=help, cls=FittingGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)
