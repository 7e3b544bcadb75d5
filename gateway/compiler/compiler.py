"""Compiles the profiles bound to one panel into the panel's whole image. Pure: no I/O, no clock of its own.

The one law: at every reading of the panel's own clock the image is open only where a profile is. What a panel cannot hold is
refused with the limit that does not suffice, never widened.
"""

from __future__ import annotations

from collections.abc import Sequence

from drivers.contract import Allocation, PanelCapabilities, PanelImage
from gateway.compiler.assembly import Placed, image_of
from gateway.compiler.moment import Moment, moment_of
from gateway.compiler.options import BoundProfile, CompileOptions
from gateway.compiler.outcome import Draft, nothing_to_hold, refused
from gateway.compiler.own_slots import coming_on
from gateway.compiler.placement import place
from gateway.compiler.shared_table import compile_union, is_shared

__all__ = ["BoundProfile", "CompileOptions", "compile_panel", "is_shared"]


def compile_panel(
    profiles: Sequence[BoundProfile],
    capabilities: PanelCapabilities,
    allocation: Allocation,
    now: float,
    options: CompileOptions,
    held: PanelImage | None = None,
) -> PanelImage:
    """The image that one panel must hold for the profiles bound to it, which are given in order of first creation.

    `allocation`: the slots that link_ids have now; numbers count from `capabilities.first_id`. `held`: what the panel
    acknowledged last, compiled under the same options and capabilities; a profile whose generation it carries, and that is not
    due for renewal, keeps slots and outcome to the word. Every link_id has an entry in `allocation` and `outcomes` of the
    image, and one in `generations` when the image holds it.
    """
    moment = moment_of(now, options.readings.zone)
    before = held or PanelImage()
    unplaced = {bound.profile.link_id: _without_table(bound, capabilities, moment, options) for bound in profiles}
    rest = [bound for bound in profiles if unplaced[bound.profile.link_id] is None]
    if is_shared(capabilities):
        table = compile_union(rest, capabilities, allocation, moment, options, before)
    else:
        table = image_of(place(rest, capabilities, allocation, moment, options, before))
    said = {
        bound.profile.link_id: Placed(bound.generation, draft)
        for bound in profiles
        if (draft := unplaced[bound.profile.link_id]) is not None
    }
    return image_of(said, table) if said else table


def _without_table(bound: BoundProfile, capabilities: PanelCapabilities, moment: Moment, options: CompileOptions) -> Draft | None:
    """The outcome on panels without schedules; None: it depends on the panel's tables."""
    if capabilities.max_schedules > 0:
        return None
    coming = coming_on(bound.profile, capabilities, moment, options)
    if not coming.after(moment.second):
        return nothing_to_hold(past=coming.before)
    return refused("max_schedules", "the panel has no schedules; bind its outputs")
