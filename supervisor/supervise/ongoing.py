"""A restart under way, and the record of it once it is over."""

import time
from dataclasses import dataclass, field
from typing import Literal

from supervisor.bot.run import Run
from supervisor.bot.spec import BotSpec
from supervisor.log.logger import emit
from supervisor.process.wrappers import runner_name, unwrap
from supervisor.timing.history import History
from supervisor.timing.phases import PhaseClock, spread
from supervisor.timing.record import Kind, Outcome, Restart, Target

Wanted = Literal["auto", "warm", "cold"]
"""The kind of restart that is asked for; auto: warm in development if it can be, cold otherwise."""


@dataclass(slots=True, eq=False)
class OngoingRestart:
    """A restart from its request until it is over. Its clock begins with what asked for it."""

    reason: str
    detail: str | None = None
    wanted: Wanted = "auto"
    kind: Kind = "cold"
    why: str = ""
    """Why it is cold, as far as that is worth keeping."""
    clock: PhaseClock = field(default_factory=PhaseClock)
    started_at: float = field(default_factory=time.time)
    """In Unix time."""
    clean: bool = True
    """Whether every browser wrote everything down on the way."""
    record: Restart | None = None
    """How it ended, once it is over."""

    @property
    def over(self) -> bool:
        """Whether it has come to an end, good or bad."""
        return self.record is not None

    def mark(self, kind: Kind, why: str = "") -> None:
        """Note of what kind it is, and why."""
        self.kind, self.why = kind, why

    def fall_back(self, why: str) -> None:
        """Note that it is cold after all; its clock goes on."""
        self.wanted = "cold"
        self.mark("cold", why)

    def mark_unclean(self) -> None:
        """Note that a browser was ended before it had written everything down."""
        self.clean = False

    def end(self, record: Restart) -> None:
        """Note how it ended."""
        self.record = record


class RestartRecorder:
    """Reports and records how each start of the bot ends."""

    def __init__(self, spec: BotSpec, history: History) -> None:
        self._spec = spec
        self._history = history
        self._npm_reported = False
        #: The last start or restart that is over.
        self.last: Restart | None = None

    def over(self, restart: OngoingRestart, run: Run, verdict: Literal["ready", "needs_link"], *, since: float) -> None:
        """Record that the bot is ready or waits for a scan; it was started at `since`, in monotonic seconds."""
        self._report_npm(run)
        if verdict == "ready":
            emit("bot.ready", method=run.method, after_ms=round((time.monotonic() - since) * 1000))
        # A restart that was waited for in vain, or for a scan, has been recorded as that already.
        if restart.clock.current is not None:
            self._record(restart, run, verdict)

    def in_vain(self, restart: OngoingRestart, run: Run) -> None:
        """Record that the bot has not become ready in the time that it had."""
        states = {live.state.detail or live.state.status for live in run.observer.live.values()}
        waited = self._spec.config.ready.timeout
        emit("bot.not_ready", waited_s=waited, state=", ".join(sorted(states)) or "no browser")
        self._record(restart, run, "failed")

    def failed(self, restart: OngoingRestart, run: Run | None) -> None:
        """Record that a start has failed before it was over: `run`, if there is one, has ended or is of no use.

        It is not reported as over: what follows, such as the next try, is the answer to a request for it.
        """
        if not restart.over and restart.clock.current is not None:
            self._keep(restart, run, "failed")

    def _record(self, restart: OngoingRestart, run: Run, outcome: Outcome) -> None:
        record, target = self._keep(restart, run, outcome)
        emit(
            "restart.done",
            reason=record.reason,
            outcome=outcome,
            phases_ms=record.phases_ms,
            total_ms=record.total_ms,
            target=record.target,
            target_low_s=target.low,
            target_high_s=target.high,
            clean=record.clean,
            kind=record.kind,
            why=record.why or None,
        )
        restart.end(record)

    def _keep(self, restart: OngoingRestart, run: Run | None, outcome: Outcome) -> tuple[Restart, Target]:
        """Write it to the history; returns the record, and the target that it is held against."""
        spent = restart.clock.finish()
        timing, versions = self._spec.config.timing, self._spec.versions
        target = Target(timing.target_low, timing.target_high)
        milliseconds = spread(spent, 1_000_000)
        self.last = record = Restart(
            started_at=restart.started_at,
            run_id=run.mark if run is not None else "",
            reason=restart.reason,
            detail=restart.detail or "",
            outcome=outcome,
            phases_ms=milliseconds,
            total_ms=sum(milliseconds.values()),
            target=target.verdict(sum(spent.values()) / 1e9) if outcome == "ready" else None,
            clean=restart.clean,
            kind=restart.kind,
            why=restart.why,
            setup=versions.setup(live.version for live in (run.observer.live.values() if run is not None else ())),
        )
        self._history.record(record, versions.configuration.settings)
        return record, target

    def _report_npm(self, run: Run) -> None:
        """Report, once, a package manager between us and the bot."""
        if self._npm_reported:
            return
        tree = self._spec.territory.living()
        pid, between = unwrap(run.child.pid, tree)
        bot = next((entry for entry in tree if entry.pid == pid), None)
        if bot is None or runner_name(bot) is not None:
            return  # it has ended, or is not there yet behind a slow npm: the next start may show it
        self._npm_reported = True
        self._spec.versions.note_bot(pid)
        if between:
            emit("npm.between", command=list(bot.argv))
