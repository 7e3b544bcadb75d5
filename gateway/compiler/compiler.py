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
from gateway.compiler.outcome import nothing_to_hold, refused
from gateway.compiler.own_slots import coming_on
from gateway.compiler.placement import place
from gateway.compiler.shared_table import compile_union, is_shared

__all__ = ["BoundProfile", "CompileOptions", "compile_panel", "is_shared"]

_NO_SCHEDULES = "the panel has no schedules; bind its outputs"


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
    if not capabilities.max_schedules:
        return image_of({bound.profile.link_id: _without_table(bound, capabilities, moment, options) for bound in profiles})
    if is_shared(capabilities):
        return compile_union(profiles, capabilities, allocation, moment, options, before)
    return image_of(place(profiles, capabilities, allocation, moment, options, before))


def _without_table(bound: BoundProfile, capabilities: PanelCapabilities, moment: Moment, options: CompileOptions) -> Placed:
    """The outcome on panels without schedules."""
    coming = coming_on(bound.profile, capabilities, moment, options)
    is_over = not coming.after(moment.second)
    draft = nothing_to_hold(past=coming.before) if is_over else refused("max_schedules", _NO_SCHEDULES)
    return Placed(bound.generation, draft.outcome)
