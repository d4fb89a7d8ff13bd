"""The section `[log]`."""

from typing import Literal

from supervisor.config.modes import by_mode
from supervisor.config.types import Bool, FilePath, Int, Section, Size, option


class LogConfig(Section):
    """The log on the terminal, and the log files that also hold the bot's output."""

    format: Literal["auto", "console", "json"] = option(
        by_mode("log.format"),
        '"console" prints short sentences for people, "json" one object per line for programs; "auto" is '
        '"console" on a terminal and "json" elsewhere. Set it to have the same format in both modes.',
    )
    files: Bool = option(
        by_mode("log.files"),
        "Keep the bot's output and all events in files, for `scanonce logs`. Turn it off if another program keeps the "
        "output and the disk is small.",
    )
    folder: FilePath | None = option(
        None,
        "The folder for these files; by default the user's own log folder. Set it to keep them on another disk. They "
        "hold everything that the bot prints: keep the folder private.",
        examples=["/var/log/scanonce"],
    )
    max_size: Size = option(
        "10MB",
        "A new file is begun once the current one has reached this size. Raise it together with max_files to keep "
        "older output.",
    )
    max_files: Int = option(
        5, "How many files are kept at most; the oldest is removed first. Lower it on a small disk.", ge=1
    )
