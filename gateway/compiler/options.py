"""The compiler's inputs beside the panel's capabilities. Values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gateway.compiler.together import Compiled
from gateway.identifiers.identifier import Lock
from gateway.schedules.time_profile import Readings

WITHOUT_DOORS: Mapping[Lock, tuple[int, ...]] = MappingProxyType({"first": (0,), "second": (1,), "all": (0, 1)})
"""The outputs of a panel's locks where a site names no doors."""


@dataclass(frozen=True, slots=True)
class BoundProfile:
    """A profile, or a set of profiles, bound to a panel. A set's generation is another one whenever a member's is."""

    profile: Compiled
    generation: int


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """A site's readings and a panel's settings. `narrow`: what may be cut; `taken`: slots that the gateway must not touch.

    `kept_for`: schedule slots that identifiers on the panel name, and the one link_id that may have each: given to another,
    a slot would open for them by another's hours. None: nobody may have it. `locks`: the outputs that each lock opens here.
    """

    readings: Readings
    horizon_days: int = 400
    allow_stale: bool = False
    narrow: frozenset[str] = frozenset({"resolution", "validity_days"})
    taken: frozenset[int] = frozenset()
    kept_for: Mapping[int, str | None] = field(default_factory=dict)
    locks: Mapping[Lock, tuple[int, ...]] = field(default_factory=lambda: WITHOUT_DOORS)
