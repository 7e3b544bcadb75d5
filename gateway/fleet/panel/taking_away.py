"""What a panel must hold while the time is not known: what it holds, without what it must not hold. Pure.

Taking away needs no clock; what is left is never compiled for a time that is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from drivers.contract import PanelCapabilities, PanelImage, is_identifier, is_set, named_in
from gateway.compiler.image import lies_within
from gateway.fleet.panel.planner import erase, merge, with_sharers
from gateway.fleet.panel.slots import naming


def taken_away(
    known: PanelImage,
    leaving: Collection[str],
    compiled: Callable[[frozenset[str]], PanelImage],
    capabilities: PanelCapabilities,
) -> PanelImage:
    """`known` without the link_ids `leaving`.

    Who shares a slot with them stays as far as `compiled`, the image of these link_ids as of the time of the last compilation,
    lies inside `known`; otherwise the slot is cleared as a whole. Identifiers that name a schedule that goes, go with it where
    they would be open without it.
    """
    gone = {link_id for link_id in leaving if known.allocation.get(link_id)}
    gone |= {key for key in known.allocation if is_set(key) and not gone.isdisjoint(named_in(key))}
    if capabilities.missing_reference != "closed":
        gone |= naming(known, [number for key in gone if not is_identifier(key) for number in known.allocation[key]])
    chosen = with_sharers(known, gone)
    bare = erase(known, chosen)
    rest = frozenset(chosen - gone)
    if not rest:
        return bare
    anew = compiled(rest)
    staying = {link_id for link_id in rest if anew.generations.get(link_id) == known.generations.get(link_id)}
    if staying != rest or anew.special_days != known.special_days or not lies_within(anew, known, capabilities):
        return bare
    return merge(bare, anew, rest)
