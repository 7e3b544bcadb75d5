"""Whether the host's wall clock may be believed, and on what evidence. Pure: a state, an observation, a judgement.

Evidence is a look at which the kernel's clock was synchronised, the operator's word (`trust-clock`), or panels whose clocks
ran on and agree with the host. It lasts while the wall clock and the time since boot advance together; a step or a boot ends it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from itertools import combinations
from typing import Literal

from drivers.clock import SLACK_S, HostMoment, Sync
from gateway.release import RELEASED_AT

BEATS_AFTER_S = 600.0
"""A clock that was synchronised at every look for so long is believed against the store's last write."""
NTP_LOST_S = 86_400.0
_TOLD_S = 86_400.0
"""How long it stands among the warnings that the last write was taken back."""
_AGREEMENT_S = 60.0
"""Panels that were left to themselves for long agree with each other within a minute: they hold whole minutes."""
_REFRESH_S = 3600.0
"""The moment of the last trusted look is stored anew after so long."""


class Source(Enum):
    """Why the clock is believed. `host`: no evidence, and none is asked for."""

    SYNCHRONISED = "synchronised"
    OPERATOR = "operator"
    PANELS = "panels"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class Evidence:
    """`gained`: when; `last`: the last moment at which it was found to last."""

    source: Source
    gained: HostMoment
    last: HostMoment

    def lasts(self, now: HostMoment) -> bool:
        return self.gained.goes_on(now) and self.last.goes_on(now)


@dataclass(frozen=True, slots=True)
class Beaten:
    """The store's last write that was found to lie ahead of a clock on evidence, and when (both Unix seconds)."""

    last_write: float
    at: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What is kept durably. `synchronised_at`: Unix seconds of the last look at which the kernel's clock was; None: never."""

    evidence: Evidence | None = None
    synchronised_at: float | None = None
    beaten: Beaten | None = None


@dataclass(frozen=True, slots=True)
class Witness:
    """A panel's clock. `ahead_s`: of the host's clock now, compared in UTC. `bound_s`: how far a panel's clock may be off.

    `ran_on`: this host has not set it since the host's clock began or stepped. Only then its agreement is more than an echo.
    """

    panel: str
    ahead_s: float
    bound_s: float
    ran_on: bool = True

    @property
    def agrees(self) -> bool:
        return abs(self.ahead_s) <= self.bound_s


@dataclass(frozen=True, slots=True)
class Rules:
    """The site's settings, and the day before which no clock is right."""

    source: Literal["auto", "synchronised", "host"] = "auto"
    step_s: float = 3600.0
    released_at: float = RELEASED_AT


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at the host. `last_write`: of the store, Unix seconds. `vouched`: an operator says that the clock is right."""

    now: HostMoment
    sync: Sync
    last_write: float = 0.0
    witnesses: Sequence[Witness] = ()
    vouched: bool = False


@dataclass(frozen=True, slots=True)
class ClockWarning:
    code: str
    severity: Literal["warning", "error"]
    text: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """`source` and `since` (Unix seconds) where the clock is trusted, `reason` where it is not.

    `takes_back`: the store's last write lies ahead of a clock that is right: it is to be written anew, as of now.
    `steady_since`: since when every look found the kernel's clock synchronised. `facts`: what to know at the next look.
    """

    trusted: bool
    source: Source | None
    since: float | None
    reason: str | None
    warnings: tuple[ClockWarning, ...]
    takes_back: bool
    synchronised: bool
    steady_since: HostMoment | None
    facts: Facts
    now: HostMoment


def judge(facts: Facts, before: Judgement | None, seen: Observation, rules: Rules) -> Judgement:
    """What one look tells. `facts`: as stored last; `before`: this process' last judgement."""
    now, synchronised = seen.now, seen.sync is Sync.SYNCHRONISED
    early = now.wall < rules.released_at
    steady = _steady_since(before, now) if synchronised and not early else None
    believed = rules.source == "host" or (
        rules.source == "auto" and (seen.sync is Sync.UNKNOWN or (facts.synchronised_at is None and not synchronised))
    )
    evidence = None if early else _evidence(facts.evidence, seen, rules)
    ahead = seen.last_write > now.wall + SLACK_S
    beats = ahead and evidence is not None and _beats(evidence, steady, now)
    reason = _early(now, rules) if early else _behind(seen, steady) if ahead and not beats else None
    if reason is None and _is_contradicted(evidence, seen, rules):
        reason = _contradicted(seen.witnesses)
    if reason is None and evidence is None and not believed:
        reason = _unproved(seen.sync)
    trusted = reason is None
    facts = Facts(
        evidence,
        _synchronised_at(facts, now, synchronised=synchronised and not early, trusted=trusted),
        Beaten(seen.last_write, now.wall) if trusted and beats else facts.beaten,
    )
    since = None if not trusted else evidence.gained.wall if evidence is not None else _believed_since(before, now)
    source = None if not trusted else evidence.source if evidence is not None else Source.HOST
    warnings = _warnings(facts, seen, rules, believed=source is Source.HOST)
    return Judgement(trusted, source, since, reason, warnings, trusted and beats, synchronised, steady, facts, now)


