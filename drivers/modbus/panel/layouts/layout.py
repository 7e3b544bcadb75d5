"""What a schedule layout does: it turns images into words and back, and a change into ordered steps. Pure but for `read`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol

from config.panel_parts import Addressing
from drivers.contract import PanelImage, Stretch
from drivers.modbus.panel.steps import Check, Transaction
from drivers.modbus.panel.words import placed, reads
from drivers.modbus.wire.requests import Request

Read = Callable[[Sequence[Request]], Awaitable[Sequence[tuple[int, ...]]]]
"""Several reads in any order, answered in theirs; raises DriverError."""


async def read_words(read: Read, addresses: Iterable[int], addressing: Addressing) -> dict[int, int]:
    """The words at these documented addresses, and in the gaps that are read along. Raises DriverError."""
    plan = reads(addresses, addressing)
    return placed((start for start, _ in plan), await read([request for _, request in plan]))


class Layout(Protocol):
    """The words of one panel's schedules. Addresses in mappings are the documented ones.

    Images are compared by what they say to the panel: link_ids count only where the panel stores them. A slot with
    `opaque` words stands for these words. Raises ValueError for an image that the panel cannot hold.
    """

    def encode(self, image: PanelImage) -> Mapping[int, int]:
        """The words that the image determines."""
        ...

    def decode(self, words: Mapping[int, int]) -> PanelImage:
        """The image that the words of whole slots say; slots that are missing are free."""
        ...

    def transaction(self, target: PanelImage, known: PanelImage) -> Transaction:
        """How a panel that holds `known` comes to hold `target`. Without steps where they say the same."""
        ...

    def quick_checks(self, image: PanelImage, commits: int | None = None) -> tuple[Check, ...]:
        """The cheapest readings that tell whether the panel holds the image; `commits`: what it must have counted too."""
        ...

    def stretches(self, image: PanelImage, most: int) -> Iterable[Stretch]:
        """The words that `quick_checks` leaves out, at most `most` in a frame; see `drivers.contract.PanelDriver`."""
        ...

    def stretch_check(self, image: PanelImage, stretch: Stretch) -> Check:
        """How one of these reads where the panel holds the image."""
        ...

    async def read(self, read: Read, *, thoroughly: bool = False) -> PanelImage:
        """Read what the panel holds; `thoroughly`: look at every slot, whatever the panel counts. Raises DriverError."""
        ...

    def passes(self) -> int | None:
        """The address at which the entries of identifier slot 0 are counted, the others' behind it; None: nothing is counted."""
        ...

    def tells_identifiers(self) -> bool:
        """Whether panels hold identifiers, be it only those of others: a panel's count of commits proves what they say."""
        ...

    def unknown(self) -> PanelImage:
        """An image with all slots used and their words unknown: the next write of a slot is a whole one."""
        ...

    def values_read(self) -> Request | None:
        """The request that reads the values that the panel acts on now; None where they cannot be read."""
        ...

    def acting(self, values: tuple[int, ...]) -> Mapping[int, bool]:
        """Slot -> whether it is open now, from the answer to `values_read`."""
        ...

    def due(self, image: PanelImage, day: int, minute: int) -> Mapping[int, bool]:
        """Slot -> whether the image has it open; slots whose words are opaque are left out."""
        ...

    def force(self, slot: int, is_open: bool) -> tuple[Request, ...]:
        """The writes that bring a slot's value to what it should be until its next event; none where there are none."""
        ...


class NoEntries:
    """Base of layouts of panels without identifiers."""

    def passes(self) -> int | None:
        return None

    def tells_identifiers(self) -> bool:
        return False


class NoValues:
    """Base of layouts whose panels do not show the values that they act on, or always act on their table."""

    def values_read(self) -> Request | None:
        return None

    def acting(self, values: tuple[int, ...]) -> Mapping[int, bool]:
        return {}

    def due(self, image: PanelImage, day: int, minute: int) -> Mapping[int, bool]:
        return {}

    def force(self, slot: int, is_open: bool) -> tuple[Request, ...]:
        return ()


class AllSeen:
    """Base of layouts whose quick look reads every word."""

    def stretches(self, image: PanelImage, most: int) -> Iterable[Stretch]:
        return ()

    def stretch_check(self, image: PanelImage, stretch: Stretch) -> Check:
        raise ValueError(f"a quick look reads the words at {stretch.address} too")
