"""The command line of `scanonce dev`: nodemon's flags, and a script in place of a command.

The modules that only those need are imported only then: a supervisor with a plain command does not load them.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from supervisor.cli.console import fail
from supervisor.cli.help_text import FittingCommand

_DASHES = "scanonce.dashes"


class DevCommand(FittingCommand):
    """The command `dev`: it explains those of nodemon's flags that it lacks, and notes whether `--` was written."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Check the options before they are parsed; `ctx` is click's context."""
        takes_value = {
            name: not getattr(param, "is_flag", False)
            for param in self.params
            for name in (*param.opts, *param.secondary_opts)
        } | dict.fromkeys(ctx.help_option_names, False)
        ctx.meta[_DASHES] = _check_flags(args, takes_value)
        rest: list[str] = super().parse_args(ctx, args)
        return rest


def _check_flags(words: Sequence[str], takes_value: dict[str, bool]) -> bool:
    """Refuse flags of nodemon's that have no meaning here. Returns whether the options end with `--`."""
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
        if flag == "-c":
            following = next(rest, "")
            if following.endswith((".toml", ".json")):
                fail(f"-c is --clear, which clears the terminal at a restart; write --config {following} for a file.")
            rest = itertools.chain([following], rest) if following else rest
        if name in takes_value:
            if takes_value[name] and not equals:
                next(rest, None)
        else:
            _refuse(flag, list(rest))
    return False


def _refuse(flag: str, following: Sequence[str]) -> None:
    """Fail with an explanation of a flag of nodemon's or node's; others are left to the parser."""
    from supervisor.setup.migrate.nodemon_flags import why_not

    if (reason := why_not(flag, following)) is not None:
        fail(reason)


def _last_of_cluster(word: str, takes_value: dict[str, bool]) -> tuple[str, str]:
    """Split short options in one word (`-qL`, `-d2`) into the last one and the value that is within the word."""
    for at, letter in enumerate(word[1:], 1):
        name = f"-{letter}"
        if takes_value.get(name, True) or at == len(word) - 1:
            return name, word[at + 1 :]
    return word, ""


def bot_command(ctx: typer.Context, words: list[str] | None, program: str | None, project: Path) -> list[str] | None:
    """The bot's command, or None if the command line has none; `program` is that of `--exec`.

    The words after `--` are used as they are; without `--`, a script is run by the program for its extension.
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
        fail(str(error))


def quiet_time(delay: str | None) -> str | None:
    """Convert nodemon's `--delay` to our `watch.quiet`."""
    if delay is None:
        return None
    from supervisor.setup.migrate.nodemon_flags import delay_of_flag

    try:
        return f"{delay_of_flag(delay) * 1000:.0f}ms"
    except ValueError as error:
        fail(f"--delay: {error}")


def extension_list(ext: str | None) -> list[str] | None:
    """Convert nodemon's `--ext` to our `watch.ext`."""
    if not ext:
        return None
    from supervisor.setup.migrate.nodemon_flags import extensions

    return extensions(ext)


def check_meaning(project: Path, config: Path | None) -> None:
    """Fail with an explanation where a flag has its meaning in nodemon, which differs from ours."""
    if config is not None and config.suffix == ".json":
        fail(f"--config {config}: expected a file such as scanonce.toml; scanonce init converts nodemon's JSON.")
    if project.is_file():
        fail(
            f"{project} is not a directory, and --project (-C) expects the bot's folder. nodemon's -C is "
            "--on-change-only here."
        )
