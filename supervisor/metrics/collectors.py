"""The metrics: counters of events, and gauges that are made from a `Status` at each scrape.

Names and units follow the conventions of Prometheus; docs/metrics.md explains each.
"""

import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from supervisor import __version__
from supervisor.browser.presets import SessionStatus
from supervisor.metrics.labels import Labels
from supervisor.supervise.state_machine import Stage
from supervisor.supervise.status import AWAITED, CLOSED, SessionView, Status

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

#: Seconds: a browser closes in tens of milliseconds, a page loads in seconds, a bot that is compiled takes many.
BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0)

_STATES: Final = (*map(str, SessionStatus), CLOSED, AWAITED)
_LINKED: Final = {str(SessionStatus.LINKED), str(SessionStatus.READY)}

# Otherwise each counter has a second series with its creation time, which only OpenMetrics uses.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # not annotated there


class Metrics:
    """All metrics of a supervisor: `count` takes each event, `exposition` renders a scrape. `now` is in Unix time."""

    def __init__(self, labels: Labels, now: Callable[[], float] = time.time) -> None:
        self._labels = labels
        self._registry = CollectorRegistry()
        self._linked: set[str] = set()
        self._count_restarts()
        self._count_trouble()
        self._count_sessions()
        self._count_messages()
        self._gauges = _Gauges(labels, now)
        self._registry.register(self._gauges)
        self._counts: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
            "restart.done": self._restarted,
            "bot.crashed": lambda _fields: self._crashes.inc(),
            "bot.unhealthy": lambda fields: self._unhealthy.labels(fields["reason"]).inc(),
            "output.dropped": lambda fields: self._dropped.labels(fields["where"]).inc(fields["bytes"]),
            "session.linked": lambda fields: self._linked.add(fields["session"]),
            "session.state": self._state_changed,
            "session.needs_link": lambda fields: self._lost(fields["session"]),
            "session.logged_out": lambda fields: self._lost(fields["session"]),
            "session.restored": lambda fields: self._recoveries.labels(self._of(fields)).inc(),
            "snapshot.taken": lambda fields: self._taken.labels(self._of(fields)).inc(),
            "snapshot.failed": self._snapshot_failed,
            "notify.sent": lambda fields: self._messages.labels(fields["target"], "sent").inc(),
            "notify.failed": lambda fields: self._messages.labels(fields["target"], "failed").inc(),
            "notify.dropped": lambda fields: self._messages.labels(fields["target"], "dropped").inc(fields["count"]),
        }

    def add_session(self, session: str, *, linked: bool) -> None:
        """Start the counters of a session at zero, so that its first increase is one."""
        if linked:
            self._linked.add(session)
        label = self._labels.of(session)
        for counter in (self._losses, self._recoveries, self._taken, self._failed, self._skipped):
            counter.labels(label)

    def count(self, name: str, fields: Mapping[str, Any]) -> None:
        """Count an event, if a metric depends on it."""
        if (handle := self._counts.get(name)) is not None:
            handle(fields)

    def exposition(self, status: Status, *, ready: bool) -> bytes:
        """Return all metrics in Prometheus's text format."""
        self._gauges.look(status, ready=ready)
        return generate_latest(self._registry)

    # -- what is counted ---------------------------------------------------------------------------------------------

    def _count_restarts(self) -> None:
        self._restarts = self._counter(
            "restarts",
            "Starts and restarts of the bot, by what asked for them, how they ended, and whether the page was kept.",
            "reason",
            "outcome",
            "kind",
        )
        self._over = self._counter("restarts_over_target", "Restarts that took longer than timing.target_high.")
        self._durations = self._histogram(
            "restart_duration_seconds", "Whole restarts, from what asked for it to a bot that is ready.", "outcome"
        )
        self._phases = self._histogram("restart_phase_duration_seconds", "The phases of restarts.", "phase")

    def _count_trouble(self) -> None:
        self._crashes = self._counter("crashes", "Ends of the bot that were not requested.")
        self._unhealthy = self._counter("unhealthy", "Times the bot ran and was of no use, by reason.", "reason")
        self._dropped = self._counter(
            "output_dropped_bytes", "Output of the bot that found no room where it should go.", "where"
        )

    def _count_sessions(self) -> None:
        self._losses = self._counter("links_lost", "Times a session that was linked needed a link again.", "session")
        self._recoveries = self._counter("recoveries", "Times a snapshot took the place of a profile.", "session")
        self._taken = self._counter("snapshots_taken", "Snapshots that were taken.", "session")
        self._failed = self._counter("snapshot_failures", "Snapshots that could not be taken.", "session")
        self._skipped = self._counter(
            "snapshots_skipped_no_room", "Of those, the ones that the disk had no room for.", "session"
        )

    def _count_messages(self) -> None:
        self._messages = self._counter(
            "notifications", "Messages by target and what became of them: sent, failed, dropped.", "target", "outcome"
        )

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"scanonce_{name}", what, labels, registry=self._registry)

    def _histogram(self, name: str, what: str, *labels: str) -> Histogram:
        return Histogram(f"scanonce_{name}", what, labels, registry=self._registry, buckets=BUCKETS)

    def _of(self, fields: Mapping[str, Any]) -> str:
        return self._labels.of(fields["session"])

    def _restarted(self, fields: Mapping[str, Any]) -> None:
        self._restarts.labels(fields["reason"], fields["outcome"], fields["kind"]).inc()
        self._durations.labels(fields["outcome"]).observe(fields["total_ms"] / 1000)
        for phase, milliseconds in fields["phases_ms"].items():
            self._phases.labels(phase).observe(milliseconds / 1000)
        if fields.get("target") == "over":
            self._over.inc()

    def _snapshot_failed(self, fields: Mapping[str, Any]) -> None:
        self._failed.labels(self._of(fields)).inc()
        if fields.get("no_room"):
            self._skipped.labels(self._of(fields)).inc()

    def _state_changed(self, fields: Mapping[str, Any]) -> None:
        if fields["state"] in _LINKED:
            self._linked.add(fields["session"])

    def _lost(self, session: str) -> None:
        # After a logout the page shows a QR code: that is the same loss.
        if session in self._linked:
            self._linked.discard(session)
            self._losses.labels(self._labels.of(session)).inc()


