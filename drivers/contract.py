"""Values that travel between the fleet and the panel drivers, and the one contract every driver keeps.

Standard library only. All values are frozen. Units stand in the names or here: a *day* is a number of days since
1970-01-01 on the panel's own wall clock; a *minute* is a minute since midnight of such a day (0..1440); an *instant* is
Unix seconds, UTC. Slot numbers are the panel's own, as its map counts them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from typing import Any, Literal, Protocol
from uuid import NAMESPACE_OID, uuid5


def nothing() -> None:
    """Is called where nobody asked to be told."""


class Outcome(Enum):
    """What is known about one exchange or one applied plan. The four are never blurred."""

    ACKNOWLEDGED = "acknowledged"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    """Nothing left the gateway: safe to repeat."""
    UNCONFIRMED = "unconfirmed"
    """Bytes left and no trustworthy answer came: read back before anything is claimed."""


class Priority(IntEnum):
    """Order on a line; lower goes first."""

    OPERATOR = 0
    REVOCATION = 1
    GRANT = 2
    VERIFICATION = 3
    BACKGROUND = 4


class Availability(Enum):
    """Whether a panel can be spoken to."""

    ONLINE = "online"
    QUARANTINED = "quarantined"
    BUS_UNAVAILABLE = "bus_unavailable"
    UNKNOWN = "unknown"


class Reason(Enum):
    """Why a panel does not hold what is desired: the stable tokens of `panels[].reason`."""

    NO_REPLY = "no_reply"
    CORRUPT_REPLY = "corrupt_reply"
    UNEXPECTED_REPLY = "unexpected_reply"
    BUS_UNAVAILABLE = "bus_unavailable"
    QUARANTINED = "quarantined"
    PANEL_REJECTED = "panel_rejected"
    VERIFY_FAILED = "verify_failed"
    WRONG_DEVICE = "wrong_device"
    IDENTITY_CHANGED = "identity_changed"
    NO_FREE_SLOT = "no_free_slot"
    NOT_REPRESENTABLE = "not_representable"
    PROFILE_NOT_HELD = "profile_not_held"
    """An identifier's reason: a time profile that it names is not bound to the panel, or refused by it."""
    CLOCK_NOT_SET = "clock_not_set"
    NOT_STARTED = "not_started"
    BELOW_RESOLUTION = "below_resolution"
    QUEUE_FULL = "queue_full"
    DEADLINE_PASSED = "deadline_passed"
    NOT_DURABLE = "not_durable"
    """A deletion that the panel carried out and the store did not take yet: a restart would forget it."""
    ENDURANCE_SPENT = "endurance_spent"
    """What the panel's storage may be written in a day is used up: this waits until it has been earned again."""
    FAILED = "failed"
    """A defect of the gateway in the work for this panel; the work is tried again."""
    DEPARTED = "departed"
    """The panel has left the configuration, or was erased to leave it."""


