"""A panel in memory behind the driver contract, with faults by script: for tests of the fleet on virtual time.

It knows no bytes. What a transaction leaves alone stays as the panel has it, right or wrong.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from drivers.availability import Feed
from drivers.clock import Clock
from drivers.contract import (
    Acknowledgement,
    Availability,
    ClockSetting,
    LogPage,
    Outcome,
    PanelCapabilities,
    PanelIdentity,
    PanelImage,
    PanelStatus,
    Priority,
    Reason,
    Slot,
    Stretch,
    WritePlan,
)

STRANGER = "unit 1 does not answer like a fake panel: is the model right?"
_SERIALS = itertools.count(1)
SILENT = "no reply within 300 ms"
Fault = Literal["none", "not_sent", "lost_request", "lost_reply", "rejected", "verify"]
ACCESS_PANEL = PanelCapabilities(
    max_schedules=8,
    max_periods_per_schedule=12,
    max_special_day_groups=1,
    max_days_in_special_day_group=14,
    special_day_bitmap_days=224,
    date_range="optional",
    first_date=0,
    last_date=0xFFFE,
    max_slots_per_profile=8,
    atomic=True,
    commit_step=True,
    dst="table",
    clock_at_power_on="unset",
    events_on_clock_step="evaluates",
    storage="flash",
    endurance=10_000_000,
    outputs=8,
    output_deadman=True,
)


@dataclass
class FakePanel:
    """The hardware. `clock_offset_s`: how far its clock is ahead of UTC; None: unset.

    With the capability `dst` other than `gateway` it follows the changes that it was told of.
    """

    capabilities: PanelCapabilities = ACCESS_PANEL
    slots: dict[int, Slot] = field(default_factory=dict)
    labelled: bool = True
    """Whether its slots carry link_ids."""
    online: bool = True
    clock_offset_s: float | None = None
    clock_changes: tuple[tuple[int, int], ...] = ()
    offset_minutes: int = 0
    """From UTC, as it was told last."""
    trusted_s: float | None = None
    """How long its clock is trusted after it was set."""
    clock_set_at: float = 0.0
    takes_clock: bool = True
    ignores_clock: bool = False
    """It acknowledges a time and goes on with its own."""
    clock_fault: Reason | None = None
    """What becomes of every attempt to set the clock: unconfirmed, for this reason."""
    booted_at: float = 0.0
    resets: int = 0
    serial: str | None = field(default_factory=lambda: f"{next(_SERIALS):016X}")
    commits: int = 0
    foreign: bool = False
    """Another kind of device stands at its address."""
    outputs: dict[int, float] = field(default_factory=dict)
    """Output -> until when it is on, in the clock's monotonic seconds."""
    reply_lost: bool = False
    """What switches an output arrives, and what it answers does not."""
    stuck: bool = False
    """It acknowledges what switches an output, and its relays stay as they are."""
    longest_pulse: int = 0x7FFF
    pulses: list[tuple[int, int]] = field(default_factory=list)
    """Output and tenths of a second of each pulse it made; it tells them apart from what is held."""
    ends_pulses: bool = True
    """Whether it can end one before its time."""
    refuses: set[str] = field(default_factory=set)
    """link_ids whose slots it refuses to take."""
    faults: deque[Fault] = field(default_factory=deque)
    """One for each coming transaction."""
    deaf: deque[bool] = field(default_factory=deque)
    """One for each coming reading: True, and it does not answer."""
    forbidden: set[str] = field(default_factory=set)
    """link_ids of which no slot may be written any more: their deletion was answered."""
    unseen: bool = False
    """Somebody else changed its slots, and the gateway had no reason to look since."""
    outputs_unseen: bool = False
    """As much of its outputs."""
    clock_unseen: bool = False
    """Its power was cut, and its status was not read since."""
    before: tuple[float, dict[int, Slot]] = (-1.0, {})
    """The instant of the last change (the clock's monotonic seconds), and what it held until then."""
    defects: set[str] = field(default_factory=set)
    """What its driver cannot do without an error of its own: `plan`, `apply`, `read_back`, `output` …"""
    transactions: list[tuple[Priority, PanelImage]] = field(default_factory=list)
    cycles_of_an_erasure: int = 1
    """Writes to its storage that it takes to empty all slots."""
    readings: list[str] = field(default_factory=list)

    def power_cut(self, now: float) -> None:
        """It keeps its slots and loses its clock and outputs."""
        self.booted_at, self.clock_offset_s, self.outputs = now, None, {}
        self.resets += 1
        self.clock_unseen = self.outputs_unseen = True

    def clock_now(self, wall: float) -> float | None:
        """How far its clock is ahead of UTC by now; None: unset, or no longer trusted."""
        if self.trusted_s is not None and wall >= self.clock_set_at + self.trusted_s:
            return None
        passed = [offset_minutes * 60.0 for at, offset_minutes in self.clock_changes if at <= wall]
        return self.clock_offset_s if self.clock_offset_s is None or not passed else passed[-1]


