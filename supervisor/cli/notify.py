"""`scanonce notify test`: a test message to every configured target."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import typer

from supervisor.cli import console
from supervisor.cli.console import Cell
from supervisor.cli.documents import fields
from supervisor.cli.options import AsJson, ConfigFile, Project, group
from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.notify.factory import Targets, targets_of
from supervisor.notify.message import Message
from supervisor.notify.target import DeliveryError, NotificationTarget
from supervisor.process.helper import HelperRunner
from supervisor.process.reaper import Reaper
from supervisor.system.runtime_dir import project_key, runtime_folder


class _Result(NamedTuple):
    target: str
    problem: str | None
    took_ms: int

    @property
    def ok(self) -> bool:
        return self.problem is None


app = group("Notifications of what needs a person: test.")


@app.command("test")
def send_test(project: Project = Path(), config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Send a test message to every target that [notify] names.

    The result of each is printed. Exit status 0 if all were delivered, 1 if not, 2 if no target is configured.
    """
    with console.exits():
        folder = project.resolve()
        settings = load(folder, config, mode=Mode.RUN).notify
        if not settings.webhooks and not settings.apprise:
            console.fail("no target is configured: set notify.webhooks or notify.apprise (docs/notifications.md)")
        helpers = HelperRunner(Reaper(), set())
        targets = targets_of(settings, folder, helpers, lambda: runtime_folder(project_key(folder)))
        results = asyncio.run(_send_all(targets, str(folder), qr=settings.qr))
        if as_json:
            console.print_json(
                {"targets": [fields(result, "target", "ok", "problem", "took_ms") for result in results]}
            )
        else:
            console.table(("TARGET", "RESULT"), [_row(result) for result in results])
        if not all(result.ok for result in results):
            raise typer.Exit(console.FAILED)


async def _send_all(targets: Targets, project: str, *, qr: bool) -> Sequence[_Result]:
    results = await asyncio.gather(*(_send(target, project, qr=qr) for target in targets.usable))
    unusable = [_Result(one.target, f"{one.problem}; {one.remedy}", 0) for one in targets.unusable]
    return sorted([*results, *unusable])


async def _send(target: NotificationTarget, project: str, *, qr: bool) -> _Result:
    message = Message(
        kind="test",
        event="notify.test",
        level="info",
        text="this is a test; nothing has happened",
        project=project,
        qr="scanonce: a test" if qr else None,
    )
    began, problem = time.monotonic(), None
    try:
        await target.deliver(message)
    except DeliveryError as error:
        problem = str(error)
    return _Result(target.name, problem, round((time.monotonic() - began) * 1000))


def _row(result: _Result) -> list[str | Cell]:
    problem = result.problem
    return [result.target, Cell(f"ok, in {result.took_ms} ms", "green") if problem is None else Cell(problem, "red")]
