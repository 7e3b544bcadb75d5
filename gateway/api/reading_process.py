"""The process beside the gateway that reads large bodies: requests on stdin, values in batches on stdout.

It ends with its stdin, and when nothing was asked for a minute. Signals that stop the gateway do not stop it: requests in hand
are finished first.
"""

from __future__ import annotations

import contextlib
import pickle
import resource
import select
import signal
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from gateway.api.errors import ApiError
from gateway.api.reading import LENGTH, Reader

_BATCH = 256
_IDLE_S = 60.0
_MOST_MEMORY = 2 * 1024**3


def _batches(reader: Reader[Any], body: bytes) -> Iterator[object]:
    """Lists of values; an ApiError in place of the rest."""
    try:
        values = iter(reader(body))
        while batch := list(islice(values, _BATCH)):
            yield batch
    except ApiError as error:
        error.__cause__ = None
        yield error


def _read(source: BinaryIO) -> bytes:
    (length,) = LENGTH.unpack(source.read(LENGTH.size))
    return source.read(length)


def _serve(source: BinaryIO, target: BinaryIO) -> None:
    while select.select([source], [], [], _IDLE_S)[0] and source.peek(1):  # type: ignore[attr-defined]
        reader, body = pickle.loads(_read(source)), _read(source)  # noqa: S301 - from the gateway that started this process
        for batch in _batches(reader, body):
            frame = pickle.dumps(batch, pickle.HIGHEST_PROTOCOL)
            target.write(LENGTH.pack(len(frame)) + frame)
        target.write(LENGTH.pack(0))
        target.flush()


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # where memory runs out, this process goes first, not the gateway
        Path("/proc/self/oom_score_adj").write_text("1000")
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    _serve(sys.stdin.buffer, sys.stdout.buffer)
