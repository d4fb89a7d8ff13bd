"""`scanonce dev --explain-watch`: what is watched, and why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.bootstrap import open_store
from supervisor.cli.console import print_json, say
from supervisor.supervise.triggers.files import watch_rules
from supervisor.watch.explain import explain
from supervisor.watch.probe import remote_type

if TYPE_CHECKING:
    from supervisor.config.schema import Config


def explain_watch(project: Path, config: Config, *, as_json: bool) -> None:
    """Look at the project as `scanonce dev` would, and print it."""
    found = explain(watch_rules(project, config, open_store(project, config).profiles(config.session.profiles)))
    polling = _why_polling(project, config)
    if as_json:
        print_json(
            {
                "project": str(project),
                "paths": [str(path) for path in config.watch.paths],
                "polling": polling is not None,
                "polling_because": polling,
                "files": [{"path": str(path), "why": why} for path, why in sorted(found.files.items())],
                "folders": [{"path": str(path), "files": count} for path, count in found.folders.items()],
                "left_out": [{"path": str(path), "why": why} for path, why in found.left_out.items()],
                "other_files": [{"why": why, "files": count} for why, count in found.other.most_common()],
            }
        )
        return
    for line in found.lines():
        say(line)
    if polling is None:
        number = len(found.folders)
        watches = {0: "none yet", 1: "one watch"}.get(number, f"a watch for each of these {number} folders")
        say(f"cost: {watches}; what is not looked into costs none")
    else:
        say(f"cost: no watch; the files are compared regularly, because {polling}")


def _why_polling(project: Path, config: Config) -> str | None:
    """Why files would be compared regularly, as far as that shows without watching; None for events."""
    if config.watch.poll is True:
        return "watch.poll is true"
    if config.watch.poll is False:
        return None
    folder = next((path for path in config.watch.paths if (project / path).is_dir()), Path())
    kind = remote_type(os.path.abspath(project / folder))  # noqa: PTH100  as the watcher sees it, links kept
    return f"{project / folder} is on {kind}" if kind else None
