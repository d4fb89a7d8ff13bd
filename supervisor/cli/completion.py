"""`scanonce completion`: the script that completes commands and options in a shell."""

from enum import StrEnum
from typing import Annotated

import typer

from supervisor.cli.options import group

VARIABLE = "_SCANONCE_COMPLETE"
"""Set by the script when it asks scanonce for completions."""


class Shell(StrEnum):
    """The shells that typer has a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


app = group()


@app.command("completion")
def completion(shell: Annotated[Shell, typer.Argument(help="The shell.")]) -> None:
    """Print the script that completes commands and options in a shell.

    bash: scanonce completion bash > ~/.local/share/bash-completion/completions/scanonce;
    zsh: add eval "$(scanonce completion zsh)" to ~/.zshrc;
    fish: scanonce completion fish > ~/.config/fish/completions/scanonce.fish;
    PowerShell: scanonce completion powershell >> $PROFILE.
    """
    from typer._completion_shared import get_completion_script

    typer.echo(get_completion_script(prog_name="scanonce", complete_var=VARIABLE, shell=shell))
