"""`scanonce dev` as nodemon's users type it: its flags, and a script in place of a command.

What is only needed for those is imported only then: a supervisor with a plain command carries none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

BAD_USAGE = 2
_DASHES = "scanonce.dashes"


class DevCommand(TyperCommand):
    """The command `dev`, which explains nodemon's flags that it does not take and knows whether `--` was written."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Look through the options before the parser does; `ctx` is click's context."""
        takes_value = {
            name: not getattr(param, "is_flag", False)
            for param in self.params
            for name in (*param.opts, *param.secondary_opts)
        } | dict.fromkeys(ctx.help_option_names, False)
        ctx.meta[_DASHES] = _look_through(args, takes_value)
        rest: list[str] = super().parse_args(ctx, args)
        return rest


def _look_through(words: Sequence[str], takes_value: dict[str, bool]) -> bool:
    """Refuse what is nodemon's and means nothing here; whether the options end with `--`."""
    rest = iter(words)
    for word in rest:
        if word == "--":
            return True
        if not word.startswith("-") or word == "-":
            return False
        flag, (name, equals, _) = word, word.partition("=")
        if not name.startswith("--"):
            flag, equals = _last_of_cluster(word, takes_value)
            name = flag
        if name in takes_value:
            if takes_value[name] and not equals:
                next(rest, None)
        else:
            _refuse(flag, list(rest))
    return False


def _refuse(flag: str, following: Sequence[str]) -> None:
    """End with one line on a flag of nodemon's or node's; of others the parser says that there is none such."""
    from supervisor.setup.migrate.nodemon_flags import why_not

    if (reason := why_not(flag, following)) is not None:
        typer.echo(f"scanonce: {reason}", err=True)
        raise typer.Exit(BAD_USAGE)


def _last_of_cluster(word: str, takes_value: dict[str, bool]) -> tuple[str, str]:
    """Of short options in one word (`-qL`, `-d2`), the one that decides what follows, and the value within the word."""
    for at, letter in enumerate(word[1:], 1):
        name = f"-{letter}"
        if takes_value.get(name, True) or at == len(word) - 1:
            return name, word[at + 1 :]
    return word, ""


def bot_command(ctx: typer.Context, words: list[str] | None, program: str | None, project: Path) -> list[str] | None:
    """The bot's command: what follows `--` as it is; without `--`, a script is run by what its extension says.

    `program` is that of `--exec`. None if the command line has none.
    """
    if program is None and (not words or ctx.meta[_DASHES]):
        return words or None
    from supervisor.setup.migrate.bot_command import ScriptError, names_script, run_script, run_with

    if program is not None:
        return run_with(program, words or [])
    if not words or not names_script(words[0], project):
        return words or None
    try:
        return run_script(words, project)
    except ScriptError as error:
        typer.echo(f"scanonce: {error}", err=True)
        raise typer.Exit(BAD_USAGE) from None


def quiet_time(delay: str | None) -> str | None:
    """nodemon's `--delay` as our `watch.quiet`."""
    if delay is None:
        return None
    from supervisor.setup.migrate.nodemon_flags import delay_of_flag

    try:
        return f"{delay_of_flag(delay) * 1000:.0f}ms"
    except ValueError as error:
        typer.echo(f"scanonce: --delay: {error}", err=True)
        raise typer.Exit(BAD_USAGE) from None


def extension_list(ext: str | None) -> list[str] | None:
    """nodemon's `--ext` as our `watch.ext`."""
    if not ext:
        return None
    from supervisor.setup.migrate.nodemon_flags import extensions

    return extensions(ext)


def check_meaning(project: Path, config: Path | None) -> None:
    """Explain the flags that mean something else here."""
    if config is not None and config.suffix == ".json":
        typer.echo(
            f"scanonce: --config {config}: expected a file such as scanonce.toml; what nodemon was told in JSON, "
            "scanonce init takes over.",
            err=True,
        )
        raise typer.Exit(BAD_USAGE)
    if project.is_file():
        typer.echo(
            f"scanonce: {project} is not a directory, and --project (-C) wants the bot's folder. nodemon's -C is "
            "--on-change-only here.",
            err=True,
        )
        raise typer.Exit(BAD_USAGE)
