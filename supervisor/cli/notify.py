"""`scanonce notify test`: a test message to every configured target."""

import asyncio
from pathlib import Path

import typer

from supervisor.cli import console
from supervisor.cli.console import Cell
from supervisor.cli.json_documents import fields
from supervisor.cli.options import AsJson, ConfigFile, Project, group
from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.notify.delivery_check import DeliveryResult, deliver_test
from supervisor.notify.factory import make_targets
from supervisor.process.helper import HelperRunner
from supervisor.system.runtime_dir import project_key, runtime_folder

app = group("Notifications when a person is needed: test.")


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
        helpers = HelperRunner(None, set())
        targets = make_targets(settings, folder, helpers, lambda: runtime_folder(project_key(folder)))
        results = asyncio.run(deliver_test(targets, str(folder), qr=settings.qr))
        if as_json:
            console.print_json(
                {"targets": [fields(result, "target", "ok", "problem", "took_ms") for result in results]}
            )
        else:
            console.table(("TARGET", "RESULT"), [_row(result) for result in results])
        if not all(result.ok for result in results):
            raise typer.Exit(console.FAILED)


def _row(result: DeliveryResult) -> list[str | Cell]:
    problem = result.problem
    return [result.target, Cell(f"ok, in {result.took_ms} ms", "green") if problem is None else Cell(problem, "red")]
