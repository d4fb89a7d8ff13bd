"""The one line that ends each restart."""

from collections.abc import Mapping
from typing import Final, Literal

from supervisor.timing.phases import spread
from supervisor.timing.target import Target

Outcome = Literal["ready", "needs_link", "failed"]
"""How a restart ended: the bot is ready; it waits for a QR code to be scanned; it never became either."""

_LEAD: Final[Mapping[Outcome, str]] = {
    "ready": "back online in",
    "needs_link": "waiting for a QR code to be scanned after",
    "failed": "not back online after",
}


def restart_line(
    phases_ms: Mapping[str, int], target: Target, outcome: Outcome = "ready", *, first: bool = False
) -> str:
    """Say how long a restart took: `back online in 1.98 s  (close 0.08  boot 1.90)  target 5-10 s: ahead`.

    The figures shown add up to the total shown; phases of no time are left out. Only a bot that is back online is
    judged by the target. `first` words it for the first start of a run.
    """
    total_ms = sum(phases_ms.values())
    shown = {name: hundredths for name, hundredths in spread(phases_ms, 10).items() if hundredths}
    lead = _LEAD[outcome].replace("back online", "online") if first else _LEAD[outcome]
    line = f"{lead} {sum(shown.values()) / 100:.2f} s"
    if shown:
        line += f"  ({'  '.join(f'{name} {hundredths / 100:.2f}' for name, hundredths in shown.items())})"
    if outcome != "ready":
        return line
    verdict = target.verdict(total_ms / 1000)
    line += f"  target {target}: {verdict}"
    if verdict == "over" and shown:
        line += f", slowest: {max(phases_ms, key=lambda name: phases_ms[name])}"
    return line
