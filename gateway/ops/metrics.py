"""What the fleet tells, as Prometheus metrics. A registry of its own: several gateways in one process do not meet."""

from __future__ import annotations

from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from drivers.contract import ItemOutcome, Reason
from gateway.fleet.events import NoEvents

_LAG_BUCKETS = (0.1, 0.5, 1, 5, 15, 60, 300, 3600, 86_400, 604_800)


class Metrics(NoEvents):
    """Listens to the fleet (`gateway.fleet.events.Events`)."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"panel_gateway_{name}", text, labels, registry=registry)

        self._pushes = counter("pushes", "Transactions that a panel acknowledged", "panel")
        self._words = counter("words", "Words written in acknowledged transactions", "panel")
        self._failures = counter("failures", "Attempts that failed", "panel", "reason")
        self._refusals = counter("refusals", "Items that a panel cannot hold", "panel", "reason")
        self._drifts = counter("drifts", "Panels found to hold something else than acknowledged", "panel")
        self._resets = counter("resets", "Panels seen to have restarted", "panel")
        self._clock_sets = counter("clock_sets", "Panel clocks written", "panel", "result")
        self._drift_ms = Gauge("panel_gateway_clock_drift_ms", "Panel clock minus gateway clock", ["panel"], registry=registry)
        self._revocation_lag = Histogram(
            "panel_gateway_revocation_lag_seconds",
            "From the request until a panel had revoked",
            ["panel"],
            buckets=_LAG_BUCKETS,
            registry=registry,
        )

    def pushed(self, panel: str, link_ids: Collection[str], words: int, seconds: float) -> None:
        self._pushes.labels(panel).inc()
        self._words.labels(panel).inc(words)

    def revoked(self, panel: str, link_ids: Collection[str], lag_s: float) -> None:
        self._revocation_lag.labels(panel).observe(lag_s)

    def failed(self, panel: str, reason: Reason, message: str | None) -> None:
        self._failures.labels(panel, reason.value).inc()

    def refused(self, panel: str, link_id: str, outcome: ItemOutcome) -> None:
        self._refusals.labels(panel, outcome.reason.value if outcome.reason else "").inc()

    def drifted(self, panel: str) -> None:
        self._drifts.labels(panel).inc()

    def reset(self, panel: str) -> None:
        self._resets.labels(panel).inc()

    def clock_measured(self, panel: str, drift_ms: int | None) -> None:
        if drift_ms is not None:
            self._drift_ms.labels(panel).set(drift_ms)

    def clock_set(self, panel: str, reason: Reason | None) -> None:
        self._clock_sets.labels(panel, reason.value if reason else "set").inc()

    def exposition(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self._registry)
