"""Reading a panel's log of events through its window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from config.panel_parts import EventLog
from drivers.calls import Call
from drivers.contract import LoggedEvent, LoggedKind, LogPage
from drivers.errors import UnexpectedReply
from drivers.modbus.panel.named import joined
from drivers.modbus.panel.unit import PanelUnit
from drivers.modbus.wire.requests import read_holding_registers, write_registers

_WORDS = 8


async def read_log(unit: PanelUnit, log: EventLog, first: int | None, call: Call) -> LogPage:
    """See `drivers.contract.PanelDriver.read_log`. Raises DriverError."""
    serial = unit.model.counters.serial
    facts = await unit.facts([name for name in (log.last, serial) if name is not None], call)
    last = facts.number(log.last)
    events = () if first is None or first > last else await _window(unit, log, first, call)
    return LogPage(last, events, facts.serial())


async def _window(unit: PanelUnit, log: EventLog, first: int, call: Call) -> tuple[LoggedEvent, ...]:
    base = unit.model.addressing.base
    await unit.exchange(replace(write_registers(log.start - base, (first >> 16, first & 0xFFFF)), anywhere=True), call)
    words = await unit.exchange(read_holding_registers(log.window - base, _WORDS * log.events), call)
    events = tuple(_events(log, words))
    if any(earlier.sequence >= later.sequence for earlier, later in pairwise(events)):
        raise UnexpectedReply("the events of its log are in no order")
    if not events or events[0].sequence != first:
        start = await unit.exchange(read_holding_registers(log.start - base, 2), call)
        if joined(start) != first or (events and events[0].sequence < first):
            raise UnexpectedReply("somebody else reads its log, too: the window shows other events than those asked for")
    return events


def _events(log: EventLog, words: Sequence[int]) -> list[LoggedEvent]:
    """The events of a window; the first one that is none ends them."""
    found: list[LoggedEvent] = []
    for at in range(0, len(words), _WORDS):
        sequence, instant = joined(words[at : at + 2]), joined(words[at + 2 : at + 4])
        if not sequence:
            break
        kind, slot, output, reason = words[at + 4 : at + _WORDS]
        found.append(
            LoggedEvent(
                sequence,
                LoggedKind(log.kinds.get(str(kind), LoggedKind.OTHER.value)),
                instant or None,
                None if slot == log.none else slot,
                None if output == log.none else output,
                log.reasons.get(str(reason), f"reason_{reason}") if reason else None,
            )
        )
    return found
