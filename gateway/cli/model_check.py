"""`panel-gateway models` and `models check FILE`: what models there are, and whether a file's golden vectors hold."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from config.panel_model import ExpectedWords, ModelError, PanelModel, Vector, VectorSlot, load_model
from config.panel_parts import FieldsClock, UnixTableClock
from drivers.contract import ClockSetting, PanelImage, Period, Slot
from drivers.modbus.panel.clock_words import field_words, fields_wall, table_words, wall_of
from drivers.modbus.panel.layouts import build_layout
from drivers.modbus.panel.output_driver import capabilities_of, output_request


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One line of the list. `layout`: the schedule layout, None for outputs only."""

    name: str
    title: str
    layout: str | None
    schedules: int
    outputs: int
    options: tuple[str, ...]
    provenance: str


def model_rows(models: Mapping[str, PanelModel]) -> tuple[ModelRow, ...]:
    """The models by name."""
    return tuple(_row(models[name]) for name in sorted(models))


def _row(model: PanelModel) -> ModelRow:
    return ModelRow(
        name=model.name,
        title=model.title,
        layout=model.schedule.layout if model.schedule is not None else None,
        schedules=model.capabilities.max_schedules,
        outputs=model.capabilities.outputs,
        options=tuple(f"{name} = {option.default!r}" for name, option in model.options.items()),
        provenance=model.provenance,
    )


def check_model_file(path: Path) -> tuple[str, ...]:
    """Every mistake of one model file, `key.path: what`; none when it is valid and its vectors hold."""
    try:
        model = load_model(path)
    except ModelError as error:
        return error.mistakes
    return check_vectors(model)


def check_vectors(model: PanelModel) -> tuple[str, ...]:
    """The golden vectors that do not hold."""
    return tuple(
        f"vectors[{index}] ({vector.name}): {what}"
        for index, vector in enumerate(model.vectors)
        for what in _check_vector(model, vector)
    )


def _check_vector(model: PanelModel, vector: Vector) -> Iterator[str]:
    """What does not hold. A vector is anybody's: a value may be too large for whatever it is put into."""
    try:
        yield from _faults(model, vector)
    except ValueError as error:
        yield str(error)
    except (OverflowError, struct.error):
        yield "a value is negative or too large for its words"


def _faults(model: PanelModel, vector: Vector) -> Iterator[str]:
    """Raises ValueError, OverflowError or struct.error."""
    words = _encoded(model, vector)
    for expected in vector.expect:
        yield from _differences(expected, words)
    if vector.slots is not None:
        yield from _not_decoded(model, vector)
    if vector.clock is not None and isinstance(model.clock, FieldsClock):
        shown = fields_wall(model.clock, [words[at] for at in sorted(words)])
        if shown != wall_of(_setting(vector), vector.clock.instant):
            yield "the clock's words do not read back as the time they were made from"


def _encoded(model: PanelModel, vector: Vector) -> Mapping[int, int]:
    """The words that the model makes of what stands left, by documented address. Raises ValueError."""
    if vector.slots is not None:
        layout = build_layout(model, capabilities_of(model))
        if layout is None:
            raise ValueError("the model has no schedules")
        _check_numbers(model, vector.slots)
        return layout.encode(_image(vector))
    if vector.output is not None:
        request = output_request(model, vector.output.output, vector.output.on, vector.output.lease_s)
        if request is None:
            raise ValueError("the model cannot switch an output so")
        return {request.address + model.addressing.base: request.values[0]}
    return _clock_words(model, vector)


def _check_numbers(model: PanelModel, slots: tuple[VectorSlot, ...]) -> None:
    first = model.capabilities.first_id
    last = first + model.capabilities.max_schedules - 1
    for slot in slots:
        if not first <= slot.slot <= last:
            raise ValueError(f"slot {slot.slot}: the model has {first} to {last}")


def _clock_words(model: PanelModel, vector: Vector) -> Mapping[int, int]:
    setting = _setting(vector)
    if isinstance(model.clock, UnixTableClock):
        return dict(enumerate(table_words(model.clock, setting, setting.instant), model.clock.address))
    if isinstance(model.clock, FieldsClock):
        return dict(enumerate(field_words(model.clock, wall_of(setting, setting.instant)), model.clock.address))
    raise ValueError("the model has no clock")


def _setting(vector: Vector) -> ClockSetting:
    if vector.clock is None:
        raise ValueError("no clock vector")
    return ClockSetting(vector.clock.instant, vector.clock.offset_minutes, vector.clock.changes)


def _image(vector: Vector) -> PanelImage:
    return PanelImage(slots={slot.slot: _slot(slot) for slot in vector.slots or ()}, special_days=vector.special_days)


def _slot(slot: VectorSlot) -> Slot:
    return Slot(
        link_ids=() if slot.link_id is None else (slot.link_id,),
        periods=tuple(Period(period.days, period.start, period.end) for period in slot.periods),
        valid_from=slot.valid_from,
        valid_to=slot.valid_to,
        special_days=slot.special_days,
    )


def _differences(expected: ExpectedWords, words: Mapping[int, int]) -> Iterator[str]:
    for address, text in enumerate(expected.words.split(), expected.address):
        held = words.get(address)
        if held is None:
            yield f"address {address}: expected {text.upper()}, got nothing: the model writes no such word"
        elif held != int(text, 16):
            yield f"address {address}: expected {text.upper()}, got {held:04X}"


def _not_decoded(model: PanelModel, vector: Vector) -> Iterator[str]:
    """Slots that do not read back as what they were made from. Words that may be anything are read as 0."""
    layout = build_layout(model, capabilities_of(model))
    if layout is None:
        return
    image = _image(vector)
    words = layout.encode(image)
    if not words:
        return
    read = layout.decode({at: words.get(at, 0) for at in range(min(words), max(words) + 2)})
    for number, slot in image.slots.items():
        found = read.slots.get(number)
        one = PanelImage(slots={number: slot}, special_days=image.special_days)
        same = found is not None and layout.encode(PanelImage({number: found}, read.special_days)) == layout.encode(one)
        if found is None or found.opaque is not None or not same:
            yield f"slot {number} does not read back as it was written"
