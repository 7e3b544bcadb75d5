"""The health of the units of a line: misses counted, and the quarantine of silent ones with its probes."""

from __future__ import annotations

from dataclasses import dataclass, field

from drivers.availability import Feed
from drivers.contract import Availability

_SHORTEST_PROBE_S = 0.03
_UNKNOWN_SHARE = 1 / 3
_LATENCY_MARGIN = 3.0
_LATENCY_FADES = 0.98
_WHOLE_PROBE_EVERY = 3
_DOUBLINGS = 10
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 300.0


@dataclass(slots=True)
class Health:
    """The misses of one unit. After `limit` in a row it is quarantined until a probe is answered."""

    limit: int
    misses: int = 0
    probes: int = 0
    probe_at: float = 0.0
    rested_at: float = 0.0
    hastened: bool = False
    latency_s: float | None = None
    """The longest recent reply time of the unit; None before its first answer."""
    feed: Feed = field(default_factory=Feed)

    @property
    def quarantined(self) -> bool:
        return self.misses >= self.limit

    def answered(self, latency_s: float | None = None) -> None:
        self.misses = self.probes = 0
        if latency_s is not None:
            self.latency_s = max(latency_s, (self.latency_s or 0.0) * _LATENCY_FADES)
        self.feed.set(Availability.ONLINE)

    def probe_timeout_s(self, timeout_s: float) -> float:
        """How long the next probe waits for a reply: as long as the unit has lately needed, so that it costs the others little.

        Every third probe waits the whole reply timeout: the unit may have become slow.
        """
        if self.probes % _WHOLE_PROBE_EVERY == _WHOLE_PROBE_EVERY - 1:
            return timeout_s
        likely_s = timeout_s * _UNKNOWN_SHARE if self.latency_s is None else self.latency_s * _LATENCY_MARGIN
        return min(timeout_s, max(_SHORTEST_PROBE_S, likely_s))

    def missed(self, cause: str) -> bool:
        """Count a miss; True when it is the one that puts the unit in quarantine."""
        before = self.quarantined
        self.misses += 1
        if self.quarantined:
            self.feed.set(Availability.QUARANTINED, cause)
        return self.quarantined and not before

    def line_back(self) -> None:
        """Forget the misses after the line was down; one more miss is enough for a unit that was quarantined before."""
        self.misses = min(self.misses, self.limit - 1)
        self.feed.set(Availability.UNKNOWN)


class Quarantine(dict[int, Health]):
    """The silent units of one line. All their probes together stay within a share of the line's time, and the pauses between
    one unit's probes grow."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self._share = share
        self._line_free_at = 0.0
        self._hastened_last = False

    def put(self, unit: int, health: Health, now: float, timeout_s: float = 0.0) -> None:
        """Schedule the next probe of a unit that fell silent or did not answer its probe.

        The probe is never sooner than a late answer could arrive; `timeout_s` is the unit's reply timeout.
        """
        self[unit] = health
        shortest_s = max(_FIRST_WAIT_S, timeout_s)
        health.rested_at = now + shortest_s
        health.probe_at = now + max(shortest_s, min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(health.probes, _DOUBLINGS)))
        self._hastened_last, health.hastened = health.hastened, False

    def release(self, unit: int) -> None:
        self.pop(unit, None)

    def hasten(self, unit: int, now: float) -> None:
        """A caller asks for this unit: its next probe waits only for the line's budget and a late answer, not for other units."""
        health = self[unit]
        health.probe_at = min(health.probe_at, max(now, health.rested_at))
        health.hastened = True

    def due(self, now: float) -> int | None:
        """The unit to probe now: at most every second time one that a caller asks for, else the one that has waited longest."""
        if not self or now < self._line_free_at:
            return None
        ready = [unit for unit, health in self.items() if health.probe_at <= now]
        return min(ready, key=self._turn, default=None)

    def _turn(self, unit: int) -> tuple[bool, float]:
        health = self[unit]
        return self._hastened_last or not health.hastened, health.probe_at

    def next_at(self, unit: int | None = None) -> float | None:
        """When this unit, or else the first of all, may be probed; None when there is none."""
        chosen = self.values() if unit is None else [self[unit]]
        return min((max(health.probe_at, self._line_free_at) for health in chosen), default=None)

    def charge(self, now: float, cost_s: float) -> None:
        """Charge the line time that a probe took or made others wait."""
        self._line_free_at = max(self._line_free_at, now) + cost_s / self._share - cost_s
