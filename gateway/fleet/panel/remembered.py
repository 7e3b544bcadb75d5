"""What is remembered of panels: from an earlier run, by the store, or of panels that were taken out. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from config.settings import PanelSettings
from gateway.fleet.desired import split_target
from gateway.fleet.panel.slots import Allocation
from gateway.fleet.panel.state import PanelState
from gateway.store.contract import ObservedPanel, Snapshot, images


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one panel. `former`: link_ids that it may hold by what was remembered of it as something else.

    `nameless`: 0.1.0 stored it, which did not say of which model.
    """

    observed: ObservedPanel
    allocation: Allocation
    former: frozenset[str] = frozenset()
    nameless: bool = False


def memory_of(snapshot: Snapshot, panel: PanelSettings) -> Memory:
    """What counts of what is remembered of a panel.

    Under another model it counts for nothing but what may be left on the unit: slot numbers of one model mean nothing to
    another. Under other options of the same model its slots are still its own; what they hold has to be read.
    """
    observed, allocation = snapshot.observed.get(panel.id, ObservedPanel()), snapshot.allocations.get(panel.id, {})
    options = json.dumps(panel.options, sort_keys=True, separators=(",", ":")) if panel.options else ""
    if not observed.model or (observed.model, observed.options) == (panel.model, options):
        nameless = panel.id in snapshot.observed and not observed.model
        return Memory(replace(observed, model=panel.model, options=options), allocation, nameless=nameless)
    former = frozenset(allocation).union(*(image.allocation for image in images(observed)))
    return Memory(ObservedPanel(model=panel.model, options=options), allocation if observed.model == panel.model else {}, former)


def marked_outputs(snapshot: Snapshot, panel: str) -> list[int]:
    """Outputs of a panel that the store says were held."""
    found = (split_target(target) for target, held in snapshot.allocations.items() if held)
    return [output for owner, output in found if owner == panel and output is not None]


def all_remembered(snapshot: Snapshot) -> Iterator[tuple[str, Collection[str]]]:
    """Panels, of this site or not, and what they may hold."""
    for panel, allocation in snapshot.allocations.items():
        if split_target(panel)[1] is None:
            yield panel, allocation
    for panel, observed in snapshot.observed.items():
        for image in images(observed):
            yield panel, image.allocation


def doubted(snapshot: Snapshot) -> Snapshot:
    """Every panel is to be read back: what is remembered may be older than what it holds."""
    return replace(snapshot, observed={panel: replace(observed, dirty=True) for panel, observed in snapshot.observed.items()})


def remembering(snapshot: Snapshot, state: PanelState, marked: Collection[int]) -> Snapshot:
    """With what is known of a panel that is taken out; of one that was not read yet as what it is now, what was known before."""
    allocations = {target: held for target, held in snapshot.allocations.items() if not target.startswith(f"{state.id}:")}
    allocations.update((f"{state.id}:{number}", {"": ()}) for number in marked)
    observed: Mapping[str, ObservedPanel] = snapshot.observed
    if not state.former:
        allocations[state.id], observed = state.allocation, {**observed, state.id: state.observed}
    return replace(snapshot, desired={}, allocations=allocations, bindings={}, observed=observed)
