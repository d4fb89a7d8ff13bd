"""What a check of a profile found, and what it has to be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from supervisor.session.profiles.profile import Profile
    from supervisor.session.profiles.scan import FileStat


class CheckOutcome(StrEnum):
    """How one check ended; the values are stable."""

    OK = "ok"
    MENDED = "mended"
    """Something was wrong and has been put right."""
    WARNING = "warning"
    """Worth knowing; the bot may start."""
    BLOCKED = "blocked"
    """The bot must not start, and a restore would not help: a process holds the profile, or we may not touch it."""
    DAMAGED = "damaged"
    """The bot must not start: the browser would destroy what is left. A restore helps."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its stable name, how it ended, one sentence on what was seen, and one on what to do about it."""

    name: str
    outcome: CheckOutcome
    seen: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class CheckContext:
    """Facts that the files do not show; the caller knows them."""

    linked: bool | None = None
    """Whether the session was linked when last seen; `None`: what the state file says."""
    holders: Sequence[int] = ()
    """The process ids that are known to hold the profile."""
    free: bool = False
    """Whether it has been proven, under the project's lock, that no process holds the profile. Only then is anything
    mended: stale locks removed, half-written records cut off."""
    closed: bool = False
    """Whether its browser has closed cleanly while its bot, which could open another, lives still: nothing is mended,
    but what is sound is remembered as if it were free."""
    browser_version: str | None = None
    """The version of the browser that is about to be started, if known."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Every check of one profile."""

    profile: Profile
    checks: tuple[Check, ...]
    unchanged: bool = False
    """Whether the profile is as it was at its last clean stop, so that its databases were not read again."""
    files: Mapping[str, FileStat] = field(default_factory=dict)
    """What was there when the check was over."""
    sequences: Mapping[str, int] = field(default_factory=dict)
    """Per LevelDB folder that is sound, the last sequence number in it."""

    @property
    def may_start(self) -> bool:
        """Whether a bot may be started on this profile."""
        return all(check.outcome not in {CheckOutcome.DAMAGED, CheckOutcome.BLOCKED} for check in self.checks)

    @property
    def spotless(self) -> bool:
        """Whether there is nothing to mend either, and nothing to remark."""
        return all(check.outcome is CheckOutcome.OK for check in self.checks)

    @property
    def damage(self) -> list[str]:
        """One sentence per damage that a restore would mend."""
        return [check.seen for check in self.checks if check.outcome is CheckOutcome.DAMAGED]

    @property
    def blocked(self) -> list[str]:
        """One sentence, with its remedy, per reason not to start that a restore would not mend."""
        return [f"{check.seen} {check.remedy}" for check in self.checks if check.outcome is CheckOutcome.BLOCKED]

    @property
    def remarks(self) -> list[str]:
        """One sentence per thing that was mended or is worth knowing."""
        return [check.seen for check in self.checks if check.outcome in {CheckOutcome.MENDED, CheckOutcome.WARNING}]
