"""What one simulated panel opens, by its registers and by its clock, held against the ledger of what was asked of it.

By its registers: at no moment does any minute of the days that are looked at lie outside of what was asked before and since
together. That holds whatever its clock shows.
By its clock: what it has open now is allowed at this minute, `NEAR_S` more or less, while its clock is right. A clock that is
wrong (it jumped, or is an hour off since the last change of the offset) is no leave to open more: the panel may open what is
allowed at the minute that its own clock shows, or at the right one, since days that are over are not written. A clock that is
not set opens nothing. No write of the gateway leaves a panel's clock wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from zoneinfo import ZoneInfo

from drivers.contract import ItemState
from gateway.fleet.views import ItemView
from simulators.modbus_slave import WRITES
from simulators.open_access_panel import OpenAccessPanel
from simulators.panel import SimulatedPanel
from tests.judge import seconds_on_wall, wall_clock
from tests.support.ledger import MINUTES, Ledger, Version
from tests.support.minutes import opened, span, united
from tests.support.worn_cells import worn_cells

NEAR_S = 6.0
"""A panel's clock is right within so much."""
_SLOTS: Mapping[str, range] = {"ge-a-series": range(1, 17), "domat-fc013": range(1), "waveshare-relay-8ch": range(0)}
_GONE_WITHIN_S = 900.0
"""What is taken away is gone within so long where nothing is wrong: a panel that was away is looked for more and more rarely."""
_AHEAD = 35
"""Days looked at to find that nothing older is left."""
_NEXT = 7
"""Days at which what is held is open; `look` sees no later ones."""
HELD = (ItemState.EXACT, ItemState.MATERIALISED)


