"""What `scanonce timings` was asked for, and what there is to show: the same for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.timing.record import Target

if TYPE_CHECKING:
    from supervisor.timing.history_reader import Recorded
    from supervisor.timing.query import Selection


@dataclass(frozen=True, slots=True)
class View:
    """What was asked for, and what there is to show."""

    path: Path
    recorded: Recorded
    selection: Selection
    target: Target
    rows: int
    since: float | None = None
    """From when on restarts were looked for, in seconds since the epoch; None: all."""
