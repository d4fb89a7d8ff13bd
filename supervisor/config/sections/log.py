"""The sections `[timing]` and `[log]`: what is told and kept of it all."""

from typing import Literal, Self

from pydantic import model_validator

from supervisor.config.modes import by_mode
from supervisor.config.sections.base import Section, option
from supervisor.config.types import Bool, FilePath, Int, PositiveDuration, Size


class TimingConfig(Section):
    """What a restart may take, and how long the record is kept."""

    target_low: PositiveDuration = option(
        "5s",
        "A restart faster than this is ahead of the target. Set it to what your bot usually takes.",
    )
    target_high: PositiveDuration = option(
        "10s",
        "A restart slower than this is over the target, and its slowest phase is named. Set it to what you can accept.",
    )
    keep: PositiveDuration = option(
        "90d",
        "How long restarts and events stay in the history. Shorten it on a small disk.",
    )

    @model_validator(mode="after")
    def _low_below_high(self) -> Self:
        if self.target_low > self.target_high:
            raise ValueError("target_low is longer than target_high; expected it to be at most as long")
        return self


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
