"""`scanonce service`: the bot as a service of the init system."""

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from supervisor.cli import console
from supervisor.cli.json_documents import fields
from supervisor.cli.options import AsJson, Command, ConfigFile, Project, group
from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.setup.service.access import obstacles
from supervisor.setup.service.init_system import InitSystem, Scope, Service, ServiceFile, ServiceId
from supervisor.setup.service.install import InstallResult, find_init_system
from supervisor.setup.service.install import install as install_service
from supervisor.setup.service.install import uninstall as uninstall_service
from supervisor.setup.service.plan import plan, service_id

System = Annotated[bool, typer.Option("--system/--user", help="A service of the machine, or of your user.")]
Name = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="The service's name.", show_default="scanonce-FOLDER")
]
RunAs = Annotated[
    str | None,
    typer.Option("--run-as", metavar="USER", help="The user of a system service.", show_default="the folder's owner"),
]
Variables = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="VARIABLE", help="Pass this variable on with its present value; repeatable."),
]
Kind = Annotated[
    str | None,
    typer.Option("--for", metavar="SYSTEM", help="systemd, launchd or windows.", show_default="this machine's"),
]
NoStart = Annotated[bool, typer.Option("--no-start", help="Only write the files, and print the commands.")]


_HIDDEN = "(its value)"

app = group("Run the bot as a service of systemd, launchd or Windows.")


@app.command("print")
def show(
    command: Command = None,
    system: System = False,
    name: Name = None,
    run_as: RunAs = None,
    env: Variables = None,
    kind: Kind = None,
    project: Project = Path(),
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Print the files and commands of install, and change nothing."""
    with _exits():
        init, service = _planned(project, config, command, name, run_as, env, kind, system=system)
        # The value of a variable may be a secret.
        hidden = replace(service, environment=dict.fromkeys(service.environment, _HIDDEN))
        files, steps = init.files(hidden), init.installing(service, changed=False)
        commands = [list(argv) for argv in (*steps.after, *steps.by_hand)]
        if as_json:
            document = {"files": [_file(file) for file in files], "commands": commands}
            console.print_json(_head(init, service) | document)
            return
        for file in files:
            console.complain(f"{file.path}, mode {file.mode:o}:")
            typer.echo(file.text)
        for argv in commands:
            console.complain(f"then: {shlex.join(argv)}")


@app.command("install")
def install(
    command: Command = None,
    system: System = False,
    name: Name = None,
    run_as: RunAs = None,
    env: Variables = None,
    no_start: NoStart = False,
    project: Project = Path(),
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Write the service's files, then load, enable and start it. Repeating that changes nothing.

    The bot's command is given after --, or in the configuration. Exit status 1 if a command has failed.
    """
    with _exits():
        init, service = _planned(project, config, command, name, run_as, env, None, system=system)
        done = install_service(init, service, start=not no_start)
        _report(_head(init, service), done, as_json=as_json)


@app.command("uninstall")
def uninstall(
    system: System = False,
    name: Name = None,
    project: Project = Path(),
    as_json: AsJson = False,
) -> None:
    """Stop the service and remove its files. The bot's sessions and snapshots stay.

    Exit status 1 if a command has failed.
    """
    with _exits():
        init, named = find_init_system(), service_id(project.resolve(), Scope.SYSTEM if system else Scope.USER, name)
        _report(_head(init, named), uninstall_service(init, named), as_json=as_json)


def _planned(
    project: Path,
    file: Path | None,
    command: list[str] | None,
    name: str | None,
    run_as: str | None,
    variables: list[str] | None,
    kind: str | None,
    *,
    system: bool,
) -> tuple[InitSystem, Service]:
    folder = project.resolve()
    config = load(folder, file, mode=Mode.RUN)
    service = plan(
        folder,
        config,
        command or (),
        scope=Scope.SYSTEM if system else Scope.USER,
        name=name,
        config_file=file,
        run_as=run_as,
        variables=variables or (),
    )
    if service.run_as == "root":
        console.complain(
            "the bot would run as root, where Chromium has no sandbox: give the folder to a user of its own, "
            "or name one with --run-as"
        )
    chosen = find_init_system(kind)
    if chosen.kind == find_init_system().kind:  # for another system this machine cannot be checked
        for obstacle in obstacles(service):
            console.complain(obstacle)
    return chosen, service


@contextlib.contextmanager
def _exits() -> Iterator[None]:
    with console.exits():
        try:
            yield
        except PermissionError as error:
            console.fail(f"{error.filename} may not be written: run this as root, or make it a --user service")


def _head(init: InitSystem, named: ServiceId) -> dict[str, Any]:
    return {**fields(named, "name", "scope"), "init": init.kind}


def _file(file: ServiceFile) -> dict[str, Any]:
    return {"path": file.path, "mode": f"{file.mode:04o}", "text": file.text}


def _report(head: dict[str, Any], done: InstallResult, *, as_json: bool) -> None:
    if as_json:
        files = [{"path": path, "change": change} for path, change in done.files]
        commands = [fields(one, "argv", "ran", "failed") for one in done.commands]
        console.print_json(head | {"files": files, "commands": commands})
    else:
        for path, change in done.files:
            console.say(f"{path} {change}")
        for one in done.commands:
            line = shlex.join(one.argv)
            if one.failed is not None:
                console.complain(f"{line} failed: {one.failed}")
            else:
                console.say(f"ran: {line}" if one.ran else f"to be run by you: {line}")
    if done.failed:
        raise typer.Exit(console.FAILED)
