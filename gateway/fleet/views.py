"""What the gateway shows of itself: values behind `/gateway/v1` and the command line. Instants are Unix seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from drivers.contract import IDENTIFIER, TIME_PROFILE, Availability, ItemState, Reason, item_key
from gateway.compiler.calendar import Calendar
from gateway.fleet.results import Change, PanelResult
from gateway.schedules.time_profile import TimeProfile
from gateway.store.contract import Content, DesiredItem, kind_of


class UnknownPanel(KeyError):
    """A panel, output or group that the configuration does not name; `name` is what was asked for."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class CannotDo(Exception):
    """What an operator asks for has no meaning now; the text says why, and what to do instead."""


@dataclass(frozen=True, slots=True)
class RequestItem:
    """One item of a request: what is asked for, and the wire item as JSON text for listing.

    `uids`: the time profiles that an identifier names by uid, beside those it names by link_id. `kept`: those that it named
    before and goes on naming, whether they are there or not.
    """

    content: Content
    body: str
    uids: tuple[int, ...] = ()
    kept: frozenset[str] = frozenset()
    key: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", item_key(kind_of(self.content), self.link_id))

    @property
    def profile(self) -> TimeProfile:
        """To be asked of time profiles only."""
        assert isinstance(self.content, TimeProfile)
        return self.content

    @property
    def link_id(self) -> str:
        return self.content.link_id


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """An item of a request of which nothing is kept."""

    link_id: str
    change: Change


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a plan is asked for beside items: everything of this link_id goes."""

    link_id: str


@dataclass(frozen=True, slots=True)
class Revision:
    """A change of one item. `revise` makes the whole item of what is asked for when its turn comes; no other change comes
    between. Where there is no such item any more it is answered `Change.NOT_FOUND`."""

    key: str
    revise: Callable[[DesiredItem], RequestItem]


Judge = Callable[[DesiredItem | None], None]
"""Gets the item (None: it is not there) that is about to change; raises where it is not to, and nothing changes then. No other
change comes between."""
JudgeBinding = Callable[[tuple[str, ...] | None], None]
"""The same for what was set as the binding of a link_id."""


@dataclass(frozen=True, slots=True)
class BoundItem:
    """An item with the panels and outputs that it is for. `source`: whether the configuration's rules say so, or what was set
    through the API."""

    item: DesiredItem
    panels: tuple[str, ...]
    source: Literal["file", "override"]


@dataclass(frozen=True, slots=True)
class ItemView:
    link_id: str | None
    """None: it was made without one, see `NumberedView`."""
    desired_generation: int | None
    """None: it is to be removed."""
    held_generation: int | None
    outcome: ItemState
    valid_until: int | None = None
    reason: Reason | None = None
    message: str | None = None
    still_grants: int | None = None
    still_grants_text: str | None = None
    """When the panel is open by that, see `results.PanelResult`."""
    still_grants_until: int | None = None
    slots: tuple[int, ...] = ()
    """Numbered from the panel's first one: those it has there, or may have, and those that are reserved for it."""
    asked_at: int | None = None
    """When the present generation, or the removal, was asked for."""


@dataclass(frozen=True, slots=True)
class IdentifierView(ItemView):
    kind: str = IDENTIFIER


@dataclass(frozen=True, slots=True)
class NumberedView(ItemView):
    """An item that was made without a link_id, of either kind."""

    kind: str = TIME_PROFILE
    uid: int | None = None


def kind_of_view(item: ItemView) -> str:
    return item.kind if isinstance(item, IdentifierView | NumberedView) else TIME_PROFILE


@dataclass(frozen=True, slots=True)
class ForeignSlot:
    """A used slot that is not the gateway's. `opens`: when, in words; None: never from now on. `known`: an operator knows it
    with what it holds. `kind`: whether it is a slot of schedules or of identifiers."""

    slot: int
    opens: str | None
    known: bool
    kind: str = TIME_PROFILE

    @property
    def name(self) -> int | str:
        """The number alone for a schedule slot."""
        return self.slot if self.kind == TIME_PROFILE else item_key(self.kind, str(self.slot))


StateWord = Literal[
    "in_sync", "syncing", "away", "refused", "drifted", "foreign", "wrong_device", "identity_changed", "unknown", "failed"
]
"""`wrong_device`: another kind of device answers at its address. `identity_changed`: another unit of its kind, see `last_error`.
`failed`: a defect of the gateway ended the work for the panel; it is tried again."""


@dataclass(frozen=True, slots=True)
class EnduranceView:
    """`most_written`: writes of the cell that was written most, of `cycles` that it lasts. `per_day`: writes of its own that the
    gateway earns in a day; `left`: those it may make now."""

    cycles: int
    most_written: int
    per_day: float
    left: float


@dataclass(frozen=True, slots=True)
class StoreView:
    """`doubt`: why nothing is opened by what the store says; None: it is trusted. `not_durable`: deletions that panels carried
    out, or are to carry out, and that the store has not taken yet."""

    doubt: str | None
    not_durable: int


@dataclass(frozen=True, slots=True)
class FullLookView:
    """`aim_h`: the hours within which every word of the panel's table is to be read once; `reached_h`: those it took last, or is
    taking now (None: the first time is under way); `ended_at`: when it was done last (Unix seconds)."""

    aim_h: float
    reached_h: float | None
    ended_at: int | None


@dataclass(frozen=True, slots=True)
class SlotUse:
    """Slots of one kind: those of the gateway's items, those of somebody else, and how many the panel has."""

    own: int
    foreign: int
    of: int


