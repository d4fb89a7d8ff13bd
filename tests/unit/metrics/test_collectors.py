"""The figures: what each event counts, what a status shows, and that pages and dashboard speak of what there is."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from supervisor.config.modes import Mode
from supervisor.log.events.sessions import SESSION_STATES
from supervisor.metrics.collectors import Metrics
from supervisor.metrics.labels import Labels
from supervisor.supervise.state_machine import Stage
from supervisor.supervise.status import Memory, SessionView, Status
from tests import ROOT
from tests.helpers.asking import parsed, sample

NOW = datetime.now(UTC)
STATUS = Status(
    project="/bot",
    pid=7,
    mode=Mode.RUN,
    command=["node"],
    phase=Stage.UP,
    since=NOW - timedelta(hours=1),
    bot_pid=8,
    uptime_s=60.0,
    restarts=0,
    sessions=[
        SessionView(
            id="support",
            profile="/bot/a",
            state="ready",
            since=NOW,
            linked=True,
            snapshots=2,
            last_snapshot_at=NOW - timedelta(seconds=100),
            last_snapshot_bytes=5000,
        ),
        SessionView(
            id='odd "\\\n',
            profile="/bot/b",
            state="closed",
            since=None,
            linked=None,
            snapshots=0,
            last_snapshot_at=None,
        ),
    ],
    last_restart=None,
    memory=Memory(supervisor=46_000_000, tree=512_000_000, processes=9),
    planned=[],
)


def metrics() -> Metrics:
    return Metrics(Labels("masked", "key"), NOW.timestamp)


def shown(one: Metrics, *, ready: bool = True) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return parsed(one.exposition(STATUS, ready=ready).decode())


def restart(total_ms: int, target: str | None = "ahead", outcome: str = "ready") -> dict[str, object]:
    done: dict[str, object] = {
        "reason": "change",
        "outcome": outcome,
        "kind": "cold",
        "phases_ms": {"close": 80, "boot": total_ms - 80},
    }
    return done | {"total_ms": total_ms} | ({"target": target} if target else {})


def test_restarts_are_counted_by_reason_and_outcome_and_their_phases_measured() -> None:
    one = metrics()
    one.count("restart.done", restart(2000))
    one.count("restart.done", restart(12000, "over"))
    one.count("restart.done", restart(3000, None, "needs_link"))
    told = shown(one)
    assert sample(told, "scanonce_restarts_total", reason="change", outcome="ready", kind="cold") == 2
    assert sample(told, "scanonce_restarts_total", reason="change", outcome="needs_link", kind="cold") == 1
    assert sample(told, "scanonce_restarts_over_target_total") == 1
    assert sample(told, "scanonce_restart_duration_seconds_sum", outcome="ready") == 14
    assert sample(told, "scanonce_restart_phase_duration_seconds_count", phase="close") == 3
    assert sample(told, "scanonce_restart_phase_duration_seconds_bucket", phase="close", le="0.1") == 3
    assert sample(told, "scanonce_restart_phase_duration_seconds_bucket", phase="close", le="0.05") == 0
    assert sample(told, "scanonce_restart_phase_duration_seconds_bucket", phase="boot", le="2.5") == 1


def test_a_link_is_lost_once_however_often_that_is_said_and_only_by_a_session_that_had_one() -> None:
    one = metrics()
    one.add_session("support", linked=True)
    one.add_session("new", linked=False)
    assert sample(shown(one), "scanonce_links_lost_total", session="support") == 0
    for event in ("session.logged_out", "session.needs_link", "session.needs_link"):
        one.count(event, {"session": "support"})
        one.count("session.needs_link", {"session": "new"})
    told = shown(one)
    assert sample(told, "scanonce_links_lost_total", session="support") == 1
    assert sample(told, "scanonce_links_lost_total", session="new") == 0
    one.count("session.state", {"session": "new", "state": "ready"})
    one.count("session.needs_link", {"session": "new"})
    assert sample(shown(one), "scanonce_links_lost_total", session="new") == 1


@pytest.mark.parametrize(
    ("event", "fields", "name", "labels"),
    [
        ("bot.crashed", {"pid": 1, "ran_s": 1.0}, "scanonce_crashes_total", {}),
        ("bot.unhealthy", {"reason": "hang"}, "scanonce_unhealthy_total", {"reason": "hang"}),
        ("session.restored", {"session": "a"}, "scanonce_recoveries_total", {"session": "a"}),
        ("snapshot.taken", {"session": "a"}, "scanonce_snapshots_taken_total", {"session": "a"}),
        ("snapshot.failed", {"session": "a"}, "scanonce_snapshot_failures_total", {"session": "a"}),
        ("output.dropped", {"where": "log", "bytes": 1}, "scanonce_output_dropped_bytes_total", {"where": "log"}),
    ],
)
def test_what_happens_is_counted(event: str, fields: dict[str, object], name: str, labels: dict[str, str]) -> None:
    one = metrics()
    one.count(event, fields)
    one.count("browser.up", {})
    one.count(event, fields)
    assert sample(shown(one), name, **labels) == 2


def test_how_things_stand() -> None:
    told = shown(metrics())
    assert sample(told, "scanonce_ready") == 1
    assert sample(shown(metrics(), ready=False), "scanonce_ready") == 0
    states = {
        dict(labels)["state"]: value
        for (name, labels), value in told.items()
        if name == "scanonce_session_state" and dict(labels)["session"] == "support"
    }
    assert states == {state: float(state == "ready") for state in (*SESSION_STATES, "closed", "waiting_for_browser")}
    assert sample(told, "scanonce_session_state", session='odd "\\\n', state="closed") == 1
    assert sample(told, "scanonce_snapshot_age_seconds", session="support") == pytest.approx(100)
    assert sample(told, "scanonce_snapshot_size_bytes", session="support") == 5000
    assert ("scanonce_snapshot_age_seconds", frozenset({("session", 'odd "\\\n')})) not in told
    assert sample(told, "scanonce_supervisor_memory_bytes") == 46_000_000
    assert sample(told, "scanonce_tree_memory_bytes") == 512_000_000
    assert sample(told, "scanonce_phase", phase="up") == 1
    assert sum(value for (name, _), value in told.items() if name == "scanonce_phase") == 1


def test_a_phone_number_is_masked_and_two_that_end_alike_are_told_apart() -> None:
    labels = Labels("masked", "key")
    first, second = labels.of("15551234567"), labels.of("4915771234567")
    assert re.fullmatch(r"4567-[0-9a-f]{6}", first)
    assert re.fullmatch(r"4567-[0-9a-f]{6}", second)
    assert first != second
    assert first != Labels("masked", "another").of("15551234567")
    assert labels.of("shop-2") == "shop-2"
    assert Labels("id", "key").of("15551234567") == "15551234567"
    one = Metrics(labels)
    one.count("session.restored", {"session": "15551234567"})
    assert "1555123" not in one.exposition(STATUS, ready=True).decode()


def _names() -> set[str]:
    """Every metric's name, as a query has it."""
    one = metrics()
    one.add_session("a", linked=True)
    one.count("restart.done", restart(2000))
    for event, fields in (
        ("bot.unhealthy", {"reason": "hang"}),
        ("output.dropped", {"where": "log", "bytes": 1}),
        ("notify.sent", {"target": "a"}),
    ):
        one.count(event, fields)
    return {name for name, _ in shown(one)}


