"""`scanonce dev` and `scanonce run`: the two long-running commands."""

from pathlib import Path
from typing import Annotated, Any

import typer

from supervisor.bot.probes.sd_notify import NotifyError
from supervisor.cli.console import HELD, INTERNAL_ERROR, UNUSABLE, exits, fail
from supervisor.cli.dev import (
    DevCommand,
    bot_command,
    check_meaning,
    extension_list,
    quiet_time,
)
from supervisor.cli.options import Command, ConfigFile, Project, Verbose, group
from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.config.schema import Config
from supervisor.log import logger
from supervisor.log.logger import emit, report_error
from supervisor.process.spawn import CommandError
from supervisor.session.locks import ProjectBusyError
from supervisor.system.errors import SessionError
from supervisor.system.runtime_dir import RuntimeFolderError

Script = Annotated[
    list[str] | None,
    typer.Argument(
        help="A script or, after --, a command, with its arguments.", metavar="SCRIPT|-- COMMAND", hidden=True
    ),
]
LogFormat = Annotated[
    str | None,
    typer.Option(
        "--log-format",
        metavar="FORMAT",
        help="console: lines for people; json: for programs; auto: console on a terminal, else json.",
        show_default="console in dev, auto in run",
    ),
]
Grace = Annotated[
    str | None,
    typer.Option(
        "--grace",
        metavar="DURATION",
        help='Time for the bot\'s own cleanup, such as "500ms".',
        show_default="50ms in dev, 10s in run",
    ),
]

OnReady = Annotated[
    str | None, typer.Option("--on-ready", metavar="COMMAND", help="Run this each time the bot has become ready.")
]
OnNeedsLink = Annotated[
    str | None,
    typer.Option("--on-needs-link", metavar="COMMAND", help="Run this when a session needs a QR code scanned."),
]

app = group()


@app.command("dev", cls=DevCommand, context_settings={"allow_interspersed_args": False})
def dev(
    ctx: typer.Context,
    command: Script = None,
    project: Annotated[
        Path,
        typer.Option(
            "--project", "-C", "--cwd", metavar="FOLDER", help="The bot's folder.", show_default="this folder"
        ),
    ] = Path(),
    config: ConfigFile = None,
    watch: Annotated[
        list[str] | None,
        typer.Option("--watch", "-w", metavar="PATH", help="A file, folder or pattern to watch; repeatable."),
    ] = None,
    ext: Annotated[
        str | None, typer.Option("--ext", "-e", metavar="LIST", help="Extensions to watch, such as js,json.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", "-i", metavar="PATTERN", help="A pattern to ignore; repeatable.")
    ] = None,
    execute: Annotated[
        str | None,
        typer.Option("--exec", "-x", metavar="PROGRAM", help='Program that runs the script, such as "npx tsx".'),
    ] = None,
    delay: Annotated[
        str | None,
        typer.Option(
            "--delay", "-d", metavar="DURATION", help="How long nothing must change before a restart: 2.5 (s) or 500ms."
        ),
    ] = None,
    poll: Annotated[
        bool, typer.Option("--legacy-watch", "-L", help="Poll the files instead of waiting for events.")
    ] = False,
    signal: Annotated[
        str | None,
        typer.Option("--signal", "-s", metavar="NAME", help="Signal that stops the bot.", show_default="SIGTERM"),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--on-change-only", help="Start the bot at the first change (nodemon's -C).")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain-watch", help="Print what is watched and why, and exit.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --explain-watch: one JSON document.")] = False,
    preflight: Annotated[
        bool | None,
        typer.Option("--preflight/--no-preflight", help="Check a changed file before stopping the bot for it."),
    ] = None,
    grace: Grace = None,
    on_ready: OnReady = None,
    on_needs_link: OnNeedsLink = None,
    clear: Annotated[bool, typer.Option("--clear", "-c", help="Clear the terminal at each restart.")] = False,
    cold: Annotated[
        bool, typer.Option("--cold", help="Close the browser at each restart, instead of keeping it and its page.")
    ] = False,
    log_format: LogFormat = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", "-V", help="Also print details that are normally left out.")
    ] = False,
) -> None:
    """Run the bot, restart it on every change, and keep its session.

    As with nodemon, "scanonce dev index.js" runs node and "scanonce dev app.ts" runs tsx or ts-node, and its flags have
    the same names. A command after -- is run as it is.

    While it runs: rs + Enter restarts, rc does so with a new browser, st shows the status, sn takes a snapshot, q
    quits, ? lists the keys; other input goes to the bot.
    """
    check_meaning(project, config)
    overrides = {
        "watch.paths": watch or None,
        "watch.ext": extension_list(ext),
        "watch.ignore": ignore or None,
        "watch.quiet": quiet_time(delay),
        "watch.poll": poll or None,
        "stop.signal": signal,
        "preflight.enabled": preflight,
        "stop.grace": grace,
        "log.format": log_format,
        "hooks.on_ready": on_ready,
        "hooks.on_needs_link": on_needs_link,
        "restart.mode": "cold" if cold else None,
    }
    settings = _load(Mode.DEV, project, config, overrides)
    if explain:
        # Imported here so that production does not load the watcher's libraries.
        from supervisor.cli.explain_watch import explain_watch

        with exits():
            explain_watch(project.resolve(), settings, as_json=as_json)
        return
    if as_json:
        fail("--json belongs to --explain-watch; use --log-format json for the lines of a run")
    words = bot_command(ctx, command, execute, project.resolve())
    logger.configure(settings.log.format, verbose=verbose, quiet=quiet, clear=clear)
    raise typer.Exit(_run(project.resolve(), settings, Mode.DEV, words or list(settings.bot.command), rest_first=wait))


@app.command("run", context_settings={"allow_interspersed_args": False})
def run(
    command: Command = None,
    project: Project = Path(),
    config: ConfigFile = None,
    grace: Grace = None,
    on_ready: OnReady = None,
    on_needs_link: OnNeedsLink = None,
    log_format: LogFormat = None,
    verbose: Verbose = False,
) -> None:
    """Run the bot in production, and start it again when it fails.

    The pauses between attempts grow; after too many failures scanonce exits (docs/production.md).
    """
    overrides = {
        "stop.grace": grace,
        "log.format": log_format,
        "hooks.on_ready": on_ready,
        "hooks.on_needs_link": on_needs_link,
    }
    settings = _load(Mode.RUN, project, config, overrides)
    logger.configure(settings.log.format, verbose=verbose)
    raise typer.Exit(_run(project.resolve(), settings, Mode.RUN, command or list(settings.bot.command)))


def _load(mode: Mode, project: Path, file: Path | None, overrides: dict[str, Any]) -> Config:
    given = {key: value for key, value in overrides.items() if value is not None}
    with exits():
        return load(project.resolve(), file, mode=mode, overrides=given)


def _run(project: Path, config: Config, mode: Mode, command: list[str], *, rest_first: bool = False) -> int:
    from supervisor.bootstrap import supervise  # loads all of the supervisor

    try:
        return supervise(project, config, mode, command, rest_first=rest_first)
    except CommandError as error:
        emit("error", problem=str(error))
        return error.code
    except ProjectBusyError as error:
        emit("error", problem=str(error), remedy="stop it first")
        return HELD
    except (RuntimeFolderError, NotifyError, SessionError) as error:
        emit("error", problem=str(error))
    except OSError as error:
        emit(
            "error",
            problem=f"cannot work in {project}: {error.strerror or error} ({error.filename or 'no file named'})",
        )
    except Exception as error:  # noqa: BLE001 - the bot is ended already
        report_error(error)
        return INTERNAL_ERROR
    return UNUSABLE