@dataclass(frozen=True, slots=True)
class DriftView:
    """`changes`: what was there and what was found, one phrase a slot."""

    at: int
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PanelView:
    id: str
    line: str
    model: str
    state: StateWord
    availability: Availability
    desired: int
    held: int
    pending: int
    refused: int
    lag_s: float
    """Seconds since the oldest change that the panel does not hold yet; 0 when it holds all."""
    clock_drift_ms: int | None
    resets: int
    quarantined_until: int | None
    last_seen_at: int | None
    last_error: str | None
    away_since: int | None = None
    """From when on the panel cannot be spoken to; what it held then it is taken to hold, as of `last_seen_at`."""
    away_reason: str | None = None
    log_unread_since: int | None = None
    """From when on its log of events cannot be read though the panel can be spoken to."""
    log_error: str | None = None
    """Why."""
    revocation_lag_s: float = 0
    """Seconds since the oldest revocation that the panel does not hold yet."""
    still_granting: int = 0
    """How many link_ids the panel may still grant in an older generation, or though they were deleted."""
    drifts: int = 0
    foreign_slots: tuple[int, ...] = ()
    """Used schedule slots that carry none of our link_ids."""
    foreign_identifiers: tuple[int, ...] = ()
    """Used identifier slots whose number is none of ours."""
    foreign: tuple[ForeignSlot, ...] = ()
    """The same, with what they open."""
    foreign_commits: int = 0
    """How often somebody else committed to the panel since the gateway started."""
    foreign_commit_at: int | None = None
    """When the last of these was noticed."""
    law_until: int | None = None
    valid_until: int | None = None
    """When the first item ends that the panel holds as dates, unless it is renewed; None: there is none."""
    unrenewed_until: int | None = None
    """When the first of these ends that should have been renewed by now; None: there is none."""
    writes: Mapping[str, int] = field(default_factory=dict)
    """Writes that left for storage of limited endurance, ever: e.g. ``{"flash": 3}``."""
    endurance: EnduranceView | None = None
    """None: its storage does not wear out."""
    full_look: FullLookView | None = None
    """None: the panel has no table."""
    last_drift: DriftView | None = None
    """None: it has held what it acknowledged since the gateway started."""
    dst: str = "gateway"
    """Who follows changes of offset: `self` and `table` panels do, the others have their clock written by the `gateway`."""
    acknowledged_at: int | None = None
    """When the panel acknowledged a write last."""
    image_hash: str | None = None
    """A digest of the slots and dates that the panel is known to hold; None: not known, or not one panel alone was asked for."""
    serial: str | None = None
    """Serial number of the unit that the panel is."""
    found_serial: str | None = None
    """The serial number of the unit that answered last; None: not read since something happened to it, or it reports none."""
    identity_note: str | None = None
    """What there is to know of the unit that was taken for the panel: it replaced another one, or may not be the same."""
    warnings: tuple[str, ...] = ()
    slots: Mapping[str, SlotUse] = field(default_factory=dict)
    """How many there are of each kind of item that the panel has slots for; empty where not one panel alone was asked for."""
    items: tuple[ItemView, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanItemPanel:
    panel: str
    outcome: ItemState
    valid_until: int | None
    cuts: tuple[str, ...]
    reason: Reason | None
    message: str | None
    slots: int


@dataclass(frozen=True, slots=True)
class PlanItem:
    link_id: str
    panels: tuple[PlanItemPanel, ...]


@dataclass(frozen=True, slots=True)
class PlanChange(PlanItem):
    """An item that is deleted, that is not there, or of which nothing is kept. `kind`: of what is deleted."""

    change: Change
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class PlanPanel:
    panel: str
    line: str
    words: int
    frames: tuple[str, ...]
    """Upper-case hex, every write in order, without verifying reads."""
    bytes: int
    wire_ms: float | None
    commits: int


@dataclass(frozen=True, slots=True)
class PlanReport:
    items: tuple[PlanChange | PlanItem, ...]
    panels: tuple[PlanPanel, ...]


@dataclass(frozen=True, slots=True)
class ExplainPanel:
    panel: str
    compiled: bool | None
    """None: the panel or output has no place for it (refused, not bound to it)."""
    held: bool | None
    """None: it is not known what the panel holds."""
    differs_at: Literal["compiled", "held"] | None
    message: str | None


@dataclass(frozen=True, slots=True)
class ExplainReport:
    link_id: str | None
    at: int
    asked: bool
    panels: tuple[ExplainPanel, ...]


@dataclass(frozen=True, slots=True)
class IdentifierExplained(ExplainReport):
    """`message`: what first keeps it out, where it is closed as asked."""

    kind: str = IDENTIFIER
    message: str | None = None


@dataclass(frozen=True, slots=True)
class PanelHours:
    """`compiled` None: the panel or output has no place for the item. `held` None: it is not known what the panel holds.
    `result`: what is known of the item there."""

    result: PanelResult
    compiled: Calendar | None
    held: Calendar | None


@dataclass(frozen=True, slots=True)
class HoursReport:
    """When an item is open on `days` days from the day `first` (since 1970-01-01) on the site's wall clock: as asked, and at some
    of the `places` panels and outputs that it is for or that may still hold it."""

    item: DesiredItem
    first: int
    days: int
    zone: str
    asked: Calendar
    panels: tuple[PanelHours, ...]
    places: int


@dataclass(frozen=True, slots=True)
class Openings:
    """The next openings of a time profile, in Unix seconds; the first begins now where it is `open`. An end is None where it
    never closes again. `more`: these are not all."""

    link_id: str
    open: bool
    openings: tuple[tuple[int, int | None], ...]
    more: bool