_ACKNOWLEDGED = Acknowledgement(Outcome.ACKNOWLEDGED)


class FakeDriver:
    """See `drivers.contract.PanelDriver`."""

    def __init__(self, panel: FakePanel, clock: Clock, *, latency_s: float = 0.01) -> None:
        self.on_news: Callable[[], None] = lambda: None
        self.panel = panel
        self.feed = Feed()
        self._clock = clock
        self.latency_s = latency_s
        self.background_s = latency_s
        """How long a reading of the lowest priority takes: others are served first."""
        self.reply_s = 0.0
        """How long an output has been switched before that is heard of."""
        self.queued_s: dict[Priority, float] = {}
        """How long what concerns outputs waits for the line, by priority: others are served first."""
        self.quarantined_until: float | None = None
        self.connection = 1
        self.closes = False
        """Whether its server closes the connection after each reply."""
        self.hastened = 0
        """How often somebody asked for it to be looked for soon."""
        self._capabilities = replace(panel.capabilities, stores_link_ids=panel.labelled)

    @property
    def capabilities(self) -> PanelCapabilities:
        return self._capabilities

    @property
    def availability(self) -> Feed:
        return self.feed

    def give_way(self) -> None:
        """A plan is carried out at once here."""

    def hasten(self) -> None:
        self.hastened += 1

    def restrict(self, capacity: Mapping[str, int]) -> None:
        self._try("restrict")
        if "max_schedules" in capacity:
            self._capabilities = replace(self._capabilities, max_schedules=capacity["max_schedules"])

    def _try(self, work: str) -> None:
        if work in self.panel.defects:
            raise ZeroDivisionError(work)

    def plan(self, target: PanelImage, known: PanelImage) -> WritePlan:
        self._try("plan")
        wanted, held = self._said(target.slots), self._said(known.slots)
        changed = tuple(sorted(number for number in wanted.keys() | held.keys() if wanted.get(number) != held.get(number)))
        if not changed and target.special_days == known.special_days:
            return WritePlan(target)
        return WritePlan(
            target,
            (changed, known),
            words=64 * len(changed),
            frames=(bytes(changed),),
            bytes_on_wire=len(changed),
            commits=1,
            wear={self.panel.capabilities.storage: 1 if wanted else self.panel.cycles_of_an_erasure},
        )

    def _said(self, slots: Mapping[int, Slot]) -> dict[int, Slot]:
        """Slots as the panel can tell them apart."""
        if self.panel.labelled:
            return dict(slots)
        return {number: replace(slot, link_ids=()) for number, slot in slots.items()}

    async def apply(self, plan: WritePlan, priority: Priority, deadline: float | None) -> Acknowledgement:
        self._try("apply")
        if not self.panel.online:
            return self._silent()
        if self._late(deadline):
            return Acknowledgement(Outcome.NOT_SENT, None, Reason.DEADLINE_PASSED)
        fault = self.panel.faults.popleft() if self.panel.faults else "none"
        if fault == "not_sent":
            return Acknowledgement(Outcome.NOT_SENT, None, Reason.QUEUE_FULL)
        await asyncio.sleep(self.latency_s / 2)
        if fault == "lost_request" or not self.panel.online:
            await asyncio.sleep(self.latency_s / 2)
            return Acknowledgement(Outcome.UNCONFIRMED, None, Reason.NO_REPLY)
        refused = any(self.panel.refuses & set(slot.link_ids) for slot in plan.target.slots.values())
        if fault == "rejected" or refused:
            return Acknowledgement(Outcome.REJECTED, self._parts(plan)[1], Reason.PANEL_REJECTED, "commit refused")
        self._commit(plan)
        self.panel.transactions.append((priority, plan.target))
        await asyncio.sleep(self.latency_s / 2)
        if fault == "lost_reply":
            return Acknowledgement(Outcome.UNCONFIRMED, None, Reason.NO_REPLY)
        if fault == "verify":
            return Acknowledgement(Outcome.UNCONFIRMED, None, Reason.VERIFY_FAILED)
        self.feed.set(Availability.ONLINE)
        return Acknowledgement(Outcome.ACKNOWLEDGED, plan.target)

    def _commit(self, plan: WritePlan) -> None:
        now = self._clock.monotonic()
        if self.panel.before[0] != now:
            self.panel.before = (now, dict(self.panel.slots))
        for number in self._parts(plan)[0]:
            slot = plan.target.slots.get(number)
            assert 0 <= number < self.panel.capabilities.max_schedules
            assert slot is None or not self.panel.forbidden.intersection(slot.link_ids), "opened after its deletion"
            if slot is None:
                self.panel.slots.pop(number, None)
            else:
                self.panel.slots[number] = slot if self.panel.labelled else replace(slot, link_ids=())
        self.panel.commits += 1

    @staticmethod
    def _parts(plan: WritePlan) -> tuple[tuple[int, ...], PanelImage]:
        """The slots that a plan changes, and the image that they are changed from."""
        changed, known = plan.operations
        assert isinstance(changed, tuple)
        assert isinstance(known, PanelImage)
        return changed, known

    def _silent(self) -> Acknowledgement:
        """The exchange that finds it silent says so; then it is in quarantine."""
        if self.feed.current is Availability.QUARANTINED:
            return Acknowledgement(Outcome.NOT_SENT, None, Reason.QUARANTINED, self.feed.cause)
        self.feed.set(Availability.QUARANTINED, f"after no_reply: {SILENT}")
        return Acknowledgement(Outcome.UNCONFIRMED, None, Reason.NO_REPLY, SILENT)

    def _late(self, deadline: float | None) -> bool:
        return deadline is not None and self._clock.monotonic() >= deadline

    async def _reading(
        self, name: str, priority: Priority = Priority.GRANT, deadline: float | None = None
    ) -> Acknowledgement | None:
        self._try(name.split()[0])
        if not self.panel.online:
            return self._silent()
        if self._late(deadline):
            return Acknowledgement(Outcome.NOT_SENT, None, Reason.DEADLINE_PASSED)
        await asyncio.sleep(self.background_s if priority is Priority.BACKGROUND else self.latency_s)
        if not self.panel.online or (self.panel.deaf and self.panel.deaf.popleft()):
            return Acknowledgement(Outcome.UNCONFIRMED, None, Reason.NO_REPLY)
        self.feed.set(Availability.ONLINE)
        self.connection += self.closes
        self.panel.readings.append(name)
        return None

    def back(self) -> None:
        """The panel answers again, and the line has noticed."""
        self.panel.online = True
        self.feed.set(Availability.ONLINE)

    @property
    def unsaved(self) -> bool:
        return False

    async def save(self, priority: Priority, deadline: float | None) -> Acknowledgement:
        return Acknowledgement(Outcome.ACKNOWLEDGED)

    async def read_back(self, priority: Priority, deadline: float | None) -> PanelImage | Acknowledgement:
        failed = await self._reading("read_back", priority, deadline)
        if failed is not None:
            return failed
        self.panel.unseen = False
        slots = self._said(self.panel.slots)
        if not self.panel.labelled:
            return PanelImage(slots=slots)
        allocation: dict[str, tuple[int, ...]] = {}
        for number, slot in sorted(slots.items()):
            for link_id in slot.link_ids:
                allocation[link_id] = (*allocation.get(link_id, ()), number)
        return PanelImage(slots=slots, allocation=allocation)

    async def read_passes(
        self, slots: Collection[int], priority: Priority, deadline: float | None
    ) -> Mapping[int, int] | Acknowledgement:
        return {}

    async def read_log(self, first: int | None, priority: Priority, deadline: float | None) -> LogPage | Acknowledgement:
        return LogPage(0)

    async def quick_look(self, image: PanelImage, priority: Priority, deadline: float | None) -> bool | Acknowledgement:
        failed = await self._reading("quick_look", priority, deadline)
        if failed is not None:
            return failed
        self.panel.unseen = False
        return self._said(image.slots) == self._said(self.panel.slots)

    def stretches(self, image: PanelImage) -> Sequence[Stretch]:
        return [Stretch(number not in image.slots, number, 1) for number in range(self.panel.capabilities.max_schedules)]

    async def look_at(
        self, image: PanelImage, stretch: Stretch, priority: Priority, deadline: float | None
    ) -> bool | Acknowledgement:
        failed = await self._reading(f"look_at {stretch.address}", priority, deadline)
        if failed is not None:
            return failed
        return self._said(image.slots).get(stretch.address) == self._said(self.panel.slots).get(stretch.address)

    async def status(self, priority: Priority, deadline: float | None) -> PanelStatus | Acknowledgement:
        failed = await self._reading("status", priority, deadline) or self._stranger()
        if failed is not None:
            return failed
        if self.panel.clock_unseen:
            self.panel.clock_unseen = self.panel.unseen = False
        offset = self.panel.clock_now(self._clock.wall())
        shown = None if offset is None else int(self._clock.wall() + offset)
        due_at = None if self.panel.trusted_s is None else self.panel.clock_set_at + self.panel.trusted_s / 2
        return PanelStatus(
            clock=None if shown is None else (shown // 86_400, shown % 86_400),
            clock_read_at=self._clock.wall(),
            uptime_s=int(self._clock.monotonic() - self.panel.booted_at),
            reset_count=self.panel.resets,
            capacity={"max_schedules": self.panel.capabilities.max_schedules},
            clock_due=due_at is not None and self._clock.wall() >= due_at,
            clock_due_at=due_at,
            clock_table=self._table(offset),
        )

    def _stranger(self) -> Acknowledgement | None:
        return Acknowledgement(Outcome.REJECTED, None, Reason.WRONG_DEVICE, STRANGER) if self.panel.foreign else None

    async def identity(self, priority: Priority, deadline: float | None) -> PanelIdentity | Acknowledgement:
        failed = await self._reading("identity", priority, deadline) or self._stranger()
        return failed or PanelIdentity(self.panel.serial, self.panel.commits)

    def _table(self, offset: float | None) -> ClockSetting | None:
        if offset is None or self.panel.capabilities.dst != "table":
            return None
        now = self._clock.wall()
        passed = [after for at, after in self.panel.clock_changes if at <= now]
        coming = tuple(each for each in self.panel.clock_changes if each[0] > now)
        return ClockSetting(int(now), passed[-1] if passed else self.panel.offset_minutes, coming)

    async def set_clock(self, setting: ClockSetting, priority: Priority, deadline: float | None) -> Acknowledgement:
        failed = await self._reading("set_clock", deadline=deadline)
        if failed is not None:
            return failed
        if self.panel.clock_fault is not None:
            return Acknowledgement(Outcome.UNCONFIRMED, None, self.panel.clock_fault)
        if not self.panel.takes_clock:
            return Acknowledgement(Outcome.REJECTED, None, Reason.PANEL_REJECTED, "no clock today")
        if self.panel.ignores_clock:
            return Acknowledgement(Outcome.ACKNOWLEDGED)
        self.panel.clock_offset_s, self.panel.clock_set_at = setting.offset_minutes * 60.0, self._clock.wall()
        self.panel.offset_minutes = setting.offset_minutes
        self.panel.clock_changes = setting.changes if self.panel.capabilities.dst != "gateway" else ()
        return Acknowledgement(Outcome.ACKNOWLEDGED)

    async def _turn(self, priority: Priority, deadline: float | None) -> Acknowledgement | None:
        now, wait_s = self._clock.monotonic(), self.queued_s.get(priority, 0.0)
        if deadline is None or now + wait_s < deadline:
            await asyncio.sleep(wait_s)
            return None
        await asyncio.sleep(max(0.0, deadline - now))
        return Acknowledgement(Outcome.NOT_SENT, None, Reason.DEADLINE_PASSED)

    async def set_output(
        self, output: int, on: bool, lease_s: int | None, priority: Priority, deadline: float | None
    ) -> Acknowledgement:
        if not 0 <= output < self.panel.capabilities.outputs:
            return Acknowledgement(Outcome.REJECTED, None, Reason.PANEL_REJECTED, f"no output {output}")
        failed = await self._turn(priority, deadline)
        failed = failed or await self._reading(f"output {output} {'on' if on else 'off'} {lease_s}")
        if failed is not None:
            return failed
        if not self.panel.stuck:
            self.panel.outputs.pop(output, None)
        if on and not self.panel.stuck:
            self.panel.outputs[output] = float("inf") if lease_s is None else self._clock.monotonic() + lease_s
        await asyncio.sleep(self.reply_s)
        return Acknowledgement(Outcome.UNCONFIRMED, None, Reason.NO_REPLY) if self.panel.reply_lost else _ACKNOWLEDGED

    async def read_outputs(self, priority: Priority, deadline: float | None) -> tuple[bool, ...] | Acknowledgement:
        failed = await self._turn(priority, deadline)
        failed = failed or await self._reading("read_outputs")
        if failed is not None:
            return failed
        self.panel.outputs_unseen = False
        now = self._clock.monotonic()
        return tuple(self.panel.outputs.get(number, 0.0) > now for number in range(self.panel.capabilities.outputs))

    @property
    def longest_pulse(self) -> int:
        return self.panel.longest_pulse

    async def time_pulses(self, tenths_s: Mapping[int, int], priority: Priority, deadline: float | None) -> Acknowledgement:
        return Acknowledgement(Outcome.ACKNOWLEDGED)

    async def pulse(self, output: int, tenths_s: int, priority: Priority, deadline: float | None) -> Acknowledgement:
        if not 0 <= output < self.panel.capabilities.outputs or tenths_s > self.longest_pulse:
            return Acknowledgement(Outcome.REJECTED, None, Reason.PANEL_REJECTED, f"no such pulse at output {output}")
        failed = await self._turn(priority, deadline)
        failed = failed or await self._reading(f"pulse {output} {tenths_s}")
        if failed is None:
            self.panel.pulses.append((output, tenths_s))
            if self.panel.reply_lost:
                return Acknowledgement(Outcome.UNCONFIRMED, None, Reason.NO_REPLY)
        return failed or _ACKNOWLEDGED

    async def end_pulse(self, output: int, priority: Priority, deadline: float | None) -> Acknowledgement:
        if not self.panel.ends_pulses:
            return Acknowledgement(Outcome.REJECTED, None, Reason.NOT_REPRESENTABLE, "the panel ends a pulse by itself")
        failed = await self._turn(priority, deadline)
        return failed or await self._reading(f"end pulse {output}") or _ACKNOWLEDGED

    def write_counts(self) -> Mapping[str, int]:
        costs = (1 if image.slots else self.panel.cycles_of_an_erasure for _, image in self.panel.transactions)
        return {self.panel.capabilities.storage: sum(costs)}
