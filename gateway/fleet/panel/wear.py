"""What writing has cost a panel's storage, and when the gateway may write to it again on its own.

A cell lasts `endurance` writes and has to last `service_years`: a budget a day of running time follows. One half is for the
table, one for the clock. What is asked for the first time costs none of it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from config.settings import PanelSettings
from drivers.contract import Outcome, PanelDriver, Reason
from gateway.fleet.context import FleetContext
from gateway.fleet.panel.failure import Failure
from gateway.fleet.views import EnduranceView
from gateway.store.codec import Codec, read_fact
from gateway.store.contract import ObservedPanel, StoreError

LOG = logging.getLogger(__name__)
FACT = "wear"
GONE = "-"
"""The content of an item that a panel must not hold."""
_ENDURANCE = {"flash": 10_000, "eeprom": 100_000}
"""The cycles of a cell where the model does not say."""
_DAY_S = 86_400.0
_FIRST_S = 0.75
_DOUBLINGS = 30
_LEAST = 2.0
"""Writes that may always be saved up: erasing a panel and writing it anew is two, or more where each slot is freed by itself."""
_KEEP_S = 3600.0


@dataclass(frozen=True, slots=True)
class Account:
    """What is durable. `written`: writes by cell since the panel was first seen. `table`, `clock`: writes of the gateway's own
    that are not earned back. `unobserved`: writes in a row that nobody saw carried out. `tried`: what each item was last to be.
    """

    written: Mapping[str, int] = field(default_factory=dict)
    table: float = 0.0
    clock: float = 0.0
    unobserved: int = 0
    tried: Mapping[str, str] = field(default_factory=dict)

    def earned(self, writes: float) -> Account:
        return replace(self, table=max(0.0, self.table - writes), clock=max(0.0, self.clock - writes))


_ACCOUNT: Codec[Account] = Codec(Account, FACT)


class Wear:
    """One panel's. `kept`: what the store has of it."""

    def __init__(self, settings: PanelSettings, driver: PanelDriver, context: FleetContext, kept: str | None) -> None:
        self._settings = settings
        self._driver = driver
        self._context = context
        self._account = Account() if kept is None else read_fact(_ACCOUNT, settings.id, kept)
        self._counted: Mapping[str, int] = driver.write_counts()
        self._at = self._kept_at = context.clock.monotonic()
        self._wrote_at = self._at if self._account.unobserved else None
        self._first = self._narrows = False
        """Whether the write under way is the first of something, and what it does; `_tried`: what was tried before it."""
        self._tried: Mapping[str, str] = self._account.tried

    # what is known

    @property
    def fact(self) -> str:
        """What the store keeps of the wear."""
        return _ACCOUNT.encode(self._account)

    @property
    def written(self) -> Mapping[str, int]:
        """All writes that left, by storage."""
        totals: Counter[str] = Counter()
        for cell, count in self._written().items():
            totals[cell.partition(":")[0]] += count
        return dict(totals)

    def _fresh(self) -> dict[str, int]:
        """What the driver wrote since that was last taken over."""
        fresh, counted = self._driver.write_counts(), self._counted
        return {cell: count - counted.get(cell, 0) for cell, count in fresh.items() if count > counted.get(cell, 0)}

    def _written(self) -> dict[str, int]:
        return _sum(self._account.written, self._fresh())

    @property
    def endurance(self) -> int | None:
        """Writes that a cell lasts; None: the panel's storage does not wear out."""
        capabilities = self._driver.capabilities
        return (capabilities.endurance or _ENDURANCE[capabilities.storage]) if capabilities.storage in _ENDURANCE else None

    @property
    def per_day(self) -> float | None:
        """Writes of its own that the gateway earns for the table in a day, and as many for the clock."""
        endurance = self.endurance
        return None if endurance is None else endurance / (self._settings.service_years * 365.25) / 2

    def view(self) -> EnduranceView | None:
        """None: the panel's storage does not wear out."""
        if self.endurance is None or self.per_day is None:
            return None
        self._earn()
        left = max(0.0, self._most(self.per_day) - self._account.table)
        most = max(self._written().values(), default=0)
        return EnduranceView(self.endurance, most, round(self.per_day, 2), round(left, 2))

    def forgive(self) -> None:
        """An operator asks for another try of what nobody saw carried out."""
        self._account = replace(self._account, unobserved=0)

    def is_first(self, contents: Mapping[str, str]) -> bool:
        """Whether any of these items was never written so."""
        return any(self._account.tried.get(key) != content for key, content in contents.items())

    # what may be written

    def due(self, contents: Mapping[str, str], *, narrows: bool, writes: int = 1) -> Failure | None:
        """Why a write of the table has to wait, and until when; None: it may leave now.

        What narrows waits for nothing the first time, and never for the budget; what is new waits for `commit_spacing_s` alone.
        """
        per_day, first, now = self.per_day, self.is_first(contents), self._context.clock.monotonic()
        if per_day is None or (first and narrows):
            return None
        self._earn()
        lacking = self._account.table + writes - self._most(per_day)
        until = self._spaced_until(narrows=narrows, first=first)
        if not first and not narrows and lacking > 0:
            return _spent("table", max(until, self._earned_at(lacking)))
        message = "waits: writes to the panel's storage are spaced"
        return Failure(Reason.DEADLINE_PASSED, message, due=until) if until > now else None

    def _spaced_until(self, *, narrows: bool, first: bool) -> float:
        """Repeats that nobody saw carried out come ever later, at last at the pace at which writes are earned."""
        assert self.per_day is not None
        if self._wrote_at is None:
            return 0.0
        slowest, unobserved, wait = _DAY_S / self.per_day, self._account.unobserved, 0.0
        if not first and unobserved:
            wait = min(slowest, _FIRST_S * 2.0 ** min(unobserved - 1, _DOUBLINGS))
        return self._wrote_at + max(wait, 0.0 if narrows else self._settings.commit_spacing_s)

    def clock_due(self) -> Failure | None:
        """The same of a write of the clock, which has a share of its own."""
        if self.per_day is None:
            return None
        self._earn()
        lacking = self._account.clock + 1 - self._most(self.per_day)
        return _spent("clock", self._earned_at(lacking)) if lacking > 0 else None

    def _earned_at(self, writes: float) -> float:
        """The instant at which that number of further writes is earned, and not a moment too early."""
        assert self.per_day is not None
        return self._context.clock.monotonic() + writes / self.per_day * _DAY_S + 1

    @staticmethod
    def _most(per_day: float) -> float:
        return max(_LEAST, per_day)

    def _spent_on(self, spent: float, writes: int) -> float:
        """A share after more writes that do not ask what is left of it.

        They hold up the others for a day at most: without a limit the closings of one noisy hour would, for days.
        """
        assert self.per_day is not None
        return min(spent + writes, max(spent, self._most(self.per_day) + self.per_day))

    def _earn(self) -> None:
        now = self._context.clock.monotonic()
        if self.per_day is not None:
            self._account = self._account.earned(self.per_day * (now - self._at) / _DAY_S)
        self._at = now

    # what was written

    async def begin(
        self, contents: Mapping[str, str], planned: Mapping[str, int], *, narrows: bool, mark: ObservedPanel | None = None
    ) -> None:
        """A write of the table is about to leave; a process that dies in it has counted it. `mark`: what is known of the panel
        from then on, kept in the same commit. What is written for the first time waits for no disk: it costs no budget, and a
        power cut right then makes it the first time once more.

        Raises StoreError where that cannot be noted and the write can wait.
        """
        if self.per_day is None:
            return
        first, before = self.is_first(contents), self._account
        self._first, self._tried, self._narrows = first, before.tried, narrows
        table = self._table_after(max(planned.values(), default=1))
        noted = replace(before, table=table, tried={**before.tried, **contents}, written=_sum(self._written(), planned))
        self._account = replace(before, tried=noted.tried)
        try:
            await self._put(noted, mark, durable=not first)
        except StoreError as error:
            if not (first or narrows):
                self._account = before
                raise
            LOG.warning("what a write costs is not noted", extra={"panel": self._settings.id, "error": str(error)})

    def ended(self, outcome: Outcome) -> None:
        """How that write ended."""
        if self.per_day is None:
            return
        cycles = self._count()
        if not cycles and outcome is not Outcome.ACKNOWLEDGED:  # what was cut off before it was stored is still to be tried
            self._account = replace(self._account, tried=self._tried)
            return
        self._wrote_at = self._context.clock.monotonic()
        unseen = outcome in (Outcome.UNCONFIRMED, Outcome.NOT_SENT)
        unobserved = 0 if outcome is Outcome.ACKNOWLEDGED else self._account.unobserved + unseen
        self._account = replace(self._account, unobserved=unobserved, table=self._table_after(cycles))

    def _table_after(self, cycles: int) -> float:
        """What is spent of the table's share when the write under way took these cycles."""
        spent = self._account.table
        if self._first:
            return spent
        return self._spent_on(spent, cycles) if self._narrows else spent + cycles

    def erasing(self) -> None:
        """The panel is about to be erased: what is written anew then is written for the first time. The writes of an erasure may
        be those of days, and nobody is let in until it is there again."""
        self._account = replace(self._account, tried={})

    def erased(self) -> None:
        """What is written next belongs to an erasure, and waits for no spacing."""
        self._wrote_at = None

    def noticed(self, *, clock: bool = False) -> None:
        """Count what a driver wrote on the side, to its clock or to put right the value that its panel acts on."""
        if not (cycles := self._count()) or self.per_day is None:
            return
        account = self._account
        if clock:
            self._account = replace(account, clock=self._spent_on(account.clock, cycles))
        else:
            self._account = replace(account, table=self._spent_on(account.table, cycles))

    def _count(self) -> int:
        """Take over what was written since; returns the writes of the cell that was written most."""
        if not (fresh := self._fresh()):
            return 0
        self._account = replace(self._account, written=_sum(self._account.written, fresh))
        self._counted = self._driver.write_counts()
        return max(fresh.values())

    def forget(self, keys: Mapping[str, object]) -> None:
        """Only these items concern the panel by now."""
        tried = self._account.tried
        if not tried.keys() <= keys.keys():
            self._account = replace(self._account, tried={key: content for key, content in tried.items() if key in keys})

    async def keep(self, *, now: bool = False) -> None:
        """Let the store know, where it is time. Raises StoreError."""
        if now or self._context.clock.monotonic() - self._kept_at >= _KEEP_S:
            self._earn()
            await self._put(self._account)

    async def _put(self, account: Account, mark: ObservedPanel | None = None, *, durable: bool = True) -> None:
        if self.per_day is not None:
            encoded, put = _ACCOUNT.encode(account), self._context.store.put_panel_fact
            await put(self._settings.id, FACT, encoded, self._context.now(), mark, durable=durable)
            self._kept_at = self._context.clock.monotonic()


def _sum(some: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Writes by cell."""
    return {**some, **{cell: some.get(cell, 0) + count for cell, count in more.items()}}


def _spent(what: str, due: float) -> Failure:
    message = f"the panel's storage has been written as often as it may be: the {what} waits, what is newly asked does not"
    return Failure(Reason.ENDURANCE_SPENT, message, due=due)
