"""What every simulated panel has: power, a place on a line, counters, and methods by which tests inspect it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from config.settings import PanelSettings
from simulators.clock import Oscillator, Windows, loop_time
from simulators.modbus_slave import ILLEGAL_FUNCTION, WRITES, ModbusRefusal, answer


@dataclass(slots=True)
class Traffic:
    """Counters of frames addressed to this panel and of its replies, framing bytes included."""

    bytes_in: int = 0
    bytes_out: int = 0
    reads: int = 0
    writes: int = 0
    replies: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """The panel's decision on an identifier that was shown to it. `reason`: `granted`, or the objection."""

    granted: bool
    reason: str


class CannotRead(ValueError):
    """There is no such reader or door at this panel, or it reads no such identifier; the message says why."""


class SimulatedPanel(ABC):
    """One unit on a line. Acts on its registers alone; what no model has is refused with exception 1.

    `off` takes it off the line and `on` brings it back, memory, clock and outputs as they are. `power_cut` loses what is
    volatile, `reset` restarts it (the clock goes on where the hardware keeps it), both take no time and leave it on or off the
    line as it was. `restore` erases it to its factory state; `replace` also gives it another serial number, where its model has
    one: a blank unit of the same model stands in its place.
    """

    model: str = ""

    def __init__(
        self,
        settings: PanelSettings,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = loop_time,
    ) -> None:
        self.settings = settings
        self.id = settings.id
        self.unit = settings.unit
        self.latency_s = settings.simulator.latency_ms / 1000
        self.reachable = True
        self.traffic = Traffic()
        self.wall = wall
        self.monotonic = monotonic
        self.oscillator = Oscillator(monotonic)
        self.serial: int | None = None
        """64 bits, where the model has a serial number."""
        self._booted_at = monotonic()

    def handle(self, pdu: bytes) -> bytes:
        """Carry out a request PDU and return the reply PDU."""
        if pdu[0] in WRITES:
            self.traffic.writes += 1
        else:
            self.traffic.reads += 1
        return answer(self, pdu)

    def read_bits(self, function: int, address: int, count: int) -> Sequence[int]:
        raise ModbusRefusal(ILLEGAL_FUNCTION)

    def read_words(self, function: int, address: int, count: int) -> Sequence[int]:
        raise ModbusRefusal(ILLEGAL_FUNCTION)

    def write_bit(self, address: int, value: int) -> None:
        raise ModbusRefusal(ILLEGAL_FUNCTION)

    def write_word(self, address: int, value: int) -> None:
        raise ModbusRefusal(ILLEGAL_FUNCTION)

    def write_bits(self, address: int, bits: Sequence[int]) -> None:
        raise ModbusRefusal(ILLEGAL_FUNCTION)

    def write_words(self, address: int, words: Sequence[int]) -> None:
        raise ModbusRefusal(ILLEGAL_FUNCTION)

    def off(self) -> None:
        self.reachable = False

    def on(self) -> None:
        self.reachable = True

    def power_cut(self) -> None:
        self._boot(cold=True)

    def reset(self) -> None:
        self._boot(cold=False)

    def restore(self) -> None:
        self._erase()
        self._boot(cold=True)

    def replace(self, serial: int | None = None) -> None:
        """`serial` None: one that no unit of this panel had before. A model without a serial number leaves it unused."""
        self.restore()

    def uptime_s(self) -> int:
        return int(self.monotonic() - self._booted_at)

    def _boot(self, cold: bool) -> None:
        """Start again; `cold`: power was away. Models extend it with what they lose."""
        self._booted_at = self.monotonic()

    @abstractmethod
    def _erase(self) -> None:
        """Reset the durable memory to its factory state."""

    def makes_durable(self, pdu: bytes) -> bool:
        """Whether this request is the model's commit or save: the moment before which a fault may cut the power."""
        return False

    def read(self, kind: str, number: str, door: int) -> Reading:
        """Show an identifier to a reader: 0 is the first door's. Types and numbers are those of the panel API.

        Raises CannotRead.
        """
        raise CannotRead(f"{self.model} has no readers")

    def read_earlier(self, kind: str, number: str, door: int, ago_s: float) -> Reading:
        """Show an identifier `ago_s` seconds ago: logged with that time and decided by what the panel holds now. Nothing is
        counted and nothing moves. Raises CannotRead.
        """
        raise CannotRead(f"{self.model} logs nothing that was earlier")

    def stand(self, door: int, is_open: bool) -> None:
        """Open or close the leaf of a door, which its contact tells of. Raises CannotRead."""
        raise CannotRead(f"{self.model} has no contacts of doors")

    def details(self) -> dict[str, object]:
        """Further facts about this model, for JSON."""
        return {}

    def fill_up(self) -> int:
        """Take every free schedule slot, as if another master had written it; returns how many there were."""
        return 0

    def local_second(self) -> float | None:
        """The wall clock it acts on; None when it has none or it is unset."""
        return None

    def day_windows(self, slot: int, day: int) -> Windows:
        """Minutes (start, end exclusive) that a schedule is open on a day since 1970-01-01, by the registers alone: whatever
        the clock says, and whatever was forced or frozen. Not merged, not sorted.
        """
        return ()

    def kept_windows(self, slot: int, day: int) -> Windows:
        """What `day_windows` would be after a power cut."""
        return self.day_windows(slot, day)

    def is_open_at(self, slot: int, day: int, minute: int) -> bool:
        """Whether a schedule is open in one minute of the day, by the registers alone."""
        return any(start <= minute < end for start, end in self.day_windows(slot, day))

    def schedules_open_now(self) -> tuple[int, ...]:
        """The slots or schedule numbers that are open by its own clock."""
        return ()

    def outputs(self) -> tuple[bool, ...]:
        return ()
