"""A panel model is one TOML file: its schema, and reading a folder of them.

`load_models` gives the shipped models plus a folder's own. Every mistake is told with its key path.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from config.files import MOST_MODEL, read_file
from config.findings import in_words, location_of, matching
from config.model_checks import Mistake, Tables, model_checks
from config.nearest import did_you_mean
from config.panel_parts import (
    Address,
    Addressing,
    Capabilities,
    CapacityField,
    Clock,
    Counters,
    EventLog,
    IdentityCheck,
    Option,
    Outputs,
    Part,
    Register,
    WritePlanRules,
)
from config.schedule_layouts import ScheduleLayout
from config.toml import TomlMistake, parse_toml
from config.toml_lines import line_of, lines_of

OptionValue = bool | int | float | str
Hex = Annotated[str, matching(r"[0-9A-Fa-f]{4}( [0-9A-Fa-f]{4})*", "words of four hexadecimal digits")]


class ModelError(Exception):
    """Mistakes in a model file, each `key.path: what`."""

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


class VectorPeriod(Part):
    days: int = Field(ge=1)
    start: int = Field(ge=0, le=1440)
    end: int = Field(ge=0, le=1440)


class VectorSlot(Part):
    slot: int = Field(ge=0)
    link_id: str | None = None
    periods: tuple[VectorPeriod, ...] = ()
    valid_from: int | None = None
    valid_to: int | None = None
    special_days: tuple[tuple[int, ...], ...] = ()


class VectorClock(Part):
    instant: int
    offset_minutes: int
    changes: tuple[tuple[int, int], ...] = ()


class VectorOutput(Part):
    output: int = Field(ge=0)
    on: bool
    lease_s: int | None = None


class ExpectedWords(Part):
    address: Address
    words: Hex


class Vector(Part):
    """A golden vector: its input must be encoded to its words, and schedules decoded back.

    One of `slots` (with the panel's own `special_days`), `clock`, `output`. For `output`, the word is the value written.
    """

    name: str
    slots: tuple[VectorSlot, ...] | None = None
    special_days: tuple[tuple[int, ...], ...] = ()
    clock: VectorClock | None = None
    output: VectorOutput | None = None
    expect: tuple[ExpectedWords, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_kind(self) -> Vector:
        if sum(part is not None for part in (self.slots, self.clock, self.output)) != 1:
            raise ValueError("a vector has exactly one of slots, clock, output")
        return self


class PanelModel(Part):
    """One kind of panel. `capacity`: capability fields that a unit itself reports."""

    name: Annotated[str, matching(r"[a-z0-9][a-z0-9-]{0,63}", "lower-case letters, digits and dashes, at most 64")]
    title: str
    provenance: str
    protocol: Literal["modbus", "uhppote"] = "modbus"
    pipeline: int = Field(1, ge=1, le=16)
    """How many requests such a panel takes on one connection before it has answered the first of them."""
    addressing: Addressing = Addressing()
    registers: dict[str, Register] = Field(default_factory=dict)
    identity: tuple[IdentityCheck, ...] = ()
    counters: Counters = Counters()
    capacity: dict[str, CapacityField] = Field(default_factory=dict)
    capabilities: Capabilities
    schedule: ScheduleLayout | None = None
    write: WritePlanRules = WritePlanRules()
    clock: Clock | None = None
    outputs: Outputs | None = None
    events: EventLog | None = None
    options: dict[str, Option] = Field(default_factory=dict)
    vectors: tuple[Vector, ...] = ()
    _source: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def has_serial(self) -> bool:
        """Whether a unit tells its serial number."""
        return self.counters.serial is not None or self.protocol == "uhppote"

    def __hash__(self) -> int:
        return hash(self.name)

    def configured(self, options: Mapping[str, OptionValue]) -> PanelModel:
        """The model with a panel's own choice of options. Raises ModelError (`options.name: what`)."""
        return _resolve(self._source, options) if options else self


def load_models(folder: Path | None) -> Mapping[str, PanelModel]:
    """The shipped models plus those of `folder` (`*.toml`), by name. Raises ModelError with all mistakes of all files."""
    texts = {path.name: path.read_text("utf-8") for path in files("config.panel_models").iterdir() if path.name.endswith(".toml")}
    own = sorted(folder.glob("*.toml")) if folder is not None else []
    named = [*((name, partial(parse_model, text)) for name, text in sorted(texts.items()))]
    named += [(str(path), partial(load_model, path)) for path in own]
    models: dict[str, PanelModel] = {}
    mistakes: list[str] = []
    for name, load in named:
        try:
            model = load()
        except ModelError as error:
            mistakes += [f"{name}: {mistake}" for mistake in error.mistakes]
            continue
        if model.name in models:
            mistakes.append(f"{name}: name: the model {model.name} exists already")
        models[model.name] = model
    if mistakes:
        raise ModelError(tuple(mistakes))
    return models


def load_model(path: Path) -> PanelModel:
    """One file. Raises ModelError."""
    try:
        text = read_file(path, MOST_MODEL).decode()
    except OSError as error:
        raise ModelError((f"not readable: {error.strerror}",)) from error
    except UnicodeDecodeError as error:
        raise ModelError((f"not UTF-8 text, at byte {error.start}",)) from error
    try:
        return parse_model(text)
    except ModelError as error:
        if isinstance(error.__cause__, TomlMistake):
            raise
        raise ModelError(tuple(_on_their_lines(error.mistakes, text))) from error


def _on_their_lines(mistakes: Sequence[str], text: str) -> Iterator[str]:
    """Each mistake with the line of its key path."""
    lines = lines_of(text)
    for mistake in mistakes:
        line = line_of(mistake.partition(": ")[0], lines)
        yield mistake if line is None else f"{mistake} (line {line})"


def parse_model(text: str) -> PanelModel:
    """A model file's text with its options at their defaults. Raises ModelError."""
    try:
        source = parse_toml(text)
    except TomlMistake as error:
        raise ModelError((str(error).removeprefix("file: "),)) from error
    return _resolve(source, {})


def _resolve(source: dict[str, Any], chosen: Mapping[str, OptionValue]) -> PanelModel:
    mistakes: dict[str, str] = {}
    values = _option_values(source.get("options", {}), chosen)
    filled = {key: value if key == "options" else _fill(value, values, key, mistakes) for key, value in source.items()}
    model, mistyped = _validated(json.dumps(filled, default=str))
    told = [*mistakes.items(), *(mistake for mistake in mistyped if mistake[0] not in mistakes)]
    told += model_checks(Tables.of(filled), source)
    if model is None or told:
        raise ModelError(tuple(f"{path}: {what}" for path, what in told))
    model._source = source
    return model


def _validated(text: str) -> tuple[PanelModel | None, tuple[Mistake, ...]]:
    """The model, or every mistake of type; not those that only follow from one further down."""
    try:
        return PanelModel.model_validate_json(text), ()
    except ValidationError as error:
        found = dict(_mistake(location_of(one), in_words(one, PanelModel)) for one in error.errors(include_url=False))
    return None, tuple(
        (path, what) for path, what in found.items() if not any(other.startswith((f"{path}.", f"{path}[")) for other in found)
    )


def _option_values(declared: object, chosen: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    """Each option's value. A chosen one must be declared, of its default's type and among its choices."""
    known = {name: entry for name, entry in declared.items() if isinstance(entry, dict)} if isinstance(declared, dict) else {}
    mistakes = []
    for name, value in chosen.items():
        entry = known.get(name)
        if entry is None:
            mistakes.append(f"options.{name}: this model has no such option{did_you_mean(name, known)}")
        elif type(value) is not type(entry.get("default")):
            mistakes.append(f"options.{name}: expected the type of its default {entry.get('default')!r}")
        elif entry.get("choices") and value not in entry["choices"]:
            mistakes.append(f"options.{name}: expected one of {entry['choices']}, got {value!r}")
    if mistakes:
        raise ModelError(tuple(mistakes))
    return {name: chosen.get(name, entry.get("default", f"${name}")) for name, entry in known.items()}


def _fill(value: Any, options: Mapping[str, OptionValue], path: str, mistakes: dict[str, str]) -> Any:
    """`$name` anywhere in the file replaced by the option's value."""
    if isinstance(value, str) and value.startswith("$"):
        if value[1:] not in options:
            mistakes[path] = f"no option is named {value[1:]}"
        return options.get(value[1:], value)
    if isinstance(value, dict):
        return {key: _fill(one, options, f"{path}.{key}", mistakes) for key, one in value.items()}
    if isinstance(value, list):
        return [_fill(one, options, f"{path}[{index}]", mistakes) for index, one in enumerate(value)]
    return value


def _mistake(location: tuple[int | str, ...], what: str) -> Mistake:
    """The key path of the file: without the tag that tells a [schedule] or a [clock], or an option's types."""
    if location[0] in ("schedule", "clock") and location[1:] not in (("layout",), ("codec",)):
        location = location[:1] + location[2:]
    if location[0] == "options" and location[-1] in ("bool", "int", "float", "str"):
        location, what = location[:-1], "expected true, false, a number or text"
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path, what
