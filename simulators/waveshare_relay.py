"""`waveshare-relay-8ch`: eight relays that can be switched for a time, nothing else. No clock, no schedules.

The serial settings register only keeps what is written: the simulated line does not change its speed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from config.settings import PanelSettings
from simulators.clock import loop_time
from simulators.modbus_slave import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, READ_COILS, READ_HOLDING, ModbusRefusal
from simulators.panel import SimulatedPanel

RELAYS = 8
ALL_AT, FLASH_ON_AT, FLASH_OFF_AT = 0x00FF, 0x0200, 0x0400
UART_AT, UNIT_AT, VERSION_AT = 0x2000, 0x4000, 0x8000
ON, OFF, TOGGLE = 0xFF00, 0x0000, 0x5500
VERSION = 200
FACTORY_UART = 0x0001
"""Parity none in the high byte, the index of 9600 baud in the low one."""


class Relay:
    """A relay: on or off, now and after the running time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._state = False
        self._turns_at: float | None = None

    def is_on(self) -> bool:
        if self._turns_at is not None and self._now() >= self._turns_at:
            self.switch(not self._state)
        return self._state

    def switch(self, on: bool) -> None:
        self._state, self._turns_at = on, None

    def switch_for(self, on: bool, tenths: int) -> None:
        """Switch on (or off) for a time, then to the opposite; a running time starts again. A time of zero ends it."""
        self._state, self._turns_at = on, self._now() + tenths / 10
        self.is_on()

    def busy(self) -> bool:
        self.is_on()
        return self._turns_at is not None


class WaveshareRelay(SimulatedPanel):
    """It follows the options `longest_timed_on` and `timed_on_prolongs` (else a running time goes on) of the panel model."""

    model = "waveshare-relay-8ch"

    def __init__(
        self, settings: PanelSettings, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = loop_time
    ) -> None:
        super().__init__(settings, wall, monotonic)
        self._longest = int(settings.options.get("longest_timed_on", 0x7FFF))
        self._prolongs = bool(settings.options.get("timed_on_prolongs", True))
        self._relays = [Relay(monotonic) for _ in range(RELAYS)]
        self._uart = FACTORY_UART

    def read_bits(self, function: int, address: int, count: int) -> Sequence[int]:
        if function != READ_COILS:
            raise ModbusRefusal(ILLEGAL_FUNCTION)
        if address + count > RELAYS:
            raise ModbusRefusal(ILLEGAL_ADDRESS)
        return self.outputs()[address : address + count]

    def read_words(self, function: int, address: int, count: int) -> Sequence[int]:
        if function != READ_HOLDING:
            raise ModbusRefusal(ILLEGAL_FUNCTION)
        words = {UART_AT: self._uart, UNIT_AT: self.unit, VERSION_AT: VERSION}
        if count != 1 or address not in words:
            raise ModbusRefusal(ILLEGAL_ADDRESS)
        return (words[address],)

    def write_bit(self, address: int, value: int) -> None:
        for first, on in ((FLASH_ON_AT, True), (FLASH_OFF_AT, False)):
            if first <= address < first + RELAYS:
                self._flash(self._relays[address - first], on, value)
                return
        if address >= RELAYS and address != ALL_AT:
            raise ModbusRefusal(ILLEGAL_ADDRESS)
        if value not in (ON, OFF, TOGGLE):
            raise ModbusRefusal(ILLEGAL_VALUE)
        for relay in self._relays if address == ALL_AT else self._relays[address : address + 1]:
            relay.switch(not relay.is_on() if value == TOGGLE else value == ON)

    def _flash(self, relay: Relay, on: bool, tenths: int) -> None:
        if tenths > self._longest:
            raise ModbusRefusal(ILLEGAL_VALUE)
        if self._prolongs or not relay.busy():
            relay.switch_for(on, tenths)

    def write_bits(self, address: int, bits: Sequence[int]) -> None:
        if address + len(bits) > RELAYS:
            raise ModbusRefusal(ILLEGAL_ADDRESS)
        for relay, bit in zip(self._relays[address:], bits, strict=False):
            relay.switch(bool(bit))

    def write_word(self, address: int, value: int) -> None:
        if address == UART_AT:
            self._check(value >> 8 <= 2 and value & 0xFF <= 7)
            self._uart = value
        elif address == UNIT_AT:
            self._check(1 <= value <= 255)
            self.unit = value
        else:
            raise ModbusRefusal(ILLEGAL_ADDRESS)

    @staticmethod
    def _check(good: bool) -> None:
        if not good:
            raise ModbusRefusal(ILLEGAL_VALUE)

    def _boot(self, cold: bool) -> None:
        super()._boot(cold)
        for relay in self._relays:
            relay.switch(False)

    def _erase(self) -> None:
        self._uart = FACTORY_UART

    def outputs(self) -> tuple[bool, ...]:
        return tuple(relay.is_on() for relay in self._relays)
