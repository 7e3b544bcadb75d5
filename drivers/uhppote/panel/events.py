"""Reading a controller's log by index. It takes nothing away, and moves nobody's note of how far the log was read."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.calls import Call
from drivers.contract import LoggedEvent, LoggedKind
from drivers.errors import UnexpectedReply
from drivers.uhppote.panel.board import Board
from drivers.uhppote.panel.cards import CardFormat, number_of
from drivers.uhppote.wire.messages import FIRST_EVENT, OVERWRITTEN, Event, get_event, read_event

PAGE = 16
"""Events of one reading: each is an exchange."""
_NONE = 0
_SWIPE = 1
_DAY_S = 86_400
_WHY: Mapping[int, str] = {
    6: "no_privilege",
    7: "wrong_pin",
    8: "anti_passback",
    10: "first_card",
    11: "door_closed",
    12: "interlock",
    15: "schedule_closed",
}
"""The reasons for which nobody is let in."""
_KINDS: Mapping[int, LoggedKind] = {
    20: LoggedKind.EXIT_BUTTON,
    23: LoggedKind.DOOR_OPENED,
    24: LoggedKind.DOOR_CLOSED,
    28: LoggedKind.RESTARTED,
    37: LoggedKind.OPEN_TOO_LONG,
    44: LoggedKind.OUTPUT_ON,
}
"""What an event that is no card is, by its reason."""


async def events_from(board: Board, first: int, last: int, call: Call) -> tuple[Event, ...]:
    """At most `PAGE` events from index `first` (from 1 on) up to `last`, in order. Where the controller has dropped `first`,
    those from its oldest one on. Raises DriverError."""
    found: list[Event] = []
    index = first
    while index <= last and len(found) < PAGE:
        event = await board.ask(get_event(index), read_event, call)
        if event.index != index:
            raise UnexpectedReply(f"event {event.index} in the place of {index}")
        if event.type == _NONE:
            break
        if event.type != OVERWRITTEN:
            found.append(event)
            index += 1
            continue
        oldest = await board.ask(get_event(FIRST_EVENT), read_event, call)
        if oldest.index <= index:
            break
        index = oldest.index
    return tuple(found)


def logged(event: Event, card_format: CardFormat) -> LoggedEvent:
    """An event as every panel's. A card that is shown is told by its number alone."""
    swipe = event.type == _SWIPE
    kind = (LoggedKind.GRANTED if event.granted else LoggedKind.DENIED) if swipe else _KINDS.get(event.reason, LoggedKind.OTHER)
    unclear = kind in (LoggedKind.DENIED, LoggedKind.OTHER)
    return LoggedEvent(
        sequence=event.index,
        kind=kind,
        output=event.door - 1 if event.door else None,
        why=_WHY.get(event.reason, f"reason_{event.reason}") if unclear else None,
        local_second=None if event.at is None else event.at[0] * _DAY_S + event.at[1],
        card=number_of(event.card, card_format) if swipe else None,
    )
