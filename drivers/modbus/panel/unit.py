"""One unit on a line as its model file describes it: exchanges that wait while the panel is busy, and registers by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from config.panel_model import PanelModel
from config.panel_parts import Area, Busy
from drivers.bus.queue import NEVER_MET, Meeting
from drivers.calls import Call
from drivers.clock import Clock
from drivers.contract import AvailabilityFeed, Priority
from drivers.errors import ConnectionLost, DeadlinePassed, DriverError, NotSent, PanelException, Unconfirmed, Unmet
from drivers.modbus.panel.named import named_reads, number, text
from drivers.modbus.wire.requests import REGISTER_WRITES, Request


class Wire(Protocol):
    """What a driver needs from the bus of its line."""

    async def exchange(
        self, unit: int, request: Request, priority: Priority, deadline: float | None = None
    ) -> tuple[int, ...]: ...

    async def exchange_all(
        self, unit: int, requests: Sequence[Request], priority: Priority, deadline: float | None = None
    ) -> Sequence[tuple[int, ...] | DriverError]: ...

    def availability(self, unit: int) -> AvailabilityFeed: ...

    def quarantined_until(self, unit: int) -> float | None: ...

    @property
    def connection(self) -> int: ...

    @property
    def closes(self) -> bool: ...

    def meeting(self) -> Meeting: ...

    def met(self, unit: int, meeting: Meeting) -> None: ...

    def is_met(self, unit: int) -> bool: ...

    def hasten(self, unit: int) -> None: ...

    def frame(self, unit: int, request: Request) -> bytes: ...

    def wire_ms(self, request: Request) -> float | None: ...

    def wire_bytes(self, request: Request) -> int: ...


class Facts:
    """The words of named registers as they were read."""

    def __init__(self, model: PanelModel, words: dict[tuple[Area, int], int]) -> None:
        self._model = model
        self._words = words

    def number(self, name: str) -> int:
        return number(self._model.registers[name], self._words, self._model.addressing)

    def serial(self) -> str | None:
        """The unit's serial number; None where it has none, or was never given one: all zeros, or all ones."""
        name = self._model.counters.serial
        read = "" if name is None else text(self._model.registers[name], self._words)
        return None if set(read) in (set(), {"0"}, {"F"}) else read


def worn_by(model: PanelModel, request: Request) -> Mapping[str, int]:
    """The cells that a write costs by itself: those of its words, where every word that is written is stored at once."""
    storage = model.write.storage_per_write
    if storage is None or request.function not in REGISTER_WRITES:
        return {}
    first = request.address + model.addressing.base
    return {f"{storage}:{address}": 1 for address in range(first, first + request.count)}


