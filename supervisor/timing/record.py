"""One restart as it is recorded, and what it ran with."""

from collections.abc import Mapping
from dataclasses import dataclass

from supervisor.timing.summary import Outcome
from supervisor.timing.target import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a restart ran with. None is what was not known: an older scanonce did not record it, or it was not seen."""

    scanonce: str | None = None
    config: str | None = None  # the fingerprint of the configuration in force
    node: str | None = None
    browser: str | None = None  # several, joined by ", ", if the bot's browsers differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """One restart. `detail` names the trigger (a file, a signal, an exit code); `target` is None if not judged.

    One that was read may have an outcome and phases that only a later version knows.
    """

    started_at: float  # seconds since the epoch
    run_id: str
    reason: str
    outcome: Outcome
    phases_ms: Mapping[str, int]
    total_ms: int
    target: Verdict | None
    clean: bool  # every browser was seen to exit after writing everything down
    detail: str = ""
    setup: Setup = Setup()
