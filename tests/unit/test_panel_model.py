"""Model files: what ships is right, mistakes are told with their key path, options fill in, golden vectors are run."""

from __future__ import annotations

from dataclasses import MISSING, fields
from importlib.resources import files
from pathlib import Path

import pytest

from config.panel_model import ModelError, PanelModel, load_models, parse_model
from config.panel_parts import Capabilities
from drivers.contract import PanelCapabilities
from drivers.modbus.panel.output_driver import capabilities_of
from gateway.cli.model_check import check_model_file, check_vectors, model_rows
from tests.support.plain_panel import PLAIN_DAYS, PLAIN_RECORDS

REGISTERS = ("domat-fc013", "ge-a-series", "open-access-panel", "waveshare-relay-8ch")
SHIPPED = tuple(sorted((*REGISTERS, "uhppote")))
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


@pytest.mark.parametrize("name", REGISTERS)
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
        (("[capabilities]", "[capabilities]\ncolour = 1"), "capabilities.colour: unknown key"),
        (("max_schedules = 0", 'max_schedules = "0"'), "capabilities.max_schedules: expected a whole number, got '0'"),
        (("outputs = 4", "outputs = true"), "capabilities.outputs: expected a whole number, got true"),
        (('"$first"', '"$other"'), "outputs.switch.address: no option is named other"),
        (
            ("max_schedules = 0", "max_schedules = 2"),
            "schedule: a model with schedules has a [schedule] layout",
        ),
        (("outputs = 4", "outputs = 0"), "outputs: a model with outputs has an [outputs] table, one without has none"),
        (('words = "FF00"', 'words = "FF0"'), "vectors[0].expect[0].words: expected words of four hexadecimal digits"),
        (("output = {", "clock = { instant = 1, offset_minutes = 0 }\noutput = {"), "vectors[0]: a vector has exactly one of"),
        (('name = "board"', 'name = "A board"'), "name: expected lower-case letters, digits and dashes"),
        (
            ("[capabilities]", '[capacity]\noutputs = { read = "none", at_most = 1 }\n[capabilities]'),
            "capacity.outputs.read: no register is named none",
        ),
        (("default = 16", "default = [16]"), "options.first.default: expected true, false, a number or text"),
        (("default = 16\n", ""), "options.first.default: is missing"),
        (("[capabilities]", "[capabilities"), "not TOML: "),
        (
            ("[capabilities]", '[schedule]\nlayout = "rings"\n[capabilities]'),
            "schedule.layout: expected one of 'open-access-slots', 'ge-schedules', 'week-events', 'period-table', "
            "'uhppote-profiles', got 'rings'",
        ),
    ],
)
def test_mistakes_name_their_place(change: tuple[str, str], mistake: str) -> None:
    assert any(found.startswith(mistake) for found in mistakes_of(BOARD.replace(*change))), mistakes_of(BOARD.replace(*change))


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        (
            ("max_time_periods_per_day = 3", "max_time_periods_per_day = 4"),
            "capabilities.max_time_periods_per_day: must be given, and at most 3",
        ),
        (("max_time_periods_per_day = 3", ""), "capabilities.max_time_periods_per_day: must be given, and at most 3"),
        (('day_model = "per_day"', 'date_range = "optional"\nday_model = "per_day"'), "capabilities.date_range: must be 'none'"),
        (
            ('day_model = "per_day"', 'end_minute = "inclusive"\nday_model = "per_day"'),
            "capabilities.end_minute: must be 'exclusive'",
        ),
        (("day_stride = 6", "day_stride = 5"), "schedule.day_stride: less than the periods of a day take"),
        (("day_stride = 6", "day_stride = 8"), "schedule.slot_stride: the periods reach into the next slot"),
        (
            ("day_stride = 6", "day_stride = 6\nunused = { end = 1 }"),
            "schedule.unused: a period with the unused `end` word could be open",
        ),
    ],
)
def test_a_layout_that_could_not_write_what_the_record_promises_is_refused(change: tuple[str, str], mistake: str) -> None:
    assert any(found.startswith(mistake) for found in mistakes_of(PLAIN_DAYS.replace(*change))), mistakes_of(
        PLAIN_DAYS.replace(*change)
    )


