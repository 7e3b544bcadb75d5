"""The parts of a transaction: what is written, in order, and what must be read back. Values only.

Requests carry PDU addresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from drivers.contract import PanelImage
from drivers.modbus.wire.requests import Request


class StepKind(Enum):
    PREPARE = "prepare"
    """Sets bits that must be set; the others are read and kept."""
    BEGIN = "begin"
    STAGE = "stage"
    """Has no effect before a commit."""
    WRITE = "write"
    ERASE = "erase"
    COMMIT = "commit"
    ACTIVATE = "activate"
    """Sets bits by which the panel acts on its table: after the words, so that it never acts on any table but the desired one."""
    SAVE = "save"


EFFECTLESS = frozenset({StepKind.PREPARE, StepKind.BEGIN, StepKind.STAGE})
"""The steps after which the panel still acts on what it held before."""


@dataclass(frozen=True, slots=True)
class WriteStep:
    """`words`: data words that the step carries (commands carry none). `storage`: the storage whose endurance a
    command costs; that of words is counted where they are sent.

    `rests`: it does harm where a restart took away what was written before it. The restart may be why it is not answered, so it
    is repeated only where the panel's counters say that there was none. `relies`: they are looked at before it, too.
    """

    kind: StepKind
    request: Request
    words: int = 0
    storage: str | None = None
    rests: bool = False
    relies: bool = False
    shows: Check | None = None
    """What reads so only if the step was carried out. A silent step that costs endurance is not repeated without it."""


@dataclass(frozen=True, slots=True)
class Check:
    """A read and the words that it must return; None where any value will do. Only the bits of `mask` count."""

    request: Request
    expected: tuple[int | None, ...]
    mask: int = 0xFFFF

    def holds(self, values: tuple[int, ...]) -> bool:
        if values == self.expected:
            return True
        return len(values) == len(self.expected) and all(
            want is None or want == got & self.mask for want, got in zip(self.expected, values, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Transaction:
    """The steps from `known` to a target. `checks` prove it: every slot that was changed is read whole.

    `narrows`: something the panel acts on now is replaced, so the end of a commit must be waited for.
    """

    known: PanelImage
    steps: tuple[WriteStep, ...]
    checks: tuple[Check, ...]
    narrows: bool = False
