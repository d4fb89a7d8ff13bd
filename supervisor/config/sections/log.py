"""The section `[log]`: scanonce's own lines, and the log files."""

from typing import Literal

from supervisor.config.modes import by_mode
from supervisor.config.types import Bool, FilePath, Int, Section, Size, option


class LogConfig(Section):
    """scanonce's own lines, and the files that keep them together with the bot's output."""

    format: Literal["console", "json"] = option(
        by_mode("log.format"),
        '"console" writes short sentences for people, "json" one object a line for machines. Set it to '
        "have the same in both modes.",
    )
    files: Bool = option(
        by_mode("log.files"),
        "Keep the bot's output and all events in files, for `scanonce logs`. Turn it off where something else keeps "
        "the output and the disk is small.",
    )
    folder: FilePath | None = option(
        None,
        "The folder for these files; the user's own for logs when not set. Set it to have them on another disk. "
        "They hold whatever the bot prints: keep it private.",
        examples=["/var/log/scanonce"],
    )
    max_size: Size = option(
        "10MB",
        "A file that has reached this size is followed by a new one. Raise it together with max_files to look "
        "further back.",
    )
    max_files: Int = option(
        5,
        "At most this many files are kept; the oldest goes first. Lower it on a small disk.",
        ge=1,
    )
