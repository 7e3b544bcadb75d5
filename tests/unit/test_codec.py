from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, cast, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.contract import PanelImage
from gateway.schedules.time_profile import TimeProfile
from gateway.store import codec
from gateway.store.contract import Certain, ObservedPanel, OneOf, StoreDamaged, Unknown
from tests.support.stores import link, observed, profile

FIELDS: dict[str, Any] = {field.name: ... for field in fields(ObservedPanel)}
SIMPLE = settings(max_examples=int(os.environ.get("CODEC_EXAMPLES", "25")), deadline=None)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))  # JSON has no others; times are none of these
st.register_type_strategy(Mapping, lambda kind: st.dictionaries(*map(st.from_type, get_args(kind))))

CASES: list[tuple[codec.Codec[Any], st.SearchStrategy[Any]]] = [
    (codec.TIME_PROFILE, st.from_type(TimeProfile)),
    (codec.PANEL_IMAGE, st.from_type(PanelImage)),
    (codec.OBSERVED_PANEL, st.builds(ObservedPanel, **FIELDS)),
    (codec.ALLOCATION, st.dictionaries(TEXT, st.lists(st.integers()).map(tuple))),
    (codec.PANELS, st.lists(TEXT).map(tuple)),
]


@pytest.mark.parametrize(("form", "values"), CASES, ids=["profile", "image", "panel", "allocation", "panels"])
def test_every_value_comes_back(form: codec.Codec[Any], values: st.SearchStrategy[Any]) -> None:
    @SIMPLE
    @given(values)
    def comes_back(value: Any) -> None:
        assert exactly(form.decode(form.encode(value))) == exactly(value)

    comes_back()