class ItemState(Enum):
    """What became of one link_id on one panel."""

    EXACT = "exact"
    NARROWED = "narrowed"
    MATERIALISED = "materialised"
    GATEWAY_HELD = "gateway_held"
    PENDING = "pending"
    REFUSED = "refused"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a profile cannot be held by a panel.

    `limit` names the capability that does not suffice (a field of PanelCapabilities); `day` and `interval` (start and
    end minute) name the first piece that does not fit, where one can be named.
    """

    reason: Reason
    limit: str
    message: str
    day: int | None = None
    interval: tuple[int, int] | None = None


NumberSpace = Literal["card", "code", "plate", "qr"]
"""Numbers of one space are compared with each other. Key fobs are cards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelCapabilities:
    """What a panel model can hold: one record a model, loaded from data. `None` means no limit of that kind."""

    max_schedules: int
    """Schedule slots; 0 for a panel with outputs only."""
    first_id: int = 0
    """The number of the first slot, as the panel's map counts them."""
    max_time_periods_per_day: int | None = None
    """Periods of one day of a schedule; of an event list, its entries (a period takes two)."""
    max_periods_per_schedule: int | None = None
    """Periods of a whole schedule, each counted once whatever its days."""
    max_distinct_day_plans: int | None = None
    """Different day plans one schedule can hold, special-day plans included."""
    day_model: Literal["per_day", "mask_per_period", "mask_per_schedule"] = "mask_per_period"
    """Each weekday has a list of its own, each period names its weekdays, or one set of weekdays is for the whole schedule."""
    max_special_day_groups: int = 0
    """Groups of special days that can each have a plan of their own; 0 when the panel knows no dates."""
    max_days_in_special_day_group: int = 0
    """Dates that one group can list."""
    special_day_bitmap_days: int = 0
    """Where a group may also be a bitmap: days it covers, counted from `valid_from`; 0 for none."""
    special_days_scope: Literal["schedule", "panel"] = "schedule"
    """Each schedule has groups of its own, or all schedules of the panel share them."""
    special_days_effect: Literal["replace", "add"] = "replace"
    """Whether a date's plan takes the place of its weekday's, or counts beside it."""
    special_days_span_years: int | None = None
    """How far apart two dates may lie; the panel takes a date that is further away for another year's."""
    date_range: Literal["none", "optional", "required"] = "none"
    """Whether a schedule has a first and a last date."""
    first_date: int | None = None
    """The earliest day that a date can express."""
    last_date: int | None = None
    """The latest day that a date can express."""
    link_chain: bool = False
    """A slot can name another one whose periods count for it, too."""
    max_slots_per_profile: int = 1
    resolution_s: int = 60
    """The step of starts and ends."""
    end_minute: Literal["exclusive", "inclusive", "unknown"] = "exclusive"
    """Whether a period that ends at 18:00 is closed at 18:00, or from 18:01 on."""
    last_minute: Literal["23:59", "24:00"] = "24:00"
    """The last end a period can express; an inclusive 23:59 covers the whole day."""
    semantics: Literal["period", "event_list"] = "period"
    """Periods with a start and an end, or a list of timed values of which each holds until the next one."""
    midnight_entry: bool = False
    """An event list must hold an entry at 00:00; it counts against `max_time_periods_per_day` (there: events a day)."""
    carry_over: bool = False
    """An event list's value holds on over midnight until the next entry."""
    atomic: bool = False
    """A change of several slots comes into force as one."""
    commit_step: bool = False
    """Words are staged, and a commit brings them into force."""
    clock: Literal["rw", "w", "none"] = "rw"
    dst: Literal["self", "table", "gateway"] = "gateway"
    """Who follows changes of the offset: the panel by rules of its own, the panel by a table that the gateway writes, or the
    gateway, which sets the clock anew at each change."""
    clock_at_power_on: Literal["keeps", "unset", "unknown"] = "unknown"
    events_on_clock_step: Literal["evaluates", "edge_only", "unknown"] = "unknown"
    """Whether an event list acts on its value after the clock was set, or only at the moment of an entry."""
    missing_reference: Literal["closed", "open", "unknown"] = "unknown"
    """What an identifier opens whose schedule slot is empty."""
    storage: Literal["ram", "eeprom", "flash"] = "ram"
    """Where schedules are kept."""
    endurance: int | None = None
    """Writes that one cell of that storage lasts; None: not known."""
    scope: Literal["panel", "output", "card"] = "card"
    """What a schedule decides on: the whole panel (its one table is shared, every profile is united in it), an output, or the
    identifiers that name it."""
    stores_link_ids: bool = False
    """A slot carries the link_id that it belongs to, so that the panel itself says whose it is."""
    outputs: int = 0
    """Outputs that can be switched, counted from 0."""
    output_deadman: bool = False
    """Outputs switch off by themselves unless they are prolonged."""
    max_identifiers: int = 0
    """Identifier slots; 0 for a panel without readers."""
    identifier_types: tuple[NumberSpace, ...] = ()
    references: int = 0
    """Schedules that one identifier can name."""
    identifier_validity: Literal["none", "day", "minute", "second"] = "none"
    """How finely a panel can express when an identifier begins and ends to count. One that expresses days goes by its own
    calendar: there an identifier's minutes are those of the panel's wall clock."""
    max_passes: int = 0
    """The most entries that a panel can count down; 0 where it counts none."""
    code_digits: int = 0
    """The most digits of a code."""
    card_bits: int = 64
    """The most bits of a card's number."""
    reserved_cards: tuple[int, ...] = ()
    """Numbers that no card can have."""
    event_log: int = 0
    """Events that the panel keeps until they are read; 0: it keeps none."""
    log_names: Literal["slot", "number"] = "slot"
    """What an event says of an identifier: its slot, or the number that was shown."""

    def reported(self, capacity: Mapping[str, int]) -> PanelCapabilities:
        """The record with what a unit reports of itself in place of what its model says; unknown names are left out."""
        known: dict[str, Any] = {name: value for name, value in capacity.items() if name in self.__dataclass_fields__}
        return replace(self, **known)


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """Open on the days of `days` from minute `start` (inclusive) to minute `end` (exclusive), 0 <= start < end <= 1440.

    `days`: bit 0 Monday ... bit 6 Sunday, bit 7+g the days of special-day group g.
    """

    days: int
    start: int
    end: int


