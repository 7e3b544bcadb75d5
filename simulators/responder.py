"""Turns a request into what goes back over the line, faults included: one place for the wire, the ports and the sockets."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace

from simulators.faults import Faults
from simulators.modbus_slave import READ_COILS, READ_DISCRETE, WRITES, mbap_frame, rtu_frame, rtu_parse
from simulators.panel import SimulatedPanel

_UNHEARD = frozenset({"lose_request", "corrupt_request"})
_SILENT = frozenset({"lose", "power_cut_after_commit", "deaf_after_commit"})
_LOOKS_LIKE_A_REQUEST = 5
"""The size of a reply PDU that another panel would take for a request to it."""


@dataclass(frozen=True, slots=True)
class Sending:
    """Bytes that a panel puts on the line, `after_s` seconds after it saw the request's end."""

    panel: SimulatedPanel
    after_s: float
    data: bytes
    cut: bool = False
    """Whether a socket is closed after these bytes."""


@dataclass(frozen=True, slots=True)
class Reply:
    panel: SimulatedPanel
    unit: int
    pdu: bytes
    after_s: float
    fault: str | None


class Responder:
    """The panels of one line. Gives bytes; when and how they travel is the line's business.

    Keeps the panels' `traffic`. A panel that is off, or away by a fault, hears nothing and answers nothing.
    """

    def __init__(self, panels: Iterable[SimulatedPanel], faults: Faults | None = None) -> None:
        self.panels = {panel.unit: panel for panel in panels}
        self.faults = faults or Faults()
        self._returns_at: dict[int, float] = {}

    def set_faults(self, faults: Faults) -> None:
        """Set the faults from now on; panels that are away come back, and every clock takes the drift of the new rates."""
        self.faults = faults
        self._returns_at.clear()
        for panel in self.panels.values():
            panel.oscillator.drift_ppm = faults.rates.clock_drift_ppm

    def rtu(self, frame: bytes) -> list[Sending]:
        """What comes back for one RTU frame; nothing for a damaged one, a broadcast, or one for a unit that is not here."""
        parsed = rtu_parse(frame)
        if parsed is None:
            return []
        unit, pdu = parsed
        if unit == 0:
            self._broadcast(pdu, len(frame))
            return []
        reply = self._reply(unit, pdu, len(frame))
        return [] if reply is None else self._travel(reply, rtu_frame(reply.unit, reply.pdu), checked=True)

    def tcp(self, transaction: int, unit: int, pdu: bytes) -> list[Sending]:
        """The same for one Modbus TCP request."""
        reply = self._reply(unit, pdu, 7 + len(pdu))
        if reply is None or reply.fault == "corrupt":
            return []
        if reply.fault == "foreign_transaction":
            transaction = (transaction + self.faults.random.randint(1, 0xFFFF)) & 0xFFFF
        return self._travel(reply, mbap_frame(transaction, reply.unit, reply.pdu), checked=False)

    def at(self, unit: int) -> SimulatedPanel | None:
        """The panel with this unit id; a panel may have been given another one."""
        panel = self.panels.get(unit)
        if panel is None or panel.unit != unit:
            self.panels = {each.unit: each for each in self.panels.values()}
        return self.panels.get(unit)

    def _present(self, panel: SimulatedPanel) -> bool:
        return panel.reachable and panel.monotonic() >= self._returns_at.get(panel.unit, 0.0)

    def _broadcast(self, pdu: bytes, size: int) -> None:
        for panel in self.panels.values():
            if self._present(panel) and pdu[0] in WRITES:
                panel.traffic.bytes_in += size
                panel.handle(pdu)

    def _reply(self, unit: int, pdu: bytes, size: int) -> Reply | None:
        panel = self.at(unit)
        if panel is None or not self._present(panel):
            return None
        fault = self.faults.draw(panel.makes_durable(pdu))
        if fault in _UNHEARD:
            return None
        panel.traffic.bytes_in += size
        if fault is None:
            return Reply(panel, unit, panel.handle(pdu), panel.latency_s, None)
        return self._faulty(panel, pdu, fault)

    def _faulty(self, panel: SimulatedPanel, pdu: bytes, fault: str) -> Reply | None:
        if self._strike(panel, fault):
            return None
        reply_pdu = self._refusal(pdu) if fault == "refuse" else panel.handle(pdu)
        if fault == "power_cut_after_commit":
            panel.power_cut()
        if fault == "deaf_after_commit":
            self._leave(panel)
        if fault in _SILENT:
            return None
        reply = Reply(panel, panel.unit, reply_pdu, panel.latency_s + self._extra_s(fault), fault)
        return self._untrue(reply)

    def _strike(self, panel: SimulatedPanel, fault: str) -> bool:
        """Apply the fault that hits the panel before the request; True when the panel then does not see the request."""
        if fault == "fill_up":
            panel.fill_up()
            return False
        if fault in ("power_cut", "power_cut_before_commit"):
            panel.power_cut()
        elif fault == "reset":
            panel.reset()
        elif fault == "away":
            self._leave(panel)
        else:
            return False
        return True

    def _leave(self, panel: SimulatedPanel) -> None:
        self._returns_at[panel.unit] = panel.monotonic() + self.faults.rates.away_ms / 1000

    def _refusal(self, pdu: bytes) -> bytes:
        return bytes((pdu[0] | 0x80, self.faults.random.choice(self.faults.rates.refusals)))

    def _extra_s(self, fault: str) -> float:
        rates = self.faults.rates
        if fault == "delay":
            return self.faults.random.random() * rates.delay_ms / 1000
        return rates.late_ms / 1000 if fault == "late" else 0.0

    def _untrue(self, reply: Reply) -> Reply:
        if reply.fault == "foreign_unit":
            return replace(reply, unit=self._other_unit(reply))
        if reply.fault == "wrong_echo" and reply.pdu[0] in WRITES:
            address = struct.unpack_from(">H", reply.pdu, 1)[0] ^ self.faults.random.randint(1, 0xFFFF)
            return replace(reply, pdu=reply.pdu[:1] + struct.pack(">H", address) + reply.pdu[3:])
        if reply.fault == "short_count" and reply.pdu[0] in range(READ_COILS, 5) and len(reply.pdu) > 3:
            less = 1 if reply.pdu[0] in (READ_COILS, READ_DISCRETE) else 2
            return replace(reply, pdu=bytes((reply.pdu[0], reply.pdu[1] - less)) + reply.pdu[2:-less])
        return reply

    def _other_unit(self, reply: Reply) -> int:
        """A neighbour's unit id, except where it would take the reply for a request to it: then an id that no panel here has."""
        neighbours = [unit for unit in self.panels if unit != reply.unit]
        if neighbours and len(reply.pdu) != _LOOKS_LIKE_A_REQUEST:
            return self.faults.random.choice(neighbours)
        return self.faults.random.choice([unit for unit in range(1, 248) if unit not in self.panels])

    def _travel(self, reply: Reply, frame: bytes, checked: bool) -> list[Sending]:
        """`checked`: the framing has a check sum, and bytes may be damaged under way."""
        fault, faults = reply.fault, self.faults
        if fault in ("truncate", "cut"):
            frame = faults.shorten(frame)
        elif fault == "corrupt":
            frame = faults.flip_bits(frame)
        elif fault == "glitch" and checked:
            frame = faults.noise() + frame
        sending = Sending(reply.panel, reply.after_s, frame, cut=fault == "cut")
        sendings = [sending, sending] if fault == "duplicate" else [sending]
        reply.panel.traffic.replies += len(sendings)
        reply.panel.traffic.bytes_out += sum(len(each.data) for each in sendings)
        return sendings


def swap(here: Responder, one: SimulatedPanel, there: Responder, other: SimulatedPanel) -> None:
    """Two units exchange their places: line and unit id. All else stays with the unit: what it holds, its clock, its number.

    The responders may be the same. Raises KeyError where a panel is not on the line it is said to be on.
    """
    for line, panel in ((here, one), (there, other)):
        if line.at(panel.unit) is not panel:
            raise KeyError(panel.id)
    here.panels[one.unit], there.panels[other.unit] = other, one
    one.unit, other.unit = other.unit, one.unit