def worth_storing(stored: Facts, facts: Facts) -> bool:
    """Whether what is stored would mislead a later start; the moments of the last look alone may lag behind."""
    if stored.beaten != facts.beaten or _lags(stored.synchronised_at, facts.synchronised_at):
        return True
    old, new = stored.evidence, facts.evidence
    if old is None or new is None:
        return old is not new
    return (old.source, old.gained) != (new.source, new.gained) or new.last.boottime - old.last.boottime >= _REFRESH_S


def _synchronised_at(facts: Facts, now: HostMoment, *, synchronised: bool, trusted: bool) -> float | None:
    """When the kernel's clock was synchronised last: never later than a clock that is right."""
    if synchronised or (trusted and facts.synchronised_at is not None and facts.synchronised_at > now.wall):
        return now.wall
    return facts.synchronised_at


def _lags(stored: float | None, seen: float | None) -> bool:
    if stored is None or seen is None:
        return stored is not seen
    return abs(seen - stored) >= _REFRESH_S


def _steady_since(before: Judgement | None, now: HostMoment) -> HostMoment:
    if before is None or before.steady_since is None or not before.now.goes_on(now):
        return now
    return before.steady_since


def _evidence(known: Evidence | None, seen: Observation, rules: Rules) -> Evidence | None:
    now = seen.now
    lasting = replace(known, last=now) if known is not None and known.lasts(now) else None
    if seen.vouched:
        return Evidence(Source.OPERATOR, now, now)
    if seen.sync is Sync.SYNCHRONISED:
        known_so = lasting is not None and lasting.source is Source.SYNCHRONISED
        return lasting if known_so else Evidence(Source.SYNCHRONISED, now, now)
    if lasting is None and _agree_with_host(seen.witnesses):
        return Evidence(Source.PANELS, now, now)
    return lasting


def may_move(ahead_s: float, others: Collection[Witness], host: Judgement, rules: Rules) -> bool:
    """Whether a panel's clock that ran on, and is `ahead_s` of a trusted host's, may be set by it.

    A host that is not synchronised now moves it by no more than a step, unless an operator vouched for the host, or `others`,
    the clocks of other panels, agree with it. For a host without evidence one of them must have run on by itself.
    """
    if host.synchronised or host.source is Source.OPERATOR or abs(ahead_s) <= rules.step_s:
        return True
    heard = host.facts.evidence is not None or any(each.ran_on for each in others)
    return bool(others) and heard and all(each.agrees for each in others)


def _beats(evidence: Evidence, steady: HostMoment | None, now: HostMoment) -> bool:
    if evidence.source is Source.OPERATOR:
        return True
    return steady is not None and now.boottime - steady.boottime >= BEATS_AFTER_S


