"""Which time profiles are named together, where an identifier can name one schedule only: a set has slots of its own. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from drivers.contract import PanelCapabilities, set_key
from gateway.compiler.options import BoundProfile
from gateway.compiler.together import ProfileSet
from gateway.schedules.time_profile import TimeProfile

_GENERATION_BYTES = 6


def names_set(profiles: Sequence[str] | None, capabilities: PanelCapabilities) -> bool:
    """Whether an identifier that names these profiles refers to a set of them."""
    return profiles is not None and len(profiles) > 1 and capabilities.references == 1


def sets_named(
    named: Iterable[tuple[str, ...] | None], profiles: Sequence[BoundProfile], capabilities: PanelCapabilities
) -> list[BoundProfile]:
    """The sets that identifiers on a panel refer to, given what each of them names, in the order of first mention; without those
    of which nothing is left among `profiles`.
    """
    if capabilities.references != 1:
        return []
    bound = {each.profile.link_id: (each.profile, each.generation) for each in profiles if isinstance(each.profile, TimeProfile)}
    found: dict[str, BoundProfile] = {}
    for each in named:
        if each is None or not names_set(each, capabilities) or set_key(each) in found:
            continue
        there = [bound[link_id] for link_id in each if link_id in bound]
        if there:
            generation = set_generation({profile.link_id: number for profile, number in there})
            members = tuple([profile for profile, _ in there])
            found[set_key(each)] = BoundProfile(ProfileSet(set_key(each), members), generation)
    return list(found.values())


def set_generation(members: Mapping[str, int]) -> int:
    """A number that is another one where a member is gone, came, or has another generation."""
    return int.from_bytes(sha256(repr(sorted(members.items())).encode()).digest()[:_GENERATION_BYTES], "big")