def shipped(name: str, *changes: tuple[str, str]) -> str:
    text = files("config.panel_models").joinpath(f"{name}.toml").read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def test_one_report_has_everything() -> None:
    """Names that nothing has, a record that does not fit and an address beyond all, beside a mistake of type."""
    text = shipped(
        "open-access-panel",
        ('resets = "resets"', 'resets = "resetz"'),
        ("max_schedules = { read", "max_schedulz = { read"),
        ("max_periods_per_schedule = 12", "max_periods_per_schedule = 13"),
        ("at_most = 12", 'at_most = "x"'),
        ("slots = 0x1000", "slots = 0xFF00"),
    )
    assert [mistake.partition(": ")[0] for mistake in mistakes_of(text)] == [
        "capacity.max_periods_per_schedule.at_most",
        "counters.resets",
        "capacity.max_schedulz",
        "capabilities.max_periods_per_schedule",
        "schedule.slots",
    ]


@pytest.mark.parametrize(
    ("name", "change", "mistake"),
    [
        ("ge-a-series", ("address = 50033", "address = 0"), "registers.resets.address: 0 is below addressing.base, 1"),
        ("ge-a-series", ("schedules = 20001", "schedules = 61000"), "schedule.schedules: 4640 from 61000 on reach beyond PDU"),
        ("ge-a-series", ("[10003, 10186]", "[10003, 65400]"), "schedule.calendars[1]: 181 from 65400 on reach beyond PDU"),
        ("ge-a-series", ("address = 50035", "address = 0"), "write.save.address: 0 is below"),
        ("ge-a-series", ("address = 50028", "address = 0"), "write.prepare[1].address: 0 is below"),
        ("ge-a-series", ("address = 50036", "address = 65534"), "clock.address: 4 from 65534 on reach beyond PDU"),
        ("ge-a-series", ('"coil", address = 1', '"coil", address = 0'), "outputs.switch.address: 0 is below"),
        ("waveshare-relay-8ch", ("address = 0x8000", "address = 0x1FFFF"), "registers.version.address: 1 from 131071 on reach"),
        ("open-access-panel", ("address = 20, type", "address = 65533, type"), "registers.serial.address: 4 from 65533 on reach"),
        (
            "open-access-panel",
            ('wall = "wall_year"', 'wall = "serial"'),
            "clock.wall: the register serial has type hex; expected u16",
        ),
        (
            "open-access-panel",
            ('read = "identity"', 'read = "serial"'),
            "identity[0].read: the register serial has type hex; expected bit",
        ),
        (
            "open-access-panel",
            ('in_use = "schedules_used"', 'in_use = "uptime"'),
            "schedule.in_use: the register uptime has type u32",
        ),
        (
            "open-access-panel",
            ('read = "commit_status"', 'read = "commit"'),
            "write.commit_status.read: no register is named commit",
        ),
        (
            "domat-fc013",
            ("default = 0\nchoices", "default = 2\nchoices"),
            "options.first_word.default: expected one of [0, 1], got 2",
        ),
        ("domat-fc013", ("day_stride = 12", "day_stride = 11"), "schedule.day_stride: less than the events of a day take"),
        ("domat-fc013", ('"zero", "year"]', '"year"]'), "clock.fields: expected an even number"),
        ("domat-fc013", ('"zero", "year"]', '"year", "year"]'), "clock.fields: more than one year"),
        ("ge-a-series", ("stride = 290", "stride = 289"), "schedule.stride: less than the lists of a schedule take"),
        ("ge-a-series", ("dates_per_calendar = 90", "dates_per_calendar = 90\nfoo = 1"), "schedule.foo: unknown key"),
        ("ge-a-series", ("address = 50036\n", 'address = "50036"\n'), "clock.address: expected a whole number, got '50036'"),
        (
            "ge-a-series",
            ('words = "FF00"', 'words = "FF0"'),
            "vectors[4].expect[0].words: expected words of four hexadecimal digits",
        ),
    ],
)
def test_a_mistake_in_a_whole_model_is_the_only_one(name: str, change: tuple[str, str], mistake: str) -> None:
    mistakes = mistakes_of(shipped(name, change))
    assert len(mistakes) == 1, mistakes
    assert mistakes[0].startswith(mistake), mistakes


@pytest.mark.parametrize(
    "line", ['write_unit = "entry"', "readback = false", "special_days_exclusive = true"], ids=["unit", "readback", "exclusive"]
)
def test_a_model_file_of_an_installation_that_names_a_retired_field_still_loads(line: str) -> None:
    text = shipped("waveshare-relay-8ch", ("[capabilities]\n", f"[capabilities]\n{line}\n"))
    assert parse_model(text).capabilities == parse_model(shipped("waveshare-relay-8ch")).capabilities


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
        ({"first": True}, "options.first: expected the type of its default 16"),
        ({"first": 8}, "options.first: expected one of [0, 16], got 8"),
    ):
        with pytest.raises(ModelError) as caught:
            model.configured(options)
        assert caught.value.mistakes == (mistake,)


