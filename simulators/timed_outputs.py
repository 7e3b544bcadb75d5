"""Outputs that fall off by themselves: pulses and holds. Volatile."""

from __future__ import annotations

from collections.abc import Callable, Sequence


class TimedOutputs:
    """`now` is monotonic seconds. An output is on while its pulse or its hold lasts."""

    def __init__(self, count: int, now: Callable[[], float]) -> None:
        self._now = now
        self._pulse_until = [0.0] * count
        self._hold_until = [0.0] * count

    def pulse(self, offset: int, tenths: Sequence[int]) -> None:
        for output, value in enumerate(tenths, offset):
            self._pulse_until[output] = self._now() + value / 10 if value else 0.0

    def hold(self, offset: int, seconds: Sequence[int]) -> None:
        for output, value in enumerate(seconds, offset):
            self._hold_until[output] = self._now() + value if value else 0.0

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

    def all_off(self) -> None:
        count = len(self._hold_until)
        self._pulse_until, self._hold_until = [0.0] * count, [0.0] * count

    def _left(self, until: float, parts: int) -> int:
        return max(0, -int(-(until - self._now()) * parts // 1))
