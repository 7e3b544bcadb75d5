"""The host's clock as the fleet sees it: looked at now and then, believed or not, with what panels say of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drivers.clock import HostClock, HostMoment, moment_of
from gateway.fleet.clock_trust import (
    ClockWarning,
    Facts,
    Judgement,
    Observation,
    Rules,
    Witness,
    judge,
    may_move,
    worth_storing,
)
from gateway.store.codec import Codec, CodecError

LOG = logging.getLogger(__name__)
_PATIENCE_S = 2.0
"""How long panels that were not heard yet are waited for: on an open line some 30 are asked in it; a name server may never
answer, and a healthy panel must not wait for that."""
FACT = "clock"
"""The name of the store's fact that holds what is remembered of the clock."""
_FACTS: Codec[Facts] = Codec(Facts, "clock")


class ClockTooEarly(Exception):
    """Nobody can vouch for a clock that shows a time before the program was made; the text says both."""


class ClockWasSet(Exception):
    """The clock is no longer the one that somebody saw and vouches for."""


@dataclass(frozen=True, slots=True)
class ClockView:
    """`at`: Unix seconds that the clock shows; `up_s`: seconds since the host booted. `since`: Unix seconds, where trusted."""

    trusted: bool
    source: str | None
    since: int | None
    reason: str | None
    warnings: tuple[ClockWarning, ...]
    at: float
    up_s: float


@dataclass(frozen=True, slots=True)
class PanelClock:
    """A panel's clock as read: `epoch` is what it showed (UTC) minus the host's time since boot, so that a step of the host's
    clock does not move it. `set_at`: when this host set it last; None: it never did. `bound_s`: how far it may be off.
    """

    epoch: float
    bound_s: float
    set_at: HostMoment | None

    def witness(self, panel: str, now: HostMoment) -> Witness:
        ran_on = self.set_at is None or not self.set_at.goes_on(now)
        return Witness(panel, self.epoch + now.boottime - now.wall, self.bound_s, ran_on)


