"""A tap at the near end of a simulated line: which requests left, and what had come back in time for each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

Wrap = Callable[[bytes], bytes]
"""From unit and PDU of a reply to the bytes that would answer this very attempt."""
_EDGE_S = 1e-6


@dataclass(slots=True)
class Attempt:
    answer_by: float
    wrap: Wrap
    echo: bytes
    heard: bytearray = field(default_factory=bytearray)

    def answered(self, reply: bytes) -> bool:
        heard = bytes(self.heard)
        return self.wrap(reply) in (heard.removeprefix(self.echo) if self.echo else heard)


class Tap:
    """`echo`: the adapter lets the master hear itself."""

    def __init__(self, timeout_s: float, echo: bool = False) -> None:
        self._timeout_s = timeout_s
        self._echo = echo
        self._attempts: dict[bytes, list[Attempt]] = {}
        self._latest: Attempt | None = None

    def sent(self, body: bytes, leaves_at: float, wrap: Wrap, frame: bytes = b"") -> None:
        """`body`: unit and PDU."""
        self._latest = Attempt(leaves_at + self._timeout_s - _EDGE_S, wrap, frame if self._echo else b"")
        self._attempts.setdefault(body, []).append(self._latest)

    def heard(self, data: bytes) -> None:
        if self._latest is not None and asyncio.get_running_loop().time() <= self._latest.answer_by:
            self._latest.heard += data

    def take(self, body: bytes) -> list[Attempt]:
        """The attempts of a request that is over; it is forgotten."""
        return self._attempts.pop(body, [])
