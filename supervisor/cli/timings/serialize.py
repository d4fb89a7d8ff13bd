"""The JSON and the CSV of `scanonce timings`, as docs/timings.md lists them. Changes only by additions."""

from __future__ import annotations

import csv
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from supervisor.cli.serialize import Object, time
from supervisor.system.escape import printable
from supervisor.timing.phases import PHASES
from supervisor.timing.statistics import TOTAL, by_phase, verdicts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.cli.timings.view import View
    from supervisor.timing.changepoints import Step
    from supervisor.timing.compare import Comparison, Difference, Trend
    from supervisor.timing.record import Restart, Target
    from supervisor.timing.statistics import Summary

CSV_COLUMNS = (
    "started_at",
    "reason",
    "detail",
    "outcome",
    "target",
    "clean",
    "total_ms",
    "scanonce_version",
    "config",
    "node_version",
    "browser_version",
    "run_id",
    *(f"{name}_ms" for name in PHASES),
    "other_ms",
)


def overview(view: View) -> Object:
    """What `scanonce timings` prints."""
    from supervisor.timing.compare import trend

    selection, ready = view.selection, view.selection.ready
    figures = by_phase(ready)
    total = figures.pop(TOTAL, None)
    return {
        **_preface(view),
        "first_starts_left_out": selection.first_starts,
        "from": _first(selection.restarts),
        "to": _first(selection.restarts[-1:]),
        "targets": dict(verdicts(ready, view.target)),
        "phases": [{"phase": name, **_summary(one)} for name, one in figures.items()],
        "total": _summary(total) if total is not None else None,
        "trend": _trend(trend(ready)),
        "list": [_restart(one, view.target) for one in reversed(selection.restarts[-view.rows :] if view.rows else ())],
    }


def comparison(view: View, result: Comparison | None) -> Object:
    """What `scanonce timings --compare` prints; null for what there is not, if nothing has changed."""
    return {
        **_preface(view),
        "change": None
        if result is None
        else {
            "at": time(datetime.fromtimestamp(result.change.at, UTC)),
            "steps": [_step(one, view.recorded.settings) for one in result.change.steps],
        },
        "before": result.before if result else None,
        "after": result.after if result else None,
        "differences": [_difference(one) for one in result.differences] if result else None,
    }


def settings_changed(step: Step, known: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Any, Any]] | None:
    """Which settings differ between two configurations: key, before, after; None stands for the default.

    None altogether if what one of them was is not known.
    """
    before, after = known.get(step.before or ""), known.get(step.after or "")
    if step.kind != "config" or before is None or after is None:
        return None
    keys = sorted(before.keys() | after.keys())
    return [(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]


def print_csv(view: View) -> None:
    """Print a heading, and a line for each restart, the oldest first."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    writer.writerows(_line(one, view.target) for one in view.selection.restarts)


def _line(one: Restart, target: Target) -> list[object]:
    phases = one.phases_ms
    setup = one.setup
    versions = (setup.scanonce, setup.config, setup.node, setup.browser, one.run_id)
    other = [amount for name, amount in phases.items() if name not in PHASES]
    return [
        time(datetime.fromtimestamp(one.started_at, UTC)),
        *(printable(text) for text in (one.reason, one.detail, one.outcome)),
        judged(one, target),
        "yes" if one.clean else "no",
        one.total_ms,
        *(printable(text or "") for text in versions),
        *(phases.get(name, "") for name in PHASES),
        sum(other) if other else "",
    ]


def judged(one: Restart, target: Target) -> str | None:
    """How a restart stands against the target that is configured now; None if it did not bring the bot back."""
    return target.verdict(one.total_ms / 1000) if one.outcome == "ready" else None


def _preface(view: View) -> Object:
    return {
        "history": str(view.path),
        "restarts": len(view.selection.restarts),
        "ready": len(view.selection.ready),
        "unreadable": view.recorded.unreadable,
        "target": {"low_s": view.target.low, "high_s": view.target.high},
    }


def _first(restarts: Any) -> str | None:
    return time(datetime.fromtimestamp(restarts[0].started_at, UTC)) if restarts else None


def _summary(one: Summary) -> Object:
    return {
        "count": one.count,
        "min_ms": one.minimum,
        "p50_ms": round(one.p50, 1),
        "p90_ms": round(one.p90, 1),
        "p95_ms": round(one.p95, 1),
        "max_ms": one.maximum,
    }


def _trend(found: Trend | None) -> Object | None:
    if found is None:
        return None
    return {"before": found.before, "after": found.after, "slower": [_difference(one) for one in found.slower]}


def _difference(one: Difference) -> Object:
    return {
        "phase": one.phase,
        "count_before": one.count_before,
        "count_after": one.count_after,
        "before_ms": one.before_ms,
        "after_ms": one.after_ms,
        "difference_ms": one.change_ms,
        "p": one.p,
        "evident": one.evident,
    }


def _step(one: Step, known: Mapping[str, Mapping[str, Any]]) -> Object:
    changed = settings_changed(one, known)
    settings = None if changed is None else [{"key": key, "before": old, "after": new} for key, old, new in changed]
    return {"what": one.kind, "before": one.before, "after": one.after, "settings": settings}


def _restart(one: Restart, target: Target) -> Object:
    setup = one.setup
    return {
        "started_at": time(datetime.fromtimestamp(one.started_at, UTC)),
        "run_id": one.run_id,
        "reason": one.reason,
        "detail": one.detail,
        "outcome": one.outcome,
        "target": judged(one, target),
        "clean": one.clean,
        "total_ms": one.total_ms,
        "phases_ms": dict(one.phases_ms),
        "scanonce_version": setup.scanonce,
        "config": setup.config,
        "node_version": setup.node,
        "browser_version": setup.browser,
    }