class ClockTrust:
    """`rules` may be replaced. `last_write`: of the store, Unix seconds. `changed` is called when there are news."""

    def __init__(self, clock: HostClock, rules: Rules, facts: Mapping[str, str], last_write: float) -> None:
        self.rules = rules
        self._clock = clock
        self._stored = _remembered(facts, last_write)
        self._last_write = last_write
        self.changed: Callable[[], None] = lambda: None
        self._news = False
        self._panels: dict[str, PanelClock] = {}
        self._awaited: set[str] = set()
        self._awaited_until = 0.0
        self._judgement = self._judge(None)

    def begin(self) -> None:
        """Tell what was found; from then on what is new is told."""
        self._tell(None)

    # what is asked of it

    def trusted(self) -> bool:
        """Whether the wall clock may be believed now. A step since the last look is seen here too."""
        if not self._judgement.now.goes_on_until_now(self._clock):
            self.look()
        return self._judgement.trusted

    @property
    def reason(self) -> str | None:
        """Why it is not trusted."""
        return self._judgement.reason

    def now(self) -> float:
        """Unix seconds; of the store's last write where the clock is not trusted."""
        return self._clock.wall() if self.trusted() else self._last_write

    def stamp(self) -> float:
        """The time to give to a durable write."""
        self._last_write = self.now()
        return self._last_write

    def look(self) -> None:
        self._take(self._judge(self._judgement))

    def news(self) -> bool:
        """Whether, since this was asked last, the clock stepped, came to be trusted, or is no longer trusted."""
        news, self._news = self._news, False
        return news

    def vouch(self, at: float, up_s: float) -> None:
        """An operator says that the clock is right, until the host boots or the clock is set, having seen it show `at` (Unix
        seconds) when the host was up for `up_s` seconds.

        Raises ClockTooEarly, and ClockWasSet where the clock was set since then.
        """
        now = moment_of(self._clock)
        if not HostMoment(now.boot_id, at, up_s).goes_on(now):
            raise ClockWasSet("the system clock was set meanwhile: look at it again")
        self._take(self._judge(self._judgement, vouched=True))
        if now.wall < self.rules.released_at:
            raise ClockTooEarly(self._judgement.reason)

    def moment(self) -> HostMoment:
        return moment_of(self._clock)

    def view(self) -> ClockView:
        now, said = moment_of(self._clock), self._judgement
        source = None if said.source is None else said.source.value
        since = None if said.since is None else int(said.since)
        return ClockView(said.trusted, source, since, said.reason, said.warnings, now.wall, now.boottime)

    # what is kept

    def unsaved(self) -> str | None:
        """What the store must remember as the fact `FACT`; None: it does already."""
        facts = self._judgement.facts
        return _FACTS.encode(facts) if self._judgement.takes_back or worth_storing(self._stored, facts) else None

    def saved(self, text: str) -> None:
        self._stored = _FACTS.decode(text)

    # panels

    def expect(self, panel: str) -> None:
        """A panel's clock is about to be read for the first time."""
        if not self._awaited:
            self._awaited_until = self._clock.monotonic() + _PATIENCE_S
            self.changed()
        self._awaited.add(panel)

    def patience_s(self) -> float | None:
        """Seconds for which panels that were not heard yet are waited for; None: nobody waits."""
        return max(0.0, self._awaited_until - self._clock.monotonic()) if self.awaiting else None

    @property
    def awaiting(self) -> bool:
        """Whether the clock is believed without evidence, and panels that may speak against it were not heard yet."""
        return bool(self._awaited) and self._judgement.trusted and self._judgement.facts.evidence is None

    def heard(self, panel: str, clock: PanelClock | None) -> None:
        """A panel's clock was read; None: it tells nothing (unset, or lost in a power cut), or the panel is gone."""
        differs = False
        if clock is None:
            self._panels.pop(panel, None)
        else:
            self._panels[panel] = clock
            differs = abs(clock.witness(panel, self._judgement.now).ahead_s) > self.rules.step_s
        self._end_waiting(panel, look=differs)

    def passed_over(self, panel: str) -> None:
        """A panel could not be asked: nobody waits for it any longer."""
        self._end_waiting(panel)

    def pass_over_the_silent(self) -> None:
        """Wait no longer for panels that were not heard in time; what they say later counts all the same."""
        if self.patience_s() == 0:
            for panel in tuple(self._awaited):
                self._end_waiting(panel)

    def _end_waiting(self, panel: str, *, look: bool = False) -> None:
        waited = self.awaiting
        self._awaited.discard(panel)
        if look or (waited and not self._awaited):
            self.look()
        if waited and not self.awaiting:
            self._news = True
            self.changed()

    def may_move(self, panel: str, ahead_s: float) -> bool:
        """Whether a panel's clock that ran on may be set by so much. The clock is trusted."""
        others = [each for each in self._witnesses(self._judgement.now) if each.panel != panel]
        return may_move(ahead_s, others, self._judgement, self.rules)

    def _witnesses(self, now: HostMoment) -> list[Witness]:
        return [clock.witness(panel, now) for panel, clock in self._panels.items()]

    def _judge(self, before: Judgement | None, *, vouched: bool = False) -> Judgement:
        now = moment_of(self._clock)
        facts = self._stored if before is None else before.facts
        seen = Observation(now, self._clock.kernel_sync(), self._last_write, self._witnesses(now), vouched)
        return judge(facts, before, seen, self.rules)

    def _take(self, said: Judgement) -> None:
        before, self._judgement = self._judgement, said
        self._news |= before.trusted != said.trusted or not before.now.goes_on(said.now) or said.takes_back
        self._tell(before)
        if self._news:
            self.changed()

    def _tell(self, before: Judgement | None) -> None:
        """Log what is new."""
        now = self._judgement
        if now.trusted and (before is None or not before.trusted):
            LOG.info("the system clock is trusted", extra={"source": now.source.value if now.source else None})
        elif not now.trusted and (before is None or before.trusted):
            LOG.error("the system clock is not trusted, nothing is opened", extra={"reason": now.reason})
        known = set() if before is None else {warning.code for warning in before.warnings}
        for warning in now.warnings:
            if warning.code not in known:
                level = logging.ERROR if warning.severity == "error" else logging.WARNING
                LOG.log(level, warning.text, extra={"warning": warning.code})


def _remembered(facts: Mapping[str, str], last_write: float) -> Facts:
    """What cannot be read is taken to be that of a host that was synchronised once: it has to be proved anew."""
    try:
        return _FACTS.decode(facts[FACT]) if FACT in facts else Facts()
    except CodecError as error:
        LOG.warning("what was known of the system clock cannot be read", extra={"error": str(error)})
        return Facts(synchronised_at=last_write)
