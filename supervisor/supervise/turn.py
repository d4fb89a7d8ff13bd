"""One restart as it is told: what asked for it, how long each phase took, how it ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from supervisor.config.sections.timing import TimingConfig
from supervisor.log.logger import emit
from supervisor.timing.phases import PhaseClock
from supervisor.timing.record import Outcome, Restart, Setup, Target


@dataclass(slots=True)
class Turn:
    """A restart under way. Its clock starts when it is made: with what asked for it."""

    reason: str
    detail: str | None = None
    started_at: float = field(default_factory=time.time)
    clock: PhaseClock = field(default_factory=PhaseClock)
    clean: bool = True
    """Whether every browser wrote everything down on the way."""
    record: Restart | None = None
    """How it ended, once it is over."""

    def __post_init__(self) -> None:
        self.clock.enter("freeze")

    @property
    def over(self) -> bool:
        """Whether it has come to an end, good or bad."""
        return self.record is not None

    def end(self, outcome: Outcome, mark: str, timing: TimingConfig, setup: Setup) -> Restart:
        """Stop the clock, say in one line how it went, and return the record; `mark` names the bot's run."""
        phases = self.clock.finish()
        target = Target(timing.target_low, timing.target_high)
        milliseconds: dict[str, int] = {**phases.milliseconds()}
        self.record = restart = Restart(
            started_at=self.started_at,
            run_id=mark,
            reason=self.reason,
            detail=self.detail or "",
            outcome=outcome,
            phases_ms=milliseconds,
            total_ms=sum(milliseconds.values()),
            target=target.verdict(phases.total) if outcome == "ready" else None,
            clean=self.clean,
            setup=setup,
        )
        emit(
            "restart.done",
            reason=restart.reason,
            outcome=outcome,
            phases_ms=milliseconds,
            total_ms=restart.total_ms,
            target=restart.target,
            target_low_s=target.low,
            target_high_s=target.high,
            clean=restart.clean,
        )
        return restart
