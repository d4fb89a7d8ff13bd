"""`scanonce dev --explain-watch`: the watched files, and why they are watched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.cli.console import print_json, say
from supervisor.session.open import open_store
from supervisor.supervise.triggers.source_files import watch_rules
from supervisor.watch.explain import explain
from supervisor.watch.probe import reason_to_poll

if TYPE_CHECKING:
    from supervisor.config.schema import Config


def explain_watch(project: Path, config: Config, *, as_json: bool) -> None:
    """Print which files `scanonce dev` would watch in the project."""
    found = explain(watch_rules(project, config, open_store(project, config).profiles(config.session.profiles)))
    polling = reason_to_poll(project, config.watch)
    if as_json:
        print_json(
            {
                "project": project,
                "paths": config.watch.paths,
                "polling": polling is not None,
                "polling_because": polling,
                "files": [{"path": path, "why": why} for path, why in sorted(found.files.items())],
                "folders": [{"path": path, "files": count} for path, count in found.folders.items()],
                "left_out": [{"path": path, "why": why} for path, why in found.left_out.items()],
                "other_files": [{"why": why, "files": count} for why, count in found.other.most_common()],
            }
        )
        return
    for line in found.lines():
        say(line)
    if polling is None:
        number = len(found.folders)
        watches = {0: "none yet", 1: "one watch"}.get(number, f"a watch for each of these {number} folders")
        say(f"cost: {watches}; folders that are left out cost none")
    else:
        say(f"cost: no watch; the files are polled, because {polling}")