def _agree_with_host(witnesses: Sequence[Witness]) -> bool:
    return sum(each.ran_on for each in witnesses) >= 2 and all(each.agrees for each in witnesses)


def _is_contradicted(evidence: Evidence | None, seen: Observation, rules: Rules) -> bool:
    """Panels say nothing against a host that was synchronised in this run, nor against the operator."""
    if evidence is not None and evidence.source is not Source.PANELS:
        return False
    return bool(contradicting(seen.witnesses, rules.step_s))


def contradicting(witnesses: Collection[Witness], step_s: float) -> tuple[Witness, ...]:
    """Two panels that agree with each other and differ from the host by more than a step."""
    far = [each for each in witnesses if abs(each.ahead_s) > step_s]
    pairs = ((one, other) for one, other in combinations(far, 2) if _agree(one, other))
    return next(pairs, ())


def _agree(one: Witness, other: Witness) -> bool:
    return abs(one.ahead_s - other.ahead_s) <= max(_AGREEMENT_S, one.bound_s + other.bound_s)


def _believed_since(before: Judgement | None, now: HostMoment) -> float:
    if before is not None and before.trusted and before.since is not None and before.now.goes_on(now):
        return before.since
    return now.wall


# what is told

_REMEDY = "synchronise it, or run `panel-gateway trust-clock` where it is right"


def said_utc(instant: float) -> str:
    """An instant for people; as a number where the calendar ends."""
    try:
        return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{instant:.0f}"


def _early(now: HostMoment, rules: Rules) -> str:
    return f"the system clock says {said_utc(now.wall)}, earlier than this program's release ({said_utc(rules.released_at)})"


def _behind(seen: Observation, steady: HostMoment | None) -> str:
    text = f"the system clock says {said_utc(seen.now.wall)}, earlier than the store's last write ({said_utc(seen.last_write)})"
    if steady is None:
        return f"{text}: {_REMEDY}"
    left = BEATS_AFTER_S - (seen.now.boottime - steady.boottime)
    return f"{text}: it is synchronised, and is trusted in {left:.0f} s if it stays so"


def _contradicted(witnesses: Sequence[Witness]) -> str:
    """All witnesses, for the operator who has to find out which clock is right."""
    told = ", ".join(f"{each.panel} {each.ahead_s:+.0f} s" for each in sorted(witnesses, key=lambda each: each.panel))
    return f"panel clocks agree with each other and differ from the system clock ({told}): {_REMEDY}"


def _unproved(sync: Sync) -> str:
    if sync is Sync.UNKNOWN:
        return f"it is unknown whether the system clock is synchronised: {_REMEDY}"
    return f"the system clock has not been synchronised since the host booted or the clock was set: {_REMEDY}"


def _warnings(facts: Facts, seen: Observation, rules: Rules, *, believed: bool) -> tuple[ClockWarning, ...]:
    found: list[ClockWarning] = []
    if facts.beaten is not None and -SLACK_S <= seen.now.wall - facts.beaten.at < _TOLD_S:
        text = (
            f"the store's last write was of {said_utc(facts.beaten.last_write)}, ahead of the clock that was found right at"
            f" {said_utc(facts.beaten.at)}: it was taken back, and everything was compiled anew"
        )
        found.append(ClockWarning("last_write_taken_back", "error", text))
    if rules.source != "host" and seen.sync is Sync.UNKNOWN:
        found.append(ClockWarning("sync_unknown", "warning", "it is unknown whether the system clock is synchronised"))
    elif rules.source != "host" and believed:
        text = "the system clock has never been seen synchronised: it is trusted"
        found.append(ClockWarning("never_synchronised", "warning", text))
    if seen.sync is Sync.UNSYNCHRONISED and facts.synchronised_at is not None:
        lost = seen.now.wall - facts.synchronised_at
        if lost >= NTP_LOST_S:
            text = f"the system clock has not been synchronised since {said_utc(facts.synchronised_at)}"
            found.append(ClockWarning("ntp_lost", "warning", f"{text}: is the time server reachable?"))
    return tuple(found)
