"""Repeated records are written once, then counted: records that others can cause must not fill the log."""

from __future__ import annotations

import copy
import logging
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

EVERY_S = 60.0
_MOST_KEPT = 1000
_VARYING = frozenset({"request_id", "duration_ms", "path", "method"})
"""The facts in which repetitions may differ."""
_ADDRESS = frozenset({"remote"})
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_REFUSALS = 400
_MOST_ADDRESSES = 100
"""This many addresses a minute are named in records that are otherwise alike: somebody may have any number of them."""


@dataclass(slots=True)
class _Seen:
    last: logging.LogRecord
    written_at: float
    count: int = 0


def repeats(record: logging.LogRecord) -> bool:
    """Whether a record like this one may come any number of times: a warning, or a request that was refused."""
    status = getattr(record, "status", None)
    return record.levelno >= logging.WARNING or (isinstance(status, int) and status >= _REFUSALS)


def _key(record: logging.LogRecord, besides: frozenset[str] = frozenset()) -> tuple[object, ...]:
    """What repetitions have in common; `besides`: more facts in which they may differ."""
    left_out = _STANDARD | _VARYING | besides
    facts = sorted((name, repr(value)) for name, value in vars(record).items() if name not in left_out)
    cause = record.exc_info[0] if record.exc_info else None
    return record.name, record.levelno, record.getMessage(), cause, *facts


class Repeats:
    """Decides which records are written. Time is that of the records."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[object, ...], _Seen] = OrderedDict()
        self._addresses: Counter[tuple[object, ...]] = Counter()
        """The number of addresses in records that are otherwise alike, in this minute."""
        self._minute = 0

    def written(self, record: logging.LogRecord) -> Iterator[logging.LogRecord]:
        """What to write after `record` came: counts that are due (the last record with `repeated`), then perhaps the record."""
        yield from self._due(record.created)
        if not repeats(record):
            yield record
            return
        key = _key(record)
        if key not in self._seen and hasattr(record, "remote"):
            key = self._one_of_many(record, key)
        seen = self._seen.get(key)
        if seen is not None:
            seen.last, seen.count = record, seen.count + 1
            return
        self._seen[key] = _Seen(record, record.created)
        yield record
        if len(self._seen) > _MOST_KEPT:
            yield from _counted(self._seen.popitem(last=False)[1])

    def _one_of_many(self, record: logging.LogRecord, key: tuple[object, ...]) -> tuple[object, ...]:
        """The key of a record from an address that is new: its own, or that of all addresses where there are too many."""
        minute = int(record.created // EVERY_S)
        if minute != self._minute:
            self._minute = minute
            self._addresses.clear()
        alike = _key(record, _ADDRESS)
        self._addresses[alike] += 1
        return key if self._addresses[alike] <= _MOST_ADDRESSES else alike

    def rest(self) -> Iterator[logging.LogRecord]:
        """All records that are counted and not written yet."""
        while self._seen:
            yield from _counted(self._seen.popitem(last=False)[1])

    def _due(self, now: float) -> Iterator[logging.LogRecord]:
        """The counts that are due, oldest first. What repeated is counted further, what did not is forgotten."""
        while self._seen:
            key, seen = next(iter(self._seen.items()))
            if now - seen.written_at < EVERY_S:
                return
            del self._seen[key]
            if seen.count:
                yield from _counted(seen)
                self._seen[key] = _Seen(seen.last, now)


def _counted(seen: _Seen) -> Iterator[logging.LogRecord]:
    if seen.count:
        told = copy.copy(seen.last)
        told.repeated = seen.count
        yield told
