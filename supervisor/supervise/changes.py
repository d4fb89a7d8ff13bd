"""What a supervisor asks of whatever watches the bot's source files."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from supervisor.supervise.preflight_gate import Examined


class Changes(Examined, Protocol):
    """What watches the source files."""

    async def settled(self) -> None:
        """Return once the files have been quiet for a moment."""

    def drain(self) -> tuple[Path, ...]:
        """The files that have changed since this was last called."""

    def exclude(self, folder: Path) -> None:
        """Leave out a folder from now on: a profile that has come to light."""

    @property
    def checks(self) -> bool:
        """Whether what has changed is to be checked."""

    def stand_by(self) -> None:
        """The bot is up: get ready to check what changes next. `end_checks` undoes it."""

    def begin_checks(self) -> None:
        """From now on check each file that has changed at once, if it is to be checked."""

    def hear_again(self) -> None:
        """Tell of what has changed since a check has found that nothing is to be started."""

    async def end_checks(self) -> None:
        """Return once none of our programs runs for a check."""
