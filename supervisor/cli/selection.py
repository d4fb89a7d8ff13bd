"""What the commands of sessions and those of snapshots have in common: which session, where, and its snapshots."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.cli import console
from supervisor.cli.console import Cell
from supervisor.config.loader import load
from supervisor.config.modes import Mode

if TYPE_CHECKING:
    from supervisor.admin.inventory import Inventory
    from supervisor.session.snapshot.snapshot import Snapshot


def open_inventory(project: Path, file: Path | None) -> Inventory:
    """The sessions of a project as configured. Raises `ConfigError`."""
    from supervisor.admin.inventory import Inventory  # what only these commands need, a supervisor does not carry

    folder = project.resolve()
    return Inventory(folder, load(folder, file, mode=Mode.DEV))


def print_snapshots(snapshots: Iterable[Snapshot]) -> None:
    """Print snapshots as a table."""
    headings = ("SNAPSHOT", "TAKEN", "LINKED", "BOT", "SIZE", "OWN", "BROWSER", "VERDICT")
    console.table(headings, [_row(one) for one in snapshots])


def _row(one: Snapshot) -> list[str | Cell]:
    return [
        one.name,
        console.ago(one.created_at),
        console.yes_no(one.linked),
        "running" if one.live else "stopped",
        console.size(one.bytes),
        console.size(one.own_bytes),
        one.browser_version or "",
        Cell("sound", "green") if one.verified else Cell("; ".join(one.problems) or "not verified", "red"),
    ]
