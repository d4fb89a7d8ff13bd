"""`scanonce status`, `restart`, `stop` and `ps`: requests to the supervisors that run."""

import contextlib
import shutil
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperOption

from supervisor.cli import console
from supervisor.cli.console import Cell
from supervisor.cli.help_text import FittingCommand
from supervisor.cli.options import AsJson, ConfigFile, Project, group
from supervisor.config import quick
from supervisor.config.quick import Quick
from supervisor.control.client import Client, NoAnswerError, RefusedError
from supervisor.control.locate import NotRunningError, UnreachableError, everyone, reach
from supervisor.control.transport import AddressError
from supervisor.timing.record import Target, brief_restart_line

#: Exit statuses, as listed in docs/exit-codes.md, with those of `console`.
NOT_RUNNING, NOT_READY = 1, 3

#: Exit statuses of a supervisor that was asked to end.
_STOPPED = frozenset({0, 129, 130, 143})

_ANSWER = 2.0  # seconds for each supervisor that `ps` asks
_EXIT = 10.0  # seconds from the last answer of a supervisor until its process is gone

NoWait = Annotated[bool, typer.Option("--no-wait", help="Return as soon as the request is accepted.")]

app = group()


class _PathOption(TyperOption):
    """A copy of an option whose value is a path, or None if it is left out."""

    def __init__(self, option: Any) -> None:
        vars(self).update(vars(option))

    def process_value(self, ctx: Any, value: Any) -> Path | None:
        """Convert the value; typer would import pydantic for that, with which every command would take 0.06 s more."""
        return None if value is None else Path(value)


class _Status(FittingCommand):
    """The command `status`, which is asked often, and by programs: its options need no pydantic."""

    def __init__(self, name: str | None, *, params: list[Any], **attributes: Any) -> None:
        lean = [_PathOption(one) if one.name in {"project", "config"} else one for one in params]
        super().__init__(name, params=lean, **attributes)


