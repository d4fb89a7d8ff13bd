"""`scanonce status`, `restart`, `stop`, `ps`: talking to the supervisors that run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from supervisor.cli import console
from supervisor.cli.console import Cell
from supervisor.cli.options import AsJson, ConfigFile, Project, group
from supervisor.config.issues import ConfigError
from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.config.schema import Config
from supervisor.config.types import parse_duration
from supervisor.process.handle import open_handle
from supervisor.supervise.state_machine import WOULD_NOT_DIE
from supervisor.timing.record import Target, restart_line

if TYPE_CHECKING:
    from supervisor.control.client import Client, Json

#: Exit statuses, as listed in docs/exit-codes.md; with those of `output`.
NOT_RUNNING, NOT_READY = 1, 3

#: Those of a supervisor that was asked to end.
_STOPPED = frozenset({0, 129, 130, 143})

_ANSWER = 2.0  # seconds for each supervisor that `ps` asks
_EXIT = 10.0  # seconds from the last answer of a supervisor until its process is gone

NoWait = Annotated[bool, typer.Option("--no-wait", help="Return as soon as the request is accepted.")]


app = group()


@app.command("status")
def status(project: Project = Path(), config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show how the bot of this project stands.

    Exit status 0 if scanonce runs here, 1 if not.
    """
    with _asking():
        answer = reach(project, config).status()
        if as_json:
            console.print_json(answer)
            return
        from supervisor.supervise.status_text import describe

        for line in describe(answer, _target(project, config)):
            console.say(line)


