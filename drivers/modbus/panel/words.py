"""Runs of words: which frames carry a change, which reads cover a set of addresses. Pure.

Documented addresses in, requests with PDU addresses out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from config.panel_parts import Addressing
from drivers.modbus.panel.steps import Check
from drivers.modbus.wire.requests import Request, read_holding_registers, read_input_registers, write_register, write_registers


def spans(addresses: Iterable[int], gap: int = 0, known: Mapping[int, object] | None = None) -> list[tuple[int, int]]:
    """(first, last) of runs of addresses. Runs at most `gap` apart become one, where `known` (if given) has what lies between."""
    ordered = sorted(set(addresses))
    if not ordered:
        return []
    breaks = [
        (left, right)
        for left, right in pairwise(ordered)
        if right - left > 1
        and (right - left - 1 > gap or (known is not None and any(between not in known for between in range(left + 1, right))))
    ]
    starts = [ordered[0], *(right for _, right in breaks)]
    ends = [*(left for left, _ in breaks), ordered[-1]]
    return list(zip(starts, ends, strict=True))


def chunks(first: int, last: int, limit: int) -> Iterator[tuple[int, int]]:
    """A run in pieces of at most `limit` words, as (first, count)."""
    for start in range(first, last + 1, limit):
        yield start, min(limit, last + 1 - start)


def write_runs(words: Mapping[int, int], table: Mapping[int, int], addressing: Addressing, gap: int) -> list[Request]:
    """Frames that write `words`. Words between two runs that are not more than `gap` come from `table` and are written again."""
    written = {**table, **words}
    return [
        write_words(start, [written.get(at, 0) for at in range(start, start + count)], addressing)
        for first, last in spans(words, gap, table)
        for start, count in chunks(first, last, addressing.max_write_words)
    ]


def write_words(address: int, words: Sequence[int], addressing: Addressing, repeatable: bool = True) -> Request:
    """A write by FC06 for one word where the panel accepts that, else by FC16."""
    if len(words) == 1 and addressing.single_write:
        return write_register(address - addressing.base, words[0], repeatable)
    return write_registers(address - addressing.base, words, repeatable)


def placed(starts: Iterable[int], answers: Iterable[Sequence[int]]) -> dict[int, int]:
    """The words of readings that begin at these addresses, each at its own."""
    return {at: word for start, words in zip(starts, answers, strict=True) for at, word in enumerate(words, start)}


def reads(addresses: Iterable[int], addressing: Addressing, gap: int = 0, area: str = "holding") -> list[tuple[int, Request]]:
    """Reads that cover the addresses: (documented address of the first word, request). Gaps must be readable."""
    read = read_holding_registers if area == "holding" else read_input_registers
    return [
        (start, read(start - addressing.base, count))
        for first, last in spans(addresses, gap)
        for start, count in chunks(first, last, addressing.max_read_words)
    ]


def checks(expected: Mapping[int, int | None], addressing: Addressing, gap: int = 0, area: str = "holding") -> tuple[Check, ...]:
    """Reads of all expected addresses with what each word must be. Words in gaps may be anything."""
    return tuple(
        Check(request, tuple(expected.get(at) for at in range(start, start + request.count)))
        for start, request in reads(expected, addressing, gap, area)
    )
