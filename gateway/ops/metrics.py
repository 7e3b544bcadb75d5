"""The fleet's events as Prometheus metrics, in a registry of their own: several gateways in one process do not share it."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from drivers.contract import Availability, Reason
from gateway.fleet.events import (
    ClockSet,
    Drifted,
    Event,
    Failed,
    ForeignCommitted,
    Pushed,
    Refused,
    Replaced,
    Restarted,
    Revoked,
)
from gateway.fleet.host_clock import ClockView
from gateway.fleet.views import PanelView, StoreView
from gateway.journal.journal import Journal
from gateway.journal.receivers import ReceiverView

_LAG_BUCKETS = (0.1, 0.5, 1, 5, 15, 60, 300, 3600, 86_400, 604_800)


class Metrics:
    """Listens to the fleet, see `gateway.fleet.events`."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"panel_gateway_{name}", text, labels, registry=registry)

        self._pushes = counter("pushes", "Transactions that a panel acknowledged", "panel")
        self._words = counter("words", "Words written in acknowledged transactions", "panel")
        self._failures = counter("failures", "Attempts that failed", "panel", "reason")
        self._defects = counter("panel_defects", "Defects of the gateway that ended the work for a panel for a while", "panel")
        self._refusals = counter("refusals", "Items that a panel cannot hold", "panel", "reason")
        self._drifts = counter("drifts", "Panels found to hold something other than they acknowledged", "panel")
        self._foreign_commits = counter("foreign_commits", "Commits to a panel that were somebody else's", "panel")
        self._resets = counter("resets", "Panels seen to have restarted", "panel")
        self._replacements = counter("replacements", "Empty units with another serial number that were filled", "panel")
        self._clock_sets = counter("clock_sets", "Panel clocks written", "panel", "result")
        self._revocation_lag = Histogram(
            "panel_gateway_revocation_lag_seconds",
            "From the request until a panel had revoked",
            ["panel"],
            buckets=_LAG_BUCKETS,
            registry=registry,
        )

    def listen(self, event: Event) -> None:
        """Count one event of the fleet."""
        match event:
            case Pushed(panel, _, words, _):
                self._pushes.labels(panel).inc()
                self._words.labels(panel).inc(words)
            case Revoked(panel, _, lag_s):
                self._revocation_lag.labels(panel).observe(lag_s)
            case Failed(panel, reason, _):
                self._failures.labels(panel, reason.value).inc()
                if reason is Reason.FAILED:
                    self._defects.labels(panel).inc()
            case Refused(panel, outcomes):
                reasons = Counts(outcome.reason.value if outcome.reason else "" for outcome in outcomes.values())
                for name, count in reasons.items():
                    self._refusals.labels(panel, name).inc(count)
            case Drifted(panel):
                self._drifts.labels(panel).inc()
            case ForeignCommitted(panel, count):
                self._foreign_commits.labels(panel).inc(count)
            case Restarted(panel):
                self._resets.labels(panel).inc()
            case Replaced(panel):
                self._replacements.labels(panel).inc()
            case ClockSet(panel, reason):
                self._clock_sets.labels(panel, reason.value if reason else "set").inc()
            case _:
                pass

    def watch(
        self, panels: Callable[[], Iterable[PanelView]], departed: Callable[[], Mapping[str, int]] = dict[str, int]
    ) -> None:
        """Add the state of panels at the moment of asking. `departed`: how many items panels that left may still hold."""
        self._registry.register(_PanelCollector(panels, departed))

    def watch_clock(self, clock: Callable[[], ClockView]) -> None:
        """Add whether the host's clock is trusted at the moment of asking."""
        self._registry.register(_ClockCollector(clock))

    def watch_store(self, store: Callable[[], StoreView]) -> None:
        """Add whether the store is trusted at the moment of asking, and what it has not taken yet."""
        self._registry.register(_StoreCollector(store))

    def watch_journal(self, journal: Journal, receivers: Callable[[], Iterable[ReceiverView]]) -> None:
        """Add what became of events: how many are stored, and how far behind those are to whom they are handed on."""
        self._registry.register(_JournalCollector(journal, receivers))

    def watch_loop(self, lag_s: Callable[[], float]) -> None:
        """Add how late the event loop was at most within the last minute."""
        text = "How late the event loop was at most within a minute"
        Gauge("panel_gateway_loop_lag_seconds", text, registry=self._registry).set_function(lag_s)

    def watch_problems(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Add how many problems of each code there were at the last look."""
        self._registry.register(_ProblemCollector(counts))

    def exposition(self) -> bytes:
        """The metrics in the Prometheus text format."""
        return generate_latest(self._registry)


class _ClockCollector(Collector):
    def __init__(self, clock: Callable[[], ClockView]) -> None:
        self._clock = clock

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        view = self._clock()
        trusted = GaugeMetricFamily("panel_gateway_clock_trusted", "1 where the host's clock is trusted", labels=["source"])
        trusted.add_metric([view.source or ""], int(view.trusted))
        yield trusted
        warnings = GaugeMetricFamily("panel_gateway_clock_warning", "What is wrong with the host's clock", labels=["warning"])
        for warning in view.warnings:
            warnings.add_metric([warning.code], 1)
        yield warnings


class _StoreCollector(Collector):
    def __init__(self, store: Callable[[], StoreView]) -> None:
        self._store = store

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        view = self._store()
        text = "1 where what the store says counts"
        yield GaugeMetricFamily("panel_gateway_store_trusted", text, value=int(view.doubt is None))
        text = "Deletions that the store has not taken yet"
        yield GaugeMetricFamily("panel_gateway_deletions_not_durable", text, value=view.not_durable)


class _JournalCollector(Collector):
    def __init__(self, journal: Journal, receivers: Callable[[], Iterable[ReceiverView]]) -> None:
        self._journal = journal
        self._receivers = receivers

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        stored = CounterMetricFamily("panel_gateway_events", "Events that were stored", labels=["kind"])
        for kind, count in self._journal.stored.items():
            stored.add_metric([kind], count)
        yield stored
        text = "Stored events that were dropped for their age or their number"
        yield CounterMetricFamily("panel_gateway_events_dropped", text, value=self._journal.retired)
        text = "The gateway's own events that are not stored yet"
        yield GaugeMetricFamily("panel_gateway_events_waiting", text, value=self._journal.waiting)
        views = list(self._receivers())
        for name, text, value in _RECEIVER_LEVELS:
            family = GaugeMetricFamily(f"panel_gateway_receiver_{name}", text, labels=["receiver"])
            for view in views:
                family.add_metric([view.name], value(view))
            yield family
        failed = CounterMetricFamily(
            "panel_gateway_receiver_failures", "Attempts to hand on events that failed", labels=["receiver"]
        )
        for view in views:
            failed.add_metric([view.name], view.failed)
        yield failed


_RECEIVER_LEVELS: tuple[tuple[str, str, Callable[[ReceiverView], float]], ...] = (
    ("backlog", "Events that waited for the receiver when it last took none", lambda view: view.waiting),
    ("lag_seconds", "Since the oldest event was stored that the receiver has not taken", lambda view: view.lag_s),
)


class _ProblemCollector(Collector):
    def __init__(self, counts: Callable[[], Mapping[str, int]]) -> None:
        self._counts = counts

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        problems = GaugeMetricFamily("panel_gateway_problems", "What `panel-gateway doctor` tells", labels=["code"])
        for code, count in self._counts().items():
            problems.add_metric([code], count)
        yield problems


class _PanelCollector(Collector):
    """Collected when asked for; the metric names are present even without panels."""

    def __init__(self, panels: Callable[[], Iterable[PanelView]], departed: Callable[[], Mapping[str, int]]) -> None:
        self._panels = panels
        self._departed = departed

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        views = list(self._panels())
        for name, text, value in _LEVELS:
            family = GaugeMetricFamily(f"panel_gateway_{name}", text, labels=["panel"])
            for view in views:
                family.add_metric([view.id], value(view))
            yield family
        for name, text, known in _KNOWN:
            family = GaugeMetricFamily(f"panel_gateway_{name}", text, labels=["panel"])
            for view in views:
                if (found := known(view)) is not None:
                    family.add_metric([view.id], found)
            yield family
        text = "Items that a panel which left the configuration may still hold"
        left = GaugeMetricFamily("panel_gateway_departed_items", text, labels=["panel"])
        for panel, count in self._departed().items():
            left.add_metric([panel], count)
        yield left
        states = GaugeMetricFamily("panel_gateway_panel_state", "1 for the state that a panel is in", labels=["panel", "state"])
        for view in views:
            states.add_metric([view.id, view.state], 1)
        yield states
        written = CounterMetricFamily(
            "panel_gateway_storage_writes", "Writes to storage of limited endurance", labels=["panel", "storage"]
        )
        for view in views:
            for storage, count in view.writes.items():
                written.add_metric([view.id, storage], count)
        yield written
        up = {view.line: 0 for view in views}
        up.update((view.line, 1) for view in views if view.availability is not Availability.BUS_UNAVAILABLE)
        lines = GaugeMetricFamily("panel_gateway_line_up", "Whether the line can be used", labels=["line"])
        for line, is_up in up.items():
            lines.add_metric([line], is_up)
        yield lines


_LEVELS: tuple[tuple[str, str, Callable[[PanelView], float]], ...] = (
    ("panel_up", "Whether the panel can be spoken to", lambda view: view.availability is Availability.ONLINE),
    ("items_desired", "Items that the panel must hold", lambda view: view.desired),
    ("items_held", "Items that the panel holds as desired", lambda view: view.held),
    ("items_pending", "Items that the panel does not hold yet", lambda view: view.pending),
    ("items_refused", "Items that the panel cannot hold", lambda view: view.refused),
    ("lag_seconds", "Since the oldest change that the panel does not hold yet", lambda view: view.lag_s),
    (
        "revocation_age_seconds",
        "Since the oldest revocation that the panel does not hold yet",
        lambda view: view.revocation_lag_s,
    ),
    ("still_granting", "Items that the panel may grant beyond what is asked", lambda view: view.still_granting),
    (
        "foreign_open",
        "Used slots that are not the gateway's, are open to somebody, and that nobody said to be known",
        lambda view: sum(each.opens is not None and not each.known for each in view.foreign),
    ),
    (
        "foreign_slots",
        "Used slots that are not the gateway's",
        lambda view: len(view.foreign_slots) + len(view.foreign_identifiers),
    ),
)
"""What is known of every panel."""


_KNOWN: tuple[tuple[str, str, Callable[[PanelView], float | None]], ...] = (
    ("clock_drift_ms", "Panel clock minus gateway clock", lambda view: view.clock_drift_ms),
    ("valid_until_seconds", "When what is held as dates ends first", lambda view: view.valid_until),
    (
        "unrenewed_until_seconds",
        "When what is held as dates and should have been renewed ends first",
        lambda view: view.unrenewed_until,
    ),
    (
        "endurance_left",
        "Writes to its storage that the gateway may make on its own",
        lambda view: None if view.endurance is None else view.endurance.left,
    ),
    (
        "full_look_hours",
        "What the last look at every word took",
        lambda view: None if view.full_look is None else view.full_look.reached_h,
    ),
)
"""What is not known of every panel."""
