"""The shape of an installation's configuration. Values only: reading a file and cross-checks are `loader.py`.

Frozen; unknown keys are refused; types are strict (True is no number, "7" is no port).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from config.findings import matching
from config.password_hash import PasswordHash

NAME = "letters, digits, dot, dash and underscore only, at most 64, a letter or digit first"
Identifier = Annotated[str, matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", NAME)]


def _network(text: str) -> str:
    ip_network(text)
    return text


Network = Annotated[str, AfterValidator(_network)]
"""An IP address or a network (`192.0.2.0/24`) without host bits."""
Origin = Annotated[str, matching(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+", "an origin such as https://manager.example, without a path")]
"""`https://manager.example` or `http://192.0.2.7:8000`, as browsers send it: no path, no slash at the end."""
HostName = Annotated[
    str, Field(max_length=253), matching(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", "a host name without a port")
]
"""A name without a port."""


def _listener(text: str) -> str:
    """Raises ValueError."""
    host, _, port = text.rpartition(":")
    try:
        given = not IPv4Address(host).is_unspecified and 1 <= int(port) <= 65_535
    except ValueError:
        given = False
    if not given:
        raise ValueError("expected an address of this machine and a port, such as 192.0.2.7:60001")
    return text


Listener = Annotated[str, AfterValidator(_listener)]
"""Where somebody else is to send something."""


def _ipv4(text: str) -> str:
    return str(IPv4Address(text))


_THIS_MACHINE = ("127.0.0.0/8", "::1/128")


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SiteSettings(_Settings):
    name: str = "Site"
    timezone: str = "UTC"
    """IANA name."""
    window_reading: Literal["first_occurrence", "envelope"] = "first_occurrence"
    looper_reading: Literal["interval", "count"] = "interval"
    timestamp_reading: Literal["instant", "local_as_utc"] = "instant"
    aggregate: Literal["all", "any", "accepted"] = "all"
    dialect: Literal["camdroid"] = "camdroid"
    horizon_days: int = Field(400, ge=1, le=3650)
    clock_source: Literal["auto", "synchronised", "host"] = "auto"
    """Why the host's clock is believed: synchronised where it ever was, always only then, or at its word."""
    clock_step_s: int = Field(3600, ge=60, le=86_400)
    """A host that is not synchronised moves no panel clock that ran on by more, unless other panels agree with it."""
    models_dir: Path | None = None


class TlsSettings(_Settings):
    """PEM files. `certificate`: those of its authorities follow it, where there are any."""

    certificate: Path
    key: Path


class HttpSettings(_Settings):
    host: Annotated[str, matching(r"[^\0]*", "a host, which has no NUL in its name")] = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    tls: TlsSettings | None = None
    """What `port` speaks TLS with; absent: it speaks plain HTTP."""
    plain_port: int | None = Field(None, ge=0, le=65535)
    """A port for plain HTTP beside TLS."""
    allow: tuple[Network, ...] | None = None
    """Who may speak plain HTTP; absent: everybody, and with TLS this machine alone."""
    deadline_ms: int = Field(10_000, ge=1, le=600_000)
    max_body: int = Field(16 * 1024 * 1024, ge=1)
    origins: tuple[Origin, ...] = ()
    """Web sites beside the gateway's own whose pages may call it."""
    hosts: tuple[HostName, ...] = ()
    """The names that the gateway answers to, beside addresses and localhost; none: to every name."""
    trusted_proxies: tuple[Network, ...] = ()
    """Whose X-Forwarded-For and X-Forwarded-Host are believed."""
    max_connections: int = Field(1000, ge=32, le=1_000_000)
    max_connections_per_address: int = Field(100, ge=1)
    """Loopback and trusted proxies are counted by the total only."""

    @property
    def may_speak_plainly(self) -> tuple[str, ...] | None:
        """The networks from which plain HTTP is answered; None: all."""
        return _THIS_MACHINE if self.allow is None and self.tls is not None else self.allow


