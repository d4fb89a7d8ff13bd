"""Where the log files lie."""

from __future__ import annotations

from pathlib import Path

import platformdirs


def log_folder(project: Path, configured: Path | None) -> Path:
    """The folder for log files: the configured one, else the user's own for logs. Several projects may share one.

    Nothing is made. Without a home the user's folder has no absolute path; then it is one in the project.
    """
    if configured is not None:
        return project / configured
    return project / platformdirs.user_log_path("scanonce")
