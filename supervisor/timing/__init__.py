"""How long a restart took, step by step, how that stands against the target, and the record of it."""

from supervisor.timing.history import EventRecord, History
from supervisor.timing.phases import PHASES, Phase, PhaseClock, Phases, spread
from supervisor.timing.report import Outcome, restart_line
from supervisor.timing.restart import Restart, Setup
from supervisor.timing.target import Target, Verdict

__all__ = [
    "PHASES",
    "EventRecord",
    "History",
    "Outcome",
    "Phase",
    "PhaseClock",
    "Phases",
    "Restart",
    "Setup",
    "Target",
    "Verdict",
    "restart_line",
    "spread",
]