Allocation = Mapping[str, tuple[int, ...]]
"""The slots of each link_id, in the order in which they are chained."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One schedule slot of a panel.

    `special_days`: one sorted tuple of days for each special-day group of the slot itself (scope `schedule`).
    On a special day with effect `replace` only the periods with that group's bit count, with `add` those and the
    weekday's. `valid_from` and `valid_to` are inclusive days, None where open. `link` is the next slot of a chain (its
    union counts for every reference to this one). `opaque` holds the panel's raw words where they are not an image that
    the gateway could have written; such a slot is taken, its meaning unknown. `damaged`: the slot's own check word contradicts
    them, so nobody wrote them so; the other fields are what the panel may make of them.
    """

    link_ids: tuple[str, ...]
    periods: tuple[Period, ...] = ()
    valid_from: int | None = None
    valid_to: int | None = None
    special_days: tuple[tuple[int, ...], ...] = ()
    link: int | None = None
    opaque: tuple[int, ...] | None = None
    damaged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifierSlot:
    """One identifier slot of a panel.

    `number`: 64 bits, the integer of a card, the digits of a code as an integer (`digits` counts them), of a plate and a QR code
    the first 8 bytes of the SHA-256 of its normal form in UTF-8. `schedules`: the schedule slots it refers to, in order: it is
    open while one of them is, never where there are none; None: always. `outputs`: the doors it opens. `valid_from` and
    `valid_to` are inclusive Unix minutes, None where open; where `identifier_validity` is `day`, they are minutes of the panel's
    own wall clock. `passes`: entries allowed, None: unlimited. `pinned`: the panel asks for a PIN that somebody else gave it.
    `opaque` and `damaged` as a Slot's.
    """

    space: NumberSpace
    number: int
    digits: int = 0
    schedules: tuple[int, ...] | None = ()
    outputs: tuple[int, ...] = ()
    valid_from: int | None = None
    valid_to: int | None = None
    passes: int | None = None
    opaque: tuple[int, ...] | None = None
    damaged: bool = False
    pinned: bool = False

    @property
    def known_by(self) -> tuple[NumberSpace, int, int]:
        """What a panel compares when somebody shows a number."""
        return self.space, self.number, self.digits


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """What one panel's image does for one link_id.

    `valid_until`, `renew_at` and `law_until` are instants. `cuts` says what was narrowed, one phrase each. For
    `pending` and `refused`, `reason` is set; for `refused` the `refusal` says which limit.
    """

    outcome: ItemState
    reason: Reason | None = None
    message: str | None = None
    valid_until: int | None = None
    renew_at: int | None = None
    cuts: tuple[str, ...] = ()
    refusal: Refusal | None = None


IDENTIFIER = "identifier"
TIME_PROFILE = "timeprofile"
PROFILE_SET = "set"
DOOR = "door"
"""What a command opened, by the id of the door: no item, but an output may be on for it."""

_IDENTIFIER_KEYS = f"{IDENTIFIER}:"
_SET_KEYS = f"{PROFILE_SET}:"


def item_key(kind: str, link_id: str) -> str:
    """What an item is called inside. Items of different kinds may share a link_id; a time profile's key is its link_id."""
    return link_id if kind == TIME_PROFILE else f"{kind}:{link_id}"


def split_key(key: str) -> tuple[str, str]:
    """Kind and link_id of an item."""
    kind, separator, link_id = key.rpartition(":")
    return (kind, link_id) if separator else (TIME_PROFILE, key)


def is_identifier(key: str) -> bool:
    return key.startswith(_IDENTIFIER_KEYS)


def set_key(link_ids: Iterable[str]) -> str:
    """What the union of time profiles is called that has slots of its own. Nobody asks for it: identifiers refer to it."""
    return item_key(PROFILE_SET, ",".join(link_ids))


def is_set(key: str) -> bool:
    return key.startswith(_SET_KEYS)