@app.command("restart")
def restart(
    project: Project = Path(),
    config: ConfigFile = None,
    no_wait: NoWait = False,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="DURATION", help='How long to wait for the bot, such as "90s".')
    ] = "120s",
    detail: Annotated[
        str | None, typer.Option("--detail", metavar="TEXT", help="A word on why, for the log and the history.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Restart the bot cleanly, and wait until it is back.

    Exit status 0 if it is ready, 1 if no scanonce runs here, 3 if it did not become ready.
    """
    with _asking():
        client = reach(project, config)
        answer = client.restart(wait=not no_wait, timeout=_seconds(timeout), detail=detail)
        if as_json:
            console.print_json(answer)
        else:
            if answer["joined"]:
                console.complain("a restart was under way already; it serves this request too")
            _print_restart(answer["restart"], _target(project, config))
        if answer["problem"] is not None:
            console.complain(answer["problem"])
        if not no_wait and (answer["restart"] is None or answer["restart"]["outcome"] != "ready"):
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
    with _asking():
        client = reach(project, config)
        answer = client.stop(wait=not no_wait, timeout=_seconds(timeout))
        if not no_wait:
            _until_gone(answer["pid"])
        if as_json:
            console.print_json(answer)
        elif no_wait:
            console.say(f"stopping (process {answer['pid']})")
        else:
            console.say("stopped" if answer["clean"] else "stopped, but not every browser wrote everything down")
        if answer["exit_code"] == WOULD_NOT_DIE:
            console.complain("a process of the bot would not die; its log names it")
            raise typer.Exit(WOULD_NOT_DIE)


@app.command("ps")
def ps(as_json: AsJson = False) -> None:
    """List all running scanonce of this user."""
    with _asking():
        from supervisor.control.discovery import everyone

        clients = everyone()
        with ThreadPoolExecutor(max_workers=8) as asking:
            answers = list(asking.map(_asked, clients))
        found = sorted(zip(clients, answers, strict=True), key=lambda one: one[1]["project"] if one[1] else "")
        if as_json:
            console.print_json({"supervisors": [_shape(client, answer) for client, answer in found]})
        elif found:
            headings = ("PID", "MODE", "STATE", "UP", "SESSIONS", "MEMORY", "PROJECT")
            console.table(headings, [_row(client, answer) for client, answer in found])
        else:
            console.say("No scanonce of this user runs.")


def reach(project: Path, file: Path | None) -> Client:
    """The supervisor of a project. Raises as `find.reach` does."""
    from supervisor.control import discovery  # what only these commands need, a supervisor does not carry

    folder = project.resolve()
    cache = folder / _settings(project, file).session.cache
    try:
        return discovery.reach(folder, cache)
    except discovery.NotRunningError as error:
        raise discovery.NotRunningError(f"{error}{_ended(cache)}{_orphaned(folder)}") from None


def _ended(cache: Path) -> str:
    """What to say of the last one, unless it was stopped: nobody may have looked when it gave up."""
    from supervisor.log.events.registry import EVENTS
    from supervisor.timing.last_exit import last_ending

    ending = last_ending(cache / "history.db")
    if ending is None or ending.exit_code in _STOPPED:
        return ""
    if ending.exit_code is None:
        return f". The last one was killed, or the machine was; it was last heard of {console.ago(ending.at)}"
    given_up = ending.given_up
    why = "see docs/exit-codes.md" if given_up is None else EVENTS["bot.given_up"].describe(given_up)
    return f". The last one ended {console.ago(ending.at)} with exit code {ending.exit_code}: {why}"


def _orphaned(project: Path) -> str:
    """What to say of a bot that outlived its supervisor: whoever asks for a stop must not think that it is gone."""
    from supervisor.bot.ownership import Territory

    left, _ = Territory(project, contained=False).left_behind(())
    if not left:
        return ""
    living = "a process of an earlier run lives" if len(left) == 1 else f"{len(left)} processes of an earlier run live"
    return f". But {living}: the next start closes what is left cleanly, as does scanonce doctor --fix"


@contextlib.contextmanager
def _asking() -> Iterator[None]:
    """Turn what can go wrong with a supervisor into one sentence on standard error and an exit status."""
    from supervisor.control.client import NoAnswerError, RefusedError
    from supervisor.control.discovery import NotRunningError, UnreachableError
    from supervisor.control.transport import AddressError

    with console.exits():
        try:
            yield
        except NotRunningError as error:
            console.complain(str(error))
            raise typer.Exit(NOT_RUNNING) from None
        except NoAnswerError as error:
            console.complain(f"scanonce runs here, but does not answer as it should: {error}")
            raise typer.Exit(console.UNUSABLE) from None
        except (UnreachableError, RefusedError, AddressError) as error:
            console.complain(str(error))
            raise typer.Exit(console.UNUSABLE) from None


def _settings(project: Path, file: Path | None) -> Config:
    """The project's configuration; one with mistakes in it must not keep anybody from asking how the bot stands."""
    try:
        return load(project.resolve(), file, mode=Mode.DEV)
    except ConfigError:
        return Config()


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        console.complain(f"--timeout: {error}")
        raise typer.Exit(console.UNUSABLE) from None


def _target(project: Path, file: Path | None) -> Target:
    timing = _settings(project, file).timing
    return Target(timing.target_low, timing.target_high)


def _print_restart(done: Json | None, target: Target) -> None:
    if done is not None:
        console.say(restart_line(done["phases_ms"], target, done["outcome"]))


def _until_gone(pid: int) -> None:
    """Wait for the process itself: whoever starts the next one must not find the project locked."""
    handle = open_handle(pid)
    if handle is not None:
        asyncio.run(handle.wait(_EXIT))


def _asked(client: Client) -> Json | None:
    """How a supervisor stands, or None if it does not answer: it may have been suspended."""
    from supervisor.control.client import NoAnswerError, RefusedError
    from supervisor.control.transport import AddressError

    try:
        return client.status(patience=_ANSWER)
    except (AddressError, NoAnswerError, RefusedError):
        return None


def _shape(client: Client, answer: Json | None) -> Json:
    return {
        "pid": answer["pid"] if answer else client.peer.pid,
        "project": answer["project"] if answer else None,
        "socket": str(client.path),
        "status": answer,
    }


def _row(client: Client, answer: Json | None) -> list[str | Cell]:
    if answer is None:
        pid = client.peer.pid
        return [str(pid or "?"), "", Cell("does not answer", "red"), "", "", "", str(client.path)]
    states = ", ".join(f"{one['id']} {one['state']}" for one in answer["sessions"])
    memory = console.size(answer["memory"]["supervisor"] + answer["memory"]["tree"])
    since = console.ago(datetime.fromisoformat(answer["since"])).removesuffix(" ago")
    return [str(answer["pid"]), answer["mode"], answer["phase"], since, states, memory, answer["project"]]
