"""The inventory and the table that the commands about sessions and snapshots share."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from supervisor.admin.inventory import Inventory
from supervisor.cli import console
from supervisor.cli.console import Cell
from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.session.snapshot.catalog import Snapshot


@contextmanager
def inventory_of(project: Path, file: Path | None) -> Iterator[Inventory]:
    """Open the sessions of a project as configured; errors end the command, as in `console.exits`."""
    with console.exits():
        folder = project.resolve()
        yield Inventory(folder, load(folder, file, mode=Mode.DEV))


def print_snapshots(snapshots: Iterable[Snapshot]) -> None:
    """Print snapshots as a table."""
    headings = ("SNAPSHOT", "TAKEN", "LINKED", "BOT", "SIZE", "OWN", "BROWSER", "VERDICT")
    console.table(headings, [_row(one) for one in snapshots])


def _row(one: Snapshot) -> list[str | Cell]:
    return [
        one.name,
        console.ago(one.created_at),
        console.yes_no(one.linked),
        "" if one.plain else "running" if one.live else "stopped",
        console.size(one.bytes),
        console.size(one.own_bytes),
        one.browser_version or "",
        Cell("sound", "green") if one.verified else Cell("; ".join(one.problems) or "not verified", "red"),
    ]