def _file(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("no file has a NUL in its name")
    return path


class StoreSettings(_Settings):
    path: Annotated[Path, AfterValidator(_file)] = Path("panel-gateway.db")
    event_days: int = Field(90, ge=1, le=36_500)
    """Events are kept for this many days."""
    event_limit: int = Field(1_000_000, ge=1, le=100_000_000)
    """The oldest events beyond this number are dropped."""


def _password_hash(text: str) -> str:
    """Raises ValueError."""
    return str(PasswordHash.parsed(text))


RoleName = Literal["admin", "operator", "viewer"]


class UserSettings(_Settings):
    name: Annotated[str, Field(min_length=1, max_length=50)]
    password: str | None = Field(None, repr=False)
    password_file: Path | None = None
    password_hash: Annotated[str, AfterValidator(_password_hash)] | None = Field(None, repr=False)
    role: RoleName = "admin"
    """A user without one may do everything, as all users did before there were roles."""


class ApiKeySettings(_Settings):
    """What a machine sends in place of a token. `hash`: its SHA-256."""

    name: Annotated[str, Field(min_length=1, max_length=50), matching(r"[^:]*", "a name without a colon")]
    hash: Annotated[str, Field(repr=False), matching(r"[0-9a-f]{64}", "the 64 digits that `panel-gateway api-key` prints")]
    role: RoleName
    note: Annotated[str, Field(max_length=200)] = ""


class SimulatorSettings(_Settings):
    """What a simulated panel is like; a real panel is not concerned."""

    map: Literal["1.0", "1.1"] = "1.1"
    """The version of the register map of an `open-access-panel`. 1.0 has no readers."""
    serial: (
        Annotated[int, Field(ge=0, lt=1 << 64)]
        | Annotated[str, matching(r"[0-9A-Fa-f]{1,16}", "1 to 16 hexadecimal digits")]
        | None
    ) = None
    """Serial number, where the model has one: 64 bits, as a number or as hexadecimal text. Absent: one made from the id."""
    schedules: int = Field(64, ge=1, le=192)
    periods: int = Field(12, ge=1, le=12)
    dates: int = Field(14, ge=0, le=14)
    identifiers: int = Field(512, ge=0, le=768)
    cards: int = Field(20_000, ge=0, le=100_000)
    """How many a `uhppote` board holds."""
    outputs: int = Field(8, ge=1, le=8)
    events: int = Field(256, ge=1, le=4096)
    """How many its event log holds; the oldest make room."""
    busy_ms: int = Field(0, ge=0, le=10_000)
    """How long it answers writes with exception 6 after a commit."""
    latency_ms: float = Field(1.0, ge=0, le=10_000)
    """From the end of a request to the start of the reply."""


def serial_number(serial: int | str) -> str:
    """A serial number in the form that is compared: hexadecimal where it is a number, capitals, no `0x`, no leading zeros."""
    return (f"{serial:X}" if isinstance(serial, int) else serial.upper().removeprefix("0X")).lstrip("0")


class PanelSettings(_Settings):
    id: Identifier
    model: str
    unit: int = Field(1, ge=0, le=255)
    """Which of these numbers a line takes, its kind says."""
    guard_ms: float | None = Field(None, ge=0, le=10_000)
    """Extra silence before a frame to this panel; the line's where absent."""
    timeout_ms: float | None = Field(None, gt=0, le=60_000)
    pipeline: int | None = Field(None, ge=1, le=16)
    """Requests under way to it together on a connection; the model's where absent."""
    allow_stale: bool = False
    narrow: tuple[Literal["resolution", "periods", "last_minute", "validity_days"], ...] = ("resolution", "validity_days")
    allow_unattended_outputs: bool = False
    clock_bound_s: int = Field(5, ge=1, le=3600)
    hold_lease_s: int = Field(60, ge=2, le=3000)
    on_stop: Literal["off", "hold"] = "off"
    poll_ms: int = Field(1000, ge=50, le=3_600_000)
    commit_spacing_s: float = Field(0, ge=0, le=86_400)
    """The least time between two commits to storage of limited endurance, in seconds."""
    full_look_h: float = Field(24, gt=0, le=8760)
    """Hours within which every word that the panel holds is read once, as far as `drift_share` allows."""
    service_years: float = Field(10, ge=0.1, le=100)
    """How long that storage has to last: how often a day the gateway writes to it on its own follows from it."""
    serial: Annotated[int, Field(ge=0)] | Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """Serial number of its unit, as a number or in the maker's form; no other unit is taken for the panel then."""
    on_replacement: Literal["fill", "ask"] = "fill"
    """What becomes of an empty unit with another serial number: it is filled, or waits for `accept`."""
    known_foreign: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Slots of others that are no alarm while they hold what they held when they were seen first."""
    options: dict[str, bool | int | float | str] = Field(default_factory=dict)
    """Options of the panel model that this very panel sets otherwise."""
    simulator: SimulatorSettings = SimulatorSettings()


class LineSettings(_Settings):
    """What every line has, of whatever kind. A kind is a class below and a member of `AnyLine`.

    Of a kind: `units` are the numbers that a panel may have, `units_said` the same in words; `one_wire` says that no other
    line may have the same place; `place_mistake` is what to tell of a `port` or a `host` that no line of the kind can have;
    `without_effect` are keys that are accepted and say nothing to the kind.
    """

    units: ClassVar[Collection[int]] = range(256)
    units_said: ClassVar[str] = "a number from 0 to 255"
    by_serial: ClassVar[bool] = False
    """A panel is found by its serial number, which takes the place of the unit."""
    protocol: ClassVar[str] = ""
    """The protocol of the panel models that may stand on the line; empty: of any."""
    one_wire: ClassVar[bool] = True
    place_mistake: ClassVar[Mapping[str, str]] = {}
    without_effect: ClassVar[Collection[str]] = ()

    id: Identifier
    kind: str
    timeout_ms: float = Field(300, gt=0, le=60_000)
    guard_ms: float = Field(0, ge=0, le=10_000)
    queue_limit: int = Field(4096, ge=1)
    drift_share: float = Field(0.02, ge=0, le=0.5)
    probe_share: float = Field(0.01, gt=0, le=0.5)
    panels: tuple[PanelSettings, ...] = ()


class ModbusLineSettings(LineSettings):
    """Keys of all Modbus lines; one that says nothing to a kind is accepted and without effect there."""

    units: ClassVar[Collection[int]] = range(1, 248)
    units_said: ClassVar[str] = "a number from 1 to 247"
    protocol: ClassVar[str] = "modbus"
    without_effect: ClassVar[Collection[str]] = ("turnaround_ms",)

    baudrate: int = Field(9600, ge=300, le=4_000_000)
    parity: Literal["none", "even", "odd"] = "none"
    stopbits: Literal[1, 2] = 1
    post_timeout_quiet_ms: float | None = Field(None, ge=0, le=60_000)
    """Quiet that must follow a missed reply; one reply timeout where absent."""
    turnaround_ms: float = Field(100, ge=0, le=10_000)
    """Accepted for older configurations and without effect: the gateway sends no broadcasts."""
    local_echo: bool = False
    rs485: bool | None = None
    """True: ask the kernel for RS-485 direction control; absent: leave the adapter as it is."""


class ModbusRtuLine(ModbusLineSettings):
    """A serial port of this machine."""

    place_mistake: ClassVar[Mapping[str, str]] = {
        "port": "a serial line's port is a device path, such as /dev/ttyUSB0",
        "host": "a serial line has none",
    }

    kind: Literal["modbus-rtu"] = "modbus-rtu"
    port: Annotated[str, Field(min_length=1)]


class _ModbusSocketLine(ModbusLineSettings):
    place_mistake: ClassVar[Mapping[str, str]] = {
        "port": "a TCP line's port is a number from 1 to 65535",
        "host": "is missing: a TCP line has a host",
    }

    host: Annotated[str, Field(min_length=1)]
    port: int = Field(ge=0, le=65_535)
    """0 only where a simulator chooses."""
    connect_delay_ms: float | None = Field(None, ge=0, le=5000)
    """Wait between a connection and the first request; absent: learned where a device turns out to be deaf at first."""


class ModbusTcpLine(_ModbusSocketLine):
    """Several lines may go to one place: a host serves several connections."""

    units: ClassVar[Collection[int]] = frozenset((*range(248), 255))
    units_said: ClassVar[str] = "a number from 1 to 247, or 255, or 0 for a device that takes nothing else"
    one_wire: ClassVar[bool] = False
    without_effect: ClassVar[Collection[str]] = (
        *ModbusLineSettings.without_effect,
        *("baudrate", "parity", "stopbits", "post_timeout_quiet_ms", "local_echo", "rs485"),
    )

    kind: Literal["modbus-tcp"] = "modbus-tcp"


class ModbusRtuTcpLine(_ModbusSocketLine):
    """A serial device server: RTU frames on a socket."""

    without_effect: ClassVar[Collection[str]] = (*ModbusLineSettings.without_effect, "rs485")

    kind: Literal["modbus-rtu-tcp"] = "modbus-rtu-tcp"


AnyModbusLine = ModbusRtuLine | ModbusTcpLine | ModbusRtuTcpLine


class UhppotePanelSettings(PanelSettings):
    """A controller. Its unit is its serial number."""

    serial: int = Field(ge=1, lt=1 << 32)
    unit: int = 0
    host: Annotated[str, Field(min_length=1)] | None = None
    """Where this controller is; absent: where the line is."""
    port: int | None = Field(None, ge=1, le=65_535)
    doors: Literal[1, 2, 4] = 4
    card_format: Literal["decimal", "wiegand26"] = "decimal"
    """What readers make of a card: its number, or facility and number side by side."""

    @model_validator(mode="before")
    @classmethod
    def _unit_is_serial(cls, given: object) -> object:
        return {**given, "unit": given["serial"]} if isinstance(given, dict) and isinstance(given.get("serial"), int) else given


class UhppoteLineSettings(LineSettings):
    """Controllers that share no wire: each is asked by itself, by its serial number."""

    by_serial: ClassVar[bool] = True
    protocol: ClassVar[str] = "uhppote"
    one_wire: ClassVar[bool] = False
    place_mistake: ClassVar[Mapping[str, str]] = {
        "port": "the port of such a line is a number from 1 to 65535",
        "host": "is missing: a controller, or a broadcast address by which controllers are found",
    }
    without_effect: ClassVar[Collection[str]] = ("guard_ms",)

    kind: Literal["uhppote"] = "uhppote"
    transport: Literal["udp", "tcp"] = "udp"
    host: Annotated[str, Field(min_length=1)]
    port: int = Field(60_000, ge=0, le=65_535)
    """0 only where a simulator chooses."""
    bind: Annotated[str, AfterValidator(_ipv4)] | None = None
    """The address of this machine that requests leave from; absent: the system chooses."""
    listen: Listener | None = None
    """Where controllers send their events to, which then go to nobody else; absent: nothing is asked of them."""
    panels: tuple[UhppotePanelSettings, ...] = ()


AnyLine = Annotated[AnyModbusLine | UhppoteLineSettings, Field(discriminator="kind")]
"""Every kind of line: a new protocol adds its own."""
LINE_KINDS: Mapping[str, type[LineSettings]] = {
    kind.model_fields["kind"].default: kind for kind in get_args(get_args(AnyLine)[0])
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingSettings:
    """Which panels an item is for. A site may have as many of them as it has items: no pydantic model, which takes four times
    the memory."""

    __pydantic_config__ = _Settings.model_config

    link_id: str
    """A UUID in lower case, or `*`."""
    panels: tuple[str, ...]
    """Panel ids, `panel:output`, `@group`, `@all`."""


class DoorSettings(_Settings):
    """An output of a panel that people go through."""

    id: Identifier
    name: Annotated[str, Field(max_length=100)] = ""
    """The id where it is empty."""
    panel: str
    output: int = Field(ge=0, le=9999)
    number: int | None = Field(None, ge=1, le=8)
    """The panel API's lock number; None: it is opened by its id only."""
    pulse_s: float = Field(5, ge=0.1, le=86_400)
    """How long it is open where a command does not say so."""
    sensor: int | None = Field(None, ge=0, le=9999)
    """The panel's input that tells whether it stands open; None: nothing tells."""
    allow_door_hold: bool = False
    """Time profiles may hold its output."""

    @property
    def said(self) -> str:
        """Its name for people."""
        return self.name or self.id


class WebhookSettings(_Settings):
    """Where events are sent, signed. `kinds`: none named: all."""

    url: str
    secret_file: Path
    """A file with the key of the signature on one line."""
    kinds: tuple[str, ...] = ()


class ManagerSettings(_Settings):
    """A manager that the gateway reports to as a device does."""

    is_enabled: bool = False
    url: str
    password_file: Path | None = None
    is_logging_enabled: bool = True
    is_heartbeat_enabled: bool = True


class Settings(_Settings):
    site: SiteSettings = SiteSettings()
    http: HttpSettings = HttpSettings()
    store: StoreSettings = StoreSettings()
    users: tuple[UserSettings, ...] = ()
    api_keys: tuple[ApiKeySettings, ...] = ()
    lines: tuple[AnyLine, ...] = ()
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    bindings: tuple[BindingSettings, ...] = ()
    doors: tuple[DoorSettings, ...] = ()
    webhooks: tuple[WebhookSettings, ...] = ()
    manager: ManagerSettings | None = None
