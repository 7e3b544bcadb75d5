"""A register map as a list of regions, each for some addresses; a request is checked as a whole before anything changes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from simulators.modbus_slave import ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusRefusal

Read = Callable[[int, int], Sequence[int]]
"""(offset in the region, count) -> words"""
Write = Callable[[int, Sequence[int]], None]
"""(offset in the region, words)"""


@dataclass(frozen=True, slots=True)
class Region:
    """`check` refuses words before any word of the request is written. `whole`: only one write of exactly all its words."""

    start: int
    size: int
    read: Read
    write: Write | None = None
    check: Write | None = None
    whole: bool = False


class RegionMap:
    """Regions that do not overlap; an address outside all of them is refused with exception 2."""

    def __init__(self, regions: Sequence[Region]) -> None:
        self._regions = sorted((region for region in regions if region.size > 0), key=lambda region: region.start)
        self._starts = [region.start for region in self._regions]

    def read(self, address: int, count: int) -> list[int]:
        words: list[int] = []
        for region, offset, size in list(self._pieces(address, count)):
            words += region.read(offset, size)
        return words

    def write(self, address: int, words: Sequence[int]) -> None:
        pieces = list(self._pieces(address, len(words)))
        parts, start = [], 0
        for region, offset, size in pieces:
            part = words[start : start + size]
            start += size
            self._check(region, offset, part, len(words))
            parts.append(part)
        for (region, offset, _), part in zip(pieces, parts, strict=True):
            if region.write is not None:
                region.write(offset, part)

    @staticmethod
    def _check(region: Region, offset: int, part: Sequence[int], requested: int) -> None:
        if region.write is None:
            raise ModbusRefusal(ILLEGAL_ADDRESS)
        if region.whole and (offset != 0 or requested != region.size):
            raise ModbusRefusal(ILLEGAL_VALUE)
        if region.check is not None:
            region.check(offset, part)

    def _pieces(self, address: int, count: int) -> Iterator[tuple[Region, int, int]]:
        while count > 0:
            index = bisect_right(self._starts, address) - 1
            region = self._regions[index] if index >= 0 else None
            if region is None or address >= region.start + region.size:
                raise ModbusRefusal(ILLEGAL_ADDRESS)
            offset = address - region.start
            size = min(count, region.size - offset)
            yield region, offset, size
            address, count = address + size, count - size
