"""What can go wrong between a request and its reply, drawn from a seed: the same seed and traffic give the same faults."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRates:
    """Each rate is the chance of one exchange, 0..1; the durations say their unit. At most one fault hits an exchange.

    `corrupt*` flip one to three bits, which a CRC-16 always finds; on Modbus TCP, whose transport keeps bytes intact,
    they lose the frame instead and `glitch` does nothing. `foreign_transaction` concerns Modbus TCP alone; `cut` is a
    truncation on a serial line.
    """

    lose_request: float = 0.0
    corrupt_request: float = 0.0
    lose: float = 0.0
    """The request is carried out and the reply is lost."""
    delay: float = 0.0
    """Later than usual by up to `delay_ms`."""
    late: float = 0.0
    """Later than usual by `late_ms`: meant to be beyond the reply timeout."""
    duplicate: float = 0.0
    truncate: float = 0.0
    corrupt: float = 0.0
    glitch: float = 0.0
    """One to three bytes 0x00 or 0xFF just before the reply."""
    foreign_unit: float = 0.0
    """The reply carries another unit id."""
    wrong_echo: float = 0.0
    """The reply to a write names another address; framing and check sum are right."""
    short_count: float = 0.0
    """The reply to a read lacks its last byte or word; framing and check sum are right."""
    refuse: float = 0.0
    """An exception (`refusals`) instead of the work."""
    fill_up: float = 0.0
    """Another master takes every free schedule slot."""
    power_cut_before_commit: float = 0.0
    """A commit or save arrives, the power goes first; no reply."""
    power_cut_after_commit: float = 0.0
    """A commit or save is carried out, then the power goes; no reply."""
    deaf_after_commit: float = 0.0
    """A commit or save is carried out, then the panel hears and answers nothing for `away_ms`."""
    power_cut: float = 0.0
    """The power goes before the request is looked at; no reply."""
    reset: float = 0.0
    """The panel restarts instead of answering."""
    away: float = 0.0
    """The panel leaves the line for `away_ms` and comes back as it was."""
    foreign_transaction: float = 0.0
    """Modbus TCP: the reply carries another transaction id."""
    cut: float = 0.0
    """TCP: the connection is closed in mid-reply."""
    delay_ms: float = 50.0
    late_ms: float = 500.0
    away_ms: float = 5000.0
    refusals: tuple[int, ...] = (4, 6)
    clock_drift_ppm: float = 0.0
    """Not a chance: how fast every panel's clock runs, from when the rates are set."""

    def __post_init__(self) -> None:
        """Raises ValueError naming the field that is out of its range."""
        for name in FAULTS:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: a chance is 0 to 1")
        for name in ("delay_ms", "late_ms", "away_ms"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: a duration is not negative")
        if not self.refusals or not all(1 <= code <= 255 for code in self.refusals):
            raise ValueError("refusals: exception codes are 1 to 255")


FAULTS = (
    "lose_request", "corrupt_request", "lose", "delay", "late", "duplicate", "truncate", "corrupt", "glitch", "foreign_unit",
    "wrong_echo", "short_count", "refuse", "fill_up", "power_cut_before_commit", "power_cut_after_commit", "deaf_after_commit",
    "power_cut", "reset", "away", "foreign_transaction", "cut",
)  # fmt: skip
_ONLY_AT_COMMIT = frozenset({"power_cut_before_commit", "power_cut_after_commit", "deaf_after_commit"})


class SeededRandom(Random):
    """Repeatable chance; nothing secret is made from it."""


class Faults:
    """Draws at most one fault an exchange. `drawn` counts what came up."""

    def __init__(self, rates: FaultRates | None = None, seed: int = 0) -> None:
        self.rates = rates or FaultRates()
        self.random = SeededRandom(seed)
        self.drawn: dict[str, int] = {}
        self._chances = [(name, chance) for name in FAULTS if (chance := getattr(self.rates, name)) > 0]

    def draw(self, commits: bool) -> str | None:
        """The fault that hits this exchange, or None. `commits`: the request makes a panel's state durable."""
        if not self._chances:
            return None
        mark = self.random.random()
        for name, chance in self._chances:
            if name in _ONLY_AT_COMMIT and not commits:
                continue
            if mark < chance:
                self.drawn[name] = self.drawn.get(name, 0) + 1
                return name
            mark -= chance
        return None

    def flip_bits(self, data: bytes) -> bytes:
        """`data` with one to three bits inverted."""
        damaged = bytearray(data)
        for bit in self.random.sample(range(8 * len(data)), self.random.randint(1, 3)):
            damaged[bit >> 3] ^= 1 << (bit & 7)
        return bytes(damaged)

    def shorten(self, data: bytes) -> bytes:
        """A beginning of `data`, at least one byte, at least one short."""
        return data[: self.random.randint(1, max(1, len(data) - 1))]

    def noise(self) -> bytes:
        return bytes(self.random.choice((0x00, 0xFF)) for _ in range(self.random.randint(1, 3)))
