"""The table at the end of the demo: its restarts by phase, against the target."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from supervisor.timing.phases import PHASES, spread
from supervisor.timing.record import Target

_LABEL, _COLUMN = 16, 10


def restart_table(restarts: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The lines of a table: a column for each restart (the fields of its `restart.done`), a row for each phase.

    Hundredths of a second, rounded so that each column adds up; phases that took no time anywhere are left out.
    """
    done = list(restarts.values())
    columns = [spread(fields["phases_ms"], 10) for fields in done]
    yield _row("seconds", list(restarts))
    for phase in PHASES:
        if any(column.get(phase) for column in columns):
            yield _row(phase, [_seconds(column.get(phase, 0)) for column in columns])
    yield _row("total", [_seconds(sum(column.values())) for column in columns])
    yield _row(f"target {_target(done[0])}", [_target(fields).verdict(fields["total_ms"] / 1000) for fields in done])


def _target(fields: Mapping[str, Any]) -> Target:
    return Target(fields["target_low_s"], fields["target_high_s"])


def _seconds(hundredths: int) -> str:
    return f"{hundredths / 100:.2f}" if hundredths else "-"


def _row(label: str, cells: Sequence[str]) -> str:
    return f"{label:<{_LABEL}}" + "".join(f"{cell:>{_COLUMN}}" for cell in cells)