class OpenMinutes:
    """Watches every write that reaches the panel. `strange`: its table is as its maker left it, and not the gateway's yet.

    `struck`: something happened to it that the gateway may not have seen yet: until it is found in step no claim counts.
    """

    def __init__(self, panel: SimulatedPanel, ledger: Ledger, zone: ZoneInfo, right: Callable[[], float]) -> None:
        self.panel, self.lies, self.counts = panel, list[str](), Counter[str]()
        self.strange = self.struck = panel.model == "domat-fc013"
        self.cells = worn_cells(panel)
        """Writes to its storage, by cell."""
        self._ledger, self._zone, self._right = ledger, zone, right
        self._seen: tuple[object, ...] = ()
        handle = panel.handle

        def watched(pdu: bytes) -> bytes:
            shown = self._error()
            reply = handle(pdu)
            if pdu[0] in WRITES:
                self._written(shown)
            return reply

        vars(panel)["handle"] = watched

    @property
    def name(self) -> str:
        return self.panel.id

    @property
    def slots(self) -> range:
        return _SLOTS.get(self.panel.model, range(self.panel.settings.simulator.schedules))

    def _lie(self, text: str) -> None:
        self.lies.append(f"{self._right():.0f} {self.name}: {text}")

    # clocks

    def now(self) -> int:
        """The true local second."""
        return seconds_on_wall(wall_clock(self._zone, int(self._right())))

    def _error(self) -> float | None:
        """How far the panel's clock is ahead; None: it has none, or it is not set."""
        shown = self.panel.local_second()
        return None if shown is None else shown - self.now()

    def _written(self, before: float | None) -> None:
        after = self._error()
        is_set = after is not None and (before is None or abs(after - before) > 2)
        if is_set and after is not None and abs(after) > NEAR_S:
            self._lie(f"its clock was set {after:+.0f} s off, it was {before} s off before")
        self.look()

    # registers

    def _by_link(self) -> Iterator[tuple[str | None, list[int]]]:
        """Where a panel stores no link_ids all its slots are one."""
        if not isinstance(self.panel, OpenAccessPanel):
            yield None, list(self.slots)
            return
        found: dict[str, list[int]] = {}
        for slot, link_id in self.panel.used_schedules().items():
            found.setdefault(link_id, []).append(slot)
        yield from found.items()

    def look(self) -> None:
        """Nothing more than was asked before and since together."""
        if self.strange or not self.slots:
            return
        (today, minute), ledger = divmod(self.now() // 60, MINUTES), self._ledger
        for day in (today, today + 1, today + 2 + self.panel.traffic.writes % 5):
            counts = span(minute if day == today else 0, MINUTES)
            for link_id, slots in self._by_link():
                wider = opened(self.panel, slots, day) & counts & ~ledger.may_open(self.name, day, link_id)
                if wider:
                    self._lie(f"wider on day {day - today} by {wider.bit_count()} minutes {_first(wider)}, {link_id or 'in all'}")
        self.counts["tables looked at"] += 1

    def look_now(self) -> None:
        """What it has open at this moment."""
        self._look_at_outputs()
        if self.strange or not self.slots:
            return
        is_open, error = self.panel.schedules_open_now(), self._error()
        if not is_open or error is None:
            if is_open:
                self._lie("open without a clock")
            return
        self.counts["moments open"] += 1
        right = abs(error) <= NEAR_S
        self.counts["moments open by a wrong clock"] += not right
        moments = (self.now(), self.now() + error)
        if not any(self._ledger.may_open_at(self.name, at + beside) for at in moments for beside in (-NEAR_S, 0, NEAR_S)):
            self._lie(f"{is_open} open now, its clock is {error:+.0f} s off")

    def _look_at_outputs(self) -> None:
        lease_s, now = self.panel.settings.hold_lease_s, self.now()
        for output, is_on in enumerate(self.panel.outputs()):
            if is_on:
                self.counts["moments on"] += 1
                times = (now - lease_s - NEAR_S, now - lease_s / 2, now, now + NEAR_S)
                if not any(self._ledger.may_open_at(f"{self.name}:{output}", at) for at in times):
                    self._lie(f"output {output} is on")

    # claims

    def lacks(self, version: Version, until: float | None) -> int:
        """The minutes of the next week at which it does not open what it said to hold, until a Unix second."""
        today, minute = divmod(self.now() // 60, MINUTES)
        links = dict(self._by_link())
        slots = links.get(None, links.get(version.link_id, []))
        end = None if until is None else seconds_on_wall(wall_clock(self._zone, int(until))) // 60 // MINUTES
        days = [day for day in range(today, today + 7) if end is None or day < end]
        return sum(
            (version.on(day) & span(minute + 1 if day == today else 0, MINUTES) & ~opened(self.panel, slots, day)).bit_count()
            for day in days
        )

    # rest

    def find_rest(self, calm_s: float) -> None:
        """Where nothing is wrong for `calm_s`, what was taken away for so long is gone."""
        self._find_unheld()
        if calm_s >= _GONE_WITHIN_S and not self.strange:
            self._find_late()
        if self.strange or self.struck:
            self._find_step()

    def _find_late(self) -> None:
        """Nothing is open by what is not asked any more for so long."""
        today, minute = divmod(self.now() // 60, MINUTES)
        late = set(self._ledger.older(self.name, _GONE_WITHIN_S))
        held = [each for each in self._ledger.may(self.name) if each not in late]
        for link_id, slots in self._by_link() if late else ():
            for day in range(today, today + _AHEAD):
                may = united(each.on(day) for each in held if link_id in (None, each.link_id))
                wider = self._kept(slots, day) & span(minute if day == today else 0, MINUTES) & ~may
                if wider:
                    self._lie(f"what was taken away is open on day {day - today} {_first(wider)}, {link_id or 'in all'}")
                    return

    def _find_unheld(self) -> None:
        """What is not asked any more, and is closed at all of its minutes of the next days, is not held.

        What is open at some of them may be held (in part, where a write was cut off), though all that is open is asked now: what
        is asked now need not be held yet, and may be taken away again. What has no minute in these days tells nothing.
        """
        older, links = self._ledger.older(self.name, 0), dict(self._by_link())
        today = self.now() // 60 // MINUTES

        def is_gone(version: Version) -> bool:
            slots = links.get(None, links.get(version.link_id, []))
            days = [day for day in range(today, today + _NEXT) if version.on(day)]
            return bool(days) and not any(version.on(day) & self._kept(slots, day) for day in days)

        self._ledger.let_go(self.name, [each for each in older if each.asked is not None and is_gone(each)])

    def _find_step(self) -> None:
        """Whether it opens exactly what is asked."""
        today = self.now() // 60 // MINUTES
        days = range(today + 1, today + _AHEAD)
        if all(opened(self.panel, self.slots, day) == self._ledger.must_open(self.name, day) for day in days):
            self.strange = self.struck = False

    def _kept(self, slots: Iterable[int], day: int) -> int:
        """What slots open, and would open after a power cut."""
        after_cut = united(span(*window) for slot in slots for window in self.panel.kept_windows(slot, day))
        return opened(self.panel, slots, day) | after_cut

    def differs(self, items: Mapping[str, ItemView]) -> str | None:
        """At rest, in what it differs from what is asked; None: in nothing. `items`: what was said of each profile, to know which
        of them it need not hold whole."""
        today, minute = divmod(self.now() // 60, MINUTES)
        for day in range(today, today + 14):
            counts = span(minute + 1 if day == today else 0, MINUTES)
            for link_id, slots, wanted in self._wanted():
                due = united(each.on(day) for each in wanted if items[each.link_id].outcome in HELD) & counts
                most = united(each.on(day) for each in wanted) & counts
                found = opened(self.panel, slots, day) & counts
                if found & ~most or due & ~found:
                    return f"day {day - today} {link_id or 'in all'}: wider {_first(found & ~most)}, less {_first(due & ~found)}"
        return self._outputs_differ()

    def _wanted(self) -> Iterator[tuple[str | None, list[int], list[Version]]]:
        wanted = self._ledger.wanted(self.name)
        links = dict(self._by_link())
        if None in links:
            yield None, links[None], wanted
            return
        for link_id in sorted({*(str(each) for each in links), *(each.link_id for each in wanted)}):
            yield link_id, links.get(link_id, []), [each for each in wanted if each.link_id == link_id]

    def _outputs_differ(self) -> str | None:
        now = self.now()
        for output, is_on in enumerate(self.panel.outputs()):
            due = {self._ledger.must_open_at(f"{self.name}:{output}", now + beside) for beside in (-NEAR_S, 0, NEAR_S)}
            if is_on not in due:
                return f"output {output} is {'on' if is_on else 'off'}"
        error = self._error()
        return None if error is None or abs(error) <= NEAR_S else f"its clock is {error:+.0f} s off"

    # storage

    def most_written(self) -> int:
        return max(self.cells.values(), default=0)


def _first(mask: int) -> str:
    """The first minute of a mask, for people."""
    if not mask:
        return "none"
    at = (mask & -mask).bit_length() - 1
    return f"{at // 60:02}:{at % 60:02}"