def _family(name: str) -> str:
    return re.sub(r"_(bucket|sum|count)$", "", name)


def test_the_page_describes_every_metric_and_no_other() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    described = set(re.findall(r"^\| `(scanonce_\w+)` \|", page, re.MULTILINE))
    assert described == {_family(name) for name in _names()}
    assert set(re.findall(r"scanonce_\w+", page)) <= described | _names()


def test_the_names_follow_the_conventions_of_prometheus() -> None:
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", metrics().exposition(STATUS, ready=True).decode(), re.MULTILINE))
    assert types
    for name, kind in types.items():
        assert name.startswith("scanonce_")
        assert name.endswith("_total") == (kind == "counter"), name
        assert not name.endswith("_created")


def test_the_dashboard_asks_only_for_what_there_is() -> None:
    dashboard = json.loads((ROOT / "examples" / "grafana" / "scanonce.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked += [variable["query"]["query"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    names, known = set(re.findall(r"scanonce_\w+", " ".join(asked))), _names()
    assert len(names) > 10
    assert names <= known
    labels = {name: {label for one, pairs in _labelled() if one == name for label in pairs} for name in names}
    for expression in asked:
        grouped = {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
        of = set().union(*(labels[name] for name in re.findall(r"scanonce_\w+", expression)))
        assert grouped - {"le"} <= of, expression
    places = [tuple(panel["gridPos"][side] for side in "xy") for panel in dashboard["panels"]]
    assert len(set(places)) == len(places) == len({panel["id"] for panel in dashboard["panels"]})


def _labelled() -> list[tuple[str, set[str]]]:
    one = metrics()
    one.add_session("a", linked=True)
    one.count("restart.done", restart(2000))
    one.count("bot.unhealthy", {"reason": "hang"})
    one.count("notify.sent", {"target": "a"})
    return [(name, {label for label, _ in labels}) for name, labels in shown(one)]
