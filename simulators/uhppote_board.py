"""A UHPPOTE board (UT0311): answers frames of 64 bytes, keeps profiles and cards, and decides at its own doors."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from ipaddress import IPv4Address

from config.settings import PanelSettings
from simulators.clock import Windows, civil, loop_time
from simulators.panel import CannotRead, Reading, SimulatedPanel
from simulators.uhppote_bytes import (
    FRAME,
    MAGIC,
    NO_PROFILE,
    PROFILES,
    START,
    date_bytes,
    day_of,
    reply,
    u32,
    u32_at,
    version_bytes,
    wall_bytes,
    wall_second,
)
from simulators.uhppote_memory import CARD_BYTES, PROFILE_BYTES, Cards, Events, Profiles

DOORS = 4
_MODES = NORMALLY_OPEN, NORMALLY_CLOSED, CONTROLLED = 1, 2, 3
_DELAY_S = 5
_SWIPE, _DOOR = 1, 2
_GRANTED, _NO_PRIVILEGE, _NORMALLY_CLOSED, _INVALID_TIME, _POWER_ON, _REMOTE = 1, 6, 11, 15, 28, 44
_OBJECTIONS = {
    "granted": _GRANTED,
    "unknown": _NO_PRIVILEGE,
    "not_this_door": _NO_PRIVILEGE,
    "not_valid_now": _INVALID_TIME,
    "schedule_closed": _INVALID_TIME,
    "door_closed": _NORMALLY_CLOSED,
}
_UNSET = (0, 0)
_FOREIGN_DAYS = date_bytes(10_957) + date_bytes(47_481)


class UhppoteBoard(SimulatedPanel):
    """The unit is its serial number. Memory and clock outlive the power; a door that was opened does not stay open."""

    model = "uhppote"

    def __init__(
        self, settings: PanelSettings, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = loop_time
    ) -> None:
        super().__init__(settings, wall, monotonic)
        if not isinstance(settings.serial, int):
            raise ValueError(f"panel {settings.id}: a UHPPOTE board has a serial number")
        self.unit = self.serial = settings.serial
        self.profiles = Profiles()
        self.cards = Cards(settings.simulator.cards)
        self.events = Events(settings.simulator.events)
        self.tell: Callable[[bytes, str, int], None] = _nobody
        """Sends a frame that nobody asked for: to an address and a port."""
        self._answers: dict[int, Callable[[bytes], bytes]] = {
            0x20: lambda body: self._status(),
            0x30: self._set_time,
            0x32: lambda body: wall_bytes(self._local()),
            0x40: self._open_door,
            0x50: lambda body: _said(self.cards.put(body[:CARD_BYTES])),
            0x52: lambda body: _said(self.cards.delete(u32_at(body, 0))),
            0x54: self._clear_cards,
            0x58: lambda body: u32(self.cards.count()),
            0x5A: lambda body: self.cards.get(u32_at(body, 0)),
            0x5C: lambda body: self.cards.at(u32_at(body, 0)),
            0x80: self._set_door,
            0x82: lambda body: self._door(body[0]),
            0x88: lambda body: _said(self.profiles.put(body[:PROFILE_BYTES])),
            0x8A: self._clear_profiles,
            0x90: self._set_listener,
            0x92: lambda body: struct.pack("<4sHB", IPv4Address(self.listener[0]).packed, self.listener[1], 0),
            0x94: lambda body: self._device(),
            0x98: lambda body: self.profiles.get(body[0]),
            0xB0: lambda body: self.events.get(u32_at(body, 0)),
            0xB2: self._set_event_index,
            0xB4: lambda body: u32(self.events.user_index),
        }
        self.contacts = [False] * DOORS
        """Whether each door stands open: a part of the door, so that it outlives everything of the board's."""
        self._erase()
        self._local_at_start = self.wall() - self.oscillator.now()

    # ---- the wire ----

    def answer_to(self, frame: bytes) -> bytes:
        """The reply to one frame; nothing for what is not addressed to this board or is no request."""
        if len(frame) != FRAME or frame[0] != START or u32_at(frame, 4) not in (0, self.unit):
            return b""
        answer = self._answers.get(frame[1])
        return b"" if answer is None else reply(frame[1], self.unit, answer(frame[8:]))

    def handle(self, pdu: bytes) -> bytes:
        """`pdu`: a whole frame."""
        if self.makes_durable(pdu):
            self.traffic.writes += 1
        else:
            self.traffic.reads += 1
        return self.answer_to(pdu)

    def makes_durable(self, pdu: bytes) -> bool:
        return pdu[1] in (0x30, 0x40, 0x50, 0x52, 0x54, 0x80, 0x88, 0x8A, 0x90, 0xB2)

    # ---- clock and life ----

    def _local(self) -> float:
        return self._local_at_start + self.oscillator.now()

    def local_second(self) -> float | None:
        return self._local()

    def _set_time(self, body: bytes) -> bytes:
        try:
            second = wall_second(body[:7])
        except ValueError:
            return bytes(7)
        self._local_at_start = second - self.oscillator.now()
        return wall_bytes(self._local())

    def _boot(self, cold: bool) -> None:
        super()._boot(cold)
        self._open_until = [0.0] * DOORS
        self._event(_DOOR, True, 0, 0, _POWER_ON)

    def _erase(self) -> None:
        self.profiles.records.clear()
        self.cards.clear()
        self.events.clear()
        self.modes, self.delays_s = [CONTROLLED] * DOORS, [_DELAY_S] * DOORS
        self._open_until = [0.0] * DOORS
        self.listener = ("0.0.0.0", 0)  # noqa: S104

    def replace(self, serial: int | None = None) -> None:
        self.restore()
        self.unit = self.serial = self.unit + 1 if serial is None else serial & 0xFFFFFFFF

    # ---- profiles and cards ----

    def _clear_profiles(self, body: bytes) -> bytes:
        if u32_at(body, 0) == MAGIC:
            self.profiles.records.clear()
        return _said(u32_at(body, 0) == MAGIC)

    def _clear_cards(self, body: bytes) -> bytes:
        if u32_at(body, 0) == MAGIC:
            self.cards.clear()
        return _said(u32_at(body, 0) == MAGIC)

    def fill_up(self) -> int:
        free = [number for number in PROFILES if number not in self.profiles.records]
        for number in free:
            self.profiles.put(bytes((number,)) + _FOREIGN_DAYS + b"\x01" * 7 + bytes.fromhex("0900 0901") * 3 + b"\0")
        return len(free)

    def day_windows(self, slot: int, day: int) -> Windows:
        return self.profiles.windows(slot, day)

    def schedules_open_now(self) -> tuple[int, ...]:
        day, second = divmod(int(self._local()), 86_400)
        return tuple(number for number in self.profiles.records if self.is_open_at(number, day, second // 60))

    # ---- people at doors ----

    def read(self, kind: str, number: str, door: int) -> Reading:
        if kind not in ("card", "ukey") or not number.isdecimal():
            raise CannotRead("this board reads cards and key fobs by their decimal numbers")
        if not 0 <= door < self.doors():
            raise CannotRead(f"the board has doors 0 to {self.doors() - 1}")
        card = self.card_number(int(number))
        reason = self.decide(card, door, int(self._local()))
        granted = reason == "granted"
        if granted:
            self._open(door)
        self._event(_SWIPE, granted, door + 1, card, _OBJECTIONS[reason])
        return Reading(granted, reason)

    def doors(self) -> int:
        return int(getattr(self.settings, "doors", DOORS))

    def card_number(self, number: int) -> int:
        """What the board makes of a card: a reader with 26 bits tells facility and number, which it puts side by side."""
        if getattr(self.settings, "card_format", "decimal") == "wiegand26":
            return (number >> 16 & 0xFF) * 100_000 + (number & 0xFFFF)
        return number & 0xFFFFFFFF

    def decide(self, card: int, door: int, local_second: int) -> str:
        """`granted`, or the objection, at any moment of the board's own clock."""
        record = self.cards.get(card)
        day, second = divmod(local_second, 86_400)
        if not record:
            return "unknown"
        first, last, profile = day_of(record[4:8]), day_of(record[8:12]), record[12 + door]
        if profile == NO_PROFILE:
            return "not_this_door"
        if first is None or last is None or not first <= day <= last:
            return "not_valid_now"
        if not self.is_open_at(profile, day, second // 60):
            return "schedule_closed"
        return "granted" if self.modes[door] != NORMALLY_CLOSED else "door_closed"

    # ---- doors ----

    def _door(self, door: int) -> bytes:
        if not 1 <= door <= DOORS:
            return bytes(3)
        return bytes((door, self.modes[door - 1], self.delays_s[door - 1]))

    def _set_door(self, body: bytes) -> bytes:
        door, mode, delay_s = body[:3]
        if 1 <= door <= DOORS and mode in _MODES:
            self.modes[door - 1], self.delays_s[door - 1] = mode, delay_s
        return self._door(door)

    def _open_door(self, body: bytes) -> bytes:
        if not 1 <= body[0] <= self.doors():
            return _said(False)
        self._open(body[0] - 1)
        self._event(_DOOR, True, body[0], 0, _REMOTE)
        return _said(True)

    def _open(self, door: int) -> None:
        self._open_until[door] = self.monotonic() + self.delays_s[door]

    def outputs(self) -> tuple[bool, ...]:
        now = self.monotonic()
        return tuple(self.modes[door] == NORMALLY_OPEN or now < self._open_until[door] for door in range(self.doors()))

    def stand(self, door: int, is_open: bool) -> None:
        if not 0 <= door < self.doors():
            raise CannotRead(f"the board has doors 0 to {self.doors() - 1}")
        self.contacts[door] = is_open

    # ---- events, status, the device ----

    def _event(self, kind: int, granted: bool, door: int, card: int, reason: int) -> None:
        stamp = wall_bytes(self._local())
        record = self.events.add(struct.pack("<BBBBI", kind, granted, door, 1, card) + stamp + bytes((reason,)))
        if self.listener != ("0.0.0.0", 0) and self.reachable:  # noqa: S104
            self.tell(reply(0x20, self.unit, self._status(record)), *self.listener)

    def _status(self, event: bytes | None = None) -> bytes:
        """The body of a status with this event, or the last one."""
        last = self.events.get(0xFFFFFFFF) if event is None else event
        relays = sum(1 << door for door, on in enumerate(self.outputs()) if on)
        now = wall_bytes(self._local())
        body = last.ljust(20, b"\0") + bytes(self.contacts) + bytes(4) + b"\0" + now[4:] + bytes(4) + bytes(4)
        return body + bytes(1) + bytes((relays, 0)) + now[1:4]

    def _set_event_index(self, body: bytes) -> bytes:
        index, magic = struct.unpack_from("<II", body)
        changed = magic == MAGIC and index != self.events.user_index
        self.events.user_index = index if changed else self.events.user_index
        return _said(changed)

    def _set_listener(self, body: bytes) -> bytes:
        address, port = struct.unpack_from("<4sH", body)
        self.listener = (str(IPv4Address(address)), port)
        return _said(True)

    def _device(self) -> bytes:
        place = IPv4Address("127.0.0.1").packed + IPv4Address("255.0.0.0").packed + bytes(4)
        return place + bytes.fromhex("0066") + u32(self.unit) + version_bytes(8, 92) + date_bytes(17_835)

    def details(self) -> dict[str, object]:
        last = self.events.get(0xFFFFFFFF)
        return {
            "serial": self.unit,
            "profiles": sorted(self.profiles.records),
            "cards": self.cards.count(),
            "events": self.events.last,
            "doors_open": self.contacts[: self.doors()],
            "last_event_at": civil(wall_second(last[12:19])).isoformat() if len(last) > 12 else None,
        }


def _said(done: bool) -> bytes:
    return b"\x01" if done else b"\x00"


def _nobody(frame: bytes, address: str, port: int) -> None:
    return
