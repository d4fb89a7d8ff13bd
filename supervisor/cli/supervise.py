"""`scanonce dev` and `scanonce run`: the two commands that stay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from supervisor import logs
from supervisor.compose import supervise
from supervisor.config import Config, ConfigError, Mode, load
from supervisor.logs import emit
from supervisor.process import CommandError
from supervisor.project_lock import ProjectBusyError
from supervisor.readiness.notify import NotifyError
from supervisor.runtime import RuntimeFolderError
from supervisor.session import SessionError

#: Exit statuses, as listed in docs/exit-codes.md.
BAD_USAGE, BUSY = 2, 5

Command = Annotated[
    list[str] | None, typer.Argument(help="The bot's command, after --.", metavar="-- COMMAND [ARGS]...")
]
Project = Annotated[Path, typer.Option("--project", "-C", help="The bot's folder.", show_default="this folder")]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="The configuration file.", show_default="scanonce.toml")
]
LogFormat = Annotated[str | None, typer.Option("--log-format", help="console or json.", show_default="see docs")]
Grace = Annotated[
    str | None,
    typer.Option("--grace", help='Time for the bot\'s own cleanup, such as "500ms".', show_default="see docs"),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also print what is normally left out.")]


def register(app: typer.Typer) -> None:
    """Add the two commands."""
    settings = {"allow_interspersed_args": False}
    app.command("dev", context_settings=settings)(dev)
    app.command("run", context_settings=settings)(run)


def dev(
    command: Command = None,
    project: Project = Path(),
    config: ConfigFile = None,
    watch: Annotated[
        list[str] | None, typer.Option("--watch", "-w", help="A file or folder to watch; repeatable.")
    ] = None,
    ext: Annotated[str | None, typer.Option("--ext", "-e", help="Extensions to watch, such as js,json.")] = None,
    ignore: Annotated[list[str] | None, typer.Option("--ignore", "-i", help="A pattern to ignore; repeatable.")] = None,
    grace: Grace = None,
    log_format: LogFormat = None,
    verbose: Verbose = False,
) -> None:
    """Run the bot and restart it whenever a source file changes, keeping its session.

    While it runs: rs + Enter restarts, st shows how things stand, sn takes a snapshot, q quits, ? lists the keys;
    anything else goes to the bot.
    """
    overrides = {
        "watch.paths": watch or None,
        "watch.ext": [part.strip().lstrip(".") for part in ext.split(",")] if ext else None,
        "watch.ignore": ignore or None,
        "stop.grace": grace,
        "log.format": log_format,
    }
    _supervise(Mode.DEV, project, config, command, overrides, verbose)


def run(
    command: Command = None,
    project: Project = Path(),
    config: ConfigFile = None,
    grace: Grace = None,
    log_format: LogFormat = None,
    verbose: Verbose = False,
) -> None:
    """Run the bot in production: start it again when it ends by itself, with growing pauses."""
    _supervise(Mode.RUN, project, config, command, {"stop.grace": grace, "log.format": log_format}, verbose)


def _supervise(
    mode: Mode, project: Path, file: Path | None, command: list[str] | None, overrides: dict[str, Any], verbose: bool
) -> None:
    given = {key: value for key, value in overrides.items() if value is not None}
    folder = project.resolve()
    try:
        settings = load(folder, file, mode=mode, overrides=given)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(BAD_USAGE) from None
    logs.configure(settings.log.format, verbose=verbose)
    raise typer.Exit(_run(folder, settings, mode, command or list(settings.bot.command)))


def _run(project: Path, config: Config, mode: Mode, command: list[str]) -> int:
    try:
        return supervise(project, config, mode, command)
    except CommandError as error:
        emit("error", problem=str(error))
        return error.code
    except ProjectBusyError as error:
        emit("error", problem=str(error), remedy="stop it first")
        return BUSY
    except (RuntimeFolderError, NotifyError, SessionError) as error:
        emit("error", problem=str(error))
    except OSError as error:
        emit(
            "error",
            problem=f"cannot work in {project}: {error.strerror or error} ({error.filename or 'no file named'})",
        )
    return BAD_USAGE
