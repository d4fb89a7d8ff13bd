"""One restart as it is recorded: its outcome, how it stands against the target, and the line that reports it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from supervisor.timing.phases import spread

Outcome = Literal["ready", "needs_link", "failed"]
"""How a restart ended: the bot is ready; it waits for a QR code to be scanned; it became neither."""
Verdict = Literal["ahead", "within", "over"]
Kind = Literal["cold", "warm"]
"""Whether a restart closed the browsers, or kept them and their pages."""

_LEAD: Final[Mapping[Outcome, str]] = {
    "ready": "back online in",
    "needs_link": "waiting for a QR code to be scanned after",
    "failed": "not back online after",
}


class HistoryError(Exception):
    """The history of restarts cannot be read; nothing in it has been changed. The message is one sentence."""


@dataclass(frozen=True, slots=True)
class Target:
    """The range of seconds that a restart should take at most. Raises `ValueError` unless 0 < low <= high."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high:
            raise ValueError(f"expected 0 < low <= high, got {self.low} and {self.high}")

    def verdict(self, total: float) -> Verdict:
        """Judge a restart of `total` seconds; both ends of the range are within it."""
        if total < self.low:
            return "ahead"
        return "within" if total <= self.high else "over"

    def __str__(self) -> str:
        return f"{self.low:g}-{self.high:g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The versions that a restart ran with; None if unknown: not seen, or recorded by an older scanonce."""

    scanonce: str | None = None
    config: str | None = None  # the fingerprint of the configuration in force
    node: str | None = None
    browser: str | None = None  # several, joined by ", ", if the bot's browsers differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """One restart. `detail` names the trigger (a file, a signal, an exit code); `target` is None if not judged.

    A record that a later version wrote may have an outcome and phases unknown here.
    """

    started_at: float  # seconds since the epoch
    run_id: str
    reason: str
    outcome: Outcome
    phases_ms: Mapping[str, int]
    total_ms: int
    target: Verdict | None
    clean: bool  # every browser was seen to exit after writing all its data
    detail: str = ""
    kind: Kind = "cold"
    why: str = ""  # why it was cold, if that was not clear
    setup: Setup = Setup()


COLUMNS: Final = ("started_at", "run_id", "reason", "detail", "outcome", "phases_ms", "total_ms", "target", "clean")
"""The fields of a restart that are columns of the history, from its first schema on."""
KIND_COLUMNS: Final = ("kind", "why")
"""Those from the third schema on."""
SETUP_COLUMNS: Final = ("scanonce_version", "config", "node_version", "browser_version")
"""The columns of its setup, in the order of the fields, from the second schema on."""


def brief_restart_line(
    phases_ms: Mapping[str, int],
    target: Target,
    outcome: Outcome = "ready",
    *,
    first: bool = False,
    kind: str = "cold",
) -> str:
    """Say how long a restart took, and what took the longest: `back online in 2.3 s  (slowest: browser 0.8)`.

    The target is mentioned if it was missed. A warm one takes hundredths: `back online in 0.34 s, warm`.
    """
    total = sum(phases_ms.values()) / 1000
    if kind == "warm" and outcome == "ready":
        return f"{_lead(outcome, first=first)} {total:.2f} s, warm"
    line = f"{_lead(outcome, first=first)} {total:.1f} s"
    if outcome == "needs_link":
        return line
    if phases_ms:
        slowest = max(phases_ms, key=lambda name: phases_ms[name])
        line += f"  (slowest: {slowest} {phases_ms[slowest] / 1000:.1f})"
    missed = outcome == "ready" and target.verdict(total) == "over"
    return f"{line}  over the target of {target}" if missed else line


def restart_line(
    phases_ms: Mapping[str, int],
    target: Target,
    outcome: Outcome = "ready",
    *,
    first: bool = False,
    kind: str = "cold",
) -> str:
    """Say how long a restart took: `back online in 1.98 s  (close 0.08  boot 1.90)  target 5-10 s: ahead`.

    The figures shown add up to the total shown; phases that round to zero are left out. Only a bot that is back online
    is judged by the target. `first` words it for the first start of a run.
    """
    shown = {name: hundredths for name, hundredths in spread(phases_ms, 10).items() if hundredths}
    line = f"{_lead(outcome, first=first)} {sum(shown.values()) / 100:.2f} s{', warm' if kind == 'warm' else ''}"
    if shown:
        line += f"  ({'  '.join(f'{name} {hundredths / 100:.2f}' for name, hundredths in shown.items())})"
    if outcome != "ready":
        return line
    verdict = target.verdict(sum(phases_ms.values()) / 1000)
    line += f"  target {target}: {verdict}"
    if verdict == "over" and shown:
        line += f", slowest: {max(phases_ms, key=lambda name: phases_ms[name])}"
    return line


def _lead(outcome: Outcome, *, first: bool) -> str:
    return _LEAD[outcome].replace("back online", "online") if first else _LEAD[outcome]
