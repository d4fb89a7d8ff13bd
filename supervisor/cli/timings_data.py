"""The content of `scanonce timings`, as a JSON document and as CSV, with the fields that docs/timings.md lists.

Fields may be added; none is removed or changes its meaning.
"""

import csv
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from supervisor.cli.json_documents import Document, fields
from supervisor.system import clock
from supervisor.system.escape import printable
from supervisor.timing.changepoints import Step
from supervisor.timing.compare import Comparison, Difference, trend
from supervisor.timing.history_reader import Recorded
from supervisor.timing.phases import PHASES
from supervisor.timing.query import Selection
from supervisor.timing.record import Restart, Target
from supervisor.timing.statistics import TOTAL, Summary, by_phase, verdicts

CSV_COLUMNS = (
    "started_at",
    "reason",
    "detail",
    "outcome",
    "target",
    "clean",
    "kind",
    "why",
    "total_ms",
    "scanonce_version",
    "config",
    "node_version",
    "browser_version",
    "run_id",
    *(f"{name}_ms" for name in PHASES),
    "other_ms",
)


@dataclass(frozen=True, slots=True)
class View:
    """The restarts that were asked for. `rows` is how many are listed; `since` is in seconds since the epoch."""

    path: Path
    recorded: Recorded
    selection: Selection
    target: Target
    rows: int
    since: float | None = None


def overview(view: View) -> Document:
    """The document of `scanonce timings`."""
    selection, ready = view.selection, view.selection.ready
    figures = by_phase(ready)
    total = figures.pop(TOTAL, None)
    found = trend(ready)
    return {
        **_preface(view),
        "first_starts_left_out": selection.first_starts,
        "from": _began(selection.restarts[0]) if selection.restarts else None,
        "to": _began(selection.restarts[-1]) if selection.restarts else None,
        "targets": verdicts(ready, view.target),
        "phases": [{"phase": name, **_summary(one)} for name, one in figures.items()],
        "total": total and _summary(total),
        "trend": found and fields(found, "before", "after") | {"slower": [_difference(one) for one in found.slower]},
        "list": [_restart(one, view.target) for one in reversed(selection.restarts[-view.rows :] if view.rows else ())],
    }


def comparison(view: View, result: Comparison | None) -> Document:
    """The document of `scanonce timings --compare`; if nothing has changed, the fields of a change are null."""
    if result is None:
        return _preface(view) | dict.fromkeys(("change", "before", "after", "differences"))
    steps = [_step(one, view.recorded.settings) for one in result.change.steps]
    return {
        **_preface(view),
        "change": {"at": datetime.fromtimestamp(result.change.at, UTC), "steps": steps},
        **fields(result, "before", "after"),
        "differences": [_difference(one) for one in result.differences],
    }


def print_csv(view: View) -> None:
    """Print a heading and a line for each restart, the oldest first."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    writer.writerows(_line(one, view.target) for one in view.selection.restarts)


def judged(one: Restart, target: Target) -> str | None:
    """Compare a restart with the target that is configured now; None if it did not bring the bot back."""
    return target.verdict(one.total_ms / 1000) if one.outcome == "ready" else None


def _line(one: Restart, target: Target) -> list[object]:
    phases, setup = one.phases_ms, one.setup
    versions = (setup.scanonce, setup.config, setup.node, setup.browser, one.run_id)
    other = [amount for name, amount in phases.items() if name not in PHASES]
    return [
        clock.iso(_began(one)),
        *(printable(text) for text in (one.reason, one.detail, one.outcome)),
        judged(one, target),
        "yes" if one.clean else "no",
        one.kind,
        printable(one.why),
        one.total_ms,
        *(printable(text or "") for text in versions),
        *(phases.get(name, "") for name in PHASES),
        sum(other) if other else "",
    ]


def _preface(view: View) -> Document:
    return {
        "history": view.path,
        "restarts": len(view.selection.restarts),
        "ready": len(view.selection.ready),
        "unreadable": view.recorded.unreadable,
        "target": {"low_s": view.target.low, "high_s": view.target.high},
    }


def _began(one: Restart) -> datetime:
    return datetime.fromtimestamp(one.started_at, UTC)


def _summary(one: Summary) -> Document:
    middle = {f"{name}_ms": round(getattr(one, name), 1) for name in ("p50", "p90", "p95")}
    return {"count": one.count, "min_ms": one.minimum, **middle, "max_ms": one.maximum}


def _difference(one: Difference) -> Document:
    counts = fields(one, "phase", "count_before", "count_after", "before_ms", "after_ms")
    return counts | {"difference_ms": one.change_ms, **fields(one, "p", "evident")}


def _step(one: Step, known: Mapping[str, Mapping[str, Any]]) -> Document:
    changed = one.settings_changed(known)
    settings = None if changed is None else [{"key": key, "before": old, "after": new} for key, old, new in changed]
    return {"what": one.kind, **fields(one, "before", "after"), "settings": settings}


def _restart(one: Restart, target: Target) -> Document:
    return {
        "started_at": _began(one),
        **fields(one, "run_id", "reason", "detail", "outcome"),
        "target": judged(one, target),
        **fields(one, "clean", "kind", "why", "total_ms", "phases_ms"),
        "scanonce_version": one.setup.scanonce,
        "config": one.setup.config,
        "node_version": one.setup.node,
        "browser_version": one.setup.browser,
    }
