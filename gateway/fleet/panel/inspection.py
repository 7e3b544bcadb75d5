"""Finding out what a panel is and holds: its own account of itself, its clock, its slots."""

from __future__ import annotations

from collections.abc import Callable

from drivers.contract import Acknowledgement, Outcome, PanelImage, PanelStatus, Priority, Reason
from gateway.fleet.context import FleetContext
from gateway.fleet.events import ClockMeasured, ClockSet, Drifted, ForeignCommitted, Restarted
from gateway.fleet.panel import clocks
from gateway.fleet.panel.clock_evidence import ClockEvidence
from gateway.fleet.panel.compilation import refresh
from gateway.fleet.panel.differences import differences, owner_called
from gateway.fleet.panel.entries import limited
from gateway.fleet.panel.failure import Failure, failure_of
from gateway.fleet.panel.foreign import Foreign
from gateway.fleet.panel.held_output import pulse_tenths
from gateway.fleet.panel.identification import Identification
from gateway.fleet.panel.slots import adopt
from gateway.fleet.panel.state import PanelState
from gateway.fleet.panel.wear import GONE
from gateway.fleet.panel.whole_look import WholeLook
from gateway.store.contract import ClockGiven

_RESTART_SLACK_S = 5.0


class Inspection:
    """One panel, looked at. Leaves what it finds in the panel's state."""

    def __init__(self, state: PanelState, context: FleetContext, foreign: Foreign) -> None:
        self._state = state
        self._context = context
        self._seen_at: float | None = None
        self._clock_set_at: float | None = None
        self._clock_due = True
        self._foreign = foreign
        self._identification = Identification(state, context)
        self._restricted = False
        """Whether the driver knows what the unit says of itself."""
        self._status: PanelStatus | None = None
        self._measured = False
        """Whether the status was read in this attempt."""
        self.whole = WholeLook(state.settings.full_look_h, context.clock.monotonic)
        self.read_all = False
        """Read everything at the next look, whatever the quick one would say."""
        self.move_clock = False
        """An operator asks for the clock to be set at the next look, however far off it is."""
        self._evidence = ClockEvidence(state, context)
        self.owes_save = False
        """What was read last was not seen saved then."""
        self.seen: Callable[[PanelImage], None] = lambda image: None
        """Told of what the panel was read to hold, before its state knows it."""
        self.clock_at = 0.0
        """When the clock has to be looked at again (Unix seconds)."""

    def begin(self) -> None:
        """An attempt begins: what was read before it is not new any more."""
        self._measured = False

    async def look(self, priority: Priority) -> Failure | None:
        """Status, which unit it is, then the cheapest reading that makes sure what the panel holds. None: the image is certain
        now."""
        failure = await self.measure(priority)
        state = self._state
        asked = not state.identity.checked
        if failure is None and asked:
            failure = await self._identification.check(priority)
        if failure is not None:
            return failure
        image = state.image
        if image is not None and not state.to_be_read and not self.read_all:
            same = await state.driver.quick_look(image, priority, None)
            if isinstance(same, Acknowledgement):
                return failure_of(same)
            if same:
                await self._identification.recognised()
            if same and not self.read_all and not state.to_be_read:
                state.confirm()
                await self._seen_whole()
                return await self._recognised(priority)
        return await self._read(priority, asked=asked) or await self._recognised(priority)

    async def _recognised(self, priority: Priority) -> Failure | None:
        """The unit is the panel, and what it holds was seen: what it has counted is its own."""
        if self._status is not None and (foreign := self._state.committed(self._status)):
            self._context.emit(ForeignCommitted(self._state.id, foreign))
        tenths = {door.output: pulse_tenths(door.pulse_s) for door in self._context.doors if door.panel == self._state.id}
        if tenths:  # where that fails, it is tried again at the next look: a door that opens for another time opens for nobody
            await self._state.driver.time_pulses(tenths, priority, None)
        return await self._count(priority)

    async def _seen_whole(self) -> None:
        if self.whole.by_quick_look:
            self.whole.all_looked_at(self._context.now())
        await self._foreign.look()

    async def look_on(self, priority: Priority) -> Failure | None:
        """One frame of the look at every word. Where it does not read as it must, all is read anew."""
        state, image = self._state, self._state.held()
        stretches = state.driver.stretches(image)
        stretch = self.whole.next(stretches)
        if stretch is None:
            return None
        same = await state.driver.look_at(image, stretch, priority, None)
        if isinstance(same, Acknowledgement):
            return failure_of(same)
        self.whole.looked(stretch, stretches, self._context.now())
        if not same:
            self.read_all = True
            state.doubt()
        return None

    async def _count(self, priority: Priority) -> Failure | None:
        """Read how many entries people with a limited number of them have had."""
        state = self._state
        slots = limited(state.held(), state.bound) if state.certain else {}
        counts = await state.driver.read_passes(slots, priority, None) if slots else {}
        if isinstance(counts, Acknowledgement):
            state.doubt()
            return failure_of(counts)
        state.counted({key: counts[number] for number, key in slots.items() if number in counts})
        return None

    async def _read(self, priority: Priority, *, asked: bool) -> Failure | None:
        """`asked`: the unit was asked who it is in this look; one that holds something other than known is asked again."""
        state = self._state
        self.owes_save = state.driver.unsaved
        failure = await self._recognise(priority) if self.owes_save and state.identity.told_by_content else None
        if failure is not None:
            return failure
        failure = None if self.closes_first() or self._is_asked_anew() else await self.save(priority)
        if failure is not None:
            return failure
        wanted, self.read_all = self.read_all, False
        read = await state.driver.read_back(priority, None)
        if isinstance(read, Acknowledgement):
            self.read_all |= wanted
            return failure_of(read)
        ours, known = self._context.ours, self._known(read)
        failure = None if asked or known is not None else await self._identification.check(priority)
        failure = failure or await self._identification.compare(read, known, priority)
        if failure is not None:
            return failure
        found = known or adopt(read, state.images(), state.allocation, ours, ours.owner)
        before = state.image
        if not state.images():
            self.whole.begin_anew()
        if before is not None and not state.to_be_read and found is not before:
            changes = differences(before, found, lambda key: owner_called(key, ours.item(key)))
            state.drift(changes)
            self._context.emit(Drifted(state.id, changes))
        self.seen(found)
        state.read(found, ours)
        await self._seen_whole()
        if self.read_all:  # asked for meanwhile
            state.doubt()
        return None

    async def _recognise(self, priority: Priority) -> Failure | None:
        """What a unit without a number holds tells which one it is: before that is read nothing is saved on it, or taken back."""
        read = await self._state.driver.read_back(priority, None)
        if isinstance(read, Acknowledgement):
            return failure_of(read)
        return await self._identification.compare(read, self._known(read), priority)

    def closes_first(self) -> bool:
        """Whether something is to be taken away that was never tried: that waits for no storage, and is saved along with it."""
        return self._state.wear.is_first(dict.fromkeys(self._state.leaving, GONE))

    def _is_asked_anew(self) -> bool:
        """Whether hours are asked for that were never tried: they wait for no storage that was spent on older ones, and are saved
        when they are written."""
        state = self._state
        return state.wear.is_first({key: f"{item.generation} {state.observed.compiled_for}" for key, item in state.bound.items()})

    async def save(self, priority: Priority) -> Failure | None:
        """Have saved what the panel holds and may lose: else a power cut could bring back what was read to be gone."""
        state = self._state
        if not (self.owes_save and state.driver.unsaved):
            return None
        due = state.wear.due({}, narrows=bool(state.leaving))
        if due is not None:
            return due
        await state.wear.begin({}, {state.driver.capabilities.storage: 1}, narrows=bool(state.leaving))
        said = await state.driver.save(priority, None)
        state.wear.ended(said.outcome)
        return None if said.outcome is Outcome.ACKNOWLEDGED else failure_of(said)

    def _known(self, read: PanelImage) -> PanelImage | None:
        """The remembered image that says the same to the panel as what was read."""
        plan = self._state.driver.plan
        return next((image for image in self._state.images() if plan(image, read).empty), None)

    async def measure(self, priority: Priority) -> Failure | None:
        """Read the panel's status: capacity, signs of a restart, the clock's error."""
        state = self._state
        readers = state.driver.capabilities.max_identifiers > 0
        status = await state.driver.status(priority, None)
        if isinstance(status, Acknowledgement):
            if status.reason is Reason.WRONG_DEVICE:
                state.identity.forget()
            return failure_of(status)
        if not self._restricted or status.capacity != state.observed.capacity:
            state.driver.restrict(status.capacity)
            self._restricted = True
            refresh(state, self._context)
        if readers != (state.driver.capabilities.max_identifiers > 0):
            self._context.readers_changed()
        restarts = self._restarts(status)
        if restarts:
            self._clock_due, self._clock_set_at = True, None
            self._evidence.restarted()
            state.identity.forget()
            self._context.emit(Restarted(state.id))
        self._status, self._measured, self._seen_at = status, True, self._context.clock.monotonic()
        state.measured(status, restarts, self._context.now())
        self._measure_clock(status)
        return None

    def _restarts(self, status: PanelStatus) -> int:
        """How often the panel restarted since it was last seen, as far as it tells."""
        before = self._state.observed
        if None not in (status.reset_count, before.reset_count) and status.reset_count != before.reset_count:
            assert status.reset_count is not None
            assert before.reset_count is not None
            return max(1, status.reset_count - before.reset_count)
        if status.uptime_s is None or before.uptime_s is None:
            return 0
        if status.uptime_s < before.uptime_s:
            return 1
        if self._seen_at is None:
            return 0
        return int(status.uptime_s + _RESTART_SLACK_S < self._context.clock.monotonic() - self._seen_at)

    # the clock

    def _measure_clock(self, status: PanelStatus) -> None:
        state = self._state
        if state.driver.capabilities.clock == "none":
            return
        if self._unset():
            state.clock_found(missing=True)
        error = clocks.error_s(self._context.options.readings.zone, status)
        self._evidence.hear(status)
        if self._context.trusted() or error is None:
            state.clock_drift_ms = None if error is None else round(error * 1000)
            self._context.emit(ClockMeasured(state.id, state.clock_drift_ms))

    def clock_due(self) -> bool:
        """Whether it has to be looked at (it is time, or it may have become right) or to be set (the last status says so)."""
        kind = self._state.driver.capabilities.clock
        if kind == "none":
            return False
        missing = kind == "rw" and self._state.clock_missing
        return self._clock_due or missing or self._context.clock.wall() >= self.clock_at or self._wrong()

    def _wrong(self) -> bool:
        status, capabilities = self._status, self._state.driver.capabilities
        if status is None:
            return False
        if capabilities.clock == "w":
            return self._clock_set_at is None or self._context.clock.wall() >= self.clock_at
        return self._off(status) or status.clock_due or clocks.goes_by_other_rules(self._context.options.readings.zone, status)

    def _off(self, status: PanelStatus) -> bool:
        """Whether a clock that can be read is unset or off by more than the bound."""
        if self._state.driver.capabilities.clock != "rw":
            return False
        error = clocks.error_s(self._context.options.readings.zone, status)
        return error is None or abs(error) > self._state.settings.clock_bound_s

    async def keep_clock(self, priority: Priority) -> Failure | None:
        """Measure the clock and set it where it is unset or off by more than the bound.

        What cannot be set is kept as `clock_missing`; the panel's own refusal is no failure of the attempt. Nothing is
        written while the gateway's own clock is not trusted, or before other panels could speak against it.
        """
        state, context = self._state, self._context
        failure = None if self._measured else await self.measure(priority)
        if failure is not None:
            return failure
        commanded, self.move_clock = self.move_clock, False
        if not context.trusted() or context.trust.awaiting:
            state.clock_found(missing=self._unset())
            self._schedule_clock()
            return None
        if not self._wrong():
            state.clock_found(missing=False)
            self._clock_due = False
            self._evidence.settled()
            self._schedule_clock()
            return None
        withheld = None if commanded or self._status is None else self._evidence.withheld(self._status)
        if withheld is not None:
            if state.clock_withheld is None:
                context.ask_clocks(state.id)
            state.clock_found(missing=True, withheld=withheld)
            self._schedule_clock()
            return withheld
        return await self._set_clock(priority)

    def _clock_text(self) -> str:
        """The panel's clock as it was read last."""
        if self._status is None or self._state.driver.capabilities.clock != "rw":
            return "unknown: it cannot be read"
        return "unset" if self._status.clock is None else clocks.said(self._status.clock)

    def _unset(self) -> bool:
        return self._state.driver.capabilities.clock == "rw" and self._status is not None and self._status.clock is None

    async def _set_clock(self, priority: Priority) -> Failure | None:
        state, context = self._state, self._context
        due = state.wear.clock_due()
        if due is not None:
            state.clock_found(missing=True)
            return due
        before = self._clock_text()
        said = await state.driver.set_clock(clocks.setting(context.options.readings.zone, context.clock.wall()), priority, None)
        state.wear.noticed(clock=True)
        failure = None if said.outcome is Outcome.ACKNOWLEDGED else failure_of(said)
        zone = context.options.readings.zone
        now = clocks.said_at(zone, context.clock.wall())
        context.emit(ClockSet(state.id, None if failure is None else failure.reason, before, now))
        state.clock_found(missing=failure is not None)
        if failure is not None and not failure.permanent:
            return failure
        self._clock_due = False
        self._evidence.settled()
        self._clock_set_at = context.clock.wall()
        if failure is None:
            moment = context.trust.moment()
            self._evidence.given(moment)
            state.clock_given(ClockGiven(moment, clocks.offset_s(context.options.readings.zone, moment.wall)))
        shown = None if failure is not None else await self._verify_clock(priority)
        self._schedule_clock()
        return shown

    async def _verify_clock(self, priority: Priority) -> Failure | None:
        """A clock that is wrong though it was set just now is as good as not set, unless the panel restarted."""
        failure = await self.measure(priority)
        if failure is None and self._state.certain and self._status is not None and self._off(self._status):
            self._state.clock_found(missing=True)
            failure = Failure(Reason.CLOCK_NOT_SET, "the panel accepted the time, but its clock shows another")
        return failure

    def _schedule_clock(self) -> None:
        context, state = self._context, self._state
        now = context.clock.wall()
        change = clocks.next_change(context.options.readings.zone, now)
        state.law_until = change if state.driver.capabilities.dst == "gateway" else None
        due = self._status.clock_due_at if self._status is not None else None
        self.clock_at = min(at for at in (now + clocks.PERIOD_S, change, due) if at is not None and at > now)

    def begin_anew(self) -> None:
        """Forget after a defect what was found out."""
        self._restricted, self._clock_due, self._status = False, True, None

    def forget_clock(self) -> None:
        """The clock is to be measured again: the panel or the gateway's own time may have jumped."""
        self._clock_due = True
