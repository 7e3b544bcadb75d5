"""Reading a controller's log by index. It takes nothing away, and moves nobody's note of how far the log was read."""

from __future__ import annotations

from drivers.errors import UnexpectedReply
from drivers.uhppote.panel.board import Board, Call
from drivers.uhppote.wire.messages import FIRST_EVENT, LAST_EVENT, OVERWRITTEN, Event, get_event, read_event

PAGE = 16
"""Events of one reading: each is an exchange."""
_NONE = 0


async def last_index(board: Board, call: Call) -> int:
    """The index of the last event; 0: there was none yet. Raises DriverError."""
    last = await board.ask(get_event(LAST_EVENT), read_event, call)
    return 0 if last.type == _NONE else last.index


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