class PanelUnit:
    def __init__(self, model: PanelModel, unit: int, wire: Wire, clock: Clock, pipeline: int = 1) -> None:
        """`pipeline`: how many requests may be handed to the wire together."""
        self.pipeline = pipeline if model.write.storage_per_write is None else 1
        self.model = model
        self.unit = unit
        self.wire = wire
        self.clock = clock
        self.availability = wire.availability(unit)
        """The unit's availability; the feed goes on after the unit was removed from the line."""
        self._named: dict[tuple[str, ...], Sequence[tuple[Area, int, Request]]] = {}
        self.serial: str | None = None
        """The number of the unit that was asked last who it is; None: it has none, or was not asked."""
        self._met = NEVER_MET
        """When it last said that number."""
        self.written: Counter[str] = Counter()
        """Writes that left for storage that wears out, by cell."""

    async def meet(self, ask: Awaitable[Facts]) -> Facts:
        """Ask the unit who it is: what changes something leaves on the connection of its answer only from then on."""
        meeting = self.wire.meeting()
        facts = await ask
        self.serial, self._met = facts.serial(), meeting
        self.wire.met(self.unit, meeting)
        return facts

    async def must_be_met(self, call: Call) -> None:
        """To be called before anything is claimed of what was read. Raises Unconfirmed."""
        if not self.wire.closes or self.serial is None:
            if not self.wire.is_met(self.unit):
                raise ConnectionLost("the connection ended meanwhile: another unit may have answered")
            return
        await self.must_have_been(self.serial, call)

    async def must_have_been(self, serial: str | None, call: Call, *, anywhere: bool = False) -> None:
        """To be called before an answer to a write counts that left on the connection of the meeting, or on any where the host
        closes each: then the unit behind the present one must still have the number. `anywhere`: the request may have left on
        any connection of any host. Raises Unconfirmed."""
        if not (self.wire.closes or anywhere):
            return
        try:
            await self._must_be(serial, call.finished())
        except Unconfirmed:
            raise
        except DriverError as error:
            raise ConnectionLost(f"another unit may have answered: {error}") from error

    async def _must_be(self, serial: str | None, call: Call) -> None:
        """The unit is asked for its number again, unless it was on the present connection. Raises DriverError.

        Two units may have one number: only where the host closes each connection does it stand for the whole question.
        """
        counter = self.model.counters.serial
        if serial is None or counter is None or self._met.connection == self.wire.connection:
            return
        meeting = self.wire.meeting()
        found = (await self.facts((counter,), call)).serial()
        self._met = meeting if found == serial else NEVER_MET
        if self.wire.closes or found != serial:
            self.wire.met(self.unit, self._met)
        if found != serial:
            raise Unmet("another unit answers than the one that was asked who it is")

    async def exchange(self, request: Request, call: Call, *, staged: bool = False) -> tuple[int, ...]:
        """One exchange, repeated while the panel answers that it is busy. Raises DriverError.

        A panel that stays busy has done nothing: this raises DeadlinePassed. `staged`: the panel does not act on it before a
        commit, so it does no harm in another unit.
        """
        serial = self.serial if request.bound and not staged else None
        worn = worn_by(self.model, request)
        request = replace(request, repeatable=False) if worn else request  # none of these words leaves twice
        busy = self.model.write.busy or (None if request.repeatable else Busy())
        give_up = self.clock.monotonic() + (busy.give_up_ms / 1000 if busy else 0)
        while True:
            await self._meet_again(serial, call)
            try:
                return await self._once(request, worn, call)
            except PanelException as error:
                if busy is None or error.code != busy.code:
                    raise
                waited = self.clock.monotonic() + busy.retry_ms / 1000
                if waited > give_up or (call.deadline is not None and waited > call.deadline):
                    raise DeadlinePassed("the panel stayed busy") from error
            await self.clock.sleep(busy.retry_ms / 1000)

    async def _meet_again(self, serial: str | None, call: Call) -> None:
        """Right before a write that would do harm in another unit. Raises NotSent."""
        if not self.wire.closes:
            return
        try:
            await self._must_be(serial, call)
        except NotSent:
            raise
        except DriverError as error:
            raise Unmet(f"the unit did not say who it is: {error}") from error

    async def exchange_all(self, requests: Sequence[Request], call: Call) -> list[tuple[int, ...]]:
        """Exchanges whose order does not matter, as many together as the panel takes. Raises the error of the first that failed
        when none is under way any more; those behind it that were not together with it have not left.
        """
        values: list[tuple[int, ...]] = []
        for start in range(0, len(requests), self.pipeline):
            group = requests[start : start + self.pipeline]
            if len(group) == 1:
                values.append(await self.exchange(group[0], call))
                continue
            answers = await self.wire.exchange_all(self.unit, group, call.priority, call.deadline)
            values += [await self._patiently(request, answer, call) for request, answer in zip(group, answers, strict=True)]
        return values

    async def _patiently(self, request: Request, answer: tuple[int, ...] | DriverError, call: Call) -> tuple[int, ...]:
        """What the answer carries; a panel that was busy is asked again. Raises DriverError."""
        busy = self.model.write.busy
        if busy is not None and isinstance(answer, PanelException) and answer.code == busy.code:
            return await self.exchange(request, call)
        if isinstance(answer, DriverError):
            raise answer
        return answer

    async def _once(self, request: Request, worn: Mapping[str, int], call: Call) -> tuple[int, ...]:
        """Words that left count, also where it is not known what became of them."""
        try:
            values = await self.wire.exchange(self.unit, request, call.priority, call.deadline)
        except (NotSent, PanelException):
            worn = {}
            raise
        finally:
            if worn:
                self.written.update(worn)
        return values

    def _reads_of(self, names: tuple[str, ...]) -> Sequence[tuple[Area, int, Request]]:
        """The few sets of names that a driver asks for are worked out once."""
        if names not in self._named:
            self._named[names] = named_reads(self.model, names)
        return self._named[names]

    async def facts(self, names: Iterable[str], call: Call) -> Facts:
        """Read named registers in as few frames as it takes. Raises DriverError."""
        words: dict[tuple[Area, int], int] = {}
        plan = self._reads_of(tuple(names))
        answers = await self.exchange_all([request for _, _, request in plan], call)
        for (area, start, _), values in zip(plan, answers, strict=True):
            words |= {(area, start + index): value for index, value in enumerate(values)}
        return Facts(self.model, words)
