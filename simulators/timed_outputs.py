"""Outputs that switch off by themselves: pulses and holds. Volatile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """An output went on or off, at monotonic seconds."""

    at: float
    output: int
    on: bool


class TimedOutputs:
    """`now` is monotonic seconds. An output is on while its pulse or its hold lasts."""

    def __init__(self, count: int, now: Callable[[], float]) -> None:
        self._now = now
        self._pulse_until = [0.0] * count
        self._hold_until = [0.0] * count
        self._told = [False] * count

    def pulse(self, offset: int, tenths: Sequence[int]) -> None:
        for output, value in enumerate(tenths, offset):
            self._pulse_until[output] = self._now() + value / 10

    def hold(self, offset: int, seconds: Sequence[int]) -> None:
        for output, value in enumerate(seconds, offset):
            self._hold_until[output] = self._now() + value

    def pulse_left(self, offset: int, count: int) -> list[int]:
        """Tenths of a second left, rounded up."""
        return [self._left(until, 10) for until in self._pulse_until[offset : offset + count]]

    def hold_left(self, offset: int, count: int) -> list[int]:
        """Seconds left, rounded up."""
        return [self._left(until, 1) for until in self._hold_until[offset : offset + count]]

    def states(self) -> tuple[bool, ...]:
        now = self._now()
        pairs = zip(self._pulse_until, self._hold_until, strict=True)
        return tuple(pulse > now or hold > now for pulse, hold in pairs)

    def changes(self) -> list[Change]:
        """What changed since the last call, the earliest first. Code that switches outputs calls it before and after."""
        now, states = self._now(), self.states()
        changed = [
            Change(now if on else self._ended(output), output, on) for output, on in enumerate(states) if on != self._told[output]
        ]
        self._told = list(states)
        return sorted(changed, key=lambda change: change.at)

    def all_off(self) -> None:
        """Switch all off without recording changes: the panel has no power to log them."""
        count = len(self._hold_until)
        self._pulse_until, self._hold_until, self._told = [0.0] * count, [0.0] * count, [False] * count

    def _ended(self, output: int) -> float:
        return max(self._pulse_until[output], self._hold_until[output])

    def _left(self, until: float, parts: int) -> int:
        return max(0, -int(-(until - self._now()) * parts // 1))
