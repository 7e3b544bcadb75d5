"""The compiler's inputs beside the panel's capabilities. Values."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.schedules.time_profile import Readings, TimeProfile


@dataclass(frozen=True, slots=True)
class BoundProfile:
    """A profile bound to a panel."""

    profile: TimeProfile
    generation: int


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """A site's readings and a panel's settings. `narrow`: what may be cut; `taken`: slots that the gateway must not touch."""

    readings: Readings
    horizon_days: int = 400
    allow_stale: bool = False
    narrow: frozenset[str] = frozenset({"resolution"})
    taken: frozenset[int] = frozenset()
