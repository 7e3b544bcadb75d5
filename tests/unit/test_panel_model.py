"""Model files: what ships is right, mistakes are told with their key path, options fill in, golden vectors are run."""

from __future__ import annotations

from dataclasses import MISSING, fields
from importlib.resources import files
from pathlib import Path

import pytest

from config.panel_model import ModelError, PanelModel, load_models, parse_model
from config.panel_parts import Capabilities
from drivers.contract import PanelCapabilities
from drivers.modbus.output_driver import capabilities_of
from gateway.model_check import check_model_file, check_vectors, model_rows
from tests.support.plain_panel import PLAIN_DAYS, PLAIN_RECORDS

SHIPPED = ("domat-fc013", "ge-a-series", "open-access-panel", "waveshare-relay-8ch")
BOARD = """
name = "board"
title = "A board"
provenance = "made up"
[capabilities]
max_schedules = 0
clock = "none"
outputs = 4
[outputs]
switch = { function = "coil", address = "$first" }
[options.first]
default = 16
choices = [0, 16]
meaning = "where the coils are"
[[vectors]]
name = "on"
output = { output = 1, on = true }
expect = [{ address = 17, words = "FF00" }]
"""


def test_the_shipped_models() -> None:
    assert tuple(sorted(load_models(None))) == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_vectors_hold(name: str) -> None:
    model = load_models(None)[name]
    assert check_vectors(model) == ()
    kinds = {kind for vector in model.vectors for kind in ("slots", "clock", "output") if getattr(vector, kind) is not None}
    assert ("slots" in kinds) == (model.schedule is not None)
    assert ("clock" in kinds) == (model.clock is not None)
    assert ("output" in kinds) == (model.outputs is not None)


def test_the_capability_record_is_the_contracts() -> None:
    record = {field.name: (field.type, field.default) for field in fields(PanelCapabilities)}
    mirror = Capabilities.model_fields
    assert set(mirror) == set(record)
    for name, (_, default) in record.items():
        assert mirror[name].is_required() == (default is MISSING), name
        if default is not MISSING:
            assert mirror[name].default == default, name
    hints = {name: str(annotation) for name, annotation in PanelCapabilities.__annotations__.items()}
    ours = {name: str(annotation) for name, annotation in Capabilities.__annotations__.items()}
    for name in record:
        assert ours[name].startswith(hints[name]), name


@pytest.mark.parametrize("name", SHIPPED)
def test_a_capability_record_reaches_the_driver(name: str) -> None:
    model = load_models(None)[name]
    made = capabilities_of(model)
    assert {field.name: getattr(made, field.name) for field in fields(made)} == model.capabilities.model_dump()


def mistakes_of(text: str) -> tuple[str, ...]:
    with pytest.raises(ModelError) as caught:
        parse_model(text)
    return caught.value.mistakes


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        (("[capabilities]", "[capabilities]\ncolour = 1"), "capabilities.colour: Extra inputs are not permitted"),
        (("max_schedules = 0", 'max_schedules = "0"'), "capabilities.max_schedules: Input should be a valid integer"),
        (("outputs = 4", "outputs = true"), "capabilities.outputs: Input should be a valid integer"),
        (('"$first"', '"$other"'), "outputs.switch.address: no option is named other"),
        (
            ("max_schedules = 0", "max_schedules = 2"),
            "file: a model with schedules has a [schedule] layout",
        ),
        (("outputs = 4", "outputs = 0"), "file: a model with outputs has an [outputs] table, one without has none"),
        (('words = "FF00"', 'words = "FF0"'), "vectors[0].expect[0].words: String should match pattern"),
        (("output = {", "clock = { instant = 1, offset_minutes = 0 }\noutput = {"), "vectors[0]: a vector has exactly one of"),
        (('name = "board"', 'name = "A board"'), "name: String should match pattern"),
        (
            ("[capabilities]", '[capacity]\noutputs = { read = "none", at_most = 1 }\n[capabilities]'),
            "file: no register is named none",
        ),
        (("[capabilities]", "[capabilities"), "not TOML: "),
        (("[capabilities]", '[schedule]\nlayout = "rings"\n[capabilities]'), "schedule: Input tag 'rings'"),
    ],
)
def test_mistakes_name_their_place(change: tuple[str, str], mistake: str) -> None:
    assert any(found.startswith(mistake) for found in mistakes_of(BOARD.replace(*change))), mistakes_of(BOARD.replace(*change))


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        (("max_time_periods_per_day = 3", "max_time_periods_per_day = 4"), "max_time_periods_per_day is more than 3"),
        (("max_time_periods_per_day = 3", ""), "max_time_periods_per_day is more than 3"),
        (('day_model = "per_day"', 'date_range = "optional"\nday_model = "per_day"'), "date_range is not 'none'"),
        (('day_model = "per_day"', 'end_minute = "inclusive"\nday_model = "per_day"'), "end_minute is not 'exclusive'"),
        (("day_stride = 6", "day_stride = 5"), "day_stride is less than the periods of a day take"),
        (("day_stride = 6", "day_stride = 8"), "the periods reach into the next slot"),
        (("day_stride = 6", "day_stride = 6\nunused = { end = 1 }"), "a period with the unused `end` word could be open"),
    ],
)
def test_a_layout_that_could_not_write_what_the_record_promises_is_refused(change: tuple[str, str], mistake: str) -> None:
    assert any(mistake in found for found in mistakes_of(PLAIN_DAYS.replace(*change))), mistakes_of(PLAIN_DAYS.replace(*change))


