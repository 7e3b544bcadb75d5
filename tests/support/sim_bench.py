"""A simulated panel on a table: requests as PDUs by an independent master, a clock turned by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from config.settings import PanelSettings
from simulators.models import build_panel
from simulators.panel import SimulatedPanel
from tests.support.master import Refused, bits_of, coils_pdu, raise_refusal, read_pdu, single_pdu, words_of, write_pdu


class Bench:
    """`now` is the panel's monotonic time; its wall clock starts at `wall`. Addresses are PDU addresses."""

    def __init__(self, model: str, wall: float = 0.0, **options: Any) -> None:
        self.now = 0.0
        settings = PanelSettings(id="it", model=model, unit=1, options=options)
        self.panel: SimulatedPanel = build_panel(settings, lambda: wall, lambda: self.now)

    def words(self, address: int, count: int = 1, function: int = 3) -> tuple[int, ...]:
        return words_of(self.panel.handle(read_pdu(function, address, count)))

    def bits(self, address: int, count: int = 1, function: int = 1) -> tuple[int, ...]:
        return bits_of(self.panel.handle(read_pdu(function, address, count)), count)

    def write(self, address: int, *words: int) -> None:
        """FC16."""
        self._confirm(write_pdu(address, words), 5)

    def one(self, address: int, word: int) -> None:
        """FC06."""
        self._confirm(single_pdu(6, address, word), 5)

    def coil(self, address: int, value: int) -> None:
        """FC05, the raw value."""
        self._confirm(single_pdu(5, address, value), 5)

    def coils(self, address: int, *bits: int) -> None:
        """FC15."""
        self._confirm(coils_pdu(address, bits), 5)

    def _confirm(self, pdu: bytes, size: int) -> None:
        reply = self.panel.handle(pdu)
        raise_refusal(reply)
        assert reply == pdu[:size]


def refused(code: int, act: Callable[..., object], *arguments: object) -> None:
    """`act` is answered with this exception."""
    with pytest.raises(Refused) as caught:
        act(*arguments)
    assert caught.value.code == code