@app.command("status", cls=_Status)
def status(project: Project = Path(), config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show the state of this project's bot.

    Exit status 0 if scanonce runs here, 1 if not.
    """
    with _connected(project, config, as_json=as_json) as (client, settings):
        answer = client.status()
        if as_json:
            console.print_json({"running": True, **answer})
            return
        from supervisor.supervise.status_text import describe

        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 80
        for line in describe(answer, _target(settings), columns=columns):
            console.say(line)
        if sys.stdout.isatty():
            console.say()
            console.say("scanonce restart, stop, logs -f and timings go on from here.")


@app.command("restart")
def restart(
    project: Project = Path(),
    config: ConfigFile = None,
    no_wait: NoWait = False,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="DURATION", help='How long to wait for the bot, such as "90s".')
    ] = "120s",
    detail: Annotated[
        str | None, typer.Option("--detail", metavar="TEXT", help="The reason, for the log and the history.")
    ] = None,
    warm: Annotated[
        bool, typer.Option("--warm", help="Keep the browser and its page, if that is safe; as scanonce dev does.")
    ] = False,
    cold: Annotated[bool, typer.Option("--cold", help="Close the browser; as scanonce run does.")] = False,
    as_json: AsJson = False,
) -> None:
    """Restart the bot cleanly, and wait until it is back.

    Exit status 0 if it is ready, 1 if no scanonce runs here, 3 if it did not become ready.
    """
    if warm and cold:
        console.fail("--warm and --cold exclude each other")
    mode = "warm" if warm else "cold" if cold else "auto"
    patience = _seconds(timeout)
    with _connected(project, config) as (client, settings):
        answer = client.restart(wait=not no_wait, timeout=patience, detail=detail, mode=mode)
        done, problem = answer["restart"], answer["problem"]
        if as_json:
            console.print_json(answer)
        else:
            if answer["joined"]:
                console.complain("a restart was under way already; it serves this request too")
            if done is not None:
                kind = done.get("kind", "cold")
                console.say(brief_restart_line(done["phases_ms"], _target(settings), done["outcome"], kind=kind))
                if kind == "cold" and (warm or done.get("why")):
                    console.say(f"cold restart: {done.get('why') or 'it was not asked for'}")
        if problem is not None:
            console.complain(problem)
        if not no_wait and (done is None or done["outcome"] != "ready"):
            raise typer.Exit(NOT_READY)


@app.command("stop")
def stop(
    project: Project = Path(),
    config: ConfigFile = None,
    no_wait: NoWait = False,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="DURATION", help='How long to wait for the end, such as "90s".')
    ] = "60s",
    as_json: AsJson = False,
) -> None:
    """Stop bot and scanonce cleanly, and wait until both are gone.

    Exit status 0 if they are, 1 if no scanonce runs here, 6 if a process of the bot would not die.
    """
    from supervisor.supervise.state_machine import WOULD_NOT_DIE

    patience = _seconds(timeout)
    with _connected(project, config) as (client, _):
        answer = client.stop(wait=not no_wait, timeout=patience)
        if not no_wait:
            _wait_for_exit(answer["pid"])
        if as_json:
            console.print_json(answer)
        elif no_wait:
            console.say(f"stopping (process {answer['pid']})")
        else:
            console.say("stopped" if answer["clean"] else "stopped, but not every browser wrote everything down")
        if answer["exit_code"] == WOULD_NOT_DIE:
            console.fail("a process of the bot would not die; its log names it", WOULD_NOT_DIE)


@app.command("ps")
def ps(as_json: AsJson = False) -> None:
    """List the scanonce processes of this user."""
    from concurrent.futures import ThreadPoolExecutor

    with console.exits():
        with ThreadPoolExecutor(max_workers=8) as threads:
            found = sorted(threads.map(_listed, everyone()), key=lambda one: one[0]["project"] or "")
        if as_json:
            console.print_json({"supervisors": [document for document, _ in found]})
        elif found:
            headings = ("PID", "MODE", "STATE", "UP", "SESSIONS", "MEMORY", "PROJECT")
            console.table(headings, [row for _, row in found])
        else:
            console.say("No scanonce of this user runs.")


def _listed(client: Client) -> tuple[dict[str, Any], list[str | Cell]]:
    """One supervisor as JSON and as a row; one that is suspended, say, does not answer."""
    document: dict[str, Any] = {"pid": None, "project": None, "socket": str(client.path), "status": None}
    try:
        status = client.status(patience=_ANSWER)
        sessions = ", ".join(f"{one['id']} {one['state']}" for one in status["sessions"])
        memory = console.size(status["memory"]["supervisor"] + status["memory"]["tree"])
        up = console.ago(datetime.fromisoformat(status["since"])).removesuffix(" ago")
        pid, project = status["pid"], status["project"]
        row: list[str | Cell] = [str(pid), status["mode"], status["phase"], up, sessions, memory, project]
        return document | {"pid": pid, "project": project, "status": status}, row
    except (AddressError, NoAnswerError, RefusedError):
        pid = client.peer.pid
        row = [str(pid or "?"), "", Cell("does not answer", "red"), "", "", "", str(client.path)]
        return document | {"pid": pid}, row


@contextlib.contextmanager
def _connected(project: Path, file: Path | None, *, as_json: bool = False) -> Iterator[tuple[Client, Quick]]:
    """Find the project's supervisor; turn errors into one sentence on standard error and an exit status.

    With `as_json`, that no supervisor runs is a document as well.
    """
    folder = project.resolve()
    if not folder.is_dir():
        console.fail(f"there is no folder {folder}; --project names the bot's folder")
    if file is not None and not file.is_file():
        console.fail(f"there is no file {file}; --config names the configuration file")
    settings = quick.read(folder, file)
    with console.exits():
        try:
            yield reach(folder, folder / settings.cache), settings
        except NotRunningError as error:
            if as_json:
                console.print_json({"running": False, "project": str(folder), "problem": str(error)})
            console.fail(f"{error}{_last_end(folder / settings.cache)}{_left_behind(folder)}", NOT_RUNNING)
        except NoAnswerError as error:
            console.fail(f"scanonce runs here, but does not answer as it should: {error}")
        except (UnreachableError, RefusedError, AddressError) as error:
            console.fail(str(error))


def _last_end(cache: Path) -> str:
    """How the last supervisor ended, unless it was stopped: it may have given up unseen."""
    from supervisor.timing.last_exit import last_ending

    ending = last_ending(cache / "history.db")
    if ending is None or ending.exit_code in _STOPPED:
        return ""
    if ending.exit_code is None:
        return f". The last one was killed, or the machine was; its last event was {console.ago(ending.at)}"
    from supervisor.log.events.registry import EVENTS

    given_up = ending.given_up
    why = "see docs/exit-codes.md" if given_up is None else EVENTS["bot.given_up"].describe(given_up)
    return f". The last one ended {console.ago(ending.at)} with exit code {ending.exit_code}: {why}"


def _left_behind(project: Path) -> str:
    """A warning of a bot that outlived its supervisor: a user who asks for a stop must not think that it is gone."""
    from supervisor.bot.ownership import Territory

    left, _ = Territory(project, contained=False).left_behind(())
    if not left:
        return ""
    living = "a process of an earlier run lives" if len(left) == 1 else f"{len(left)} processes of an earlier run live"
    return f". But {living}: the next start closes what is left cleanly, as does scanonce doctor --fix"


def _wait_for_exit(pid: int) -> None:
    """Wait for the end of the supervisor's process: until then it holds the project's lock against the next start."""
    import asyncio

    from supervisor.process.handle import open_handle

    if (handle := open_handle(pid)) is not None:
        asyncio.run(handle.wait(_EXIT))


def _seconds(text: str) -> float:
    from supervisor.config.types import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        console.fail(f"--timeout: {error}")


def _target(settings: Quick) -> Target:
    return Target(settings.target_low, settings.target_high)