class _Gauges(Collector):
    """The gauges, made from the status of a scrape."""

    def __init__(self, labels: Labels, now: Callable[[], float]) -> None:
        self._labels = labels
        self._now = now
        self._status: Status | None = None
        self._ready = False

    def look(self, status: Status, *, ready: bool) -> None:
        self._status, self._ready = status, ready

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        status = self._status
        assert status is not None, "there is one before anything is collected"
        yield InfoMetricFamily(
            "scanonce_build", "What runs here.", {"version": __version__, "python": platform.python_version()}
        )
        yield from self._of_supervisor(status)
        yield from self._of_sessions(status.sessions)

    def _of_supervisor(self, status: Status) -> Iterator[Metric]:
        yield _gauge("ready", "Whether /readyz says so.", float(self._ready))
        yield _gauge("start_time_seconds", "When this supervisor was started, in Unix time.", status.since.timestamp())
        yield _gauge("bot_uptime_seconds", "For how long the bot runs; 0 if none does.", status.uptime_s or 0.0)
        yield _gauge("supervisor_memory_bytes", "Resident memory of scanonce.", status.memory.supervisor)
        yield _gauge("tree_memory_bytes", "Resident memory of the bot and all it has started.", status.memory.tree)
        yield _gauge("tree_processes", "Processes of the bot and all it has started.", status.memory.processes)
        phases = _family("phase", "1 for the phase that the supervisor is in, 0 for the others.", "phase")
        for phase in Stage:
            phases.add_metric([str(phase)], float(phase == status.phase))
        yield phases

    def _of_sessions(self, sessions: Iterable[SessionView]) -> Iterator[Metric]:
        states = _family(
            "session_state", "1 for the state that the session is in, 0 for the others.", "session", "state"
        )
        linked = _family("session_linked", "Whether the session was linked when last seen.", "session")
        number = _family("snapshots", "Snapshots there are of the session.", "session")
        taken = _family("snapshot_timestamp_seconds", "When the newest was taken, in Unix time.", "session")
        age = _family("snapshot_age_seconds", "Age of the newest.", "session")
        size = _family("snapshot_size_bytes", "Size of the newest, files shared with others included.", "session")
        for session in sessions:
            label = self._labels.of(session.id)
            for state in _STATES:
                states.add_metric([label, state], float(state == session.state))
            if session.linked is not None:
                linked.add_metric([label], float(session.linked))
            number.add_metric([label], session.snapshots)
            if session.last_snapshot_at is not None:
                at = session.last_snapshot_at.timestamp()
                taken.add_metric([label], at)
                age.add_metric([label], max(0.0, self._now() - at))
            if session.last_snapshot_bytes is not None:
                size.add_metric([label], session.last_snapshot_bytes)
        yield from (states, linked, number, taken, age, size)


def _gauge(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"scanonce_{name}", what, value)


def _family(name: str, what: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"scanonce_{name}", what, labels=labels)
