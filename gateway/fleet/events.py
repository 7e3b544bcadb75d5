"""What the fleet tells while it works: one frozen value an event, handed to one callable.

The fleet calls its listener in the event loop; a listener returns at once and never raises.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from drivers.contract import TIME_PROFILE, ItemOutcome, Outcome, Reason
from drivers.trace import Client


@dataclass(frozen=True, slots=True)
class Asked:
    """A new generation (or a deletion) of an item is durable."""

    link_id: str
    generation: int
    deleted: bool
    kind: str = TIME_PROFILE
    uid: int = 0


@dataclass(frozen=True, slots=True)
class Bound:
    """A binding was set through the API; `panels` None: back to the configuration's rules."""

    link_id: str
    panels: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Pushed:
    """A panel acknowledged a transaction; `seconds` since it began."""

    panel: str
    link_ids: Collection[str]
    words: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Revoked:
    """A panel dropped or narrowed these; `lag_s` since the oldest of it was asked for."""

    panel: str
    link_ids: Collection[str]
    lag_s: float


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt failed; it is made again."""

    panel: str
    reason: Reason
    message: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """These link_ids have no place on the panel, which was not known of them."""

    panel: str
    outcomes: Mapping[str, ItemOutcome]


@dataclass(frozen=True, slots=True)
class Drifted:
    """The panel no longer held what it had acknowledged; `changes`: one phrase a slot."""

    panel: str
    changes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Repaired:
    """The panel holds again all that it must hold, after it had drifted."""

    panel: str


@dataclass(frozen=True, slots=True)
class Away:
    """The panel cannot be spoken to."""

    panel: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Back:
    """The panel can be spoken to again."""

    panel: str


@dataclass(frozen=True, slots=True)
class Restarted:
    """The panel was seen to have restarted."""

    panel: str


@dataclass(frozen=True, slots=True)
class Replaced:
    """An empty unit with another serial number stands at the panel's place: it is filled. None: it reports no number."""

    panel: str
    before: str | None
    now: str | None


@dataclass(frozen=True, slots=True)
class Strange:
    """The unit at the panel's place is not taken for the panel."""

    panel: str
    why: str


@dataclass(frozen=True, slots=True)
class Doubted:
    """A unit without a serial number may be another one than before; the work goes on."""

    panel: str
    why: str


@dataclass(frozen=True, slots=True)
class Left:
    """A panel left the configuration and may still hold these."""

    panel: str
    keys: Collection[str]


@dataclass(frozen=True, slots=True)
class ForeignFound:
    """Slots that are not the gateway's, and that nobody knows, are open to somebody: when, by the slot's name."""

    panel: str
    slots: Mapping[int | str, str]


@dataclass(frozen=True, slots=True)
class ForeignCommitted:
    """Somebody else committed `count` times to the panel since it was looked at before."""

    panel: str
    count: int


@dataclass(frozen=True, slots=True)
class ClockMeasured:
    """`drift_ms` None: the clock is not set."""

    panel: str
    drift_ms: int | None


@dataclass(frozen=True, slots=True)
class ClockSet:
    """`reason` None: the panel took the time; else why not. `before`: what its clock said; `now`: what it was set to."""

    panel: str
    reason: Reason | None
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class ClockJudged:
    """The host's clock came to be trusted, on the ground of `source`, or is not trusted any more (`reason`)."""

    trusted: bool
    source: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class StoreTrusted:
    """An operator says that what the store holds counts, whatever its mark says (`doubt`)."""

    doubt: str


@dataclass(frozen=True, slots=True)
class ClockVouched:
    """An operator said that the host's clock is right when it showed `at` (Unix seconds)."""

    at: float


@dataclass(frozen=True, slots=True)
class Commanded:
    """An operator asked for a verb, such as `sync`."""

    panel: str
    action: str


@dataclass(frozen=True, slots=True)
class OutputSwitched:
    """A held output was switched, or could not be (`reason`)."""

    panel: str
    output: int
    on: bool
    reason: Reason | None


DoorAction = Literal["open", "hold", "release", "emergency_open", "emergency_close", "closed"]
"""`closed`: the time of a hold is over, which nobody commanded just then."""


@dataclass(frozen=True, slots=True)
class DoorCommanded:
    """A door was commanded, and this became of it: only `acknowledged` says that the panel did it.

    `number`: the door's lock number. `seconds`: for how long it was to be open; None where it was to be closed. `reason`: set
    unless acknowledged. `asked_by` None: the gateway itself. `remote`: asked in the name of a remote access server.
    """

    door: str
    name: str
    number: int | None
    panel: str
    output: int
    action: DoorAction
    outcome: Outcome
    reason: Reason | None
    seconds: float | None
    asked_by: Client | None
    remote: bool = False


@dataclass(frozen=True, slots=True)
class DoorDenied:
    """A remote access server told that it lets nobody in at the doors of a lock number, 0: at any. Nothing moved."""

    number: int
    asked_by: Client | None


Event = (
    Asked
    | Bound
    | Pushed
    | Revoked
    | Failed
    | Refused
    | Drifted
    | Repaired
    | Away
    | Back
    | Restarted
    | Replaced
    | Strange
    | Doubted
    | ForeignFound
    | ForeignCommitted
    | Left
    | ClockMeasured
    | ClockSet
    | ClockJudged
    | ClockVouched
    | StoreTrusted
    | Commanded
    | OutputSwitched
    | DoorCommanded
    | DoorDenied
)

Listener = Callable[[Event], None]