def exactly(value: Any) -> Any:
    """The value with the type of everything in it: 1, 1.0 and True are three things here, a list is no tuple."""
    if is_dataclass(value):
        return type(value), *(exactly(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, Mapping):
        return dict, *((exactly(key), exactly(item)) for key, item in value.items())
    if isinstance(value, (tuple, list)):
        return type(value), *map(exactly, value)
    return type(value), value


def test_defaults_are_left_away() -> None:
    assert codec.OBSERVED_PANEL.encode(ObservedPanel()) == "{}"
    assert codec.OBSERVED_PANEL.decode("{}") == ObservedPanel()


def test_what_an_earlier_gateway_left_away_still_means_what_it_meant() -> None:
    """Another default needs a migration, as another form does."""
    unsaid: dict[str, Any] = dict.fromkeys((field.name for field in fields(ObservedPanel)), None)
    numbers = {"drifts": 0, "resets": 0, "compiled_at": 0.0}
    texts = dict.fromkeys(("compiled_for", "model", "options"), "")
    mappings = {name: dict[str, Any]() for name in ("outcomes", "failures", "capacity", "entries")}
    known = unsaid | numbers | texts | mappings | {"known": Unknown()}
    assert exactly(codec.OBSERVED_PANEL.decode("{}")) == exactly(ObservedPanel(**known))
    assert codec.OBSERVED_PANEL.decode('{"known": {"images": []}}').known == OneOf((), others=False)


def test_the_stored_form_of_a_profile() -> None:
    """Files of earlier versions hold it: a change here needs a migration."""
    assert json.loads(codec.TIME_PROFILE.encode(profile(link(1)))) == {
        "link_id": link(1),
        "name": "Work week",
        "is_all_day": False,
        "date_from": 1_793_602_800,
        "date_to": 1_793_635_200,
        "repeat": {
            "frequency": "month",
            "interval": 2,
            "custom": True,
            "months": [1, 7],
            "nth": {"order": -1, "day_type": "DAY_OFF"},
        },
    }


def test_the_stored_form_of_an_observation() -> None:
    image = {
        "slots": {"0": {"link_ids": [link(4)], "periods": [{"days": 31, "start": 480, "end": 1020}]}},
        "allocation": {link(4): [0]},
        "generations": {link(4): 1},
        "outcomes": {link(4): {"outcome": "exact"}},
    }
    assert json.loads(codec.OBSERVED_PANEL.encode(observed(4, dirty=True)))["known"] == {"images": [image, image]}
    assert json.loads(codec.OBSERVED_PANEL.encode(observed(4))) == {
        "known": {"image": image},
        "outcomes": {link(4): {"outcome": "exact"}},
        "failures": {link(9): 2},
        "capacity": {"max_schedules": 64},
        "reset_count": 3,
        "uptime_s": 100,
        "seen_at": 1.5,
        "drifts": 1,
        "resets": 2,
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"later": 1}', "ObservedPanel.later: Unexpected keyword argument"),
        ('{"known": {"image": {"slots": {"1": {"link_ids": [], "no": 1}}}}}', "image.slots.1.no: Unexpected keyword argument"),
        ('{"known": {"image": {"slots": {"1": {}}}}}', "image.slots.1.link_ids: Field required"),
        ('{"known": {"image": {"slots": {"one": {"link_ids": []}}}}}', "slots.one.[key]: Input should be a valid integer"),
        ('{"known": {"image": {"slots": [[1, {}]]}}}', "image.slots: Input should be an object"),
        ('{"known": {"images": [], "others": 1}}', "ObservedPanel.known."),
        ('{"known": {"image": {}, "images": []}}', "Unexpected keyword argument"),
        ('{"known": null}', "Input should be an object"),
        ('{"drifts": true}', "ObservedPanel.drifts: Input should be a valid integer"),
        ('{"drifts": 1.0}', "ObservedPanel.drifts: Input should be a valid integer"),
        ('{"seen_at": "1"}', "ObservedPanel.seen_at: Input should be a valid number"),
        ('{"known": {"images": {}}}', "ObservedPanel.known."),
        ('{"outcomes": {"x": {"outcome": "splendid"}}}', "ObservedPanel.outcomes.x.outcome: Input should be 'exact'"),
        ('{"outcomes": {"x": {"outcome": ["exact"]}}}', "ObservedPanel.outcomes.x.outcome: Input should be 'exact'"),
        ("[]", "ObservedPanel: Input should be an object"),
        ("{", "ObservedPanel: Invalid JSON"),
        ("", "ObservedPanel: Invalid JSON"),
    ],
)
def test_what_this_program_does_not_write_is_refused(text: str, said: str) -> None:
    with pytest.raises(codec.CodecError, match="ObservedPanel") as caught:
        codec.OBSERVED_PANEL.decode(text)
    assert said in str(caught.value)


def test_a_fact_that_no_gateway_wrote_is_damage_and_says_of_what() -> None:
    form: codec.Codec[tuple[int, ...]] = codec.Codec(tuple[int, ...], "numbers")
    assert codec.read_fact(form, "lobby", "[1,2]") == (1, 2)
    with pytest.raises(StoreDamaged, match="what is kept of lobby is not readable"):
        codec.read_fact(form, "lobby", "[1,")


@pytest.mark.parametrize("value", [ObservedPanel(model="\ud800"), ObservedPanel(capacity={"max_schedules": cast("int", "64")})])
def test_what_has_no_stored_form_is_refused(value: ObservedPanel) -> None:
    with pytest.raises(codec.CodecError, match="ObservedPanel"):
        codec.OBSERVED_PANEL.encode(value)


def test_a_panel_that_is_written_again_and_again_is_stored_as_it_is_each_time() -> None:
    before = PanelImage()
    for number in range(60):  # some megabytes of images: not all of them are kept
        image = PanelImage(generations={link(each): number for each in range(1000)})
        for known in (OneOf((before, image), others=number % 2 == 0), OneOf((image,)), Certain(image), Certain(before)):
            state = ObservedPanel(known=known, drifts=number)
            assert codec.OBSERVED_PANEL.decode(codec.OBSERVED_PANEL.encode(state)) == state
        before = image
