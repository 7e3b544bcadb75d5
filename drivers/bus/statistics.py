"""Counters of a line and its units: counted cheaply at each exchange, computed when asked for."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivers.bus.hour import Hour, MinuteStatistics, Percentiles, kind_of, percentiles
from drivers.errors import DriverError, PanelException, StillWorking, Unheard
from drivers.link import WireTally

_SAMPLES = 512
_BUCKET_S = 5.0
_MINUTE = 60.0
_QUARTER = 900.0


@dataclass(frozen=True, slots=True)
class TrafficStatistics:
    """The counters of one unit, or of a line as a whole, since start.

    `exchanges` counts attempts whose bytes left; each succeeded or is in one of the counts that follow. `late_dropped`
    counts whole frames that no request waited for, `glitch_bytes` bytes outside any frame. Loads are shares 0..1 of the line's
    time over the last 1 and 15 minutes, waits for replies and for a suspect line's quiet included; noise that keeps a line from
    becoming quiet counts as one more `crc` of the line. Percentiles are of the last 512: an exchange from its silence to its
    end, a wait in the queue from the call to the first attempt.
    """

    exchanges: int
    timeouts: int
    crc: int
    protocol: int
    connections_lost: int
    exceptions: Mapping[int, int]
    retries: int
    late_dropped: int
    glitch_bytes: int
    load_1m: float
    load_15m: float
    exchange_ms: Percentiles
    queue_ms: Percentiles
    queue_depth: int


@dataclass(frozen=True, slots=True)
class LineStatistics:
    """`minutes`: of the line, within the last hour, the oldest first."""

    line: TrafficStatistics
    units: Mapping[int, TrafficStatistics]
    minutes: tuple[MinuteStatistics, ...] = ()


@dataclass(slots=True)
class _Slice:
    number: int
    busy_s: float


class LoadMeter:
    """Busy seconds in slices of five seconds, a quarter of an hour back."""

    def __init__(self) -> None:
        self._started: float | None = None
        self._slices: deque[_Slice] = deque()

    def add(self, end: float, busy_s: float) -> None:
        start = end - busy_s
        if self._started is None:
            self._started = start
        last = int(end // _BUCKET_S)
        if self._slices and self._slices[-1].number == last and start >= last * _BUCKET_S:
            self._slices[-1].busy_s += busy_s
            return
        for number in range(int(start // _BUCKET_S), last + 1):
            self._put(number, min(end, (number + 1) * _BUCKET_S) - max(start, number * _BUCKET_S))
        while self._slices[0].number < last - _QUARTER / _BUCKET_S:
            self._slices.popleft()

    def _put(self, number: int, busy_s: float) -> None:
        if self._slices and self._slices[-1].number == number:
            self._slices[-1].busy_s += busy_s
        else:
            self._slices.append(_Slice(number, busy_s))

    def share(self, now: float, span_s: float) -> float:
        """The busy share of the last `span_s` seconds in whole slices, or of the time since the first exchange if shorter."""
        if self._started is None:
            return 0.0
        first = int((now - span_s) // _BUCKET_S) + 1
        begin = max(first * _BUCKET_S, self._started)
        busy_s = sum(each.busy_s for each in self._slices if each.number >= first)
        return min(1.0, busy_s / max(now - begin, _BUCKET_S))


class Traffic:
    """The counters of one unit or line."""

    def __init__(self) -> None:
        self.exchanges = self.timeouts = self.crc = self.protocol = self.connections_lost = self.retries = 0
        self.exceptions: Counter[int] = Counter()
        self._load = LoadMeter()
        self._exchange_s: deque[float] = deque(maxlen=_SAMPLES)
        self.queue_s: deque[float] = deque(maxlen=_SAMPLES)
        """How long requests waited for their first attempt."""

    def exchanged(self, end: float, took_s: float, errors: Sequence[DriverError | None]) -> None:
        each_s = took_s / len(errors)
        self._load.add(end, took_s)
        for error in errors:
            self.exchanges += 1
            self._exchange_s.append(each_s)
            if error is not None:
                self._count(error)

    def settled(self, end: float, waited_s: float) -> None:
        self._load.add(end, waited_s)

    def _count(self, error: DriverError) -> None:
        if isinstance(error, PanelException | StillWorking | Unheard):
            self.exceptions[error.code] += 1
            return
        match kind_of(error):
            case "timeouts":
                self.timeouts += 1
            case "crc":
                self.crc += 1
            case "protocol":
                self.protocol += 1
            case "connections_lost":
                self.connections_lost += 1

    def snapshot(self, now: float, late_dropped: int, glitch_bytes: int, queue_depth: int) -> TrafficStatistics:
        return TrafficStatistics(
            exchanges=self.exchanges,
            timeouts=self.timeouts,
            crc=self.crc,
            protocol=self.protocol,
            connections_lost=self.connections_lost,
            exceptions=dict(self.exceptions),
            retries=self.retries,
            late_dropped=late_dropped,
            glitch_bytes=glitch_bytes,
            load_1m=self._load.share(now, _MINUTE),
            load_15m=self._load.share(now, _QUARTER),
            exchange_ms=percentiles(self._exchange_s),
            queue_ms=percentiles(self.queue_s),
            queue_depth=queue_depth,
        )


class LineTraffic:
    """The counters of a line and of each unit on it."""

    def __init__(self) -> None:
        self._line = Traffic()
        self._hour = Hour()
        self._units: dict[int, Traffic] = {}

    def attach(self, unit: int) -> None:
        self._units[unit] = Traffic()

    def detach(self, unit: int) -> None:
        self._units.pop(unit, None)

    def queued(self, unit: int, waited_s: float) -> None:
        self._line.queue_s.append(waited_s)
        if unit in self._units:
            self._units[unit].queue_s.append(waited_s)

    def retried(self, unit: int) -> None:
        self._line.retries += 1
        if unit in self._units:
            self._units[unit].retries += 1

    def settled(self, end: float, waited_s: float) -> None:
        self._line.settled(end, waited_s)
        self._hour.waited(end, waited_s)

    def jammed(self, end: float, waited_s: float) -> None:
        self._line.settled(end, waited_s)
        self._line.crc += 1
        self._hour.waited(end, waited_s, "crc")

    def exchanged(self, unit: int, end: float, took_s: float, errors: Sequence[DriverError | None]) -> None:
        """Count attempts that were under way together for `took_s` seconds, with what each ended in."""
        self._line.exchanged(end, took_s, errors)
        if unit in self._units:
            self._units[unit].exchanged(end, took_s, errors)
        self._hour.exchanged(end, took_s, errors)

    def snapshot(self, now: float, tally: WireTally, depths: Mapping[int, int]) -> LineStatistics:
        """`depths`: how many requests wait for each unit."""
        late, glitches = tally.late_dropped, tally.glitch_bytes
        units = {
            unit: traffic.snapshot(now, late[unit], glitches[unit], depths.get(unit, 0)) for unit, traffic in self._units.items()
        }
        line = self._line.snapshot(now, late.total(), glitches.total(), sum(depths.values()))
        return LineStatistics(line, units, self._hour.minutes(now))
