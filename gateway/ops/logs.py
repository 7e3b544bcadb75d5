"""Log records on stderr: JSON lines when that is no terminal, one readable line a record when it is. Lines for the journal begin
with their priority (sd-daemon(3)).

Facts travel in `extra=`; the id of the HTTP request that is being served is added to every record. Warnings and refused
requests that repeat are written once, then counted (`repeated`), at most once a minute.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

from drivers.trace import request_id
from gateway.ops.repeats import Repeats
from gateway.ops.terminal import harmless

LEVELS = ("debug", "info", "warning", "error")
"""At `debug` every frame is logged, with the id of the HTTP request it was sent for."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "request_id", "taskName"}

_TO_JSON = json.JSONEncoder(default=str, ensure_ascii=False)


class _RequestId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "request_id", None) is None:
            record.request_id = request_id.get()
        return True


def _facts(record: logging.LogRecord) -> dict[str, object]:
    facts = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    known = getattr(record, "request_id", None)
    return {**facts, "request_id": known} if known else facts


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time (UTC, ISO 8601), level, logger, message, then the record's facts."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        shown: dict[str, object] = {
            "time": when,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_facts(record),
        }
        if record.exc_info:
            shown["exception"] = self.formatException(record.exc_info)
        return harmless(_TO_JSON.encode(shown))


_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG = 7


def _priority(level: int) -> str:
    return f"<{next((priority for least, priority in _PRIORITIES if level >= least), _DEBUG)}>"


class JournalFormatter(JsonFormatter):
    """The same, with the priority before it that the journal files it under."""

    def format(self, record: logging.LogRecord) -> str:
        return _priority(record.levelno) + super().format(record)


def is_journal(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the service manager reads the stream (JOURNAL_STREAM, systemd.exec(5)): not somebody who redirected it since."""
    try:
        file = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{file.st_dev}:{file.st_ino}"


def complain(lines: Iterable[str]) -> None:
    """What ends a command, for the person or the journal that reads stderr."""
    before = _priority(logging.ERROR) if is_journal(sys.stderr) else ""
    sys.stderr.write("".join(f"{before}{line}\n" for line in lines))


class TextFormatter(logging.Formatter):
    """One readable line per record, for a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        facts = " ".join(f"{key}={value}" for key, value in _facts(record).items())
        line = harmless(f"{when} {record.levelname.lower():7} {record.name}: {record.getMessage()} {facts}".rstrip())
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _Handler(logging.StreamHandler[TextIO]):
    """Writes a repeated record once, then its count: when that is due, and at the end."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._repeats = Repeats()

    def emit(self, record: logging.LogRecord) -> None:
        for one in self._repeats.written(record):
            super().emit(one)

    def close(self) -> None:
        for one in self._repeats.rest():
            super().emit(one)
        super().close()


def _died(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger("gateway").critical("the process ends because of a defect", exc_info=(kind, error, trace))


def _formatter(stream: TextIO) -> logging.Formatter:
    if is_journal(stream):
        return JournalFormatter()
    return TextFormatter() if stream.isatty() else JsonFormatter()


def configure(stream: TextIO | None = None, level: str = "info") -> None:
    """Send all records from `level` (one of LEVELS) on to `stream` (stderr)."""
    # No record shows the place in the code or the thread: looking for them takes as long as writing the record.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    target = stream or sys.stderr
    handler = _Handler(target)
    handler.setFormatter(_formatter(target))
    handler.addFilter(_RequestId())
    if is_journal(target):
        sys.excepthook = _died
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