def stored_as(key: str) -> str:
    """The link_id that panels store for the schedules of an item; of a set one that is made of its key."""
    return str(uuid5(NAMESPACE_OID, key)) if is_set(key) else key


def named_in(key: str) -> tuple[str, ...]:
    """The link_ids of a set, those of deleted profiles too."""
    return tuple(split_key(key)[1].split(","))


@dataclass(frozen=True, slots=True)
class PanelImage:
    """All that one panel must hold (compiled), or was seen to hold (read back).

    `slots` and `identifiers`: only used ones. `special_days`: the panel's own groups (scope `panel`). `allocation`,
    `generations` and `outcomes` have one entry an item, by its key (see `item_key`); `allocation` names schedule slots for a
    profile, identifier slots for an identifier. An image read back has only what the panel itself can tell (`allocation`
    where it stores link_ids). Values are never changed in place.
    """

    slots: Mapping[int, Slot] = field(default_factory=dict)
    special_days: tuple[tuple[int, ...], ...] = ()
    allocation: Allocation = field(default_factory=dict)
    generations: Mapping[str, int] = field(default_factory=dict)
    outcomes: Mapping[str, ItemOutcome] = field(default_factory=dict)
    identifiers: Mapping[int, IdentifierSlot] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WritePlan:
    """What it takes to bring a panel from one image to another. A value: making it sends nothing.

    `frames`: every write in order as it would go over the wire, without verifying reads; `bytes_on_wire` and `wire_ms`
    count these and their replies (`wire_ms` None where there is no wire to time). `operations` belongs to the driver
    that made the plan. `words` counts data words written; `wear` the writes to cells of limited endurance, named as in
    `PanelDriver.write_counts`.
    """

    target: PanelImage
    operations: tuple[object, ...] = ()
    words: int = 0
    frames: tuple[bytes, ...] = ()
    bytes_on_wire: int = 0
    wire_ms: float | None = None
    commits: int = 0
    wear: Mapping[str, int] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not self.operations


