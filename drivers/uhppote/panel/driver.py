"""The driver of a UHPPOTE controller: time profiles and cards, each write proved by reading it back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from config.panel_model import PanelModel
from config.settings import UhppotePanelSettings
from drivers.calls import Call, failed
from drivers.clock import Clock
from drivers.contract import (
    Acknowledgement,
    IdentifierSlot,
    LogPage,
    Outcome,
    PanelCapabilities,
    PanelImage,
    Priority,
    Slot,
    Stretch,
    WritePlan,
    nothing,
)
from drivers.errors import DriverError, GaveWay, NotSent, PanelException, VerifyFailed
from drivers.uhppote.panel.board import Board, Wire
from drivers.uhppote.panel.cards import CARD_BITS, NO_CARDS, card_of, controllers_number, slot_of
from drivers.uhppote.panel.device import DeviceDriver
from drivers.uhppote.panel.events import events_from, logged
from drivers.uhppote.panel.profiles import CLOSED, Found, found_at, same
from drivers.uhppote.panel.steps import DeleteCard, PutCard, PutProfile, Step, steps_between
from drivers.uhppote.wire.messages import (
    DELETED,
    FIRST_PROFILE,
    LAST_PROFILE,
    Card,
    count_cards,
    get_card,
    get_card_at,
    get_listener,
    get_profile,
    get_status,
    number_of_cards,
    read_card,
    read_done,
    read_listener,
    read_status,
    set_listener,
    set_profile,
)

_log = logging.getLogger(__name__)

_PROFILES = frozenset(range(FIRST_PROFILE, LAST_PROFILE + 1))
Listener = tuple[str, int]
_CARDS_FROM = 1 << 8
"""Where cards begin among the stretches: behind all profiles."""


@dataclass(slots=True)
class _Progress:
    acted: bool = False
    """Whether a write left the gateway: a controller acts on each at once."""


class UhppoteDriver(DeviceDriver):
    """See `drivers.contract.PanelDriver`. One plan is applied at a time."""

    def __init__(
        self, panel: UhppotePanelSettings, model: PanelModel, wire: Wire, clock: Clock, listener: Listener | None = None
    ) -> None:
        """`listener`: address and port that the controller sends its events to; None: it is left as it is."""
        super().__init__(panel, Board(panel.serial, wire), clock)
        self.on_news: Callable[[], None] = nothing
        self._listener, self._is_listener = listener, listener is None
        self._format = panel.card_format
        self._whole = replace(
            PanelCapabilities(**model.capabilities.model_dump()),
            outputs=panel.doors,
            card_bits=CARD_BITS[panel.card_format],
            reserved_cards=tuple(sorted(NO_CARDS)) if panel.card_format == "decimal" else (0,),
        )
        self._capabilities = self._whole
        self._writing = asyncio.Lock()
        self._giving_way = False
        self._free: set[int] = set()
        """The profiles that were seen to be free, and not written since."""
        self._pins: dict[int, int] = {}
        """The PINs of cards as they were read last. A card that was found with one keeps it."""

    @property
    def capabilities(self) -> PanelCapabilities:
        return self._capabilities

    def restrict(self, capacity: Mapping[str, int]) -> None:
        self._capabilities = self._whole.reported(capacity)

    # --- plan and apply

    def plan(self, target: PanelImage, known: PanelImage) -> WritePlan:
        steps = steps_between(known, target, self._format)
        requests = [step.write() for step in steps]
        return WritePlan(
            target=target,
            operations=(known, steps) if steps else (),
            words=len(requests),
            frames=tuple(self._board.wire.frame(self._board.serial, request) for request in requests),
            bytes_on_wire=sum(self._board.wire.wire_bytes(request) for request in requests),
        )

    async def apply(self, plan: WritePlan, priority: Priority, deadline: float | None) -> Acknowledgement:
        if plan.empty:
            return Acknowledgement(Outcome.ACKNOWLEDGED, plan.target)
        known, steps = plan.operations
        assert isinstance(known, PanelImage)
        assert isinstance(steps, tuple)
        async with self._writing:
            progress, self._giving_way = _Progress(), False
            try:
                for step in steps:
                    await self._carry_out(step, progress, Call(priority, deadline))
            except DriverError as error:
                return self._ended_by(error, known, progress)
        return Acknowledgement(Outcome.ACKNOWLEDGED, plan.target)

    def give_way(self) -> None:
        self._giving_way = True

    def _ended_by(self, error: DriverError, known: PanelImage, progress: _Progress) -> Acknowledgement:
        """A controller that was sent nothing still holds what it held."""
        if not progress.acted and isinstance(error, NotSent | PanelException):
            return failed(error, known)
        facts = {"panel_unit": self._board.serial, "reason": error.reason.value, "error": str(error)}
        _log.warning("a change failed", extra=facts)
        if isinstance(error, PanelException):
            return failed(error)
        return Acknowledgement(Outcome.UNCONFIRMED, None, error.reason, str(error))

    async def _carry_out(self, step: Step, progress: _Progress, call: Call) -> None:
        """One write, and the reading that proves it. Raises DriverError."""
        urgent = call.finished() if progress.acted else call
        step = await self._with_pin(step, urgent)
        if self._giving_way and not progress.acted:
            raise GaveWay("something more urgent waits")
        try:
            done = await self._board.ask(step.write(), read_done, urgent)
        except (NotSent, PanelException):
            raise
        except DriverError:
            progress.acted = True
            raise
        if not done and not isinstance(step, DeleteCard):  # a card that is not there cannot be deleted, and that is well
            raise PanelException(0, f"the controller refused {_name(step)}")
        progress.acted = True
        if isinstance(step, PutProfile):
            self._free.discard(step.number)
        if not await self._board.ask(step.check(), step.shown_by, call.finished()):
            raise VerifyFailed(f"the controller reads back otherwise than it acknowledged: {_name(step)}")

    async def _with_pin(self, step: Step, call: Call) -> Step:
        """A card that is there is read before it is written or deleted: its PIN goes with it, also when it comes back."""
        if isinstance(step, PutProfile):
            return step
        number = step.card.card if isinstance(step, PutCard) else step.number
        if not (isinstance(step, PutCard) and step.is_new):
            self._keep_pin(number, await self._board.ask(get_card(number), read_card, call))
        return step.with_pin(self._pins.get(number, 0)) if isinstance(step, PutCard) else step

    def _keep_pin(self, number: int, card: Card | None) -> None:
        if card is not None and card.pin:
            self._pins[number] = card.pin
        elif card is not None:
            self._pins.pop(number, None)

    # --- read

    async def read_back(self, priority: Priority, deadline: float | None) -> PanelImage | Acknowledgement:
        call = Call(priority, deadline)
        try:
            async with self._writing:
                slots, defined = await self._read_profiles(call)
                return PanelImage(slots=slots, identifiers=await self._read_cards(defined, call))
        except DriverError as error:
            return failed(error)

    async def _read_profiles(self, call: Call) -> tuple[dict[int, Slot], frozenset[int]]:
        """The used slots, and the profiles that are there, closed ones too."""
        slots: dict[int, Slot] = {}
        defined: set[int] = set()
        for number in sorted(_PROFILES):
            found = await self._profile(number, call)
            if found.is_there:
                defined.add(number)
            if found.slot is not None:
                slots[number] = found.slot
        return slots, frozenset(defined)

    async def _read_cards(self, defined: frozenset[int], call: Call) -> dict[int, IdentifierSlot]:
        """Every card, by its place in the controller's list; profiles were read before. As many as the controller counts."""
        left = await self._board.ask(count_cards(), number_of_cards, call)
        found: dict[int, IdentifierSlot] = {}
        for place in range(self._whole.max_identifiers):
            if not left:
                return found
            card = await self._board.ask(get_card_at(place + 1), read_card, call)
            if card is None:
                break
            if card.card != DELETED:
                found[place] = slot_of(card, defined, self._format)
                self._keep_pin(card.card, card)
                left -= 1
        if left:
            raise VerifyFailed(f"the controller counts {left} cards more than it shows")
        return found

    async def quick_look(self, image: PanelImage, priority: Priority, deadline: float | None) -> bool | Acknowledgement:
        """Every profile that is used, or was not seen to be free, whatever the first ones show; and how many cards there are."""
        call = Call(priority, deadline)
        try:
            async with self._writing:
                numbers = sorted(image.slots.keys() | _PROFILES - self._free)
                if not all([await self._profile_stands(image, number, call) for number in numbers]):
                    return False
                return await self._board.ask(count_cards(), number_of_cards, call) == len(image.identifiers)
        except DriverError as error:
            return failed(error)

    async def _profile_stands(self, image: PanelImage, number: int, call: Call) -> bool:
        found = await self._profile(number, call)
        if number in image.slots and not found.is_there:
            # Cards that name it are let in now. A closed profile in its place shuts them out at once, before any of them is read.
            await self._board.ask(set_profile(number, CLOSED), read_done, Call(Priority.REVOCATION, None))
        return same(found.slot, image.slots.get(number))

    async def _profile(self, number: int, call: Call) -> Found:
        found = await self._board.ask(get_profile(number), partial(found_at, number), call)
        (self._free.add if found.slot is None else self._free.discard)(number)
        return found

    def stretches(self, image: PanelImage) -> Sequence[Stretch]:
        return sorted((*self._unused(image), *(Stretch(False, _CARDS_FROM + number, 1) for number in self._cards(image))))

    @staticmethod
    def _unused(image: PanelImage) -> Iterator[Stretch]:
        return (Stretch(True, each, 1) for each in _PROFILES - image.slots.keys())

    def _cards(self, image: PanelImage) -> dict[int, IdentifierSlot]:
        return {controllers_number(slot, self._format): slot for slot in image.identifiers.values()}

    async def look_at(
        self, image: PanelImage, stretch: Stretch, priority: Priority, deadline: float | None
    ) -> bool | Acknowledgement:
        call = Call(priority, deadline)
        try:
            if stretch.address < _CARDS_FROM:
                return await self._profile_stands(image, stretch.address, call)
            return await self._card_stands(image, stretch.address - _CARDS_FROM, call)
        except DriverError as error:
            return failed(error)

    async def _card_stands(self, image: PanelImage, number: int, call: Call) -> bool:
        known, card = self._cards(image).get(number), await self._board.ask(get_card(number), read_card, call)
        if known is None or card is None:
            return known is None and card is None
        if known.opaque is not None:
            return slot_of(card, image.slots, self._format).opaque == known.opaque
        return card_of(known, self._format) == replace(card, pin=0)

    async def read_log(self, first: int | None, priority: Priority, deadline: float | None) -> LogPage | Acknowledgement:
        call = Call(priority, deadline)
        try:
            if first is None and not self._is_listener:
                await self._be_listener(call)
            status = await self._board.ask(get_status(), read_status, call)
            last = status.last_event
            events = () if first is None or first > last else await events_from(self._board, max(1, first), last, call)
        except DriverError as error:
            return failed(error)
        told = tuple(logged(event, self._format) for event in events)
        return LogPage(last, told, f"{self._board.serial:X}", status.doors_open[: self._doors])

    async def _be_listener(self, call: Call) -> None:
        """Have events sent here, where they are not yet. A controller that does not take it is read as before.

        Raises DriverError.
        """
        assert self._listener is not None
        wanted = (*self._listener, 0)
        if await self._board.ask(get_listener(), read_listener, call) != wanted:
            await self._board.ask(set_listener(*wanted), read_done, call)
            if await self._board.ask(get_listener(), read_listener, call.finished()) != wanted:
                _log.warning("events are sent to somebody else", extra={"panel_unit": self._board.serial})
        self._is_listener = True

    async def read_passes(
        self, slots: Collection[int], priority: Priority, deadline: float | None
    ) -> Mapping[int, int] | Acknowledgement:
        return {}


def _name(step: Step) -> str:
    """The step in words; the number of a card opens doors, so it is left out."""
    return f"profile {step.number}" if isinstance(step, PutProfile) else "a card"