def test_options_are_chosen_by_name_and_type() -> None:
    model = parse_model(BOARD)
    assert model.outputs is not None
    assert model.outputs.switch is not None
    assert model.outputs.switch.address == 16
    chosen = model.configured({"first": 0})
    assert chosen.outputs is not None
    assert chosen.outputs.switch is not None
    assert chosen.outputs.switch.address == 0
    for options, mistake in (
        ({"second": 1}, "options.second: this model has no such option"),
        ({"first": True}, "options.first: must be of the type of its default 16"),
        ({"first": 8}, "options.first: must be one of [0, 16]"),
    ):
        with pytest.raises(ModelError) as caught:
            model.configured(options)
        assert caught.value.mistakes == (mistake,)


def test_a_folder_adds_models_and_may_not_shadow_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "board.toml").write_text(BOARD)
    assert "board" in load_models(tmp_path)
    shipped = files("config.panel_models").joinpath("domat-fc013.toml").read_text("utf-8")
    (tmp_path / "mine.toml").write_text(shipped)
    (tmp_path / "broken.toml").write_text("name = 1")
    with pytest.raises(ModelError) as caught:
        load_models(tmp_path)
    assert f"{tmp_path / 'mine.toml'}: name: the model domat-fc013 exists already" in caught.value.mistakes
    assert any(mistake.startswith(f"{tmp_path / 'broken.toml'}: title: ") for mistake in caught.value.mistakes)


def test_a_wrong_vector_is_told(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_text(BOARD)
    assert check_model_file(path) == ()
    path.write_text(BOARD.replace('"FF00"', '"FF01"'))
    assert check_model_file(path) == ("vectors[0] (on): address 17: FF01 expected, FF00 written",)
    path.write_text(BOARD.replace("address = 17", "address = 18"))
    assert check_model_file(path) == ("vectors[0] (on): address 18: FF00 expected, the model writes nothing there",)
    assert check_model_file(tmp_path / "none.toml") == ("not readable: No such file or directory",)


def test_the_list() -> None:
    rows = {row.name: row for row in model_rows(load_models(None))}
    assert tuple(rows) == SHIPPED
    assert rows["waveshare-relay-8ch"].layout is None
    assert rows["ge-a-series"].schedules == 16
    assert rows["domat-fc013"].options == ("comfort_in_force = 1", "first_word = 0")


@pytest.mark.parametrize("text", [PLAIN_DAYS, PLAIN_RECORDS], ids=["days", "records"])
def test_plain_tables_keep_their_vectors(text: str) -> None:
    assert check_vectors(parse_model(text)) == ()


def _board() -> PanelModel:
    return parse_model(BOARD)


def test_a_model_is_a_value() -> None:
    assert _board() == _board()
