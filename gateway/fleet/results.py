"""Per-panel results of one item, and their aggregation. Pure; `api.dialects` puts them into a dialect's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from drivers.contract import ItemState, Reason


class Change(Enum):
    """What became of the entity in the gateway."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    NOT_FOUND = "entity_not_found"
    NUMBER_TAKEN = "number_taken_by_another_identifier"
    PROFILE_MISSING = "bound_time_profile_doesnt_exist"
    FACES_NOT_SUPPORTED = "face_id_not_supported"
    NO_ROOM = "number_of_identifiers_exceeded"
    """It is kept, and no panel that failed has a free slot for it."""


@dataclass(frozen=True, slots=True)
class PanelResult:
    """What one bound panel (`gate`) or output of a panel (`gate:3`) says of one item.

    `success`: the panel acknowledged the present generation (or its removal). `reason` only where `success` is false.
    `still_grants`: the older generation that the panel still carries (0: one that is not known), None where it carries
    none; `still_grants_text`: when it is open by that, `still_grants_until`: until when at most (None: without end).
    `limit`: the capability of the panel that does not suffice, where it is refused. `valid_until`, `law_until`,
    `still_grants_until`: Unix seconds.
    """

    panel: str
    success: bool
    outcome: ItemState
    reason: Reason | None = None
    message: str | None = None
    valid_until: int | None = None
    law_until: int | None = None
    cuts: tuple[str, ...] = ()
    limit: str | None = None
    still_grants: int | None = None
    still_grants_text: str | None = None
    still_grants_until: int | None = None


@dataclass(frozen=True, slots=True)
class LinkReport:
    """The answer for one item of a request, in request order.

    `uid`: 0 where nothing is kept. `durable` False: a restart forgets it.
    """

    link_id: str
    change: Change
    success: bool
    panels: tuple[PanelResult, ...] = ()
    uid: int = 0
    durable: bool = True


Aggregate = Literal["all", "any", "accepted"]


def aggregate(results: Sequence[PanelResult], rule: Aggregate) -> bool:
    """`all`: every panel acknowledged; `any`: at least one did; `accepted`: the gateway keeps it. No panel bound: True."""
    if rule == "accepted" or not results:
        return True
    holds = [result.success for result in results]
    return all(holds) if rule == "all" else any(holds)
