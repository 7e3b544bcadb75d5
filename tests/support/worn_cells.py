"""What is written to the storage of a simulated panel, cell by cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from simulators.modbus_slave import WRITES
from simulators.open_access_panel import OpenAccessPanel
from simulators.panel import SimulatedPanel


def worn_cells(panel: SimulatedPanel) -> Counter[str]:
    """Counts from now on, by cell, the writes that reach the panel's storage."""
    cells: Counter[str] = Counter()
    handle = panel.handle

    def counted(pdu: bytes) -> bytes:
        cells.update(_cells(panel, pdu))
        return handle(pdu)

    vars(panel)["handle"] = counted
    return cells


def _cells(panel: SimulatedPanel, pdu: bytes) -> Iterator[str]:
    if panel.makes_durable(pdu):
        yield from _words(pdu) if panel.model == "domat-fc013" else ("commit",)
    elif isinstance(panel, OpenAccessPanel) and pdu[0] in WRITES and pdu[1] == 2 and pdu[2] in (2, 3):
        yield f"erase {pdu[1:].hex()}"


def _words(pdu: bytes) -> Iterator[str]:
    first = int.from_bytes(pdu[1:3], "big")
    return (str(first + number) for number in range(1 if pdu[0] == 6 else int.from_bytes(pdu[3:5], "big")))