def test_a_folder_adds_models_and_may_not_shadow_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "board.toml").write_text(BOARD)
    assert "board" in load_models(tmp_path)
    (tmp_path / "mine.toml").write_text(shipped("domat-fc013"))
    (tmp_path / "broken.toml").write_text("name = 1")
    with pytest.raises(ModelError) as caught:
        load_models(tmp_path)
    assert f"{tmp_path / 'mine.toml'}: name: the model domat-fc013 exists already" in caught.value.mistakes
    assert any(mistake.startswith(f"{tmp_path / 'broken.toml'}: title: ") for mistake in caught.value.mistakes)


def test_a_mistake_in_a_file_is_told_with_its_line_and_what_may_be_meant(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_text(BOARD.replace("max_schedules", "max_schedule"))
    line = 1 + path.read_text().splitlines().index("max_schedule = 0")
    assert f"capabilities.max_schedule: unknown key; did you mean 'max_schedules'? (line {line})" in check_model_file(path)
    path.write_text(PLAIN_DAYS.replace("slot_stride", "slot_strid"))
    assert any("schedule.slot_strid: unknown key; did you mean 'slot_stride'?" in told for told in check_model_file(path))
    path.write_text(BOARD + "[unclosed")
    (told,) = check_model_file(path)
    assert told.startswith("not TOML: ")


def test_a_wrong_vector_is_told(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_text(BOARD)
    assert check_model_file(path) == ()
    path.write_text(BOARD.replace('"FF00"', '"FF01"'))
    assert check_model_file(path) == ("vectors[0] (on): address 17: expected FF01, got FF00",)
    path.write_text(BOARD.replace("address = 17", "address = 18"))
    assert check_model_file(path) == ("vectors[0] (on): address 18: expected FF00, got nothing: the model writes no such word",)
    assert check_model_file(tmp_path / "none.toml") == ("not readable: No such file or directory",)


@pytest.mark.parametrize(
    ("name", "change", "mistake"),
    [
        ("open-access-panel", ("{ slot = 0, link_id", "{ slot = 70000, link_id"), "slot 70000: the model has 0 to 63"),
        ("ge-a-series", ("{ slot = 16, periods", "{ slot = 20, periods"), "slot 20: the model has 1 to 16"),
        ("open-access-panel", ("valid_from = 20759", "valid_from = -5"), "a value is negative or too large for its words"),
        ("ge-a-series", ("[[20812], []]", "[[99999999], []]"), "a value is negative or too large for its words"),
        ("ge-a-series", ("instant = 1793484000", "instant = 99999999999999"), "a value is negative or too large for its words"),
        ("open-access-panel", ("91c615e3-1040", "zzz-1040"), "badly formed hexadecimal UUID string"),
    ],
)
def test_a_vector_that_cannot_be_encoded_is_told(tmp_path: Path, name: str, change: tuple[str, str], mistake: str) -> None:
    path = tmp_path / "model.toml"
    path.write_text(shipped(name, change))
    (told,) = check_model_file(path)
    assert told.startswith("vectors[")
    assert told.endswith(f"): {mistake}")


def test_a_vector_of_nothing_is_a_vector(tmp_path: Path) -> None:
    path = tmp_path / "plain.toml"
    path.write_text(PLAIN_DAYS.replace("slots = [{ slot = 1, periods = [{ days = 1, start = 540, end = 1080 }] }]", "slots = []"))
    assert all("got nothing" in told for told in check_model_file(path))


def test_the_list() -> None:
    rows = {row.name: row for row in model_rows(load_models(None))}
    assert tuple(rows) == SHIPPED
    assert rows["waveshare-relay-8ch"].layout is None
    assert rows["ge-a-series"].schedules == 16
    assert rows["domat-fc013"].options == ("comfort_in_force = 1", "first_word = 0")


TIGHT_DAYS = PLAIN_DAYS.replace("slot_stride = 50", "slot_stride = 42")
"""The next slot begins right behind the last word of the one before."""


@pytest.mark.parametrize("text", [PLAIN_DAYS, PLAIN_RECORDS, TIGHT_DAYS], ids=["days", "records", "tight"])
def test_plain_tables_keep_their_vectors(text: str) -> None:
    assert check_vectors(parse_model(text)) == ()


def _board() -> PanelModel:
    return parse_model(BOARD)


def test_a_model_is_a_value() -> None:
    assert _board() == _board()
