"""Decides what a service runs and how, independently of the init system."""

import math
import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from supervisor.config.schema import Config
from supervisor.process.spawn import CommandError, resolve_command
from supervisor.setup.service.init_system import Scope, Service, ServiceError, ServiceId

NOT_RUNNING: Final = frozenset({1})
"""The exit status of `scanonce stop` if no scanonce runs (docs/exit-codes.md)."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_KILL_PATIENCE = 5.0  # seconds; as in browser/close.py
_FILES = 30.0  # seconds for the check and the snapshot after a stop, and for delays on a busy machine
_START = 60.0  # seconds for a restore before a start


def plan(
    project: Path,
    config: Config,
    command: Sequence[str],
    *,
    scope: Scope,
    name: str | None = None,
    config_file: Path | None = None,
    run_as: str | None = None,
    variables: Sequence[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> Service:
    """The service to install. `variables` are the names of those of `environment` that are passed on.

    Raises ServiceError for what is not possible, such as a command that is not found, or a path with a line break.
    """
    if missing := [one for one in variables if one not in environment or not _VARIABLE.match(one)]:
        raise ServiceError(f"{', '.join(missing)}: no such variable is set here; set it, or omit --env for it")
    search_path = environment.get("PATH", os.defpath)
    program = str(_own_program())
    named = ("--project", str(project), *(("--config", str(config_file.absolute())) if config_file else ()))
    identity = service_id(project, scope, name)
    service = Service(
        name=identity.name,
        scope=scope,
        project=project,
        argv=(program, "run", *named, *_bot(project, config, command)),
        restart=(program, "restart", *named),
        run_as=(run_as or _owner(project)) if scope is Scope.SYSTEM else None,
        search_path=search_path,
        environment={one: environment[one] for one in variables if one != "PATH"},
        start_timeout=math.ceil(config.ready.timeout + _START),
        stop_timeout=stop_timeout(config),
    )
    for what, text in (
        *(("the command", word) for word in service.argv),
        ("the user", run_as or ""),
        ("the variable PATH", search_path),
        *((f"the variable {one}", value) for one, value in service.environment.items()),
    ):
        if _CONTROL.search(text):
            raise ServiceError(f"{what} holds a line break or another control character ({text!r}): rename it first")
    return service


def service_id(project: Path, scope: Scope, name: str | None = None) -> ServiceId:
    """The service of a project, by the given name or the default one. Raises ServiceError for an invalid name."""
    name = name or f"scanonce-{_NOT_IN_A_NAME.sub('-', project.name).strip('-.') or 'bot'}"[:64]
    if not _NAME.match(name):
        raise ServiceError(
            f"{name!r} is no name for a service: expected letters, digits, and - _ . after the first, 64 at most"
        )
    return ServiceId(name, scope, project)


def stopping(service: ServiceId) -> tuple[str, ...]:
    """The command line that stops bot and scanonce cleanly; its status is `NOT_RUNNING` if no scanonce runs."""
    return (str(_own_program()), "stop", "--project", str(service.project))


def stop_timeout(config: Config) -> int:
    """Seconds: longer than all steps of a stop together may take."""
    stop = config.stop
    bot = max(stop.grace, stop.close_timeout if stop.order == "bot-first" else 0.0)
    browser = stop.close_timeout + stop.term_timeout + _KILL_PATIENCE
    return math.ceil(bot + browser + 2 * stop.prove_timeout + _FILES)


def _own_program() -> Path:
    """The command `scanonce` of this installation. Raises ServiceError if it is not found."""
    beside = Path(sysconfig.get_path("scripts")) / ("scanonce.exe" if sys.platform == "win32" else "scanonce")
    found = beside if beside.is_file() else shutil.which("scanonce")
    if found is None:
        raise ServiceError("the command scanonce was not found beside its Python: install it, with pipx for instance")
    return Path(found).absolute()


def _bot(project: Path, config: Config, command: Sequence[str]) -> list[str]:
    """The words after the options: the bot's command, its program by its full path, as a service has another PATH."""
    if not command and not config.bot.command:
        raise ServiceError("no command to run: write it after --, e.g. scanonce service install -- node index.js")
    directory = project / (config.bot.cwd or ".")
    try:
        resolved = resolve_command(command or config.bot.command, directory, os.environ | config.bot.env)
    except CommandError as error:
        raise ServiceError(str(error)) from None
    # A command in the configuration is read there at each start.
    return ["--", str(Path(directory, resolved[0]).absolute()), *resolved[1:]] if command else []


def _owner(project: Path) -> str:
    """The project's owner: if another user ran the bot, its files would lock the owner out of the session."""
    if sys.platform == "win32":
        return os.environ.get("USERNAME", "")
    try:
        return project.owner()
    except KeyError:
        raise ServiceError(f"{project} belongs to a user without a name; name one with --run-as") from None