@dataclass(frozen=True, slots=True, order=True)
class Stretch:
    """A run of a panel's words that one frame reads, in the order in which a look at every word takes them.

    `free`: it shows of free slots that they are free; else it is all that some used slots hold. `address` is the documented one.
    """

    free: bool
    address: int
    words: int


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The result of an applied plan or a command.

    `image` is what the panel holds now when that is known for certain, None when it has to be read back (always None
    for `unconfirmed`). `reason` is set whenever the outcome is not `acknowledged`.
    """

    outcome: Outcome
    image: PanelImage | None = None
    reason: Reason | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class PanelStatus:
    """What a panel reports about itself.

    `clock`: the wall clock it acts on, as (day, second of that day), None when unset or not readable; `clock_read_at`: the
    gateway's instant in the middle of that reading. `uptime_s`, `reset_count`: None where the panel has none.
    `capacity`: fields of PanelCapabilities that this very unit reports, e.g. ``{"max_schedules": 64}``.
    `clock_due`: the panel's clock tables have to be written again though they are right now (a change of offset passed,
    half of its trusted time gone). `clock_due_at`: the instant from which this will be so without any change of offset.
    `clock_table`: the offset and the coming changes of it that the panel itself goes by, None where it keeps no such table.
    `commit_count`: how often its table was committed, by anybody (modulo 65536), None where it does not count. `own_commits`: how
    many of them this driver has sent at most since it was made.
    """

    clock: tuple[int, int] | None = None
    clock_read_at: float | None = None
    uptime_s: int | None = None
    reset_count: int | None = None
    capacity: Mapping[str, int] = field(default_factory=dict)
    clock_due: bool = False
    clock_due_at: float | None = None
    clock_table: ClockSetting | None = None
    commit_count: int | None = None
    own_commits: int = 0


@dataclass(frozen=True, slots=True)
class PanelIdentity:
    """Which device answers, and how often its table was committed, by anybody. None where the panel does not tell.

    `serial`: hexadecimal or the maker's own text, never the number of an unmarked device (all zeros, all ones).
    """

    serial: str | None = None
    commit_count: int | None = None


@dataclass(frozen=True, slots=True)
class ClockSetting:
    """The time to set: the instant, the offset from UTC in force, and the next two changes of it (instant, offset after).

    Offsets in minutes. A zone without further changes has fewer than two `changes`.
    """

    instant: int
    offset_minutes: int
    changes: tuple[tuple[int, int], ...] = ()


class LoggedKind(Enum):
    """What a panel's log tells of."""

    GRANTED = "granted"
    DENIED = "denied"
    OUTPUT_ON = "output_on"
    OUTPUT_OFF = "output_off"
    RESTARTED = "restarted"
    CLOCK_SET = "clock_set"
    COMMITTED = "committed"
    EXIT_BUTTON = "exit_button"
    DOOR_OPENED = "door_opened"
    DOOR_CLOSED = "door_closed"
    OPEN_TOO_LONG = "open_too_long"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One entry of a panel's own log. `sequence` rises by one from each to the next, and is never 0.

    `instant`: by the panel's clock, None while that is unset. `slot`: the identifier slot that was met, `output`: the output
    (and the reader that belongs to it), None where there is none. `why`: for what reason it let nobody in, as the model file
    names it. A panel that logs wall time in place of instants says `local_second`, since 1970-01-01T00:00 of its own clock; one
    that logs what was shown in place of slots says the `card` (capability `log_names`).
    """

    sequence: int
    kind: LoggedKind
    instant: int | None = None
    slot: int | None = None
    output: int | None = None
    why: str | None = None
    local_second: int | None = None
    card: int | None = None


@dataclass(frozen=True, slots=True)
class LogPage:
    """A part of a panel's log: `events` in order, and the sequence number of its `last` event (0: it never had one) as read
    before them. `serial`: of the unit whose log it is, as in PanelIdentity, None where it has none. `inputs`: where the same
    reading tells which doors stand open, one for each input, counted from 0."""

    last: int
    events: tuple[LoggedEvent, ...] = ()
    serial: str | None = None
    inputs: tuple[bool, ...] = ()


class AvailabilityFeed(Protocol):
    """A level with a wake-up: `current` now, iteration yields it at once and at every change."""

    @property
    def current(self) -> Availability: ...

    @property
    def cause(self) -> str | None:
        """The cause of the current level, in prose, where the cause is a failure of its own."""
        ...

    def __aiter__(self) -> AsyncIterator[Availability]: ...


class PanelDriver(Protocol):
    """One panel. Methods never raise for what a line or a panel does: errors come back as values. Cancellation passes.

    Reads that fail return an Acknowledgement instead of their value, with `image` None and the reason. `deadline` is in
    seconds of the injected clock's monotonic time; None means none.

    `on_news` is called when the panel tells by itself that its log has grown, if it ever does: it may wake somebody, not more.
    """

    on_news: Callable[[], None]

    @property
    def capabilities(self) -> PanelCapabilities:
        """The model's record, narrowed by what the unit reported at its last `status()`."""
        ...

    @property
    def availability(self) -> AvailabilityFeed: ...

    @property
    def connection(self) -> int:
        """Number of the connection that the next exchange uses.

        Where it is another one than before, the port was opened anew: the unit that answers now may be another one, or may
        have restarted. What opens, and what changes what a panel holds, leaves only on the connection on which `identity` was
        asked last: on another one it is `not_sent`, and what was under way is `unconfirmed`.
        """
        ...

    @property
    def quarantined_until(self) -> float | None:
        """When a quarantined panel is probed next, in Unix seconds; None for any other panel."""
        ...

    def hasten(self) -> None:
        """Probe a quarantined panel as soon as the line's budget for probes allows, because an operator asks for it.

        Other panels are not affected. Never refused; sends nothing by itself.
        """
        ...

    def restrict(self, capacity: Mapping[str, int]) -> None:
        """Apply a capacity that an earlier `status()` reported (kept by the fleet over a restart)."""
        ...

    def plan(self, target: PanelImage, known: PanelImage) -> WritePlan:
        """The writes that bring a panel that holds `known` to `target`; only what differs. Pure.

        A slot that `target` lacks and `known` has is erased, opaque or not: the caller leaves what it must not touch in
        both. Closings come before openings inside the plan where the panel has no commit.
        """
        ...

    async def apply(self, plan: WritePlan, priority: Priority, deadline: float | None) -> Acknowledgement:
        """Carry out a plan and verify it by reading back. Acknowledged only when the panel was seen to hold the target."""
        ...

    def give_way(self) -> None:
        """Something more urgent waits: what is being applied ends as `not_sent` before its next frame, unless the panel acts on
        a part of it already. Never refused; nothing where nothing is being applied.
        """
        ...

    @property
    def unsaved(self) -> bool:
        """What the panel reads to hold may be gone, or come back, after a power cut: nobody has seen it saved."""
        ...

    async def save(self, priority: Priority, deadline: float | None) -> Acknowledgement:
        """Make what the panel holds last, where it is `unsaved`. This costs storage that wears out."""
        ...

    async def read_back(self, priority: Priority, deadline: float | None) -> PanelImage | Acknowledgement:
        """Read what the panel holds: each slot's state first, then only the used slots whole."""
        ...

    async def read_passes(
        self, slots: Collection[int], priority: Priority, deadline: float | None
    ) -> Mapping[int, int] | Acknowledgement:
        """How many entries each of these identifier slots has had; without those that the panel does not count."""
        ...

    async def read_log(self, first: int | None, priority: Priority, deadline: float | None) -> LogPage | Acknowledgement:
        """The events of the panel's log from the sequence number `first` on, as many as one reading has; those that the panel has
        dropped are missing, and the page begins with a later one. None: only where the log ends. Reading takes nothing away.
        """
        ...

    async def quick_look(self, image: PanelImage, priority: Priority, deadline: float | None) -> bool | Acknowledgement:
        """The cheapest reading that tells whether the panel still holds `image`; False: it does not, read back."""
        ...

    def stretches(self, image: PanelImage) -> Sequence[Stretch]:
        """What `quick_look` does not read of a panel that holds `image`, in order and in frames that suit its line. Pure."""
        ...

    async def look_at(
        self, image: PanelImage, stretch: Stretch, priority: Priority, deadline: float | None
    ) -> bool | Acknowledgement:
        """Whether one stretch reads as it does where the panel holds `image`; False: it does not, and the next `read_back` leaves
        no slot out."""
        ...

    async def status(self, priority: Priority, deadline: float | None) -> PanelStatus | Acknowledgement:
        """The panel's account of itself. Another kind of device is `rejected` with `wrong_device`."""
        ...

    async def identity(self, priority: Priority, deadline: float | None) -> PanelIdentity | Acknowledgement:
        """Which device answers: asked after its line opens or it comes back online, before the first write.

        Another kind of device is `rejected` with `wrong_device`. A panel that cannot tell answers `PanelIdentity()`
        without an exchange where nothing about it can be checked.
        """
        ...

    async def set_clock(self, setting: ClockSetting, priority: Priority, deadline: float | None) -> Acknowledgement:
        """Set the panel's clock and verify that it took it.

        The driver adds the time that passes between this call and the frame: `setting.instant` is the instant of the call.
        """
        ...

    async def set_output(
        self, output: int, on: bool, lease_s: int | None, priority: Priority, deadline: float | None
    ) -> Acknowledgement:
        """Switch an output. With `lease_s` it switches off by itself after that many seconds unless another call prolongs it."""
        ...

    async def read_outputs(self, priority: Priority, deadline: float | None) -> tuple[bool, ...] | Acknowledgement:
        """Which outputs are held on; a pulse does not count where the panel tells it apart from what is held."""
        ...

    @property
    def longest_pulse(self) -> int:
        """The longest pulse that the panel times itself, in tenths of a second; 0: it times none."""
        ...

    async def time_pulses(self, tenths_s: Mapping[int, int], priority: Priority, deadline: float | None) -> Acknowledgement:
        """Have the panel open each of these outputs for this many tenths of a second where it opens one by a time of its own.

        That is at a card, and by `pulse`, which refuses any other time. Nothing to do where it is told with each pulse; what it
        cannot have is left out.
        """
        ...

    async def pulse(self, output: int, tenths_s: int, priority: Priority, deadline: float | None) -> Acknowledgement:
        """Switch an output on for `tenths_s` tenths of a second, at most `longest_pulse`.

        Never sent twice. On silence it is acknowledged where the panel shows that the pulse runs, else `unconfirmed`.
        """
        ...

    async def end_pulse(self, output: int, priority: Priority, deadline: float | None) -> Acknowledgement:
        """End the pulse of an output that was switched off, a card's too; rejected where the panel ends it by itself only."""
        ...

    def write_counts(self) -> Mapping[str, int]:
        """Writes that left for storage of limited endurance since the start, by cell.

        A cell is named by its storage alone where the model does not know it (``{"flash": 3}``), else with the address of its
        word (``{"eeprom:54": 1}``). Whether the panel answered makes no difference.
        """
        ...
