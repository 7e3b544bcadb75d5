"""What is remembered of panels: from an earlier run, by the store, or of panels that were taken out. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from config.settings import PanelSettings
from drivers.contract import Allocation, is_set
from gateway.fleet.panel.departed import Departed
from gateway.fleet.panel.leaving import FACT as LEAVING
from gateway.fleet.panel.leaving import keys_of
from gateway.fleet.panel.marks import FACT as LEASE
from gateway.fleet.panel.slots import labels
from gateway.fleet.panel.state import PanelState, disbelieved
from gateway.fleet.target import Target, read_target
from gateway.store.contract import ObservedPanel, Snapshot, images

Marked = Mapping[int, Collection[str]]
"""Outputs that may be on, with the items that they are on for."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of one panel. `marked`: outputs that an earlier run held, and for whom.

    `former`: items that it may hold by what was remembered of it as something else. `nameless`: 0.1.0 stored it, which did not
    say of which model. `facts`: what the store keeps of it besides.
    """

    observed: ObservedPanel
    allocation: Allocation
    marked: Mapping[int, frozenset[str]] = field(default_factory=dict)
    former: frozenset[str] = frozenset()
    nameless: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)


def options_text(panel: PanelSettings) -> str:
    """The options of a panel's model as they are remembered."""
    return json.dumps(panel.options, sort_keys=True, separators=(",", ":")) if panel.options else ""


def memory_of(snapshot: Snapshot, panel: PanelSettings) -> Memory:
    """What counts of what is remembered of a panel.

    Under another model it counts for nothing but what may be left on the unit: slot numbers of one model mean nothing to
    another. Under other options of the same model its slots are still its own; what they hold has to be read.
    """
    observed, allocation = snapshot.observed.get(panel.id, ObservedPanel()), snapshot.allocations.get(panel.id, {})
    marked, facts = _marked(snapshot.allocations, panel.id), snapshot.panel_facts.get(panel.id, {})
    options = options_text(panel)
    if not observed.model or (observed.model, observed.options) == (panel.model, options):
        nameless = panel.id in snapshot.observed and not observed.model
        return Memory(replace(observed, model=panel.model, options=options), allocation, marked, nameless=nameless, facts=facts)
    former = frozenset(allocation).union(*(image.allocation for image in images(observed.known)))
    same = observed.model == panel.model
    kept, known = (allocation, facts) if same else ({}, {key: facts[key] for key in (LEAVING,) if key in facts})
    return Memory(ObservedPanel(model=panel.model, options=options), kept, marked, former, facts=known)


def _marked(allocations: Mapping[str, Allocation], panel: str) -> dict[int, frozenset[str]]:
    # Each panel of the site asks, of the allocations of them all.
    its = f"{panel}:"
    found = [(read_target(name), held) for name, held in allocations.items() if name.startswith(its) and held]
    return {target.output: frozenset(held) for target, held in found if target is not None and target.output is not None}


def all_remembered(snapshot: Snapshot) -> Mapping[str, Departed]:
    """Panels, of this site or not, with what they may hold in their tables and on their outputs."""
    named = {target.panel for name in snapshot.allocations if (target := read_target(name)) is not None}
    named |= {panel for panel, facts in snapshot.panel_facts.items() if LEAVING in facts}
    return {panel: _remembered(snapshot, panel) for panel in (*named, *snapshot.observed.keys() - named)}


def _remembered(snapshot: Snapshot, panel: str) -> Departed:
    observed, facts = snapshot.observed.get(panel, ObservedPanel()), snapshot.panel_facts.get(panel, {})
    found, marked = images(observed.known), _marked(snapshot.allocations, panel)
    leaving = keys_of(panel, facts.get(LEAVING))
    remembered = leaving.union(snapshot.allocations.get(panel, ()), *(image.allocation for image in found), *map(labels, found))
    keys = frozenset(key for key in remembered if not is_set(key))
    lease_s = int(facts[LEASE]) if LEASE in facts else None
    kind = (observed.model, observed.options)
    return Departed(panel, keys, kind, facts.get("where"), facts.get("serial"), found, marked, lease_s)


def doubted(snapshot: Snapshot) -> Snapshot:
    """Every panel is to be read back: what is remembered may be older than what it holds."""
    return replace(snapshot, observed={panel: disbelieved(observed) for panel, observed in snapshot.observed.items()})


def remembering(snapshot: Snapshot, state: PanelState, marked: Marked, facts: Mapping[str, str]) -> Snapshot:
    """The snapshot with what is known of a panel that is taken out; of one that was not read yet, what was known before."""
    allocations = {name: held for name, held in snapshot.allocations.items() if not is_output_of(name, state.id)}
    allocations.update(allocations_of(state.id, marked))
    observed: Mapping[str, ObservedPanel] = snapshot.observed
    all_facts = {**snapshot.panel_facts, state.id: facts}
    if not state.former:
        allocations[state.id], observed = state.allocation, {**observed, state.id: state.observed}
    return replace(snapshot, desired={}, allocations=allocations, bindings={}, observed=observed, panel_facts=all_facts)


def allocations_of(panel: str, marked: Marked) -> dict[str, Allocation]:
    """Marked outputs as the store keeps them."""
    return {str(Target(panel, number)): dict.fromkeys(keys, ()) for number, keys in marked.items()}


def forgotten(snapshot: Snapshot, panel: str) -> Snapshot:
    """The snapshot without what is known of a panel."""
    allocations = {name: held for name, held in snapshot.allocations.items() if name != panel and not is_output_of(name, panel)}
    observed = {name: each for name, each in snapshot.observed.items() if name != panel}
    facts = {name: each for name, each in snapshot.panel_facts.items() if name != panel}
    return replace(snapshot, allocations=allocations, observed=observed, panel_facts=facts)


def moved(snapshot: Snapshot, panel: str, to: str) -> Snapshot:
    """The snapshot in which what is known of a panel is known of another id."""
    known = snapshot
    snapshot = forgotten(snapshot, panel)
    return replace(
        snapshot,
        allocations={
            **snapshot.allocations,
            to: known.allocations.get(panel, {}),
            **allocations_of(to, _marked(known.allocations, panel)),
        },
        observed={**snapshot.observed, to: known.observed.get(panel, ObservedPanel())},
        panel_facts={**snapshot.panel_facts, to: known.panel_facts.get(panel, {})},
    )


def is_output_of(name: str, panel: str) -> bool:
    """Whether an allocation of the store is the mark of an output of a panel."""
    target = read_target(name)
    return target is not None and target.panel == panel and target.output is not None
